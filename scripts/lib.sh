# shellcheck shell=bash
# What the scripts share: how they speak, which Rust they want, what a list of links may look like, where
# Debian comes from.
# Not here: anything that touches the machine. Sourced, never run.

# An ordinary user's PATH on Debian leaves out where ip, tc and nginx live.
PATH=$PATH:/usr/sbin:/sbin

# die CODE WHAT [WHY] [FIX]: the same three lines as mptcpize's own errors.
die() {
	local code=$1
	printf 'error: %s\n' "$2" >&2
	[[ -z ${3:-} ]] || printf '  why: %s\n' "$3" >&2
	[[ -z ${4:-} ]] || printf '  fix: %s\n' "$4" >&2
	exit "$code"
}

# wrong_usage WHAT: the caller defines usage().
wrong_usage() {
	printf 'error: %s\n\n' "$1" >&2
	usage >&2
	exit 2
}

# value_of OPTION REMAINING…: complain when an option that wants a value stands last.
value_of() {
	(($# >= 2)) || wrong_usage "$1 wants a value"
	printf '%s' "$2"
}

# rust_wanted CRATE…: the oldest Rust that builds the crates in these directories of the tree, as their
# Cargo.toml say. The caller defines root.
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
# what to do about it. Nothing where nothing is missing. The caller defines root.
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

# The mirror that this machine takes Debian from; nothing where apt does not know yet.
debian_mirror() {
	# shellcheck disable=SC2016 # apt's own words, not the shell's
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
		grep -v security | head -n 1 || true
}
