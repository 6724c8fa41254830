//! A link that becomes so slow that it holds its connections back is a backup for some seconds; bytes
//! over the other one prove that they go on.

use super::host::{Daemon, status};
use crate::support::uplinks::{SERVER_V4, Uplinks, assert_same, here};
use crate::support::wait;

const RATE: &str = "20mbit";
const SLOW: &str = "1mbit";
const BYTES: u64 = 1_000_000;

/// More than a test waits for.
const ENDLESS: u64 = 200_000_000;

/// Is the second link a backup, and does the daemon say why?
fn is_held(lab: &Uplinks) -> bool {
    let held = status(&lab.client)["status"]["held"][0].clone();
    let endpoints = lab.client.net.ip("mptcp endpoint show");
    held["link"] == "w2"
        && held["why"] == "it became slow and held its connections back"
        && held["until"].is_u64()
        && endpoints.lines().any(|one| one.contains("10.2.0.1") && one.contains("backup"))
}

/// Gives a link another rate, in both directions.
fn shape(lab: &Uplinks, link: usize, rate: &str) {
    for (station, end) in [(&lab.client.net, 'w'), (&lab.router, 'r')] {
        station.tc(&format!("qdisc change dev {end}{link} root tbf {}", here(rate)));
    }
}

/// Whether a link that fades takes the other one down hangs on how full its queue is then, so it fades
/// and recovers until it does.
#[test]
fn a_link_that_becomes_slow_is_a_backup_for_some_seconds_and_the_other_carries_on() {
    for verb in ["put", "get"] {
        let lab = Uplinks::two_subnets(RATE);
        let host = lab.client.state();
        let _server = lab.serve();
        let daemon = Daemon::start(&lab.client, "");
        let client = lab.client_of(verb, SERVER_V4, ENDLESS).quiet().start();
        let carried = |link: usize, since: &[u64]| lab.counters()[link - 1] - since[link - 1];
        wait::until("w2 blocks w1", || {
            shape(&lab, 2, RATE);
            let since = lab.counters();
            wait::until("bytes over both links", || {
                carried(1, &since).min(carried(2, &since)) > 3 * BYTES
            });
            shape(&lab, 2, SLOW);
            let since = lab.counters();
            wait::until("w2 blocks w1, or does not", || {
                is_held(&lab) || carried(1, &since) > 6 * BYTES
            });
            is_held(&lab)
        });
        daemon.says("w2 became slow and held its connections back: a backup for ");
        let since = lab.counters();
        wait::until("the other link carries on", || carried(1, &since) > 2 * BYTES);
        shape(&lab, 2, RATE);
        daemon.says("w2 is used again");
        let since = lab.counters();
        wait::until("both links carry bytes again", || {
            carried(1, &since).min(carried(2, &since)) > BYTES
        });
        drop(client);
        daemon.end().ok();
        lab.client.setup("undo");
        assert_same(&host, &lab.client.state(), "undone");
    }
}
