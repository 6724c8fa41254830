//! A link with a budget is a backup once it has carried that, also after another start, and is given
//! back when there is more; `status` shows how much of it is used.

use std::fs;

use rustix::process::Signal;

use super::host::{Daemon, status};
use crate::support::uplinks::{SERVER_V4, Uplinks, assert_same};
use crate::support::{scratch, wait};

const BYTES: u64 = 3_000_000;

/// Is the second link's endpoint a backup? None while it is being made anew.
fn is_backup(lab: &Uplinks) -> Option<bool> {
    let endpoints = lab.client.net.ip("mptcp endpoint show");
    let of_link = endpoints.lines().find(|line| line.starts_with("10.2.0.1 "));
    of_link.map(|line| line.contains(" backup"))
}

#[test]
fn a_link_is_a_backup_while_its_budget_is_used_up() {
    let mut lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let (kept, file) = (scratch("lib"), scratch("settings").join("mptcpize.toml"));
    lab.client.mounting(&format!("mount --bind {} /var/lib", kept.display()));
    fs::write(&file, "[budget]\nw2 = \"1 MB/month\"\n").expect("a scratch file");
    let arguments = format!("--config {}", file.display());
    let _server = lab.serve();

    let daemon = Daemon::start(&lab.client, &arguments);
    assert_eq!(is_backup(&lab), Some(false));
    // A late second subflow carries less at first.
    while lab.counters()[1] < 1_100_000 {
        lab.transfer("put", SERVER_V4, BYTES).used_all();
    }
    daemon.says("w2 has used its 1 MB/month: it is a backup until 20");
    wait::until("a backup", || is_backup(&lab) == Some(true));
    let mut shown = String::new();
    // The kernel has it a moment before the daemon lets others know.
    wait::until("a backup in status", || {
        shown = lab.client.tool("status").run().stdout;
        shown.contains(" MB of 1 MB: a backup until 20")
    });
    assert!(shown.contains("\nbudget      w2 "), "{shown}");
    wait::until("nothing left to set up", || {
        lab.client.setup(&arguments) == "already set up: w1 and w2\n"
            && is_backup(&lab) == Some(true)
    });
    daemon.end().ok();

    let daemon = Daemon::start(&lab.client, &arguments);
    wait::until("its count", || status(&lab.client)["status"]["budgets"][0]["used"] != 0);
    assert!(!daemon.said().contains("set up w1 and w2 with"), "{}", daemon.said());
    assert_eq!(is_backup(&lab), Some(true));
    fs::write(&file, "[budget]\nw2 = \"1 TB/month from 15\"\n").expect("a scratch file");
    daemon.signal(Signal::HUP);
    daemon.says("w2 may be used again: its budget is not used up");
    wait::until("no backup", || is_backup(&lab) == Some(false));
    daemon.end().ok();
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
}

#[test]
fn a_budget_that_nobody_understands_is_told_with_its_line() {
    let lab = Uplinks::two_subnets("15mbit");
    let file = scratch("settings").join("mptcpize.toml");
    fs::write(&file, "[budget]\nw2 = \"20 XB/month\"\n").expect("a scratch file");
    let said = lab.client.tool(&format!("daemon --config {}", file.display())).run();
    assert_eq!(said.code(), 2, "{said}");
    assert!(said.stderr.contains("line 2, column 6"), "{said}");
    assert!(said.stderr.contains("\"20 XB/month\" is no budget: it is not of the form"), "{said}");
}
