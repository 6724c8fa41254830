//! `mptcpize setup` that is killed, stopped or robbed of a link half-way: the journal knows enough
//! to take everything back, and a journal that is damaged is never ignored.
//!
//! strace(1) ends or stops the tool at the system call that a test names, so each step is hit.

use std::fs;
use std::path::Path;

use crate::support::uplinks::{Station, Uplinks, assert_same};
use crate::support::{Cmd, Outcome, Running, tool, wait};

/// `mptcpize setup ARGUMENTS`, with a signal at the Nth call of its kind, before it is made.
fn struck(
    station: &Station,
    arguments: &str,
    signal: &str,
    call: &str,
    when: u32,
    log: &Path,
) -> Cmd {
    station
        .command("strace")
        .args(["-f", "-qq", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal={signal}:when={when}")])
        .arg("-o")
        .arg(log)
        .arg(tool::binary())
        .arg("setup")
        .args(arguments.split_whitespace())
}

fn killed(station: &Station, arguments: &str, call: &str, when: u32) -> Outcome {
    struck(station, arguments, "KILL", call, when, Path::new("/dev/null")).run()
}

/// Was it killed? Then this ran under it.
fn was_killed(outcome: &Outcome) -> bool {
    assert!(matches!(outcome.code(), 0 | 137), "{outcome}");
    outcome.code() == 137
}

/// Kills the tool at every call of a kind in turn; says how often that was.
fn killed_at_each(lab: &Uplinks, arguments: &str, call: &str, mut after: impl FnMut(u32)) -> u32 {
    for when in 1..500 {
        let outcome = killed(&lab.client, arguments, call, when);
        after(when);
        if !was_killed(&outcome) {
            return when - 1;
        }
    }
    panic!("it never ended by itself")
}

#[test]
fn killed_after_any_entry_of_the_journal_everything_can_be_undone() {
    let lab = Uplinks::three_dongles("15mbit");
    lab.number_v6(1);
    lab.number_v6(2);
    let before = lab.client.state();
    // fdatasync: the change is recorded and not made. write: what was recorded before is made,
    // and the next is not recorded.
    for call in ["fdatasync", "write"] {
        let mut entries = 0;
        let kills = killed_at_each(&lab, "", call, |when| {
            let journal = lab.client.journal().map(fs::read_to_string);
            let lines = journal.map_or(0, |text| text.expect("it is text").lines().count());
            entries = entries.max(lines.saturating_sub(1));
            lab.client.setup("undo");
            assert_same(&before, &lab.client.state(), &format!("killed at {call} {when}"));
        });
        // One for each entry, and what else the tool writes.
        assert!(entries > 30 && kills as usize >= entries, "{kills} kills, {entries} entries");
    }
}

#[test]
fn every_entry_is_on_the_medium_before_its_change_is_made() {
    let lab = Uplinks::two_subnets("15mbit");
    let trace = crate::support::scratch("trace").join("calls");
    lab.client
        .command("strace")
        .args(["-f", "-qq", "-e", "trace=fdatasync,write,sendto,openat,rename", "-o"])
        .arg(&trace)
        .arg(tool::binary())
        .arg("setup")
        .run()
        .ok();
    let trace = fs::read_to_string(trace).expect("strace wrote it");
    let (mut synced, mut changes) = (0, 0);
    for line in trace.lines() {
        let sysctl =
            line.contains("openat(") && line.contains("/proc/sys/") && line.contains("O_WRONLY");
        // Requests that neither look nor dump: NLM_F_DUMP is written 0x300.
        let request = line.contains("sendto(")
            && ["RTM_NEWROUTE", "RTM_NEWRULE"].iter().any(|kind| line.contains(kind));
        if line.contains("fdatasync(") {
            synced += 1;
        } else if sysctl || request {
            changes += 1;
            // The first is that of the empty journal.
            assert!(synced > changes, "change {changes} after {synced} syncs: {line}\n{trace}");
        }
    }
    assert!(changes >= 12, "{trace}");
}

#[test]
fn an_undo_that_is_killed_is_finished_by_the_next() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    lab.client.setup("");
    for call in ["fdatasync", "write", "sendto"] {
        let kills = killed_at_each(&lab, "undo", call, |when| {
            lab.client.setup("undo");
            assert_same(&before, &lab.client.state(), &format!("killed at {call} {when}"));
            assert!(!lab.client.state_directory().exists(), "killed at {call} {when}");
            lab.client.setup("");
        });
        assert!(kills >= 15, "{kills} at {call}");
    }
}

/// Stops the tool when its Nth record is written and not yet synced; the first is the header.
/// Gives back strace, and the tool's PID.
fn stopped(station: &Station, when: u32) -> (Running, String) {
    let log = crate::support::scratch("strace").join("log");
    let strace = struck(station, "", "STOP", "fdatasync", when, &log).start();
    wait::until("the tool stops", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("--- stopped by SIGSTOP ---"))
    });
    // unshare and sh became strace; the tool is its only child.
    let children = format!("/proc/{0}/task/{0}/children", strace.pid());
    let tool = fs::read_to_string(children).expect("strace runs").trim().to_owned();
    (strace, tool)
}

