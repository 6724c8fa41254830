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

# The mirror that this machine takes Debian from, if it does.
debian_mirror() {
	local mirror
	# shellcheck disable=SC2016 # apt's own words, not the shell's
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
		grep -v security | head -n 1) || true
	printf '%s' "${mirror:-http://deb.debian.org/debian}"
}

# make_image DIR SUITE PACKAGES [OPTION…]: an image with these packages (a,b,c) and what they need, and no
# more: no recommended ones, no manual pages. It is complete or not there.
make_image() {
	local dir=$1 suite=$2 packages=$3
	shift 3
	[[ ! -d $dir ]] || return 0
	rm -rf "${dir:?}.part"
	mkdir -p "$(dirname "$dir")"
	mmdebstrap --quiet --variant=apt --include="$packages" --keyring="$image_keys" \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		"$@" "$suite" "$dir.part" "$(debian_mirror)" >&2 ||
		die 5 "cannot make an image of Debian $suite" "mmdebstrap says it above"
	mv "$dir.part" "$dir"
}
