//! How a daemon begins and ends, beside `setup` and its undo: what was set up stays, is adopted by
//! the next one, and goes with `setup undo`.

use std::fs;

use rustix::process::Signal;

use super::host::{Daemon, is_whole, stands, status};
use crate::support::uplinks::{Uplinks, assert_same};
use crate::support::{scratch, wait};

const RATE: &str = "15mbit";
const BOTH: &str = "w1 and w2 are set up";

#[test]
fn it_sets_the_host_up_ends_on_sigterm_and_leaves_what_undo_takes_back() {
    let lab = Uplinks::two_subnets(RATE);
    let before = lab.client.state();
    let daemon = Daemon::start(&lab.client, "");
    assert!(daemon.said().starts_with("mptcpize: set up w1 and w2 with "), "{}", daemon.said());
    assert_eq!(lab.client.setup(""), "already set up: w1 and w2\n");
    let during = lab.client.state();

    let second = lab.client.tool("daemon").run();
    assert_eq!(second.code(), 1, "{second}");
    let expected = format!(
        "error: mptcpize daemon runs here already\n  why: process {} follows the links of this \
         network namespace\n",
        daemon.pid()
    );
    assert!(second.stderr.starts_with(&expected), "{second}");

    assert_eq!(daemon.end().code(), 0);
    assert_same(&during, &lab.client.state(), "the daemon has ended");
    assert_eq!(status(&lab.client), serde_json::Value::Null);
    let undone = lab.client.tool("setup undo").run().silent();
    assert!(undone.stdout.starts_with("undid "), "{undone}");
    assert_same(&before, &lab.client.state(), "undone");
}

#[test]
fn one_that_was_killed_is_followed_by_one_that_adopts_what_is_there() {
    let lab = Uplinks::two_subnets(RATE);
    let before = lab.client.state();
    Daemon::start(&lab.client, "--backup w2").kill();
    let during = lab.client.state();
    let stale = lab.client.tool("status -j").run().stdout;
    assert!(stale.contains("\"daemon\":null"), "{stale}");
    let daemon = Daemon::start(&lab.client, "");
    // Also what the first one was asked.
    assert_eq!(daemon.said(), format!("mptcpize: {BOTH}\n"));
    assert_same(&during, &lab.client.state(), "adopted");
    daemon.end().ok();
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
}

#[test]
fn undo_beside_a_daemon_says_that_it_sets_up_again_and_how_to_end_it() {
    let lab = Uplinks::two_subnets(RATE);
    let before = lab.client.state();
    let daemon = Daemon::start(&lab.client, "");
    let pid = daemon.pid();
    let undone = lab.client.tool("setup undo").run();
    assert_eq!(undone.code(), 0, "{undone}");
    let expected = format!(
        "mptcpize: mptcpize daemon (process {pid}) sets the host up again: kill {pid} && mptcpize \
         setup undo\n"
    );
    assert_eq!(undone.stderr, expected);
    wait::until("another set-up", || daemon.said().matches(": set up w1 and w2").count() > 1);
    is_whole(&lab.client);
    daemon.end().ok();
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
}

#[test]
fn sighup_reads_the_settings_and_a_mistake_keeps_the_old_ones_and_is_told_with_its_line() {
    let lab = Uplinks::two_subnets(RATE);
    let file = scratch("settings").join("mptcpize.toml");
    fs::write(&file, "backup = [\"w2\"]\n").expect("a scratch file");
    let daemon = Daemon::start(&lab.client, &format!("--config {}", file.display()));
    let endpoints = || lab.client.net.ip("mptcp endpoint show");
    assert!(endpoints().contains("10.2.0.1 id 2 subflow backup"), "{}", endpoints());

    fs::write(&file, "# none\nbackup = 3\n").expect("a scratch file");
    daemon.signal(Signal::HUP);
    daemon.says("the settings stay as they were: ");
    daemon.says("line 2, column 10: invalid type: integer `3`, expected a sequence\n");
    assert!(endpoints().contains("10.2.0.1 id 2 subflow backup"), "{}", endpoints());

    fs::write(&file, "backup = []\n").expect("a scratch file");
    daemon.signal(Signal::HUP);
    daemon.says("the settings were read again");
    wait::until("no backup", || {
        endpoints().contains("10.2.0.1 ") && !endpoints().contains("backup")
    });
    stands(&lab.client, BOTH);
    daemon.end().ok();
}

/// A daemon that is stopped reads nothing, and its socket overflows: what came meanwhile is not
/// known from messages, and yet it is made good.
#[test]
fn messages_that_were_lost_are_told_once_and_made_good() {
    let lab = Uplinks::two_subnets(RATE);
    let daemon = Daemon::start(&lab.client, "");
    daemon.signal(Signal::STOP);
    // The kernel holds it once it is stopped.
    let stat = format!("/proc/{}/stat", daemon.pid());
    wait::until("a process that is stopped", || {
        fs::read_to_string(&stat).expect("it lives").contains(") T ")
    });
    lab.client.net.ip("route flush table 8685");
    let line = "rule add pref 999 lookup 999\nrule del pref 999\n";
    lab.client.net.ip_batch(&line.repeat(2_000));
    daemon.signal(Signal::CONT);
    daemon.says("messages of links and routes were lost: looking at everything again");
    wait::until("its table again", || {
        lab.client.net.ip("route show table 8685").contains("default via 10.2.0.254")
    });
    is_whole(&lab.client);
    assert_eq!(daemon.said().matches("were lost").count(), 1, "{}", daemon.said());
    daemon.end().ok();
}
