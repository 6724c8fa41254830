# shellcheck shell=bash
# The source package: the tree, all crates that it is built of, and debian/. Sourced by scripts/package,
# which sets root, here, stage, target and version.
#
# Two archives of upstream, as format 3.0 (quilt) has them: the tree, and the crates as the component
# `vendor`. Not what Debian's archive takes, where each crate is a package: what anybody can build offline.
# shellcheck disable=SC2154 # Those variables.

# What only other systems use: cargo asks for the crate and never compiles it, and these bring libraries for
# a linker of theirs.
empty_foreign_crates() {
	local crate sum
	for crate in "$1"/{windows,winapi,wasi,wasm,js-sys,web-sys,core-foundation,security-framework,schannel}*; do
		[[ -d $crate ]] || continue
		sum=$(sed -n 's/.*"package":"\([0-9a-f]*\)".*/\1/p' "$crate/.cargo-checksum.json")
		find "$crate" -mindepth 1 -not -name Cargo.toml -delete
		# Features name targets of the manifest: each is an empty file.
		mkdir "$crate/src"
		: >"$crate/src/lib.rs"
		sed -i '/^build = /d; /^\[\[\(bin\|example\|test\|bench\)\]\]/,/^$/d' "$crate/Cargo.toml"
		printf '{"files":{},"package":"%s"}' "$sum" >"$crate/.cargo-checksum.json"
	done
}

# archive DIRECTORY FILE: the same bytes for the same files.
archive() {
	tar --directory "$(dirname "$1")" --sort=name --owner=0 --group=0 --numeric-owner \
		--mtime="@$SOURCE_DATE_EPOCH" --create "$(basename "$1")" | xz -T0 -3 >"$2"
}

# The files of the tree: those of git; without it (an unpacked source package) all but what is built.
files_of_the_tree() {
	if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
		git -C "$root" ls-files --cached --others --exclude-standard
	else
		(cd "$root" && find . -type f -not -path './target/*' -not -path './vendor/*' -not -path './debian/*')
	fi
}

source_package() {
	local tool upstream=${version%-*} tree
	for tool in cargo dpkg-source xz; do
		command -v "$tool" >/dev/null ||
			die 5 "$tool is not here" "" "apt-get install --no-install-recommends dpkg-dev xz-utils cargo"
	done
	tree=$stage/mptcpize-rs-$upstream
	mkdir -p "$tree"
	files_of_the_tree | (cd "$root" && while IFS= read -r file; do
		[[ ! -e $file ]] || printf '%s\0' "$file"
	done | xargs -0 cp --parents --no-dereference --preserve=mode -t "$tree")
	archive "$tree" "$target/mptcpize-rs_$upstream.orig.tar.xz"

	mkdir "$tree/vendor"
	(cd "$tree" && cargo vendor --locked --versioned-dirs vendor >"$stage/config.toml" 2>"$stage/said") || {
		cat "$stage/said" >&2
		die 1 "cargo cannot get the crates" "cargo says it above" "cargo fetch"
	}
	empty_foreign_crates "$tree/vendor"
	mv "$stage/config.toml" "$tree/vendor/config.toml"
	archive "$tree/vendor" "$target/mptcpize-rs_$upstream.orig-vendor.tar.xz"

	cp -r "$here/debian" "$tree/debian"
	# Installed by scripts/install from its own place; debhelper would take a file of this name for a unit's.
	rm "$tree/debian/mptcpized.service" "$tree/debian/mptcpize.toml" "$tree/debian/networkd.conf"
	local template
	for template in changelog control copyright; do
		fill "$version" <"$here/debian/$template" >"$tree/debian/$template"
	done
	sed 's/^$/./; s/^/ /' "$root/LICENSE-MIT" >>"$tree/debian/copyright"
	copyright_of_crates "$tree/vendor" >>"$tree/debian/copyright"
	(cd "$target" && dpkg-source --build "$tree" >"$stage/said" 2>&1) || {
		cat "$stage/said" >&2
		die 1 "dpkg-source cannot make the source package" "dpkg-source says it above"
	}
	printf '%s\n' "$target/mptcpize-rs_$version.dsc"
}

# A paragraph for the crates of each license, as their own manifests name it; the texts lie beside the
# crates.
copyright_of_crates() {
	local crate license
	for crate in "$1"/*/; do
		license=$(sed -n 's/^license = "\(.*\)"/\1/p' "$crate/Cargo.toml" | head -n 1)
		printf '%s\tvendor/%s/*\n' "${license:-see-its-files}" "$(basename "$crate")"
	done | sort | awk -F '\t' '
		$1 != before { if (before != "") finish(); before = $1; files = "" }
		{ files = files "\n " $2 }
		END { finish() }
		function finish() {
			name = tolower(before)
			gsub(/\//, " or ", name)
			gsub(/\(|\)/, "", name)
			printf "\nFiles:%s\nCopyright: the authors named in Cargo.toml of each\nLicense: %s\n", files, name
			printf " Texts: LICENSE* in the folder of each crate, and /usr/share/common-licenses.\n"
		}'
}
