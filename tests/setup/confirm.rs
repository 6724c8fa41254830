//! `mptcpize setup --confirm`: a set-up that takes itself back unless somebody who still reaches
//! the host says that it is to stay.

use std::fs;
use std::path::PathBuf;

use crate::support::uplinks::{Station, Uplinks, assert_same};
use crate::support::{Cmd, tool, wait};

/// The process that will undo, as the mark in the run directory names it.
fn guard(station: &Station) -> Option<u32> {
    let files = fs::read_dir(station.state_directory()).ok()?;
    let mut paths = files.flatten().map(|entry| entry.path());
    let mark = paths.find(|path| path.extension().is_some_and(|name| name == "unconfirmed"))?;
    fs::read_to_string(mark).ok()?.parse().ok()
}

fn lives(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.contains("(mptcpize)") && !stat.contains(") Z")
}

fn leftovers(station: &Station) -> Vec<PathBuf> {
    let files = fs::read_dir(station.state_directory()).into_iter().flatten();
    files.map(|entry| entry.expect("it is readable").path()).collect()
}

/// Waits until the host is as before, and nothing of us is left.
fn wait_for_undo(station: &Station, before: &str) {
    wait::until("the undo", || leftovers(station).is_empty());
    assert_same(before, &station.state(), "undone by itself");
}

#[test]
fn unconfirmed_it_is_undone() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let said = lab.client.setup("--confirm 1");
    assert!(
        said.ends_with("to be undone in 1 s unless you keep it: sudo mptcpize setup confirm\n"),
        "{said}"
    );
    wait_for_undo(&lab.client, &before);
    assert!(lab.client.setup("").starts_with("set up w1 and w2"));
}

#[test]
fn confirmed_it_stays() {
    let lab = Uplinks::two_subnets("15mbit");
    lab.client.setup("--confirm 600");
    let after = lab.client.state();
    let guard = guard(&lab.client).expect("a process waits");
    assert!(lives(guard));
    let said = lab.client.setup("confirm");
    assert_eq!(said, "kept: the set-up stays until mptcpize setup undo\n");
    wait::until("the end of the guard", || !lives(guard));
    assert_same(&after, &lab.client.state(), "confirmed");
    lab.client.tool("setup confirm").run().says(
        1,
        "error: there is nothing to confirm\n  \
         why: no setup --confirm is waiting, or it was undone already\n  \
         fix: sudo mptcpize setup --confirm 60\n",
    );
}

#[test]
fn an_undo_by_hand_ends_the_wait() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    lab.client.setup("--confirm 600");
    let guard = guard(&lab.client).expect("a process waits");
    lab.client.setup("undo");
    wait::until("the end of the guard", || !lives(guard));
    assert_same(&before, &lab.client.state(), "undone by hand");
    assert_eq!(leftovers(&lab.client), Vec::<PathBuf>::new());
}

#[test]
fn the_guard_outlives_the_terminal_that_the_change_may_cut_off() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let done = crate::support::scratch("done").join("done");
    let setup = format!("{} setup --confirm 600", tool::binary().display());
    let command = format!("{setup} && echo >{} && exec cat", done.display());
    // A terminal, and a program that stays in it.
    let terminal = lab.client.command("script").args(["-qec", &command, "/dev/null"]).input("");
    let terminal = terminal.start();
    wait::until("the end of the set-up", || done.exists());
    let guard = guard(&lab.client).expect("a process waits");
    // The terminal's end goes, and everything in its session is hung up.
    terminal.stop();
    let stat = fs::read_to_string(format!("/proc/{guard}/stat")).expect("the guard lives");
    let session = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3));
    assert_eq!(session, Some(guard.to_string().as_str()), "a session of its own: {stat}");
    assert!(lives(guard));
    lab.client.setup("undo");
    wait::until("the end of the guard", || !lives(guard));
    assert_same(&before, &lab.client.state(), "undone");
}

#[test]
fn a_set_up_that_dies_half_way_is_undone_too() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    // Without -f: the guard is not to be hit.
    let outcome = lab
        .client
        .command("strace")
        .args(["-qq", "-o", "/dev/null", "-e", "trace=fdatasync"])
        .args(["-e", "inject=fdatasync:signal=KILL:when=9"])
        .arg(tool::binary())
        .args(["setup", "--confirm", "2"])
        .run();
    assert_eq!(outcome.code(), 137, "{outcome}");
    wait_for_undo(&lab.client, &before);
}

#[test]
fn a_set_up_that_takes_longer_than_its_time_is_undone_when_it_is_done() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let log = crate::support::scratch("strace").join("log");
    // It stops when it first looks whether the guard has ended, and has changed nothing yet.
    let setup = lab
        .client
        .command("strace")
        .args(["-qq", "-e", "trace=wait4,waitid"])
        .args(["-e", "inject=wait4,waitid:signal=STOP:when=1"])
        .arg("-o")
        .arg(&log)
        .arg(tool::binary())
        .args(["setup", "--confirm", "1"])
        .start();
    wait::until("the set-up to stop", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("--- stopped by SIGSTOP ---"))
    });
    wait::until("the guard", || guard(&lab.client).is_some());
    let guard = guard(&lab.client).expect("it was there");
    let at_the_lock = || {
        let open = fs::read_dir(format!("/proc/{guard}/fd")).into_iter().flatten().flatten();
        let mut open = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        open.any(|path| path.parent().is_some_and(|directory| directory.ends_with("lock")))
    };
    wait::until("the end of its time", || at_the_lock() || !lives(guard));
    let children = format!("/proc/{0}/task/{0}/children", setup.pid());
    let stopped = fs::read_to_string(children).expect("strace runs").trim().to_owned();
    Cmd::new("kill").args(["-CONT", &stopped]).run().ok();
    setup.finish().ok();
    wait_for_undo(&lab.client, &before);
}

#[test]
fn nothing_to_do_leaves_nobody_waiting() {
    let lab = Uplinks::two_subnets("15mbit");
    lab.client.setup("");
    assert_eq!(lab.client.setup("--confirm 600"), "already set up: w1 and w2\n");
    assert_eq!(guard(&lab.client), None);
    let one = Uplinks::new(&["15mbit"]);
    one.number_v4(1);
    one.client.setup("--confirm 600");
    assert!(!one.client.state_directory().exists());
}
