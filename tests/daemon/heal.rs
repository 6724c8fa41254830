//! Subflows that the network ends while their path is up come back, in their connection and in no
//! other; bytes over the link prove it.

use std::collections::BTreeSet;
use std::fs;

use super::host::{Daemon, stands, status};
use crate::support::hold::Hold;
use crate::support::uplinks::{PORT, SERVER_V4, Uplinks, assert_same};
use crate::support::{Running, scratch, wait};

const RATE: &str = "15mbit";
const BYTES: u64 = 3_000_000;
const BOTH: &str = "w1 and w2 are set up";

/// The local ports of the subflows from a link's address that carry data.
pub(super) fn ports(lab: &Uplinks, link: usize) -> BTreeSet<u16> {
    let ask = format!("-Htn state established src 10.{link}.0.1 and dport = :{PORT}");
    let said = lab.client.net.command("ss").args(ask.split_whitespace()).run().ok().stdout;
    let local = said.lines().filter_map(|line| line.split_whitespace().nth(2));
    local.filter_map(|end| end.rsplit_once(':')?.1.parse().ok()).collect()
}

/// A daemon that opens the subflows.
#[track_caller]
pub(super) fn healing(lab: &Uplinks) -> Daemon {
    let file = scratch("settings").join("mptcpize.toml");
    fs::write(&file, "heal = true\n").expect("a scratch file");
    Daemon::start(&lab.client, &format!("--config {}", file.display()))
}

/// How many lost subflows the daemon says are back.
fn healed(lab: &Uplinks) -> u64 {
    status(&lab.client)["status"]["healed"].as_u64().unwrap_or(0)
}

/// Ends subflows of the client as a reset does.
pub(super) fn reset(lab: &Uplinks, which: &str) {
    let ask = format!("-K {which} and dport = :{PORT}");
    lab.client.net.command("ss").args(ask.split_whitespace()).run().ok();
}

/// Waits until so many subflows of each link carry data: one link alone can bring half a download too.
#[track_caller]
pub(super) fn until_joined(lab: &Uplinks, each: usize) {
    wait::until("its subflows", || [1, 2].iter().all(|link| ports(lab, *link).len() == each));
}

/// A download that stops in the middle until it is released, once it has used both links.
pub(super) fn half_a_download(lab: &Uplinks, hold: &Hold) -> Running {
    let before = lab.counters();
    let mut client = hold.on(lab.client_of("get", SERVER_V4, 4 * BYTES)).start();
    wait::until("the first half", || {
        assert!(!client.ended(), "it waits for its second half");
        let now = lab.counters();
        now.iter().sum::<u64>() - before.iter().sum::<u64>() > 2 * BYTES
    });
    client
}

#[test]
fn a_link_whose_subflow_was_reset_carries_again_and_other_connections_keep_theirs() {
    // The first link has the subflow on which the connection began.
    for link in [1, 2] {
        let lab = Uplinks::two_subnets(RATE);
        let _server = lab.serve();
        let daemon = healing(&lab);
        stands(&lab.client, BOTH);
        let (hold, other_hold) = (Hold::new(), Hold::new());
        let other = half_a_download(&lab, &other_hold);
        until_joined(&lab, 1);
        let of_other = [ports(&lab, 1), ports(&lab, 2)];
        let client = half_a_download(&lab, &hold);
        until_joined(&lab, 2);
        let before = ports(&lab, link);
        let lost = before.difference(&of_other[link - 1]).next().expect("it has a subflow here");
        reset(&lab, &format!("sport = :{lost}"));
        wait::until("another subflow from that link", || {
            // By the count: the new subflow may have the port of the old one.
            healed(&lab) == 1 && ports(&lab, link).len() == before.len()
        });
        for (link, mine) in (1..).zip(&of_other) {
            assert!(ports(&lab, link).is_superset(mine), "the other connection lost its subflow");
        }
        let counted = lab.counters();
        hold.release();
        client.finish().ok();
        let after = lab.counters();
        assert!(after[link - 1] - counted[link - 1] > BYTES / 2, "{counted:?} {after:?}");
        other_hold.release();
        other.finish().ok();
        daemon.says("1 lost subflow came back");
        daemon.end().ok();
    }
}

/// The address of the second link is renewed to another one: what the old one had is closed, and does
/// not wait for its retransmissions to end.
#[test]
fn subflows_of_an_endpoint_that_went_are_closed_and_its_successor_opens_its_own() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = healing(&lab);
    stands(&lab.client, BOTH);
    let hold = Hold::new();
    let client = half_a_download(&lab, &hold);
    until_joined(&lab, 1);
    for line in [
        "address del 10.2.0.1/24 dev w2",
        "address add 10.2.0.77/24 dev w2",
        "route add default via 10.2.0.254 dev w2 metric 200",
    ] {
        lab.client.net.ip(line);
    }
    let from = |address: &str| {
        let ask = format!("-Htn state established src {address} and dport = :{PORT}");
        let said = lab.client.net.command("ss").args(ask.split_whitespace()).run().ok().stdout;
        said.lines().count()
    };
    wait::until("a subflow from the new address and none from the old one", || {
        (from("10.2.0.1"), from("10.2.0.77")) == (0, 1)
    });
    let counted = lab.counters();
    hold.release();
    client.finish().ok();
    let after = lab.counters();
    assert!(after[1] - counted[1] > BYTES / 2, "{counted:?} {after:?}");
    daemon.end().ok();
}

