//! `-j` on every verb and whatever comes of it: one JSON value on standard output and nothing else, and
//! the exit status that there would be without it.
//!
//! The verbs are those of the command line's definition: one that is new has to be added to the table.

use std::collections::BTreeSet;

use clap::CommandFactory;
use mptcpize::cli::Cli;
use serde_json::Value;

use crate::support::uplinks::Station;
use crate::support::{Cmd, Outcome, scratch, tool};

/// A verb, what stands behind it, who asks, and the exit status.
type Row = (&'static str, &'static str, User, i32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    Root,
    Nobody,
}

use User::{Nobody, Root};

/// In the order in which they are asked, of a host with one address on lo. EMPTY is an empty directory.
const ROWS: [Row; 60] = [
    ("run", "--explain true", Root, 0),
    ("run", "--explain /nosuch", Root, 127),
    ("run", "true", Root, 2),
    ("setup", "", Root, 0),
    ("setup", "--dry-run", Nobody, 0),
    ("setup", "--only w7", Root, 2),
    ("setup", "--config /nosuch", Root, 2),
    ("setup", "--netns nosuch", Root, 1),
    ("setup undo", "", Root, 0),
    ("setup confirm", "", Root, 1),
    ("daemon", "", Nobody, 4),
    ("daemon", "--config /nosuch", Root, 2),
    ("gateway", "--lan lo --netns nosuch", Root, 1),
    ("gateway", "--lan a/b", Root, 2),
    ("gateway undo", "", Root, 0),
    ("relay", "", Root, 2),
    ("relay serve", "--port 0", Root, 2),
    ("relay serve undo", "", Root, 0),
    ("relay add", "ss://nonsense", Root, 2),
    ("relay add", URL, Root, 0),
    ("relay add", URL, Root, 0),
    ("relay list", "", Root, 0),
    ("relay test", "nosuch", Root, 5),
    ("relay agent", "--nosuch", Root, 2),
    ("relay remove", "home", Root, 0),
    ("relay remove", "home", Root, 5),
    ("relay user", "", Root, 2),
    ("relay user add", "anna", Root, 5),
    ("relay user list", "", Root, 5),
    ("relay user remove", "anna", Root, 5),
    ("enable", "", Root, 2),
    ("enable", "--root EMPTY nosuch.service", Root, 5),
    ("disable", "--root EMPTY nosuch.service", Root, 5),
    ("list", "--root EMPTY", Root, 0),
    ("status", "", Root, 3),
    ("status", "--netns nosuch", Root, 1),
    ("check", "", Root, 3),
    ("check", "[::1", Root, 2),
    ("counters", "", Root, 0),
    ("counters", "--since-last", Root, 0),
    ("metrics", "", Root, 0),
    ("metrics", "--listen 192.0.2.1:9", Root, 2),
    ("endpoint", "", Root, 0),
    ("endpoint add", "192.0.2.1 subflow", Root, 0),
    ("endpoint add", "192.0.2.1 subflow", Root, 0),
    ("endpoint add", "192.0.2.9 subflow", Root, 1),
    ("endpoint add", "127.0.0.1 subflow", Nobody, 4),
    ("endpoint change", "192.0.2.1 backup", Root, 0),
    ("endpoint show", "id 9", Root, 1),
    ("endpoint delete", "192.0.2.1", Root, 0),
    ("endpoint delete", "192.0.2.1", Root, 1),
    ("endpoint flush", "", Root, 0),
    ("limits", "", Root, 0),
    ("limits show", "", Nobody, 0),
    ("limits set", "subflows 99", Root, 1),
    ("limits set", "subflows 3", Root, 0),
    ("monitor", "", Nobody, 4),
    ("completions", "bash", Root, 0),
    ("man", "", Root, 0),
    ("man", "EMPTY/nosuch", Root, 1),
];

/// Those of `top`, where it is built in.
const TOP: &[Row] =
    if cfg!(feature = "top") { &[("top", "--once", Root, 3), ("top", "", Root, 2)] } else { &[] };

/// All rows.
fn rows() -> impl Iterator<Item = Row> {
    ROWS.into_iter().chain(TOP.iter().copied())
}

const URL: &str = "ss://2022-blake3-aes-128-gcm:AAECAwQFBgcICQoLDA0ODw%3D%3D@192.0.2.9:8686#home";

/// One value on standard output, and the error, if it is one, as an object of four keys.
#[track_caller]
fn one_value(outcome: &Outcome) -> Value {
    let value: Value =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome}"));
    if let Some(error) = value.get("error") {
        assert_eq!(error["exit"], outcome.code(), "{outcome}");
        assert!(error["what"].as_str().is_some_and(|what| !what.is_empty()), "{outcome}");
        assert!(error.get("why").is_some() && error.get("fix").is_some(), "{outcome}");
    }
    if value.is_object() && !outcome.stdout.contains("\"subflows\":") {
        assert_eq!(value["version"], 1, "{outcome}");
    }
    value
}

