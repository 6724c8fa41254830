//! Screens where no more than ASCII is shown, where a locale is named that this host does not have, and
//! where a terminal has few columns: every verb that a person looks at.
//!
//! Not here: a screen's exact text (pure).

use crate::support::uplinks::Uplinks;
use crate::support::{Cmd, Outcome};

/// What prints a symbol somewhere, of a host with two links. Help, errors, plans, screens, tables.
const LINES: [&str; 32] = [
    "--help",
    "setup --help",
    "setup -h",
    "run --help",
    "gateway --help",
    "relay --help",
    "relay serve --help",
    "enable --help",
    "check --help",
    "limits",
    "endpoint",
    "endpoint add --help",
    "setup --dry-run",
    "status",
    "check",
    "counters",
    "counters --all --explain",
    "setup --only w7",
    "setup --gateway w1",
    "stauts",
    "relay test nosuch",
    "relay user list",
    "enable --user nosuch",
    "gateway --lan nosuch",
    "run --explain true",
    "run nosuch",
    "--version",
    "setup",
    "status --all",
    "check",
    "list",
    "setup undo -v",
];

/// Those of `top`, where it is built in.
const TOP: &[&str] = if cfg!(feature = "top") { &["top --once", "top --help"] } else { &[] };

/// What is run without words on standard output that are the program's.
fn line(lab: &Uplinks, line: &str, environment: &[(&str, &str)]) -> Outcome {
    let mut command: Cmd = lab.client.tool(line).env_remove("LC_ALL");
    for (name, value) in environment {
        command = command.env(name, value);
    }
    command.run()
}

#[test]
fn without_utf8_no_screen_shows_anything_but_ascii() {
    let lab = Uplinks::two_subnets("15mbit");
    lab.client.net.ip("mptcp endpoint add 10.1.0.1 dev w1 subflow");
    for (index, words) in LINES.iter().chain(TOP).copied().enumerate() {
        // POSIX's locale by its name, by none, and another one without UTF-8.
        let environment: &[(&str, &str)] = match index % 3 {
            0 => &[("LANG", "C")],
            1 if index % 2 == 0 => &[("LANG", "uk_UA.KOI8-U")],
            1 => &[],
            _ => &[("LANG", "en_US.UTF-8"), ("LC_ALL", "POSIX")],
        };
        let said = line(&lab, words, environment);
        let both = format!("{}{}", said.stdout, said.stderr);
        assert!(!both.is_empty(), "{words}: {said}");
        assert!(both.is_ascii(), "{words}: {said}");
    }
    // Sentences still read.
    let status = line(&lab, "status", &[]).stdout;
    assert!(status.contains(" MPTCP is on, 2 paths, 0 connections\n"), "{status}");
    let plan = line(&lab, "setup --dry-run", &[]).stdout;
    assert!(plan.contains("subflows 2 -> 8"), "{plan}");
    let help = line(&lab, "setup --help", &[]).stdout;
    assert!(help.contains("--only <IF,...>"), "{help}");
    let error = line(&lab, "relay test nosuch", &[]).stderr;
    assert!(error.contains("  fix: mptcpize relay add 'ss://...'"), "{error}");
}

#[test]
fn a_locale_that_this_host_does_not_have_is_what_its_name_says() {
    let lab = Uplinks::two_subnets("15mbit");
    // Its terminal shows UTF-8, wherever it stands: ssh(1) has passed the name on.
    let status = line(&lab, "status", &[("LC_ALL", "xx_YY.UTF-8")]);
    assert!(status.stdout.contains(" MPTCP is on · 2 paths · 0 connections\n"), "{status}");
    assert_eq!(status.stderr, "", "and nobody is told of locales");
    let status = line(&lab, "status", &[("LC_ALL", "xx_YY")]);
    assert!(status.stdout.is_ascii(), "{status}");
    // As ssh(1) passes it on from another system; and a locale that is C for what is shown.
    let status = line(&lab, "status", &[("LC_CTYPE", "UTF-8")]);
    assert!(status.stdout.contains(" · "), "{status}");
    let help = line(&lab, "setup --help", &[("LANG", "en_US.UTF-8"), ("LC_CTYPE", "C")]);
    assert!(help.stdout.is_ascii(), "{help}");
    let plan = line(&lab, "setup --dry-run", &[("LANG", "xx_YY.utf8")]).stdout;
    assert!(plan.contains("subflows 2 → 8"), "{plan}");
}

