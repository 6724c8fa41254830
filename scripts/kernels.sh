# shellcheck shell=bash
# Other kernels for scripts/kernels: found in Debian's archive, unpacked, booted in qemu.
#
# The guest sees this machine's root read-only (9p) under file systems of its own for what changes,
# so that it has the same programs, the same build and nothing that it could break. It has no network
# but the namespaces that the tests make. By software emulation: /dev/kvm, where there is one, may be
# that of a machine which does not nest.
# Not here: which tests run and what their results mean. Sourced, never run; the caller has `work`, a
# directory, and `root`, the tree.
# shellcheck disable=SC2154

# The suites that have kernels, oldest first. Debian keeps 5.10 in bullseye, 6.1 in bookworm, 6.12 in
# trixie and bookworm's security archive, and what is newer in trixie-backports.
suites="debian:bullseye debian-security:bullseye-security debian:bookworm debian-security:bookworm-security
	debian:trixie debian:trixie-backports"
# One: two emulated ones take a third more time for the same work, on a machine of two.
processors=1
# Of another processor, in Debian's word, and the kernel's flavour: what the caller says.
architecture=amd64
flavour=amd64
keys=/usr/share/keyrings/debian-archive-keyring.gpg

need_tools() {
	local pair
	for pair in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio depmod:kmod strip:binutils \
		dpkg-deb:dpkg apt-get:apt; do
		command -v "${pair%%:*}" >/dev/null ||
			die 5 "${pair%%:*} is not here" "" \
				"sudo apt-get install --no-install-recommends ${pair#*:}"
	done
	# The guest starts with it alone: there is no C library yet.
	! ldd "$(command -v busybox)" >/dev/null 2>&1 ||
		die 5 "busybox is linked dynamically" "" "sudo apt-get install busybox-static"
}

# own_apt COMMAND…: apt with lists and a cache of the script's own; neither the sources nor the packages
# of this machine change.
own_apt() {
	local command=$1
	shift
	"$command" -o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=- \
		-o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache" \
		-o APT::Sandbox::User=root -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" "$@"
}

# Reads Debian's lists, once for a run of the script.
lists_read=""
read_lists() {
	local suite mirror
	[[ -z $lists_read ]] || return 0
	[[ -r $keys ]] || die 5 "$keys is not here" "" "sudo apt-get install debian-archive-keyring"
	mkdir -p "$work"/apt/{lists/partial,cache/archives/partial}
	mirror=$(debian_mirror)
	[[ -n $mirror ]] || die 5 "apt knows no mirror of Debian" "" "sudo apt-get update"
	# debian-security lies beside debian.
	for suite in $suites; do
		printf 'deb [signed-by=%s] %s/%s %s main\n' "$keys" "${mirror%/*}" "${suite%:*}" "${suite#*:}"
	done >"$work/apt/sources.list"
	own_apt apt-get -qq update >&2 || die 5 "cannot read Debian's lists" "apt-get says it above"
	lists_read=yes
}