/// The names of all verbs that are not hidden, those below others with the words that lead there.
fn verbs() -> BTreeSet<String> {
    fn below(verb: &clap::Command, name: &str, all: &mut BTreeSet<String>) {
        for one in verb.get_subcommands().filter(|one| !one.is_hide_set()) {
            if one.get_name() == "help" {
                continue;
            }
            let name = format!("{name} {}", one.get_name()).trim().to_owned();
            below(one, &name, all);
            all.insert(name);
        }
    }
    let mut root = Cli::command();
    root.build();
    let mut all = BTreeSet::new();
    below(&root, "", &mut all);
    all
}

#[test]
fn every_verb_answers_in_json_whatever_comes_of_it() {
    let mut station = Station::new();
    station.net.ip("link set lo up");
    station.net.ip("address add 192.0.2.1/32 dev lo");
    // What root's relays are stored in is the test's own.
    let empty = scratch("empty");
    station.mounting(
        "[ -d /run/etc ] || cp -a /etc /run/etc; mount --bind /run/etc /etc; \
         mount -t tmpfs tmpfs /var/lib",
    );
    let asked: BTreeSet<&str> = rows().map(|row| row.0).collect();
    let missing: Vec<String> =
        verbs().into_iter().filter(|verb| !asked.contains(verb.as_str())).collect();
    // Each verb of `subflow` wants a connection; what they refuse is asked below.
    assert!(missing.iter().all(|verb| verb.starts_with("subflow")), "{missing:?}");
    for (verb, rest, user, code) in rows() {
        let rest = rest.replace("EMPTY", &empty.display().to_string());
        let words = verb.split(' ').chain(["-j"]).chain(rest.split_whitespace());
        let command = match user {
            Root => station.command(tool::binary()).args(words),
            Nobody => {
                let id = scratch::NOBODY.to_string();
                let set = ["--reuid", &id, "--regid", &id, "--clear-groups", "--"];
                station.command("setpriv").args(set).arg(tool::public_binary()).args(words)
            }
        };
        let outcome = command.run();
        let value = one_value(&outcome);
        assert_eq!(outcome.code(), code, "{verb} {rest}: {outcome}");
        // 3 is no error: something wants attention.
        let is_error = code != 0 && code != 3;
        assert_eq!(value.get("error").is_some(), is_error, "{verb} {rest}: {outcome}");
        assert_eq!(!outcome.stderr.is_empty() && is_error, is_error, "{verb} {rest}: {outcome}");
    }
}

#[test]
fn wrong_usage_of_every_verb_is_an_error_in_json() {
    let all = verbs();
    assert!(all.contains("setup undo") && all.contains("relay user list"), "{all:?}");
    for verb in all {
        for option in ["-j", "--json"] {
            let words: Vec<&str> = verb.split(' ').chain([option, "--frobnicate"]).collect();
            let outcome = tool(&words).run();
            let value = one_value(&outcome);
            assert_eq!(value["error"]["exit"], 2, "{verb}: {outcome}");
            assert!(value["error"]["fix"].is_string(), "{verb}: {outcome}");
        }
    }
    for words in [&["-j"][..], &["-j", "stauts"], &["stauts", "--json"], &["setup", "udno", "-j"]] {
        assert_eq!(one_value(&tool(words).run())["error"]["exit"], 2, "{words:?}");
    }
}

#[test]
fn the_json_of_a_program_is_the_programs() {
    // Behind CMD every word is CMD's, and standard output too.
    let outcome = tool(&["run", "echo", "-j"]).run().silent();
    assert_eq!(outcome.stdout, "-j\n");
    let outcome = tool(&["run", "--bogus", "echo", "-j"]).run();
    assert!(outcome.code() == 2 && outcome.stdout.is_empty(), "{outcome}");
    let outcome = tool(&["run", "-j", "echo", "x"]).run();
    assert_eq!(one_value(&outcome)["error"]["fix"], "mptcpize run --explain -j echo x");
}

#[test]
fn help_is_the_text_of_an_object() {
    for words in
        [&["-j", "help"][..], &["-j", "--help"], &["status", "-j", "-h"], &["run", "-j", "-h"]]
    {
        let outcome = tool(words).run().silent();
        let value = one_value(&outcome);
        assert_eq!(value["exit"], 0, "{words:?}: {outcome}");
        let text = value["text"].as_str().unwrap_or_default();
        assert!(text.contains("Usage: mptcpize"), "{words:?}: {outcome}");
    }
}

#[test]
fn an_option_before_the_verb_counts_too() {
    let outcome: Outcome = Cmd::new(tool::binary()).args(["-j", "limits", "show"]).run().silent();
    assert!(one_value(&outcome)["subflows"].is_u64(), "{outcome}");
}
