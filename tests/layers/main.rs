//! Who may import whom in launcher/src, and that every file says what it is.
//!
//! Decisions stay apart from the machine they are about only as long as nothing reaches across;
//! this looks at the `crate::` paths of each file. The pages of the tree are held together too: their
//! links and the length of the first one.

mod arrows;
mod package;
mod packaging;
mod ports;
mod scripts;
mod workflows;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer with those that it may use besides itself. A layer is a file or a directory of
/// launcher/src. The order of the picture in lib.rs. The pure core, mptcpize-model, and mptcp-netlink are
/// crates of their own, and their Cargo.toml say what they may use.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("main", &["cli", "commands", "error", "output"]),
    ("cli", &["error"]),
    (
        "commands",
        &[
            "cli",
            "config_file",
            "daemon",
            "host",
            "inject",
            "output",
            "locations",
            "root",
            "syscall",
            "error",
        ],
    ),
    ("daemon", &["host", "syscall", "error"]),
    ("inject", &["error", "locations", "root", "syscall"]),
    ("host", &["error", "locations", "root", "syscall"]),
    ("output", &["error"]),
    ("config_file", &[]),
    ("locations", &[]),
    ("root", &["error"]),
    ("error", &[]),
    ("syscall", &[]),
];

/// Longer files hold two ideas.
const MOST_LINES: usize = 450;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the sources are there") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The layer that a file belongs to: `inject/elf.rs` and `inject/mod.rs` to `inject`.
fn layer(file: &Path) -> String {
    let inside = file.strip_prefix(source()).expect("it lies below the sources");
    let first = inside.iter().next().expect("it has a name");
    Path::new(first).with_extension("").display().to_string()
}

/// The layers that a text names after `crate::` (in main.rs: after the crate's own name), also
/// those of a list in braces.
fn named(text: &str, prefix: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut layers = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let list = match rest.strip_prefix('{') {
            Some(inside) => inside.split('}').next().unwrap_or_default(),
            None => rest,
        };
        let items = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
        for item in items {
            let item = item.trim();
            let end = item.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let name = &item[..end.unwrap_or(item.len())];
            if !name.is_empty() {
                layers.insert(name.to_owned());
            }
        }
    }
    layers
}

#[test]
fn each_layer_uses_only_those_below_it() {
    let mut wrong = Vec::new();
    for file in files(&source()) {
        let layer = layer(&file);
        // lib.rs lists the modules; that is its job.
        if layer == "lib" {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == layer) else {
            wrong.push(format!("{}: no rule for the layer {layer}", file.display()));
            continue;
        };
        let prefix = if layer == "main" { "mptcpize::" } else { "crate::" };
        for used in named(&read(&file), prefix) {
            if used != layer && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {layer} may not use {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_host_speaks_netlink() {
    for file in files(&source()).iter().filter(|file| layer(file) != "host") {
        let code = read(file);
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        assert!(!code.clone().any(|line| line.contains("mptcp_netlink")), "{}", file.display());
    }
    let manifest = read(&source().join("../netlink/Cargo.toml"));
    assert!(!manifest.contains("path ="), "netlink uses a crate of ours");
}

/// The crates of the tree, by their sources.
const CRATES: [&str; 5] =
    ["launcher/src", "launcher/model/src", "launcher/netlink/src", "relay/src", "shim/src"];

/// `cargo test --test layers circle -- --nocapture` prints how many files and arrows each crate has.
#[test]
fn the_files_of_a_crate_use_each_other_without_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut wrong = Vec::new();
    for source in CRATES {
        let arrows = arrows::of(&root.join(source));
        let count: usize = arrows.values().map(BTreeSet::len).sum();
        let circles = arrows::circles(&arrows);
        println!("{source}: {} files, {count} arrows, {} circles", arrows.len(), circles.len());
        assert!(count > arrows.len(), "{source}: the arrows are not seen");
        wrong.extend(circles.iter().map(|circle| format!("{source}: {}", circle.join(" ↔ "))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn circles_are_found_however_an_import_is_written() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for (file, text) in [
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a/mod.rs", "pub mod inner;\nuse crate::{c, b::{self, B}};\n"),
        ("a/inner.rs", "use super::Word;\nfn f() { crate::c::g() }\n"),
        ("b.rs", "// crate::a\npub(in crate::a) fn f() {}\nuse super::c::C;\n"),
        ("c.rs", "fn g() { super::a::inner::f() }\n#[cfg(test)]\nmod tests { use crate::b; }\n"),
    ] {
        let file = scratch.path().join(file);
        fs::create_dir_all(file.parent().expect("it has one")).expect("a directory");
        fs::write(file, text).expect("a scratch file");
    }
    let arrows = arrows::of(scratch.path());
    let of = |module: &str| arrows[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!((of("a"), of("a::inner"), of("b")), (vec!["b", "c"], vec!["c"], vec!["c"]));
    assert_eq!(arrows::circles(&arrows), [["a::inner", "c"]]);
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "//! crate::doc\nuse crate::error::{Error, Exit};\n\
                use crate::{host, locations::Locations,\n    model};\nfn f() { crate::cli::parse() }\n";
    let found: Vec<String> = named(text, "crate::").into_iter().collect();
    assert_eq!(found, ["cli", "error", "host", "locations", "model"]);
}

#[test]
fn every_file_has_a_header_and_one_idea() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for directory in
        ["launcher/src", "launcher/model/src", "launcher/netlink", "relay/src", "shim/src", "tests"]
    {
        for file in files(&root.join(directory)) {
            let text = read(&file);
            let name = file.display();
            assert!(text.starts_with("//! "), "{name} does not begin with a `//!` header");
            let lines = text.lines().count();
            assert!(lines <= MOST_LINES, "{name} has {lines} lines, more than {MOST_LINES}");
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} files were seen");
}

/// The targets of a page's links to other pages of the tree and to its own headings.
fn links(text: &str) -> Vec<&str> {
    let ends = text.match_indices("](").map(|(at, mark)| &text[at + mark.len()..]);
    let targets = ends.filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.contains(char::is_whitespace))
        .collect()
}

/// The anchors of a page's headings, as the usual renderers of Markdown make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let letters = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|one| one.is_alphanumeric() || "-_".contains(*one)).collect()
    };
    headings.map(letters).collect()
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = [
        "README.md",
        "shim/README.md",
        "launcher/README.md",
        "launcher/services.md",
        "launcher/model/README.md",
        "launcher/netlink/README.md",
        "relay/README.md",
        "tests/README.md",
        "scripts/packaging/README.md",
    ];
    let mut seen = 0;
    for page in pages.map(|page| root.join(page)) {
        let text = read(&page);
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.with_file_name("").join(file),
            };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            let known = anchor.is_empty() || anchors(&read(&target)).contains(anchor);
            assert!(known, "{}: {link}: no such heading", page.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} links were seen");
}

#[test]
fn the_first_page_is_short_enough_to_be_read() {
    let lines = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).lines().count();
    assert!(lines <= 250, "README.md has {lines} lines: what is of one crate stands in its own");
}
