# shellcheck shell=bash
# A compiler and an emulator for 64-bit ARM that leave nothing on this machine, and a root directory
# in which the kernel starts such programs by itself. Sourced, never run; the caller defines root.

# Where they are unpacked: below the build directory.
arm64_tools() {
	printf '%s/arm64' "${CARGO_TARGET_DIR:-$root/target}"
}

# The cross compiler's packages: those of Debian's gcc-aarch64-linux-gnu that are about the processor, but
# for the libraries of languages and sanitizers that nothing here links with.
arm64_packages() {
	apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
		--no-enhances gcc-aarch64-linux-gnu libc6-dev-arm64-cross 2>/dev/null |
		grep -E '^[a-z]' | grep -E 'aarch64-linux-gnu|arm64-cross' |
		grep -vE '^(gcc-aarch64|cpp-aarch64|lib(asan|atomic|gomp|hwasan|itm|lsan|stdc|tsan|ubsan))|-base$' | sort -u
}

# arm64_unpack [OPTION…] PACKAGE…: into the tools' directory. Of qemu, which emulates forty processors, one.
# A shell of its own, so that what was fetched goes however it ends: the caller says `|| exit`.
arm64_unpack() (
	local tools debs file said
	tools=$(arm64_tools)
	debs=$(mktemp -d)
	trap 'rm -rf "$debs"' EXIT
	# Old lists name files long gone, and only root brings new ones.
	said=$(cd "$debs" && { apt-get download -qq "$@" || { ((EUID == 0)) && apt-get -qq update && apt-get download -qq "$@"; }; } 2>&1) ||
		die 5 "cannot fetch $*" "$said" "sudo apt-get update"
	for file in "$debs"/*.deb; do
		if [[ $file == */qemu-user* ]]; then
			mkdir -p "$tools/usr/bin"
			dpkg-deb --fsys-tarfile "$file" |
				tar -x -C "$tools" --wildcards './usr/bin/qemu-aarch64' './usr/bin/qemu-aarch64-static' 2>/dev/null || true
		else
			dpkg-deb -x "$file" "$tools" || die 5 "cannot unpack ${file##*/} in $tools" "dpkg-deb says why above" \
				"make room there, or CARGO_TARGET_DIR=/var/tmp/mptcpize"
		fi
	done
)

