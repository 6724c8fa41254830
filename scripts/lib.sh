# shellcheck shell=bash
# What the scripts share: how they speak, which Rust they want, what a list of links may look like, where
# Debian comes from.
# Not here: anything that touches the machine. Sourced, never run.

# An ordinary user's PATH on Debian leaves out where ip, tc and nginx live.
PATH=$PATH:/usr/sbin:/sbin
# The tree that they are of.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# die CODE WHAT [WHY] [FIX]: the same three lines as mptcpize's own errors.
die() {
	local code=$1
	printf 'error: %s\n' "$2" >&2
	[[ -z ${3:-} ]] || printf '  why: %s\n' "$3" >&2
	[[ -z ${4:-} ]] || printf '  fix: %s\n' "$4" >&2
	exit "$code"
}

# join_lines LINE…: a line each, as die() wants a reason of several.
join_lines() {
	local text
	printf -v text '%s\n       ' "$@"
	printf '%s' "${text%$'\n       '}"
}

# wrong_usage WHAT: the caller defines usage().
wrong_usage() {
	printf 'error: %s\n\n' "$1" >&2
	usage >&2
	exit 2
}

# no_arguments ARGUMENT…: for a script that takes none but -h; the caller defines usage().
no_arguments() {
	case ${1:-} in
	"") ;;
	-h | --help) usage && exit 0 ;;
	*) wrong_usage "unknown argument $1" ;;
	esac
}

# value_of OPTION REMAINING…: complain when an option that wants a value stands last.
value_of() {
	(($# >= 2)) || wrong_usage "$1 wants a value"
	printf '%s' "$2"
}

# rust_wanted CRATE…: the oldest Rust that builds the crates in these directories of the tree, as their
# Cargo.toml say.
rust_wanted() {
	local crate version all=
	for crate in "$@"; do
		version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/$crate/Cargo.toml")
		[[ -n $version ]] || version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
		all+=$version$'\n'
	done
	printf '%s' "$all" | sort -V | tail -n 1
}

# missing_rust CRATE…: one line, what of Rust is missing to build the crates in these directories and
# what to do about it. Nothing where nothing is missing.
missing_rust() {
	local wanted found
	wanted=$(rust_wanted "$@")
	if ! command -v cargo >/dev/null || ! found=$(cd "$root" && rustc --version 2>/dev/null); then
		printf 'Rust %s or newer, there is none: install it from https://rustup.rs\n' "$wanted"
		return
	fi
	# "rustc 1.95.0 (59807616e 2026-04-14)"
	read -r _ found _ <<<"$found"
	[[ $(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1) != "$wanted" ]] || return 0
	if command -v rustup >/dev/null; then
		printf 'Rust %s or newer, here is %s: rustup update stable && rustup default stable\n' "$wanted" "$found"
	else
		printf 'Rust %s or newer, here is %s: install it from https://rustup.rs\n' "$wanted" "$found"
	fi
}

# parse_links TEXT LEAST: sets the array `links`, in Mbit/s.
# 8 is what one client can use: the kernel takes no more MPTCP endpoints than that.
parse_links() {
	local rate
	read -ra links <<<"$1"
	((${#links[@]} >= $2 && ${#links[@]} <= 8)) ||
		wrong_usage "--links wants $2 to 8 rates in Mbit/s, such as \"50 50\", not \"$1\""
	for rate in "${links[@]}"; do
		[[ $rate =~ ^[1-9][0-9]{0,4}$ ]] || wrong_usage "\"$rate\" is no rate in whole Mbit/s"
	done
}

# install_line PACKAGE…: the line that installs these packages of Debian, or what this system has for
# them; other systems call some of them otherwise.
install_line() {
	local manager="" name package names=""
	for name in apt-get dnf pacman zypper apk; do
		! command -v "$name" >/dev/null || { manager=$name && break; }
	done
	for package in "$@"; do
		case $manager:$package in
		apt-get:*) ;;
		*:nginx-light) package=nginx ;;
		dnf:iproute2) package="iproute iproute-tc" ;;
		dnf:libc6-dev | zypper:libc6-dev) package=glibc-devel ;;
		pacman:libc6-dev) package=glibc ;;
		apk:libc6-dev) package=musl-dev ;;
		esac
		names+=" $package"
	done
	((EUID == 0)) || printf 'sudo '
	case $manager in
	apt-get) printf 'apt-get install --no-install-recommends%s' "$names" ;;
	dnf | zypper) printf '%s install%s' "$manager" "$names" ;;
	pacman) printf 'pacman -S%s' "$names" ;;
	apk) printf 'apk add%s' "$names" ;;
	*) printf 'PACKAGE-MANAGER install%s    # this system has none that is known here' "$names" ;;
	esac
}

# begin_clock NAME: says from now on how long NAME takes already: on a terminal in a line that overwrites
# itself, else in a line every ten seconds. Until end_clock.
begin_clock() {
	clock_of "$1" $$ $SECONDS &
	clock=$!
}

# With a descriptor of its own that is never written to, because a sleep(1) would outlive it.
clock_of() {
	local every=10 never
	[[ ! -t 2 ]] || every=1
	exec {never}<> <(:)
	while ! read -rt "$every" -u "$never" && kill -0 "$2" 2>/dev/null; do
		if [[ -t 2 ]]; then
			printf '\r%-58s%d s' "$1" $((SECONDS - $3)) >&2
		else
			printf '  %s: %d s so far\n' "$1" $((SECONDS - $3)) >&2
		fi
	done
}

end_clock() {
	[[ -n ${clock:-} ]] || return 0
	kill "$clock" 2>/dev/null || true
	wait "$clock" 2>/dev/null || true
	clock=""
	[[ ! -t 2 ]] || printf '\r\e[K' >&2
}

# The mirror that this machine takes Debian from; nothing where apt does not know yet.
debian_mirror() {
	# shellcheck disable=SC2016 # apt's own words, not the shell's
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
		grep -v security | head -n 1 || true
}