fn resume(tool: &str) {
    Cmd::new("kill").args(["-CONT", tool]).run().ok();
}

#[test]
fn a_link_that_vanishes_between_plan_and_change_leaves_the_host_as_it_was() {
    // At each of 15 changes: of the link that goes, of the other, of none.
    for when in 2..=16 {
        let lab = Uplinks::two_subnets("15mbit");
        let (running, tool) = stopped(&lab.client, when);
        lab.client.net.ip("link delete w2");
        resume(&tool);
        let outcome = running.finish();
        let after = lab.client.state();
        lab.client.setup("undo");
        assert_same(&lab.client.state(), &after, &format!("entry {when}: {outcome}"));
        assert!(!after.contains("proto 86"), "entry {when}: {outcome}\n{after}");
        assert_eq!(outcome.code(), 1, "entry {when}: {outcome}");
        assert!(
            outcome.stderr.starts_with("error: cannot ")
                && outcome.stderr.contains("w2")
                && outcome.stderr.contains("fix: the link or its address went away meanwhile"),
            "entry {when}: {outcome}"
        );
    }
}

#[test]
fn two_at_once_make_one_set_up() {
    let lab = Uplinks::three_dongles("15mbit");
    let (first, tool) = stopped(&lab.client, 9);
    // It has said that it waits: to have the lock open would not be enough.
    let log = crate::support::scratch("second").join("stderr");
    let said = fs::File::create(&log).expect("a scratch file");
    let second = lab.client.tool("setup").stderr(said.into()).start();
    let waiting = format!("mptcpize: waiting for another mptcpize (process {tool}) to finish\n");
    wait::until("the second to wait", || {
        fs::read_to_string(&log).is_ok_and(|said| said == waiting)
    });
    resume(&tool);
    let (first, second) = (first.finish().ok(), second.finish().ok());
    assert!(first.stdout.starts_with("set up w1, w2 and w3 with 25 changes"), "{first}");
    assert_eq!(second.stdout, "already set up: w1, w2 and w3\n", "{second}");
    assert_eq!(fs::read_to_string(&log).expect("it is text"), waiting);
    let said = lab.client.setup("undo");
    assert_eq!(said, "undid 25 changes\n");
}

/// An undo that found nothing, and then waited for a set-up that had begun, has that to undo: it threw the
/// journal away, and what carries no mark of ours stayed.
#[test]
fn an_undo_that_waits_for_a_set_up_that_has_begun_undoes_that() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    // The first sync is that of the journal that says nothing yet.
    let (first, tool) = stopped(&lab.client, 1);
    let log = crate::support::scratch("second").join("stderr");
    let said = fs::File::create(&log).expect("a scratch file");
    let second = lab.client.tool("setup undo").stderr(said.into()).start();
    let waiting = format!("mptcpize: waiting for another mptcpize (process {tool}) to finish\n");
    wait::until("the undo to wait", || fs::read_to_string(&log).is_ok_and(|said| said == waiting));
    resume(&tool);
    let (first, second) = (first.finish().ok(), second.finish().ok());
    assert!(first.stdout.starts_with("set up w1 and w2 with 15 changes"), "{first}");
    assert_eq!(second.stdout, "undid 15 changes\n", "{second}");
    assert_same(&before, &lab.client.state(), "undone");
    assert!(!lab.client.state_directory().exists());
}

/// A set-up whose journal is then damaged; the host before it.
fn damaged(damage: impl FnOnce(&str) -> Vec<u8>) -> (Uplinks, String) {
    let lab = Uplinks::three_dongles("15mbit");
    let before = lab.client.state();
    lab.client.setup("");
    let path = lab.client.journal().expect("a journal");
    let text = fs::read_to_string(&path).expect("it is text");
    fs::write(path, damage(&text)).expect("it is ours");
    (lab, before)
}

