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

# arm64_unpack PACKAGE…: into the tools' directory. Of qemu, which emulates forty processors, one.
arm64_unpack() {
	local tools debs file said
	tools=$(arm64_tools)
	debs=$(mktemp -d)
	said=$(cd "$debs" && apt-get download -qq "$@" 2>&1) || {
		rm -rf "$debs"
		die 5 "cannot fetch $*" "$said" "sudo apt-get update"
	}
	for file in "$debs"/*.deb; do
		if [[ $file == */qemu-user* ]]; then
			mkdir -p "$tools/usr/bin"
			dpkg-deb --fsys-tarfile "$file" |
				tar -x -C "$tools" --wildcards './usr/bin/qemu-aarch64' './usr/bin/qemu-aarch64-static' 2>/dev/null || true
		else
			dpkg-deb -x "$file" "$tools"
		fi
	done
	rm -rf "$debs"
}

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
		((${#packages[@]} >= 6)) || die 5 "apt knows no cross compiler for 64-bit ARM" "" "sudo apt-get update"
		arm64_unpack "${packages[@]}" qemu-user-static
		# Debian 13 has it in the package that had the dynamic ones before.
		[[ -f $tools/usr/bin/qemu-aarch64-static ]] || arm64_unpack qemu-user
		[[ -f $tools/usr/bin/qemu-aarch64-static ]] || mv "$tools/usr/bin/qemu-aarch64" "$tools/usr/bin/qemu-aarch64-static"
		# It is told where it lies, for it was made to lie in /.
		mkdir -p "$tools/bin"
		for tool in gcc ar; do
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

# arm64_enter DIRECTORY COMMAND…: runs the command, of this machine, in namespaces of its own, where the
# kernel hands programs for 64-bit ARM to the emulator, also behind chroot(8) to DIRECTORY.
arm64_enter() {
	local directory=$1 qemu
	shift
	qemu=$(arm64_tools)/usr/bin/qemu-aarch64-static
	# shellcheck disable=SC2016 # for the shell inside
	unshare --user --map-root-user --mount --net --propagation private -- bash -euc '
		directory=$1 qemu=$2
		shift 2
		entry="\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
		mask="\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
		# F: the emulator is opened now, for within the directory there is none.
		if ! mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null ||
			! printf "%s" ":arm64:M::$entry:$mask:$qemu:F" >/proc/sys/fs/binfmt_misc/register 2>/dev/null; then
			printf "error: this kernel hands no programs to an emulator within a user namespace\n" >&2
			printf "  why: it has no binfmt_misc, or is older than 6.7: %s\n" "$(uname -r)" >&2
			exit 5
		fi
		for tree in proc sys dev; do
			mount --rbind "/$tree" "$directory/$tree"
		done
		exec "$@"' bash "$directory" "$qemu" "$@"
}
