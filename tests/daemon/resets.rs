//! Subflows that the network ends while the kernel opens them: the link's endpoint is made anew, unless
//! another connection would lose its own.

use rustix::process::Signal;

use super::heal::{half_a_download, ports, reset, until_joined};
use super::host::{Daemon, stands};
use crate::support::hold::Hold;
use crate::support::uplinks::{SERVER_V4, Uplinks};
use crate::support::wait;

const RATE: &str = "15mbit";
const BOTH: &str = "w1 and w2 are set up";
/// What a download still brings over a link that carries its share again.
const SHARE: u64 = 1_500_000;

#[test]
fn a_link_whose_subflow_was_reset_is_used_again() {
    // The first link has the subflow on which the connection began.
    for link in [1, 2] {
        let lab = Uplinks::two_subnets(RATE);
        let _server = lab.serve();
        let daemon = Daemon::start(&lab.client, "");
        stands(&lab.client, BOTH);
        let hold = Hold::new();
        let client = half_a_download(&lab, &hold);
        until_joined(&lab, 1);
        let before = ports(&lab, link);
        let endpoints = lab.client.net.ip("mptcp endpoint");
        let lost = before.iter().next().expect("it has a subflow here");
        reset(&lab, &format!("sport = :{lost}"));
        wait::until("another subflow from that link", || {
            // By the endpoint, which is made anew: the new subflow may have the port of the old one.
            ports(&lab, link).len() == 1 && lab.client.net.ip("mptcp endpoint") != endpoints
        });
        let counted = lab.counters();
        hold.release();
        client.finish().ok();
        let after = lab.counters();
        assert!(after[link - 1] - counted[link - 1] > SHARE, "{counted:?} {after:?}");
        daemon.end().ok();
    }
}

#[test]
fn another_connection_there_keeps_its_subflow() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    stands(&lab.client, BOTH);
    let (hold, other_hold) = (Hold::new(), Hold::new());
    let other = half_a_download(&lab, &other_hold);
    until_joined(&lab, 1);
    let of_other = ports(&lab, 2);
    let client = half_a_download(&lab, &hold);
    until_joined(&lab, 2);
    let both = ports(&lab, 2);
    let endpoints = lab.client.net.ip("mptcp endpoint");
    let lost = both.difference(&of_other).next().expect("it has a subflow here");
    reset(&lab, &format!("sport = :{lost}"));
    wait::until("the reset", || ports(&lab, 2) == of_other);
    hold.release();
    client.finish().ok();
    // Whatever was to follow from the reset has, for connections have ended since.
    lab.transfer("put", SERVER_V4, SHARE);
    wait::until("the subflows of those that ended to go", || ports(&lab, 2) == of_other);
    assert_eq!(lab.client.net.ip("mptcp endpoint"), endpoints);
    other_hold.release();
    other.finish().ok();
    daemon.end().ok();
}

#[test]
fn a_connection_of_which_all_is_reset_leaves_the_endpoints_as_they_are() {
    let lab = Uplinks::two_subnets(RATE);
    // The program hears of it after a minute by default.
    lab.client.net.sysctl("net/mptcp/close_timeout", "1");
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    stands(&lab.client, BOTH);
    let hold = Hold::new();
    let client = half_a_download(&lab, &hold);
    let endpoints = lab.client.net.ip("mptcp endpoint");
    // ss(8) ends one subflow after the other, and the daemon is to see that all went.
    daemon.signal(Signal::STOP);
    reset(&lab, "dst 10.99.0.1");
    daemon.signal(Signal::CONT);
    hold.release();
    assert_ne!(client.finish().code(), 0, "it lost its connection");
    lab.transfer("put", SERVER_V4, 2 * SHARE).used_all();
    assert_eq!(lab.client.net.ip("mptcp endpoint"), endpoints);
    daemon.end().ok();
}