/// Asks for some bytes on so many connections, and keeps them until it is released.
const MANY: &str = r#"
import os, socket, sys
many = [socket.socket(proto=262) for _ in range(int(sys.argv[3]))]
for one in many:
    one.connect((sys.argv[1], int(sys.argv[2])))
    one.sendall(b"get 1000 held\n")
open(os.environ["HOLD"], "rb").read(1)
"#;

#[test]
fn two_hundred_connections_that_lose_a_subflow_at_once_all_have_it_again() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = healing(&lab);
    let hold = Hold::new();
    let client = lab.client.command("python3").args(["-c", MANY, SERVER_V4]);
    let client = hold.on(client.args([&PORT.to_string(), "200"])).start();
    wait::until("200 connections over both links", || {
        ports(&lab, 1).len() == 200 && ports(&lab, 2).len() == 200
    });
    let first = ports(&lab, 1);
    reset(&lab, "src 10.2.0.1");
    wait::until("200 subflows again", || healed(&lab) == 200 && ports(&lab, 2).len() == 200);
    assert_eq!(ports(&lab, 1), first);
    hold.release();
    client.finish().ok();
    daemon.end().ok();
}

/// Nobody opens subflows while a daemon that was killed is away; the next one opens those that are
/// missing, and when it ends the kernel has its path manager back.
#[test]
fn a_daemon_makes_good_what_was_lost_while_there_was_none() {
    let lab = Uplinks::two_subnets(RATE);
    let host = lab.client.state();
    let _server = lab.serve();
    let daemon = healing(&lab);
    let hold = Hold::new();
    let client = half_a_download(&lab, &hold);
    let unopened = || lab.client.tool("check").run().stdout.contains("opens no subflow by itself");
    assert!(!unopened(), "the daemon opens them");
    daemon.kill();
    assert!(unopened());
    reset(&lab, "src 10.2.0.1");
    wait::until("the loss", || ports(&lab, 2).is_empty());
    let daemon = healing(&lab);
    wait::until("another subflow", || ports(&lab, 2).len() == 1);
    hold.release();
    client.finish().ok();
    daemon.end().ok();
    assert!(lab.client.state().contains("/path_manager = kernel\n"));
    lab.client.setup("undo");
    assert_same(&host, &lab.client.state(), "undone");
}

/// A daemon with these lines in its settings.
#[track_caller]
fn with_settings(lab: &Uplinks, lines: &str) -> Daemon {
    let file = scratch("settings").join("mptcpize.toml");
    fs::write(&file, lines).expect("a scratch file");
    Daemon::start(&lab.client, &format!("--config {}", file.display()))
}

#[test]
fn a_metered_link_is_joined_by_a_connection_that_has_moved_enough_and_by_no_other() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let metered =
        "metered = [\"w2\"]\nmetered_after_bytes = \"500 kB\"\nmetered_after_seconds = 3600\n";
    let daemon = with_settings(&lab, &format!("heal = true\n{metered}"));
    // What began before counts as old.
    let opens = || status(&lab.client)["status"]["healed"] == 0;
    wait::until("a daemon that opens the subflows", opens);
    let hold = Hold::new();
    // It asks for 1,000 bytes and waits.
    let client = lab.client.command("python3").args(["-c", MANY, SERVER_V4]);
    let small = hold.on(client.args([&PORT.to_string(), "1"])).start();
    wait::until("a connection", || ports(&lab, 1).len() == 1);
    let half = Hold::new();
    let large = half_a_download(&lab, &half);
    wait::until("a subflow on the metered link", || ports(&lab, 2).len() == 1);
    assert_eq!(ports(&lab, 1).len(), 2, "both connections began on the first link");
    half.release();
    large.finish().ok();
    wait::until("its end", || ports(&lab, 2).is_empty());
    hold.release();
    small.finish().ok();
    daemon.end().ok();
    let daemon = with_settings(&lab, metered);
    daemon.says("metered wants heal = true");
    daemon.end().ok();
}

#[test]
fn two_subflows_a_path_both_carry_and_each_comes_back() {
    let lab = Uplinks::two_subnets(RATE);
    // A server takes two beside the first, unless it is told otherwise.
    lab.server.net.ip("mptcp limits set subflows 8 add_addr_accepted 8");
    let _server = lab.serve();
    let daemon = with_settings(&lab, "heal = true\nsubflows_per_path = 2\n");
    stands(&lab.client, BOTH);
    let hold = Hold::new();
    let client = half_a_download(&lab, &hold);
    let two_each = || [1, 2].iter().all(|link| ports(&lab, *link).len() == 2);
    wait::until("two subflows on each link", two_each);
    let lost = *ports(&lab, 2).first().expect("it has two");
    reset(&lab, &format!("sport = :{lost}"));
    wait::until("two subflows again", || healed(&lab) == 1 && two_each());
    hold.release();
    client.finish().ok();
    daemon.end().ok();
}
