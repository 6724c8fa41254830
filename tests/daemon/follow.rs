//! What happens to links, addresses and routes is followed, and bytes over each link prove it.

use super::host::{Daemon, Half, OFF, is_whole, stands};
use crate::support::uplinks::{SERVER_V4, Uplinks};
use crate::support::{kernel, wait};

const RATE: &str = "15mbit";
const BYTES: u64 = 3_000_000;
const BOTH: &str = "w1 and w2 are set up";

/// Something that happens to a host, in the words of ip(8).
struct Event {
    what: &'static str,
    client: &'static [&'static str],
    router: &'static [&'static str],
    /// What the second link's table has when it was followed.
    table: &'static str,
}

const DEFAULT: &str = "route add default via 10.2.0.254 dev w2 metric 200";

const EVENTS: [Event; 4] = [
    Event {
        what: "the link was switched off and on, and nobody makes its default route again",
        client: &["link set w2 down", "link set w2 up"],
        router: &[],
        table: "default via 10.2.0.254 dev w2 proto 86 src 10.2.0.1",
    },
    Event {
        what: "the address was renewed to another one",
        client: &["address del 10.2.0.1/24 dev w2", "address add 10.2.0.77/24 dev w2", DEFAULT],
        router: &[],
        table: "default via 10.2.0.254 dev w2 proto 86 src 10.2.0.77",
    },
    Event {
        what: "the gateway changed",
        client: &["route del default dev w2", "route add default via 10.2.0.253 dev w2 metric 200"],
        router: &["address add 10.2.0.253/24 dev r2"],
        table: "default via 10.2.0.253 dev w2 proto 86 src 10.2.0.1",
    },
    Event {
        what: "a manager deleted the rules and routes of others",
        client: &["rule flush protocol 86", "route flush table 8685"],
        router: &[],
        table: "default via 10.2.0.254 dev w2 proto 86 src 10.2.0.1",
    },
];

#[test]
fn whatever_happens_to_a_link_both_carry_their_share_afterwards() {
    for Event { what, client, router, table } in EVENTS {
        let lab = Uplinks::two_subnets(RATE);
        let _server = lab.serve();
        let daemon = Daemon::start(&lab.client, "");
        router.iter().for_each(|line| drop(lab.router.ip(line)));
        client.iter().for_each(|line| drop(lab.client.net.ip(line)));
        wait::until(&format!("{what}: {table}"), || {
            lab.client.net.ip("route show table 8685").contains(table)
        });
        is_whole(&lab.client);
        stands(&lab.client, BOTH);
        lab.transfer("put", SERVER_V4, BYTES).used_all();
        daemon.end().ok();
    }
}

#[test]
fn a_link_that_is_plugged_in_again_under_another_name_is_used_again() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    lab.client.net.ip("link delete w2");
    stands(&lab.client, "only one path, w1: nothing to set up");
    daemon.says("w2 is no path any more: it is gone");
    let peer = lab.router.path();
    lab.client.net.ip(&format!("link add x2 type veth peer name r2 netns {peer}"));
    for (station, device, host) in [(&lab.client.net, "x2", 1), (&lab.router, "r2", 254)] {
        station.ip(&format!("link set {device} up"));
        station.tc(&format!("qdisc add dev {device} root tbf rate {RATE} burst 32kb latency 50ms"));
        station.ip(&format!("address add 10.2.0.{host}/24 dev {device}"));
    }
    lab.client.net.ip("route add default via 10.2.0.254 dev x2 metric 200");
    stands(&lab.client, "w1 and x2 are set up");
    is_whole(&lab.client);
    let sent = |link: &str| kernel::traffic(&lab.client.net, link).sent;
    let before = [sent("w1"), sent("x2")];
    lab.client_of("put", SERVER_V4, BYTES).run().ok();
    let moved = [sent("w1") - before[0], sent("x2") - before[1]];
    assert!(moved.iter().all(|bytes| *bytes > BYTES / 4), "{moved:?}");
    daemon.end().ok();
}

#[test]
fn a_second_link_that_comes_later_is_joined() {
    let lab = Uplinks::new(&[RATE; 2]);
    lab.number_v4(1);
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    assert_eq!(daemon.said(), "mptcpize: only one path, w1: nothing to set up\n");
    lab.number_v4(2);
    stands(&lab.client, BOTH);
    is_whole(&lab.client);
    lab.transfer("put", SERVER_V4, BYTES).used_all();
    daemon.end().ok();
}

/// A connection that is there gets the link back too. Without a daemon the link's table stays empty
/// once the kernel has emptied it, and the subflow's packets go nowhere.
#[test]
fn a_transfer_that_goes_on_regains_a_link_that_was_off() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    // While the link is off no bytes are on their way, so that no subflow backs off.
    let half = Half::upload(&lab, SERVER_V4, 8 * BYTES);
    assert!(lab.counters().iter().all(|bytes| *bytes > BYTES), "{:?}", lab.counters());
    lab.client.net.ip("link set w2 down");
    stands(&lab.client, OFF);
    lab.client.net.ip("link set w2 up");
    stands(&lab.client, BOTH);
    half.ends_over(2, BYTES / 2);
    daemon.end().ok();
}
