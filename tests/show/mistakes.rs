//! Command lines with a mistake: what is wrong, and the line that was meant, to paste. Nothing is run.

use std::fs;

use crate::support::scratch::{self, scratch};
use crate::support::{Outcome, tool};

fn says(words: &str) -> Outcome {
    let words: Vec<&str> = words.split_whitespace().collect();
    let said = tool(&words).run();
    assert!(said.code() == 2 && said.stdout.is_empty(), "{words:?}: {said}");
    said
}

#[test]
fn the_nearest_verb_option_or_value_is_named_in_the_whole_line() {
    for (words, fix) in [
        ("stauts", "mptcpize status"),
        ("stauts --watch=5 -a", "mptcpize status --watch=5 -a"),
        ("sttus", "mptcpize status"),
        ("Status", "mptcpize status"),
        ("chekc example.org", "mptcpize check example.org"),
        ("counetrs", "mptcpize counters"),
        ("limit show", "mptcpize limits show"),
        ("setup udno -v", "mptcpize setup undo -v"),
        ("relay user lsit", "mptcpize relay user list"),
        ("endpoint delte id 2", "mptcpize endpoint delete id 2"),
        ("setup --dry-rnu", "mptcpize setup --dry-run"),
        ("setup --bakcup=w1", "mptcpize setup --backup=w1"),
        ("counters since-last", "mptcpize counters --since-last"),
        ("status --color=nevr", "mptcpize status --color=never"),
        ("run --via preld true", "mptcpize run --via preload true"),
        ("setup --exit-code", "mptcpize setup --dry-run --exit-code"),
        // Options that stand before the verb that has them.
        ("--dry-run setup", "mptcpize setup --dry-run"),
        ("--dry-run --backup=w1 setup", "mptcpize setup --dry-run --backup=w1"),
        ("--backup w1 setup", "mptcpize setup --backup w1"),
        ("--only w1,w2 --dry-run setup -v", "mptcpize setup --only w1,w2 --dry-run -v"),
        ("--netns x status -a", "mptcpize status --netns x -a"),
        ("--via preload run true", "mptcpize run --via preload true"),
        ("--port 99 relay serve", "mptcpize relay serve --port 99"),
        ("--confirm setup", "mptcpize setup --confirm"),
        ("--nosuch w1 setup", "mptcpize --help"),
        ("setup --salvage undo", "mptcpize setup undo --salvage"),
        ("help stauts", "mptcpize help status"),
        ("help relay lsit", "mptcpize help relay list"),
        ("help nosuch", "mptcpize --help"),
        // Nothing is near: where all of them are listed.
        ("frobnicate", "mptcpize --help"),
        ("setup frobnicate", "mptcpize setup --help"),
        ("setup --frobnicate", "mptcpize setup --help"),
        ("status -Q", "mptcpize status --help"),
        ("completions dash", "mptcpize completions bash"),
    ] {
        let said = says(words);
        assert!(said.stderr.starts_with("error: "), "{words}: {said}");
        let last = said.stderr.lines().last().unwrap_or_default();
        assert_eq!(last, format!("  fix: {fix}"), "{words}: {said}");
    }
    let said = says("stauts");
    assert_eq!(said.stderr, "error: there is no verb stauts\n  fix: mptcpize status\n");
    let said = says("help nosuch");
    assert!(said.stderr.starts_with("error: there is no verb nosuch\n"), "{said}");
    let said = says("--dry-run setup");
    assert!(said.stderr.contains("it is an option of mptcpize setup"), "{said}");
}

#[test]
fn a_program_in_place_of_a_verb_is_not_run_and_the_fix_is_the_line_with_run() {
    let place = scratch("programs");
    let mark = place.join("ran");
    let text = format!("#!/bin/sh\ntouch {}\n", mark.display());
    let program = scratch::file(&place.join("fetch"), text, 0o755);
    let path = format!("{}:{}", place.display(), crate::support::process::PATH);
    let by_path = program.display().to_string();
    for (word, rest) in [("fetch", "--js a b"), (by_path.as_str(), "x"), ("curl", "-O 'a b'")] {
        let words = [word].into_iter().chain(rest.split_whitespace());
        let words: Vec<&str> = words.collect();
        let said = tool(&words).env("PATH", &path).run();
        assert_eq!(said.code(), 2, "{said}");
        assert!(said.stderr.contains(&format!("{word} is a program")), "{said}");
        assert!(said.stderr.contains(&format!("\n  fix: mptcpize run {word} ")), "{said}");
    }
    assert!(!fs::exists(&mark).expect("it can be looked for"), "nothing is run");
    // What may not be executed is no program.
    scratch::file(&place.join("notes"), "text\n", 0o644);
    let said = tool(&["notes"]).env("PATH", &path).run();
    assert!(!said.stderr.contains("is a program"), "{said}");
    // A program whose name is near a verb: both are said.
    scratch::file(&place.join("stat"), "#!/bin/sh\n", 0o755);
    let said = tool(&["stat"]).env("PATH", &path).run();
    assert!(said.stderr.contains("the nearest verb is status"), "{said}");
}

#[test]
fn a_key_on_the_command_line_is_not_said_again() {
    let secret = "AAECAwQFBgcICQoLDA0ODw";
    let url = format!("ss://2022-blake3-aes-128-gcm:{secret}@192.0.2.9:8686#home");
    let said = tool(&["relay", "add", &url, "--nmae", "x"]).run();
    assert!(said.code() == 2 && said.stderr.contains("--name"), "{said}");
    assert!(!said.stderr.contains(secret), "{said}");
    let said = tool(&["relya", "add", &url]).run();
    assert!(said.code() == 2 && !said.stderr.contains(secret), "{said}");
    let upper = url.replace("ss://", "SS://");
    let assigned = format!("--relay={url}");
    for words in [
        &["relay", &url][..],
        &["relay", "list", &url],
        &["relay", "serve", &url],
        &["setup", &url],
        &["setup", &upper],
        &["setup", "--dry-run", &url],
        &["check", &url],
        &["status", &assigned],
        &["run", "--via", &url, "true"],
        &["run", "--vai", &url, "true"],
        &[&url],
    ] {
        let said = tool(words).run();
        assert_eq!(said.code(), 2, "{words:?}: {said}");
        assert!(!said.stderr.contains(secret), "{words:?}: {said}");
        let said = tool(&[&["-j"], words].concat()).run();
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(said.code() == 2 && !all.contains(secret), "{words:?}: {said}");
    }
}

#[test]
fn words_that_would_write_to_a_terminal_are_shown_and_not_sent() {
    for words in
        [&["\x1b[31mred\n"][..], &["setup", "--\x1b]0;x\x07"], &["status", "--color", "\x1b[2J"]]
    {
        let said = tool(words).run();
        assert!(said.code() == 2 && !said.stderr.contains('\x1b'), "{words:?}: {said}");
    }
}
