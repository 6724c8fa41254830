# shellcheck shell=bash
# What packages say of themselves, read from the one place that has it: Cargo.toml. Sourced by scripts
# that set `root`, never run.

# shellcheck disable=SC2154 # root is the one of the script that sources this.
# of_workspace KEY: a value of [workspace.package]; of a list the first.
of_workspace() {
	local value
	value=$(sed -n "/^\[workspace.package\]/,/^\[/s/^$1 = \[\{0,1\}\"\([^\"]*\)\".*/\1/p" "$root/Cargo.toml")
	[[ -n $value ]] || die 1 "Cargo.toml has no $1" "[workspace.package] has what packages say of themselves"
	printf '%s' "$value"
}

# When it was last changed, so that the same tree makes the same package; reproducible-builds.org has the
# variable.
source_epoch() {
	printf '%s' "${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}"
}

# fill VERSION <TEMPLATE: with what is between @ and @ in its place.
fill() {
	sed -e "s|@VERSION@|$1|" \
		-e "s|@DATE@|$(LC_ALL=C date -u -R -d "@$(source_epoch)")|" \
		-e "s|@RUST@|$(rust_wanted launcher relay)|g" \
		-e "s|@MAINTAINER@|$(of_workspace authors)|" \
		-e "s|@HOMEPAGE@|$(of_workspace homepage)|" \
		-e "s|@REPOSITORY@|$(of_workspace repository)|"
}