# fetch VERSION: Debian's newest kernel of that version (6.1, or 7 for the newest 7.x) in target/kernels/VERSION,
# its release in `release` there. One that is there already stays: --fetch looks for a newer one.
fetch() {
	local version=$1 dir=$work/$1 name release package packages=()
	if [[ -z $newer && -r $dir/release ]]; then
		return 0
	fi
	read_lists
	name=$(own_apt apt-cache search --names-only "^linux-image-${version//./\\.}[.][0-9][^-]*(-[0-9][^-]*)?-$flavour$" |
		sed -n 's/^\(linux-image-[^ ]*\) .*/\1/p' | sort -V | tail -n 1)
	[[ -n $name ]] || die 5 "Debian has no Linux $version" "looked in $(echo "$suites" | tr -s '\n\t' ' ')"
	release=${name#linux-image-}
	if [[ -r $dir/release && $(<"$dir/release") == "$release" ]]; then
		return 0
	fi
	# Newer ones come in parts, and the image leads to them.
	for package in image binary modules base; do
		package=linux-$package-$release
		[[ -z $(own_apt apt-cache show "$package" 2>/dev/null) ]] || packages+=("$package")
	done
	rm -rf "${dir:?}" && mkdir -p "$dir/debs"
	(cd "$dir/debs" && own_apt apt-get -qq download "${packages[@]}" >&2) ||
		die 5 "cannot fetch Linux $release" "apt-get says it above"
	unpack "$dir" "$dir"/debs/*.deb
	rm -r "$dir/debs"
}

# unpack DIR DEB…: the kernel of these packages in DIR/files, its modules where modprobe -d finds them.
unpack() {
	local dir=$1 deb release
	shift
	rm -rf "${dir:?}/part" "${dir:?}/files"
	for deb in "$@"; do
		dpkg-deb --extract "$deb" "$dir/part" || die 5 "$deb is no Debian package"
	done
	[[ -e $dir/part/lib ]] || ln -s usr/lib "$dir/part/lib"
	release=$(ls "$dir/part/lib/modules") || die 5 "no modules in $*" "newer kernels are in more than one package"
	[[ -f $dir/part/lib/modules/$release/modules.dep ]] || depmod -b "$dir/part" "$release"
	mv "$dir/part" "$dir/files"
	printf '%s\n' "$release" >"$dir/release"
}

# kernel_of DIR: its bootable file.
kernel_of() {
	local release file
	release=$(<"$1/release")
	for file in "$1/files/boot/vmlinuz-$release" "$1/files/lib/modules/$release/vmlinuz"; do
		[[ ! -f $file ]] || { printf '%s' "$file" && return; }
	done
	die 5 "Linux $release has no vmlinuz" "newer kernels are in more than one package"
}

# What runs first in the guest: this machine's root, what lies over it, then the guest's script. What is
# written ends with the guest, apart from what the script prints.
guest_init() {
	cat <<-EOT
		#!/bin/busybox sh
		b=/bin/busybox tree=$root
	EOT
	cat <<-'EOT'
		$b mount -t proc p /proc; $b mount -t sysfs s /sys; $b mount -t devtmpfs d /dev
		while read -r module; do $b insmod "/modules/$module" 2>/dev/null; done </order
		share="trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose"
		$b mkdir -p /host /kernel /over /root
		$b mount -t 9p -o $share host /host || { echo "==== no root"; $b poweroff -f; }
		$b mount -t 9p -o $share kernel /kernel
		$b mount -t tmpfs -o size=90% t /over
		$b mkdir -p /over/upper /over/work
		(cd /over/upper && $b cpio -idmu </kernel/often 2>/dev/null)
		$b mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work o /root
		for d in tmp run root var/tmp var/log var/cache mnt; do $b mount -t tmpfs t /root/$d; done
		# A share of its own: the tree may lie in /root or /tmp.
		$b mkdir -p "/root$tree" /over/tree/upper /over/tree/work /tree /root/kernel /root/run/netns
		$b mount -t 9p -o $share tree /tree
		$b mount -t overlay -o lowerdir=/tree,upperdir=/over/tree/upper,workdir=/over/tree/work o "/root$tree"
		$b mount -o move /kernel /root/kernel
		$b mount -t proc p /root/proc; $b mount -t sysfs s /root/sys
		$b mount -t devtmpfs d /root/dev; $b mkdir -p /root/dev/pts /root/dev/shm
		# As udev makes it: bash's <(…) is there.
		$b ln -s /proc/self/fd /root/dev/fd
		$b mount -t devpts p /root/dev/pts; $b mount -t tmpfs t /root/dev/shm
		$b mount -t cgroup2 c /root/sys/fs/cgroup; $b mount -t bpf b /root/sys/fs/bpf
		printf '#!/bin/sh\nexec /sbin/modprobe -d /kernel/files "$@"\n' >/root/tmp/modprobe
		$b chmod +x /root/tmp/modprobe
		$b cat >/root/tmp/first <<-'END'
			echo /tmp/modprobe >/proc/sys/kernel/modprobe
			# /dev/net/tun appears with its module.
			/tmp/modprobe tun
			echo 0 >/proc/sys/kernel/printk
			export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
			export NO_COLOR=1
			echo "==== begin"
			bash /kernel/script
			echo "==== end $?"
			busybox poweroff -f
		END
		# Not chroot: who joins a mount namespace is at its root, and the tests do.
		exec $b switch_root /root /bin/bash /tmp/first
	EOT
}

# The files that tests start over and over. Each look at a file through 9p takes an emulated processor
# milliseconds, and a program opens some ten libraries.
often="bash sh ip tc ss nft sysctl python3 nc cat ls id env true uname getent kmod busybox unshare nsenter mount
	umount setpriv prlimit strace curl cc as ld sleep"

# Prints a file and all that its name leads through, without the first slash.
with_links() {
	local name=$1 directory
	while directory=$(realpath -e "$(dirname "$name")" 2>/dev/null); do
		name=${directory%/}/$(basename "$name")
		[[ -e $name ]] || return 0
		printf '%s\n' "${name#/}"
		[[ -L $name ]] || return 0
		name=$(readlink "$name")
		[[ $name == /* ]] || name=$directory/$name
	done
}

# pack_often FILE: those files, with libraries and Python's modules, as one archive.
pack_often() {
	local name file PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	{
		for name in /bin /sbin /lib /lib32 /lib64 /etc/ld.so.cache /etc/passwd /etc/group /etc/nsswitch.conf; do
			[[ ! -e $name ]] || with_links "$name"
		done
		for name in $often; do
			file=$(command -v "$name") || continue
			with_links "$file"
			ldd "$(realpath "$file")" 2>/dev/null | grep -o '/[^ ]*' || true
		done | while read -r file; do with_links "/${file#/}"; done
		file=$(cc -print-prog-name=cc1)
		if [[ $file == /* ]]; then with_links "$file"; fi
		find "$(python3 -c 'import os; print(os.path.dirname(os.__file__))')" \
			\( -name test -o -name '*-packages' \) -prune -o -name '*.py*' -type f -size -200k -print | sed 's|^/||'
	} | sort -u | (cd / && cpio -o -H newc --quiet) >"$1"
}

# prepare DIR: makes the initramfs with the modules that find the root.
prepare() {
	local dir=$1 release file name module
	release=$(<"$dir/release")
	rm -rf "${dir:?}/first"
	mkdir -p "$dir"/first/{bin,proc,sys,dev,root,modules}
	cp "$(command -v busybox)" "$dir/first/bin/busybox"
	for module in virtio_pci 9pnet_virtio 9p overlay; do
		modprobe -d "$dir/files" -S "$release" --show-depends "$module" |
			sed -n 's/^insmod \([^ ]*\).*/\1/p' || true
	done 2>/dev/null | awk '!seen[$0]++' >"$dir/modules"
	while read -r file; do
		name=$(basename "$file" .xz)
		case $file in
		*.xz) xz -dc "$file" >"$dir/first/modules/$name" ;;
		*) cp "$file" "$dir/first/modules/$name" ;;
		esac
		printf '%s\n' "$name"
	done <"$dir/modules" >"$dir/first/order"
	cp "$work/often" "$dir/often"
	guest_init >"$dir/first/init"
	chmod +x "$dir/first/init"
	(cd "$dir/first" && find . | cpio -o -H newc --quiet | gzip -1) >"$dir/initrd"
}

