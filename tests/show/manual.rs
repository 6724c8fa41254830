//! Manual pages as man(1) really shows them: their sections, their width, what they name.
//!
//! Not here: the commands of the tutorial, which are typed in networks (the room gateway), and the settings
//! that mptcpize.toml(5) describes (the room pure).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::{Cmd, scratch, tool};

/// A page that the tool writes.
struct Page {
    file: PathBuf,
    /// `mptcpize-setup.8`.
    name: String,
    /// As a person sees it on a terminal of 80 columns.
    shown: String,
}

/// Every one of them; shown once for all tests, for man(1) takes its time.
fn pages() -> &'static [Page] {
    static PAGES: OnceLock<Vec<Page>> = OnceLock::new();
    PAGES.get_or_init(|| {
        let directory = scratch("man");
        tool(&["man"]).arg(&directory).run().silent();
        let entries = fs::read_dir(&directory).expect("it is ours");
        let mut pages: Vec<Page> = entries
            .map(|entry| {
                let file = entry.expect("it is readable").path();
                let name = file.file_name().expect("it has one").display().to_string();
                let man = Cmd::new("man").args(["-l", "-E", "UTF-8"]).arg(&file);
                let man = man.env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
                Page { name, shown: man.run().ok().stdout, file }
            })
            .collect();
        pages.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(pages.len() > 40, "there are only {}", pages.len());
        pages
    })
}

/// The pages of verbs.
fn verbs() -> impl Iterator<Item = &'static Page> {
    pages().iter().filter(|page| page.name.ends_with(".8"))
}

/// The headings of a page as it is shown.
fn headings(shown: &str) -> Vec<&str> {
    // The first line and the last are the page's title.
    let inner = shown.lines().filter(|line| !line.contains('('));
    inner.filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase())).collect()
}

/// The lines of one section.
fn section<'a>(shown: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = shown.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| line.is_empty() || line.starts_with(' ')).collect()
}

#[test]
fn every_page_is_taken_by_man_and_by_mandoc_without_a_warning() {
    for Page { file, name, .. } in pages() {
        let man = Cmd::new("man").args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]);
        let done = man.arg(file).env("LC_ALL", "C.UTF-8").run().ok();
        assert_eq!(done.stderr, "", "{name}");
        Cmd::new("groff").args(["-ww", "-man", "-Tutf8", "-z"]).arg(file).run().silent();
    }
    let files = pages().iter().map(|page| &page.file);
    let lint = Cmd::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(files).run();
    assert_eq!((lint.code(), lint.stdout.as_str()), (0, ""), "{lint}");
}

#[test]
fn there_is_a_page_for_each_verb_for_the_settings_and_a_tutorial() {
    let names: BTreeSet<&str> = pages().iter().map(|page| page.name.as_str()).collect();
    for wanted in [
        "mptcpize.8",
        "mptcpize-run.8",
        "mptcpize-setup-undo.8",
        "mptcpize-relay-user-add.8",
        "mptcpize.toml.5",
        "mptcpize-tutorial.7",
    ] {
        assert!(names.contains(wanted), "no {wanted} in {names:?}");
    }
    for hidden in ["mptcpize-complete.8", "mptcpize-setup-guard.8", "mptcpize-help.8"] {
        assert!(!names.contains(hidden), "{hidden} is nobody's business");
    }
}

#[test]
fn every_page_has_its_sections_in_the_order_of_man_pages_7() {
    const FIRST: [&str; 3] = ["NAME", "SYNOPSIS", "DESCRIPTION"];
    const LAST: [&str; 6] =
        ["EXIT STATUS", "ENVIRONMENT", "FILES", "NOTES", "EXAMPLES", "SEE ALSO"];
    for Page { name, shown, .. } in pages() {
        let all = headings(shown);
        // A page's own sections stand between.
        let place = |heading: &&str| {
            let last = || LAST.iter().position(|last| last == heading).map_or(3, |at| at + 4);
            FIRST.iter().position(|first| first == heading).unwrap_or_else(last)
        };
        let mut sorted = all.clone();
        sorted.sort_by_key(place);
        assert_eq!(all, sorted, "{name}");
        let each: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(each.len(), all.len(), "{name} has a section twice: {all:?}");
        for wanted in ["NAME", "DESCRIPTION"].iter().chain(LAST.iter().filter(|it| **it != "NOTES"))
        {
            assert!(each.contains(wanted), "{name} has no {wanted}: {all:?}");
        }
        assert!(each.contains("SYNOPSIS") || name.ends_with(".7"), "{name} has no SYNOPSIS");
        let empty = all.iter().find(|heading| section(shown, heading).concat().is_empty());
        assert_eq!(empty, None, "{name}: nothing stands below it");
    }
}