# Unpacks compiler and emulator where they are not yet, and prints the compiler's name.
arm64_compiler() {
	local tools compiler tool packages
	tools=$(arm64_tools)
	compiler=$tools/bin/aarch64-linux-gnu-gcc
	if [[ ! -x $compiler ]]; then
		for tool in apt-get apt-cache dpkg-deb; do
			command -v "$tool" >/dev/null || die 5 "$tool is not here" \
				"the cross compiler comes from Debian's packages" "run it on Debian or Ubuntu"
		done
		mapfile -t packages < <(arm64_packages)
		if ((${#packages[@]} < 6 && EUID == 0)); then
			apt-get -qq update >&2 || true
			mapfile -t packages < <(arm64_packages)
		fi
		((${#packages[@]} >= 6)) || die 5 "apt knows no cross compiler for 64-bit ARM" "" "sudo apt-get update"
		arm64_unpack "${packages[@]}" qemu-user-static || exit
		# Debian 13 has it in the package that had the dynamic ones before.
		[[ -f $tools/usr/bin/qemu-aarch64-static ]] || arm64_unpack qemu-user || exit
		[[ -f $tools/usr/bin/qemu-aarch64-static ]] || mv "$tools/usr/bin/qemu-aarch64" "$tools/usr/bin/qemu-aarch64-static" ||
			die 5 "the package qemu-user has no qemu-aarch64" "mv says it above" "run it on Debian 12 or 13"
		# It is told where it lies, for it was made to lie in /.
		mkdir -p "$tools/bin"
		# gcc last: with it all of this is taken for done.
		for tool in ar gcc; do
			cat >"$tools/bin/.new" <<-'EOT'
				#!/bin/sh
				tools=$(dirname "$(dirname "$(readlink -f "$0")")")
				export LD_LIBRARY_PATH="$tools/usr/lib/$(uname -m)-linux-gnu"
			EOT
			if [[ $tool == gcc ]]; then
				# shellcheck disable=SC2016 # for the script that is written
				printf 'exec "$tools"/usr/bin/aarch64-linux-gnu-gcc-[0-9]* --sysroot="$tools" "$@"\n' >>"$tools/bin/.new"
			else
				# shellcheck disable=SC2016 # for the script that is written
				printf 'exec "$tools/usr/bin/aarch64-linux-gnu-ar" "$@"\n' >>"$tools/bin/.new"
			fi
			chmod 755 "$tools/bin/.new"
			mv "$tools/bin/.new" "$tools/bin/aarch64-linux-gnu-$tool"
		done
	fi
	printf '%s' "$compiler"
}

# The compiler for C that is linked with musl; Rust brings the library itself. Prints its name.
# Debian's musl-dev for the other processor is in lists of packages that this machine's apt does not read.
arm64_musl_compiler() {
	local tools compiler
	tools=$(arm64_tools)
	compiler=$tools/bin/aarch64-linux-musl-gcc
	if [[ ! -x $compiler ]]; then
		(
			lists=$(mktemp -d)
			trap 'rm -rf "$lists"' EXIT
			mkdir "$lists/partial"
			options=(-qq -o "Dir::State::Lists=$lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
				-o "APT::Architectures::=$(dpkg --print-architecture)" -o APT::Architectures::=arm64)
			apt-get "${options[@]}" -o APT::Sandbox::User=root update ||
				die 5 "no lists of packages for 64-bit ARM" \
					"apt-get says why above; Ubuntu has those packages on another mirror, ports.ubuntu.com" \
					"run it on Debian, or in a container of it: podman run -it debian:13"
			arm64_unpack "${options[@]}" musl-dev:arm64
		) || exit
		[[ -d $tools/usr/include/aarch64-linux-musl ]] ||
			die 5 "there is no musl-dev for 64-bit ARM" "Debian's package has no usr/include/aarch64-linux-musl" \
				"run it on Debian 12 or 13"
		cat >"$tools/bin/.new" <<-'EOT'
			#!/bin/sh
			tools=$(dirname "$(dirname "$(readlink -f "$0")")")
			# The kernel's headers lie beside those of the other C library, so these come last.
			exec "$tools/bin/aarch64-linux-gnu-gcc" -nostdinc -isystem "$tools/usr/include/aarch64-linux-musl" \
				-isystem "$(dirname "$("$tools/bin/aarch64-linux-gnu-gcc" -print-libgcc-file-name)")/include" \
				-idirafter "$tools/usr/aarch64-linux-gnu/include" -U_FORTIFY_SOURCE "$@"
		EOT
		chmod 755 "$tools/bin/.new"
		mv "$tools/bin/.new" "$compiler"
	fi
	printf '%s' "$compiler"
}

# arm64_rust TARGET: Rust's standard library for it.
arm64_rust() {
	local libraries
	libraries=$(rustc --print target-libdir --target "$1" 2>/dev/null) || true
	[[ -z $libraries || ! -d $libraries ]] || return 0
	command -v rustup >/dev/null || die 5 "this Rust has no standard library for $1" \
		"it does not come from rustup, which has one" "install Rust from https://rustup.rs, then: rustup target add $1"
	rustup --quiet target add "$1" || die 5 "rustup has no standard library for $1" "it says why above"
}

# arm64_root DIRECTORY: makes it the root of a system that has the C library and nothing else.
arm64_root() {
	mkdir -p "$1"/{bin,cache,dev,etc,lib,proc,sys,tmp}
	cp -a "$(arm64_tools)/usr/aarch64-linux-gnu/lib/." "$1/lib/"
	rm -f "$1"/lib/*.a "$1"/lib/*.o
}

# arm64_namespace USERS [OPTION…] -- COMMAND…: runs the command, of this machine, in a user namespace in which
# the kernel hands programs for 64-bit ARM to the emulator, also behind chroot(8). USERS is `root`, who is
# there alone, or `all` of this machine's, which only root may ask for. The options are unshare's.
arm64_namespace() {
	local users=$1 options=() pipes status=0 child unshared
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	pipes=$(mktemp -d)
	mkfifo "$pipes/unshared" "$pipes/mapped"
	# For reading and writing, lest it wait for a writer that never comes.
	exec {unshared}<>"$pipes/unshared"
	# shellcheck disable=SC2016 # for the shell inside
	unshare --user --keep-caps --mount --propagation private "${options[@]}" -- bash -euc '
		pipes=$1 qemu=$2
		shift 2
		printf "unshared\n" >"$pipes/unshared"
		read -r <"$pipes/mapped"
		entry="\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
		mask="\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
		# F: the emulator is opened now, for behind chroot there is none.
		if ! mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null ||
			! printf "%s" ":qemu-aarch64:M::$entry:$mask:$qemu:F" >/proc/sys/fs/binfmt_misc/register 2>/dev/null; then
			printf "error: this kernel hands no programs to an emulator within a user namespace\n" >&2
			printf "  why: it has no binfmt_misc, or is older than 6.7: %s\n" "$(uname -r)" >&2
			exit 5
		fi
		exec "$@"' bash "$pipes" "$(arm64_tools)/usr/bin/qemu-aarch64-static" "$@" &
	child=$!
	# The maps cannot be written before the namespace is there.
	until read -r -t 1 -u "$unshared"; do
		kill -0 "$child" 2>/dev/null ||
			die 5 "no user namespace can be made here" "unshare(1) says why above" "sudo sysctl -w user.max_user_namespaces=1024"
	done
	exec {unshared}>&-
	if [[ $users == all ]]; then
		printf '0 0 4294967295\n' >"/proc/$child/uid_map"
		printf '0 0 4294967295\n' >"/proc/$child/gid_map"
	else
		printf 'deny\n' >"/proc/$child/setgroups"
		printf '0 %d 1\n' "$(id -u)" >"/proc/$child/uid_map"
		printf '0 %d 1\n' "$(id -g)" >"/proc/$child/gid_map"
	fi
	printf 'mapped\n' >"$pipes/mapped"
	wait "$child" || status=$?
	rm -r "$pipes"
	return "$status"
}

# arm64_enter DIRECTORY COMMAND…: runs the command so, without a network, and with this machine's /proc,
# /sys and /dev in the directory.
arm64_enter() {
	# shellcheck disable=SC2016 # for the shell inside
	arm64_namespace root --net -- bash -euc '
		for tree in proc sys dev; do
			mount --rbind "/$tree" "$1/$tree"
		done
		shift
		exec "$@"' bash "$@"
}

# library_in LIST: where build.rs worked, by cargo's messages.
library_in() {
	sed -n 's/.*"reason":"build-script-executed".*#mptcpize@.*"out_dir":"\([^"]*\)".*/\1/p' "$1"
}
