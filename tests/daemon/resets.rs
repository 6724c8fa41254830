//! Subflows that the network ends while the kernel opens them: the link's endpoint is made anew, unless
//! another connection would lose its own.

use super::heal::{half_a_download, ports, reset};
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
        let before = ports(&lab, link);
        let lost = before.iter().next().expect("it has a subflow here");
        reset(&lab, &format!("sport = :{lost}"));
        wait::until("another subflow from that link", || {
            let now = ports(&lab, link);
            now.len() == 1 && now != before
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
    let of_other = ports(&lab, 2);
    let client = half_a_download(&lab, &hold);
    let both = ports(&lab, 2);
    let endpoints = lab.client.net.ip("mptcp endpoint");
    let lost = both.difference(&of_other).next().expect("it has a subflow here");
    reset(&lab, &format!("sport = :{lost}"));
    wait::until("the reset", || ports(&lab, 2) == of_other);
    hold.release();
    client.finish().ok();
    // Whatever was to follow from the reset has, for connections have ended since.
    lab.transfer("put", SERVER_V4, SHARE);
    assert_eq!(ports(&lab, 2), of_other);
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
    reset(&lab, "dst 10.99.0.1");
    hold.release();
    assert_ne!(client.finish().code(), 0, "it lost its connection");
    lab.transfer("put", SERVER_V4, 2 * SHARE).used_all();
    assert_eq!(lab.client.net.ip("mptcp endpoint"), endpoints);
    daemon.end().ok();
}