#[test]
fn what_keeps_programs_on_tcp_stands_first_in_every_environment() {
    for Page { name, shown, .. } in pages() {
        let rows = section(shown, "ENVIRONMENT");
        let first = rows.first().map_or("", |line| line.trim());
        assert!(first.starts_with("MPTCPIZE=off"), "{name}: {first:?}");
        let count = rows.iter().filter(|line| line.starts_with("       MPTCPIZE=off")).count();
        assert_eq!(count, 1, "{name}");
    }
}

#[test]
fn files_are_named_by_the_verbs_that_read_or_write_them() {
    // What these do is in the kernel alone, and their pages say so.
    let without = ["endpoint", "limits", "subflow"];
    for Page { name, shown, .. } in verbs() {
        let verb = name.split(['-', '.']).nth(1).unwrap_or_default();
        let files = section(shown, "FILES");
        let words: Vec<&str> = files.iter().flat_map(|line| line.split_whitespace()).collect();
        let none = words.join(" ").contains("nothing is read from it or written to it here");
        assert_eq!(none, without.contains(&verb), "{name}: {files:?}");
    }
}

#[test]
fn no_line_of_a_page_is_longer_than_a_terminal() {
    for Page { name, shown, .. } in pages() {
        for line in shown.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
            // A row that was broken in the source.
            assert!(!format!("{line} ").contains(",. "), "{name}: {line}");
            // Searching for an option or a page must find it.
            assert!(!line.ends_with('\u{2010}'), "{name}: hyphenated: {line}");
        }
    }
}

#[test]
fn a_command_that_is_copied_from_a_page_is_the_one_that_was_written() {
    for Page { file, name, shown } in pages() {
        // groff makes other letters of these (U+2010, U+2019, …), unless they are escaped; Debian's does
        // not, so that only the source tells.
        let source = fs::read_to_string(file).expect("it is text");
        for line in source.lines().filter(|line| !line.starts_with(".TH ")) {
            let mut before = ' ';
            for letter in line.chars() {
                let turned = "-'`^~\"".contains(letter) && before != '\\';
                assert!(!turned, "{name}: {letter} is another letter in: {line}");
                before = letter;
            }
        }
        if !name.ends_with(".8") {
            continue;
        }
        let verb: Vec<&str> = name.trim_end_matches(".8").split('-').skip(1).collect();
        let help = tool(&verb).arg("--help").run().silent().stdout;
        let commands = help.lines().skip_while(|line| *line != "Examples:").skip(1);
        let commands = commands.take_while(|line| !line.is_empty());
        let pasted = section(shown, "EXAMPLES").join("\n");
        let lines: Vec<&str> = pasted.split(" \\\n").map(str::trim_start).collect();
        let pasted = lines.join(" ");
        for command in commands.filter(|line| !line.starts_with("   ")) {
            assert!(pasted.contains(command.trim_start()), "{name}: {command} in\n{pasted}");
        }
    }
}

/// The names of our own pages in a text: `mptcpize-setup(8)`.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| letter.is_whitespace() || ",;:".contains(letter));
    let page = |word: &str| {
        let (name, rest) = word.split_once('(')?;
        let section = rest.split_once(')')?.0;
        let ours =
            name.starts_with("mptcpize") && section.bytes().all(|byte| byte.is_ascii_digit());
        (ours && !section.is_empty()).then(|| format!("{name}.{section}"))
    };
    words.filter_map(page).collect()
}