#[test]
fn a_corrupt_journal_is_an_error_that_offers_a_way_out() {
    let garbage = |text: &str| text.replacen("8685", "86#5", 1).into_bytes();
    let binary = |text: &str| [&text.as_bytes()[..900], &[0xff, 0xfe, 0, b'\n']].concat();
    let header = |text: &str| text.replacen("journal", "diary", 1).into_bytes();
    let version = |text: &str| text.replacen("\"journal\":2", "\"journal\":9", 1).into_bytes();
    type Damage<'a> = &'a dyn Fn(&str) -> Vec<u8>;
    let table: [(Damage<'_>, &str, bool); 4] = [
        (&garbage, "why: line ", false),
        (&binary, "why: ", false),
        (&header, "why: line 1: ", true),
        (&version, "why: line 1: version 9 is not known", true),
    ];
    for (damage, why, all) in table {
        let (lab, before) = damaged(damage);
        let now = lab.client.state();
        for arguments in ["", "undo", "--dry-run"] {
            let outcome = lab.client.tool("setup").args(arguments.split_whitespace()).run();
            assert_eq!(outcome.code(), 1, "{outcome}");
            assert_eq!(outcome.stdout, "", "{outcome}");
            assert!(outcome.stderr.contains("is corrupt\n"), "{outcome}");
            assert!(outcome.stderr.contains(why), "{why}: {outcome}");
            assert!(
                outcome.stderr.contains("fix: sudo mptcpize setup undo --salvage"),
                "{outcome}"
            );
            assert_same(&now, &lab.client.state(), "refused");
        }
        let outcome = lab.client.tool("setup undo --salvage").run().ok();
        assert!(outcome.stderr.contains("the journal was put aside as "), "{outcome}");
        assert!(outcome.stdout.starts_with("undid "), "{outcome}");
        let after = lab.client.state();
        assert!(!after.contains("proto 86"), "{why}: {after}");
        if all {
            assert_same(&before, &after, why);
        }
        assert!(lab.client.setup("").starts_with("set up w1, w2 and w3"));
    }
}

#[test]
fn a_journal_that_was_cut_off_in_its_last_line_still_undoes_all_before() {
    // As after a crash during the write: that change was never made.
    let lab = Uplinks::three_dongles("15mbit");
    let before = lab.client.state();
    killed(&lab.client, "", "fdatasync", 12);
    let path = lab.client.journal().expect("a journal");
    let text = fs::read(&path).expect("it is there");
    fs::write(&path, &text[..text.len() - 9]).expect("it is ours");
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
}

#[test]
fn a_journal_that_cannot_be_read_is_an_error() {
    let (lab, _) = damaged(|text| text.as_bytes().to_vec());
    let now = lab.client.state();
    let path = lab.client.journal().expect("a journal");
    fs::remove_file(&path).expect("it is ours");
    fs::create_dir(&path).expect("its place is free");
    for arguments in ["", "undo"] {
        let outcome = lab.client.tool("setup").args(arguments.split_whitespace()).run();
        assert_eq!(outcome.code(), 1, "{outcome}");
        assert!(outcome.stderr.starts_with("error: cannot use /run/mptcpize/netns-"), "{outcome}");
        assert!(outcome.stderr.contains("\n  why: is a directory\n  fix: "), "{outcome}");
        assert_same(&now, &lab.client.state(), "refused");
    }
}

#[test]
fn an_undo_that_is_killed_at_any_step_of_its_lock_leaves_nothing_after_the_next() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    // flock: taken and not removed. unlink: of the journal, or of the lock. rmdir: empty directories.
    for (call, least) in [("mkdir", 1), ("flock", 1), ("unlink", 2), ("rmdir", 2)] {
        lab.client.setup("");
        let kills = killed_at_each(&lab, "undo", call, |when| {
            let said = lab.client.setup("undo");
            assert!(!said.is_empty(), "killed at {call} {when}");
            assert_same(&before, &lab.client.state(), &format!("killed at {call} {when}"));
            assert!(!lab.client.state_directory().exists(), "killed at {call} {when}");
            lab.client.setup("");
        });
        assert!(kills >= least, "{kills} at {call}");
    }
    lab.client.setup("undo");
}

#[test]
fn many_at_once_take_turns_and_the_last_undo_leaves_nothing() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let script = "for turn in 1 2 3 4 5; do \"$0\" setup; \"$0\" setup undo; done 2>&1";
    let start = || lab.client.command("sh").args(["-euc", script]).arg(tool::binary()).start();
    let running: Vec<Running> = (0..4).map(|_| start()).collect();
    for one in running {
        let said = one.finish();
        assert_eq!(said.code(), 0, "{said}");
    }
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "all undone");
    assert!(!lab.client.state_directory().exists());
}
