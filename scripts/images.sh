# shellcheck shell=bash
# Images of Debian for scripts/images, scripts/services and scripts/trixie: made once by mmdebstrap, kept
# under target/, used as the lower half of an overlay and never written to.
# Not here: what is in them, and what boots them (tests/support/systemd.rs). Sourced, never run.

image_keys=/usr/share/keyrings/debian-archive-keyring.gpg

need_mmdebstrap() {
	command -v mmdebstrap >/dev/null ||
		die 5 "mmdebstrap is not here" "" "sudo apt-get install --no-install-recommends mmdebstrap"
	[[ -r $image_keys ]] || die 5 "$image_keys is not here" "" "sudo apt-get install debian-archive-keyring"
}

# make_image DIR SUITE PACKAGES [OPTION…]: an image with these packages (a,b,c) and what they need, and no
# more: no recommended ones, no manual pages. It is complete or not there.
make_image() {
	local dir=$1 suite=$2 packages=$3 mirror
	shift 3
	[[ ! -d $dir ]] || return 0
	rm -rf "${dir:?}.part"
	mkdir -p "$(dirname "$dir")"
	# Without one it is mmdebstrap's own.
	mirror=$(debian_mirror)
	mmdebstrap --quiet --variant=apt --include="$packages" --keyring="$image_keys" \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		"$@" "$suite" "$dir.part" ${mirror:+"$mirror"} >&2 ||
		die 5 "cannot make an image of Debian $suite" "mmdebstrap says it above"
	mv "$dir.part" "$dir"
}