#[test]
fn every_page_that_is_named_exists() {
    let names: BTreeSet<&str> = pages().iter().map(|page| page.name.as_str()).collect();
    let mut texts: Vec<(String, String)> =
        pages().iter().map(|page| (page.name.clone(), page.shown.clone())).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "../README.md",
        "README.md",
        "services.md",
        "containers.md",
        "../shim/README.md",
        "../relay/README.md",
        "../scripts/debian/mptcpize.toml",
        "../scripts/debian/mptcpized.service",
        "src/commands/containers/mptcpize-containers.service",
        "src/commands/gateway/mptcpize-gateway.service",
        "src/commands/relay/agent/mptcpize-relay-agent.service",
        "src/commands/relay/serve/mptcpize-relay.service",
    ] {
        let text = fs::read_to_string(root.join(file)).expect("it is in the tree");
        texts.push((file.to_owned(), text));
    }
    let mut found = BTreeSet::new();
    for (place, text) in &texts {
        for page in named(text) {
            // The heading of a page has its name in capitals.
            assert!(names.contains(page.as_str()), "{place} names {page}");
            found.insert(page);
        }
        if place.ends_with(".service") {
            assert_eq!(named(text).len(), 1, "{place} names its page");
        }
    }
    // Whoever begins at the first page comes to all of them.
    let lost: Vec<&&str> = names.iter().filter(|name| !found.contains(**name)).collect();
    assert!(lost.is_empty(), "nobody names {lost:?}");
}

/// The headings of options: where they stand, and of which options; all others stand under none.
const HEADED: [(&str, &[&str], &str); 3] = [
    (
        "Which sockets stay TCP",
        &["mptcpize-run.8", "mptcpize-enable.8"],
        "--loopback --only-ports --except-ports --except-net --client-only --server-only --tcp-programs",
    ),
    (
        "Settings",
        &["mptcpize-setup.8", "mptcpize-daemon.8"],
        "--role --only --exclude --backup --gateway --congestion --fullmesh --max-subflows --beside-vpn \
         --config",
    ),
    ("Settings", &["mptcpize-gateway.8"], "--lan --lan-address --dhcp --quic --relay --config"),
];

#[test]
fn a_heading_has_its_own_options_and_no_others() {
    let mut seen = BTreeSet::new();
    for Page { name, shown, .. } in verbs() {
        let mut heading = "";
        for line in section(shown, "OPTIONS") {
            match line.len() - line.trim_start().len() {
                3 => heading = line.trim(),
                7 if line.trim().starts_with('-') => {
                    let option = line.split_whitespace().find(|word| word.starts_with("--"));
                    let option = option.expect("each has a long name").trim_end_matches(',');
                    let option = option.split(['[', '=']).next().expect("there is one part");
                    let of = HEADED.iter().find(|(_, pages, options)| {
                        pages.contains(&name.as_str()) && options.split(' ').any(|it| it == option)
                    });
                    assert_eq!(
                        heading,
                        of.map_or("", |(heading, ..)| *heading),
                        "{name}: {option}"
                    );
                    seen.insert((heading, name.as_str()));
                }
                _ => {}
            }
        }
    }
    let headed = seen.iter().filter(|(heading, _)| !heading.is_empty()).count();
    assert_eq!(headed, HEADED.iter().map(|(_, pages, _)| pages.len()).sum::<usize>(), "{seen:?}");
}

#[test]
fn a_page_has_every_option_that_help_has() {
    for Page { file, name, .. } in verbs() {
        let verb: Vec<&str> = name.trim_end_matches(".8").split('-').skip(1).collect();
        let help = tool(&verb).arg("--help").run().silent().stdout;
        let page = fs::read_to_string(file).expect("it is text").replace("\\-", "-");
        for word in help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2)
        {
            let end = word[2..].find(|letter: char| !letter.is_alphanumeric() && letter != '-');
            let option = &word[..end.map_or(word.len(), |end| end + 2)];
            assert!(page.contains(option), "{name}: no {option} in its page");
        }
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error_with_its_fix() {
    let missing = scratch("man").join("deeper");
    let done = tool(&["man"]).arg(&missing).run();
    assert_eq!(done.code(), 1, "{done}");
    let fix = format!("fix: mkdir -p {0} && mptcpize man {0}\n", missing.display());
    assert!(done.stderr.ends_with(&fix), "{done}");
    // A verb is no directory: its page was meant.
    for (word, page) in [("status", "mptcpize-status"), ("setup-undo", "mptcpize-setup-undo")] {
        let done = tool(&["man", word]).cwd(scratch("man")).run();
        assert_eq!(done.code(), 1, "{done}");
        assert!(done.stderr.ends_with(&format!("  fix: man {page}\n")), "{done}");
    }
}
