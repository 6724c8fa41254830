# shellcheck shell=bash
# Installs packages of Debian for a test, and nothing of them starts: not now and not at the next boot.
#
# deb-systemd-helper(1) enables a new unit by systemd.preset(5), and a preset that enables nothing is there as
# long as apt-get runs, in a mount namespace of its own: it goes with the process, however that ends, and
# dpkg's records say that the unit is off, so that an upgrade leaves it off. SYSTEMD_OFFLINE=1 keeps systemctl
# from starting anything, and an invoke-rc.d(8) that does nothing keeps init scripts from it. What is enabled
# all the same, as init scripts are, is seen by the links of before and turned off.
# Not here: what is wanted. Sourced after lib.sh, never run.

# What this host starts at boot: links of units, and of init scripts.
enabled_links() {
	find /etc/systemd/system /etc/systemd/user /etc/rc[S2-5].d -type l \
		\( -path '/etc/systemd/*' -o -name 'S*' \) 2>/dev/null | sort
}

# The packages that are installed, one a line.
installed_now() {
	dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u
}

# ask WHAT: on a terminal it is for a person to say; elsewhere nobody is there.
ask() {
	local answer=""
	[[ -t 0 && -t 2 && -z ${CI:-} ]] || return 0
	read -rp "$1 [Y/n] " answer || return 1
	[[ $answer == @(|y|Y|yes) ]]
}

# ask_to_install PACKAGE…: shows what will be run, and ends the script where a person says no.
ask_to_install() {
	printf 'apt-get install --no-install-recommends %s\n' "$*" >&2
	ask "Install them? None of their services is started or enabled." ||
		die 5 "missing: $*" "they were not to be installed" "$(install_line "$@")"
}

# only_adds PACKAGE…: would apt-get neither replace nor remove a package that is here? As far as its lists tell.
only_adds() {
	local said
	said=$(apt-get -qq --simulate --no-install-recommends install "$@" 2>/dev/null) || return 1
	# "Inst NAME [VERSION THAT IS HERE] (NEW VERSION …"; one that is not here has no brackets there.
	! grep -q -e '^Inst [^ ]* \[' -e '^Remv ' <<<"$said"
}

# install_quietly DIR PACKAGE…: as root, after ask_to_install. In DIR, of ours alone, is what was there before,
# until all is done.
install_quietly() {
	local dir=$1 helper=""
	shift
	mkdir -p "$dir"
	begin_clock "installing packages"
	# apt-get inherits it: whoever comes next sees one that has outlived its script.
	exec {installing}>"$dir/lock"
	flock "$installing"
	settle_install "$dir"
	enabled_links >"$dir/enabled-before"
	# The last one: with it the rest is there too.
	installed_now >"$dir/before.new"
	mv "$dir/before.new" "$dir/before"
	# What is here stays: a test is no reason to take away somebody's mail server for another.
	local apt=(apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 --no-install-recommends --no-remove)
	# A machine that never ran apt-get update knows no packages, and old lists name files long gone.
	"${apt[@]}" --download-only install "$@" >"$dir/log" 2>&1 ||
		{ apt-get -qq update && "${apt[@]}" --download-only install "$@"; } >>"$dir/log" 2>&1 ||
		cannot_install "$dir" "$@"
	# Its file cannot be replaced by dpkg as long as another is mounted there.
	"${apt[@]}" --simulate install "$@" 2>/dev/null | grep '^Inst init-system-helpers ' >/dev/null ||
		helper=/usr/sbin/invoke-rc.d
	mkdir -p /run/systemd/system-preset /run/systemd/user-preset
	SYSTEMD_OFFLINE=1 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
		unshare --mount --propagation private bash -euc "$(declare -f nothing_starts); nothing_starts \"\$@\"" bash \
		"$helper" "${apt[@]}" --no-download install "$@" >>"$dir/log" 2>&1 || cannot_install "$dir" "$@"
	end_clock
	settle_install "$dir"
	end_lock
	printf 'installed; none of their services is enabled or was started. What removes them:\n  %s\n' \
		"apt-get purge $(xargs <"$dir/installed")" >&2
}

# nothing_starts HELPER COMMAND…: in a mount namespace of its own.
nothing_starts() {
	local directory helper=$1
	shift
	for directory in /run/systemd/system-preset /run/systemd/user-preset; do
		mount -t tmpfs -o mode=755 preset "$directory"
		echo "disable *" >"$directory/00-nothing.preset"
	done
	[[ -z $helper || ! -f $helper ]] || mount --bind /bin/true "$helper"
	exec "$@"
}

cannot_install() {
	local dir=$1
	shift
	end_clock
	cat "$dir/log" >&2
	settle_install "$dir"
	end_lock
	die 5 "cannot install $*" "apt-get says it above" "once it reaches Debian: $(install_line "$@")"
}

# The descriptor of the lock, as long as this script installs.
installing=""

end_lock() {
	[[ -n $installing ]] || return 0
	exec {installing}>&-
	installing=""
}

# settle_install DIR: turns off what packages that were not there before have enabled; also after an
# installation that was killed. Nothing where none has begun, or where one goes on that is not this script's.
settle_install() {
	local dir=$1 link lock
	[[ -f $dir/before ]] || return 0
	if [[ -z $installing ]]; then
		exec {lock}>>"$dir/lock"
		if ! flock --nonblock "$lock"; then
			exec {lock}>&-
			return 0
		fi
	fi
	rmdir /run/systemd/{system,user}-preset /run/systemd 2>/dev/null || true
	comm -13 "$dir/before" <(installed_now) >"$dir/installed"
	while IFS= read -r link; do
		is_new "$(readlink -f "$link")" "$dir/installed" || continue
		case $link in
		/etc/rc*) SYSTEMD_OFFLINE=1 update-rc.d "${link##*/S[0-9][0-9]}" disable >/dev/null 2>&1 || rm -f "$link" ;;
		*.wants/*) rm -f "$link" && { rmdir "${link%/*}" 2>/dev/null || true; } ;;
		*) rm -f "$link" ;;
		esac
	done < <(comm -13 "$dir/enabled-before" <(enabled_links))
	rm -f "$dir/before"
	[[ -z ${lock:-} ]] || exec {lock}>&-
}

# end_install DIR: when the script that installs ends, however it does. An apt-get that outlives it holds the lock
# and has more to install: then it is for the next that installs.
end_install() {
	((EUID == 0)) || return 0
	end_lock
	settle_install "$1"
}

# is_new FILE LIST: it is of a package in the list. dpkg names files as packages do, before or after /usr
# was merged.
is_new() {
	local owner
	owner=$(dpkg-query --search "$1" 2>/dev/null || dpkg-query --search "${1#/usr}" 2>/dev/null) || return 1
	owner=${owner%%: *}
	grep -qxF -e "${owner%%:*}" "$2"
}
