//! A gateway that is killed between any two of its changes: what it made until then is taken back by undo.
//!
//! strace(1) kills it at the system call after which a change is made.

use std::fs::File;

use crate::lan::{Lan, relay};
use crate::support::uplinks::{Uplinks, assert_same};
use crate::support::{scratch, tool, wait};

/// Kills a gateway at its Nth record of a change; false where it had made all before.
fn killed(lan: &Lan, when: u32) -> bool {
    let log = scratch("crash").join("log");
    let file = File::create(&log).expect("a scratch file can be made");
    let inject = format!("inject=fdatasync:signal=KILL:when={when}");
    let strace = lan.router().command("strace").args(["-qq", "-e", "trace=fdatasync", "-e"]);
    let gateway = strace.arg(inject).args(["-o", "/dev/null"]).arg(tool::binary());
    let mut running = gateway.args(["gateway", "--lan", "br0"]).stderr(file.into()).start();
    let mut made = false;
    wait::until("its end, or all of its changes", || {
        let said = std::fs::read_to_string(&log).expect("it was made");
        made = said.contains("TCP of br0 goes over ");
        made || running.ended()
    });
    let outcome = running.stop();
    assert_eq!(outcome.code(), 128 + 9, "{outcome}");
    !made
}

#[test]
fn killed_after_any_entry_of_its_journals_everything_can_be_undone() {
    relay();
    let lan = Lan::behind(Uplinks::two_subnets("20mbit"));
    let before = lan.state();
    let mut when = 0;
    let mut goes_on = true;
    while goes_on {
        when += 1;
        goes_on = killed(&lan, when);
        lan.router().tool("gateway undo").run().silent();
        assert_same(&before, &lan.state(), &format!("killed at entry {when}"));
    }
    // One for each change: of the uplinks' set-up, and of the gateway.
    assert!(when > 30, "{when}");
}
