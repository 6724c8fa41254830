//! What a set-up was asked is remembered: later commands go by it until it is undone or forgotten.

use super::everything;
use crate::support::check::check;
use crate::support::scratch;
use crate::support::uplinks::{Uplinks, assert_same};

/// Three links with a default route each.
fn three() -> Uplinks {
    let lab = Uplinks::new(&["50mbit"; 3]);
    for link in 1..=3 {
        lab.number_v4(link);
    }
    lab
}

/// The endpoints without their ids, which are others each time.
fn endpoints(lab: &Uplinks) -> Vec<String> {
    let without_id = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        [&words[..1], &words[3..]].concat().join(" ")
    };
    let shown = lab.client.net.ip("mptcp endpoint show");
    let mut lines: Vec<String> = shown.lines().map(without_id).collect();
    lines.sort();
    lines
}

#[test]
fn whatever_was_asked_counts_for_run_check_status_and_the_next_set_up() {
    let plain = three();
    plain.client.setup("");
    let by_default = endpoints(&plain);
    for asked in [
        "--backup w2",
        "--exclude w3",
        "--only w1,w3",
        "--role server",
        "--role both",
        "--max-subflows 1",
        "--fullmesh",
        "--gateway w3=10.3.0.253",
        "--exclude w3 --backup w2",
    ] {
        let lab = three();
        let before = everything(&lab);
        lab.client.setup(asked);
        let set_up = everything(&lab);
        lab.client.tool("run true").run().says(0, "");
        let said = lab.client.setup("");
        assert!(said.contains("already set up"), "{asked}: {said}");
        let told = format!("as before: {asked} ");
        assert!(said.lines().any(|line| format!("{line} ").starts_with(&told)), "{asked}: {said}");
        // The same options again are no change either.
        assert!(lab.client.setup(asked).starts_with("already set up"), "{asked}");
        assert_same(&set_up, &everything(&lab), asked);
        check(&lab.client, "").finds(&[], asked);
        let status = lab.client.tool("status").run();
        assert_eq!(status.code(), 0, "{asked}: {status}");
        // Forgotten, it is the host that a plain set-up makes.
        lab.client.setup("--forget");
        assert_eq!(endpoints(&lab), by_default, "{asked}; --forget");
        let said = lab.client.setup("");
        assert!(said.starts_with("already set up") && !said.contains("as before"), "{said}");
        lab.client.setup("undo");
        assert_same(&before, &everything(&lab), asked);
    }
}

#[test]
fn what_was_only_looked_at_or_is_undone_is_not_remembered() {
    let lab = three();
    let backup = || lab.client.net.ip("mptcp endpoint show").contains("backup");
    lab.client.setup("--dry-run --backup w2");
    lab.client.tool("run true").run().ok();
    assert!(!backup());
    lab.client.setup("--backup w2");
    assert!(backup());
    lab.client.setup("undo");
    let said = lab.client.setup("");
    assert!(!said.contains("as before") && !backup(), "{said}");
}

#[test]
fn another_set_up_with_options_replaces_what_was_asked() {
    let lab = three();
    lab.client.setup("--backup w2");
    lab.client.setup("--backup w3");
    let backup = || {
        let shown = lab.client.net.ip("mptcp endpoint show");
        let backup = shown.lines().filter(|line| line.contains("backup"));
        backup.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(backup(), ["10.3.0.1"]);
    let said = lab.client.setup("");
    assert!(said.contains("as before: --backup w3"), "{said}");
    assert_eq!(backup(), ["10.3.0.1"]);
}

#[test]
fn the_file_counts_where_nothing_was_asked_and_after_forgetting() {
    let mut lab = three();
    let etc = scratch("etc");
    scratch::file(&etc.join("mptcpize.toml"), "backup = [\"w1\"]\n", 0o644);
    lab.client.mounting(&format!("mount -t overlay etc -o lowerdir={}:/etc /etc", etc.display()));
    let backup = || {
        let shown = lab.client.net.ip("mptcp endpoint show");
        let backup = shown.lines().filter(|line| line.contains("backup"));
        backup.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    lab.client.setup("");
    assert_eq!(backup(), ["10.1.0.1"]);
    lab.client.setup("--backup w2");
    assert_eq!(backup(), ["10.2.0.1"]);
    lab.client.tool("run true").run().says(0, "");
    assert!(lab.client.setup("").contains("as before: --backup w2"));
    assert_eq!(backup(), ["10.2.0.1"]);
    lab.client.setup("--forget");
    assert_eq!(backup(), ["10.1.0.1"]);
    assert!(!lab.client.setup("").contains("as before"));
}