# The processor is one that emulates cheaply: half the time of "max". Programs are not mapped at random
# places, so that what was translated of them is found again: a quarter of the time at each exec.
# boot DIR MINUTES: prints what DIR/script prints in there; the status is the script's, 99 without an end.
# `kernel_arguments` in the environment are further ones for the kernel.
boot() {
	local dir=$1 minutes=$2 share="security_model=none,readonly=on,multidevs=remap" status kernel
	kernel=$(kernel_of "$dir") || exit
	timeout "${minutes}m" qemu-system-x86_64 -machine q35,accel=tcg -cpu Nehalem -smp "$processors" -m 3000 \
		-nographic -no-reboot -nic none -kernel "$kernel" \
		-initrd "$dir/initrd" -append "console=ttyS0 quiet panic=-1 loglevel=0 mitigations=off norandmaps ${kernel_arguments:-}" \
		-virtfs "local,path=/,mount_tag=host,$share" \
		-virtfs "local,path=$root,mount_tag=tree,$share" \
		-virtfs "local,path=$dir,mount_tag=kernel,$share" </dev/null 2>&1 |
		stdbuf -oL tr -d '\r' | sed -u '1,/==== begin$/d' | tee "$dir/log" |
		sed -u '/^==== /d' || true
	status=$(sed -n 's/^==== end //p' "$dir/log")
	return "${status:-99}"
}
