//! Sandboxes that a program made for itself: what they refuse to TCP they refuse to what we make of
//! it, whatever descriptor leads there; and what they allow is MPTCP all the same.

use crate::support::cc::{self, Build};
use crate::support::{Launch, Netns, serve};

#[test]
fn landlock_is_obeyed_under_every_descriptor_that_a_socket_can_have() {
    let program = cc::c("fence", Build::Plain);
    let namespace = Netns::new();
    let _servers = [8001, 8002].map(|port| {
        let listen = format!("TCP6-LISTEN:{port},ipv6only=0,reuseaddr,fork,backlog=64");
        let server = namespace.command("socat").args([listen.as_str(), "PIPE"]).quiet();
        serve::listening(&namespace, server, port)
    });
    let native = Launch::Native.command(&program).within(&namespace).run().ok();
    let (free, fenced) = native.stdout.split_once("fenced\n").expect("the program says when");
    // The attacker's half: what every way to a socket is refused, though it could before.
    for (launch, count) in
        [("made", 2), ("dup", 2), ("dup2", 2), ("dup3", 2), ("fcntl", 2), ("passed", 2)]
    {
        for what in ["connect 4 8002", "connect 6 8002", "bind 4 8004", "bind nameless 4 8004"] {
            let line = format!("\n{launch} {what}: -1 Permission denied\n");
            assert_eq!(fenced.matches(&line).count(), count, "{line} in {fenced}");
            let line = format!("\n{launch} {what}: 0 errno kept\n");
            assert_eq!(free.matches(&line).count(), 1, "{line} in {free}");
        }
    }
    assert!(fenced.contains("\ninherited connect 4 8002: -1 Permission denied\n"), "{fenced}");
    let ours = Launch::Tool.command(&program).within(&namespace).run().ok();
    assert_eq!(ours.stdout, native.stdout);
    // The innocent half: what is allowed is MPTCP, and so is what was refused.
    let lines = native.stderr.lines().count();
    assert_eq!((lines, native.stderr), (3 * 60 + 8, "6\n".repeat(lines)));
    assert_eq!(ours.stderr, "262\n".repeat(lines));
}

#[test]
fn a_program_that_has_shut_itself_in_is_not_killed_for_a_call_of_ours() {
    let program = cc::c("sealed", Build::Plain);
    let [native, ours] = Launch::BOTH
        .map(|launch| launch.command(&program).within(&Netns::new()).run().silent().stdout);
    assert_eq!(native.lines().count(), 10, "{native}");
    assert!(!native.contains("killed"), "{native}");
    assert_eq!(ours, native);
}