#[test]
fn a_name_beyond_ascii_reaches_other_programs_whole() {
    let lab = Uplinks::two_subnets("15mbit");
    lab.client.net.ip("link add wgü type veth peer name far");
    lab.client.net.ip("link set wgü up");
    lab.client.net.ip("link set far up");
    lab.client.net.ip("address add 10.9.9.9/24 dev wgü");
    lab.client.net.ip("route add default via 10.9.9.1 dev wgü metric 103");
    lab.client.net.ip("mptcp endpoint add 10.9.9.9 dev wgü subflow");
    let theirs = lab.client.net.ip("mptcp endpoint show");
    assert!(theirs.contains("wgü"), "{theirs}");
    for words in ["endpoint", "endpoint show -j", "check -j", "metrics"] {
        let said = line(&lab, words, &[]);
        assert!(said.stdout.contains("wgü"), "{words}: {said}");
    }
    let error = line(&lab, "endpoint add 10.9.9.8 dev wgü", &[]);
    assert!(error.stderr.contains(r"wg\u00fc does not") || error.stderr.is_ascii(), "{error}");
}

/// What has to be on the screen whole, however narrow that is: names and addresses to paste, and words.
const WHOLE: [(&str, &[&str]); 6] = [
    ("status", &["10.1.0.1", "10.2.0.1", "not used", "connections", "add_addr_accepted"]),
    ("check", &["fix  mptcpize setup\n", "endpoints", "subflow"]),
    ("setup --dry-run", &["+ endpoint  10.2.0.1", "sudo mptcpize setup undo", "nothing was"]),
    ("endpoint", &["10.1.0.1 id 1"]),
    ("limits", &["add_addr_accepted", "subflows 2"]),
    ("run --explain true", &["preload", "/true"]),
];

#[test]
fn twenty_columns_are_enough_for_every_word() {
    let lab = Uplinks::two_subnets("15mbit");
    lab.client.net.ip("mptcp endpoint add 10.1.0.1 dev w1 subflow");
    for words in LINES.iter().chain(TOP).copied() {
        for columns in ["20", "40", "80"] {
            for locale in ["C", "C.UTF-8"] {
                let said = line(&lab, words, &[("COLUMNS", columns), ("LANG", locale)]);
                let width: usize = columns.parse().expect("a number");
                assert!(locale != "C" || said.stdout.is_ascii(), "{columns}: {words}: {said}");
                for row in said.stdout.lines() {
                    // Two verbs print the lines of ip(8), for scripts that read those.
                    let of_ip = ["endpoint", "limits"].contains(&words);
                    // One sentence is broken by the terminal as well as by us.
                    let alone = said.stdout.lines().count() == 1;
                    let long = row.chars().count() > width && !of_ip && !alone;
                    assert!(!long || may_be_long(row), "{columns}: {words}: {row:?}\n{said}");
                }
                // A column that is cut to a letter or two says nothing.
                let cut = |row: &str| {
                    let mut words = row.split_whitespace();
                    words.any(|word| {
                        word.ends_with(['…', '~']) && (2..6).contains(&word.chars().count())
                    })
                };
                let cut = said.stdout.lines().find(|row| cut(row));
                let is_help = words.contains("-h");
                assert!(cut.is_none() || is_help, "{columns}: {words}: {said}");
            }
        }
    }
    for columns in ["20", "40", "80"] {
        for (words, whole) in WHOLE {
            let said = line(&lab, words, &[("COLUMNS", columns)]);
            for part in whole {
                let missing = !said.stdout.contains(part);
                assert!(!missing, "{columns}: {words} without {part}: {said}");
            }
        }
    }
    let status = line(&lab, "status", &[("COLUMNS", "20")]).stdout;
    let words = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("2 paths") && words.contains("subflows 2, add_addr"), "{status}");
    // A width that is none is as none.
    for columns in ["0", "-1", "wide", ""] {
        let help = line(&lab, "--help", &[("COLUMNS", columns)]).silent().stdout;
        assert!(help.lines().any(|row| row.chars().count() > 70), "{columns:?}");
    }
}

/// Is a line longer than the screen, because it is one word, or to be pasted or searched for as it is?
fn may_be_long(row: &str) -> bool {
    let pasted = ["mptcpize ", "sudo ", "source ", "fix", "or ", "Apply", "more: ", "-> "];
    let change = ["+ ", "- ", "~ ", "= "].iter().any(|sign| row.trim_start().starts_with(sign));
    row.split_whitespace().count() <= 2 || change || pasted.iter().any(|text| row.contains(text))
}
