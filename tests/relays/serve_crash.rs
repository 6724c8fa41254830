//! A relay that is killed at any of its records: what it changed is taken back by undo, and the key is there
//! whole or not at all.
//!
//! strace(1) kills it at the system call by which a record reaches the medium.

use crate::serving::{Host, Serving};
use crate::support::uplinks::assert_same;
use crate::support::{tool, wait};

/// Kills a relay at its Nth record of this kind; false where it had made all before.
fn killed(host: &Host, kind: &str, when: u32) -> bool {
    let inject = format!("inject={kind}:signal=KILL:when={when}");
    let mut serving = Serving::by(|script| {
        let strace = host.station().command("sh").args(["-euc", script, "strace", "-qq", "-e"]);
        let strace = strace.args([&format!("trace={kind}"), "-e", &inject, "-o", "/dev/null"]);
        strace.arg(tool::binary()).args(["relay", "serve"])
    });
    let mut made = false;
    wait::until("its end, or all of its records", || {
        made = serving.printed().contains("ss://");
        made || serving.running.ended()
    });
    // The relay is strace's child, which nobody here waits for.
    let relay = serving.relay();
    let outcome = serving.running.stop();
    if let Some(pid) = relay {
        let process = std::path::PathBuf::from(format!("/proc/{pid}"));
        wait::until("the relay's end", || !process.exists());
    }
    assert_eq!(outcome.code(), 128 + 9, "{outcome}");
    !made
}

#[test]
fn killed_at_any_record_everything_can_be_undone_and_the_next_start_goes_on() {
    let host = Host::new();
    let before = host.station().state();
    // The key and its directory; the change of the host.
    for (kind, least) in [("fsync", 2), ("fdatasync", 1)] {
        let mut when = 0;
        let mut goes_on = true;
        while goes_on {
            when += 1;
            let _ = std::fs::remove_file(host.file());
            goes_on = killed(&host, kind, when);
            host.tool("relay serve undo").run().silent();
            assert_same(&before, &host.station().state(), &format!("killed at {kind} {when}"));
            let key = host.file().exists();
            let next = host.serve("");
            assert_eq!(next.said().contains("made a key"), !key, "killed at {kind} {when}");
            next.end();
            assert_same(&before, &host.station().state(), "ended");
        }
        assert!(when > least, "{kind}: {when}");
    }
}
