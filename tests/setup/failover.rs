//! A link that dies: connections that exist go on over the others without losing a byte, and new
//! ones start at once, because the kernel knows another way before it sends the first packet.
//!
//! "At once" is asked of the kernel, not of a clock: the first packet was not sent a second time.

use crate::support::uplinks::{PORT, SERVER_V4, SERVER_V6, Uplinks, transfer_py};
use crate::support::{Cmd, kernel, wait};

const BYTES: u64 = 6_000_000;
const FEW: u64 = 100_000;
const RATE: &str = "15mbit";

/// Opens connections, over MPTCP and plain TCP, and sees that their first packet was sent once, by this
/// link. Not that of joins: those from the address of a dead link have no answer, and how much the
/// other links carry of a short transfer is a matter of moments.
#[track_caller]
fn connects_at_once(lab: &Uplinks, server: &str, link: usize) {
    let family = if server.contains(':') { "-6" } else { "-4" };
    let own = lab.client.net.ip(&format!("-br {family} address show dev w{link} scope global"));
    let own = own.split_whitespace().nth(2).and_then(|it| it.split('/').next());
    let own = own.expect("the link has an address");
    let at_once = |client: Cmd| lab.observe(client.env("AT_ONCE", own));
    at_once(lab.client_of("get", server, FEW));
    let plain = lab.client.command("nice").args(["-n", "-20", "python3"]).arg(transfer_py());
    let plain = plain.args(["get", server, &PORT.to_string(), &FEW.to_string()]);
    at_once(plain).used_mostly(link);
}

#[test]
fn a_new_connection_starts_at_once_when_the_preferred_uplink_has_no_carrier() {
    for lab in [Uplinks::two_subnets(RATE), Uplinks::three_dongles(RATE)] {
        let _server = lab.serve();
        lab.client.setup("");
        lab.cut(1);
        lab.client.wait_for_lost_carrier("w1");
        connects_at_once(&lab, SERVER_V4, 2);
    }
}

#[test]
fn without_the_set_up_it_would_not() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    lab.cut(1);
    wait::until("a lost carrier", || {
        lab.client.net.ip("route show default dev w1").contains("linkdown")
    });
    let way = lab.client.net.ip(&format!("route get {SERVER_V4}"));
    assert!(way.contains("dev w1"), "{way}");
}

#[test]
fn a_new_connection_starts_at_once_when_the_preferred_default_route_is_gone() {
    for lab in [Uplinks::two_subnets(RATE), Uplinks::three_dongles(RATE)] {
        let _server = lab.serve();
        lab.client.setup("");
        lab.client.net.ip("route delete default dev w1");
        // The second route of main where there is one; else the last resort, which begins with
        // the link that was best.
        let others = lab.client.net.ip("route show default");
        let link = if others.is_empty() { 1 } else { 2 };
        connects_at_once(&lab, SERVER_V4, link);
    }
}

#[test]
fn a_new_connection_starts_at_once_when_carrier_and_routes_are_gone() {
    let lab = Uplinks::three_dongles(RATE);
    let _server = lab.serve();
    lab.client.setup("");
    // The administrator's way of taking a link away, and with it main's only default route.
    lab.client.net.ip("link set w1 down");
    connects_at_once(&lab, SERVER_V4, 2);
}

#[test]
fn the_same_holds_for_ipv6() {
    let lab = Uplinks::new(&[RATE; 2]);
    lab.number_v6(1);
    lab.number_v6(2);
    let _server = lab.serve();
    lab.client.setup("");
    lab.cut(1);
    wait::until("a lost carrier", || {
        lab.client.net.ip("-6 route show default dev w1").contains("linkdown")
    });
    connects_at_once(&lab, SERVER_V6, 2);
    lab.client.net.ip("-6 route delete default dev w1");
    lab.client.net.ip("-6 route delete default dev w2");
    connects_at_once(&lab, SERVER_V6, 2);
}

#[test]
fn a_set_up_with_a_dead_link_keeps_it_for_when_it_is_back() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    lab.client.setup("");
    let whole = lab.client.state();
    lab.cut(1);
    lab.client.wait_for_lost_carrier("w1");
    assert_eq!(
        lab.client.setup(""),
        "already set up: w1 and w2\n\nNot mended by it:\n  ! paths: w1 has no carrier\n    \
         do: look at the cable, the modem or the radio of w1\n"
    );
    lab.router.ip("link set r1 up");
    wait::until("a carrier", || lab.client.net.ip("link show w1").contains("LOWER_UP"));
    wait::until("its routes in use", || !lab.client.net.ip("route show").contains("linkdown"));
    crate::support::uplinks::assert_same(&whole, &lab.client.state(), "the link is back");
    lab.transfer("get", SERVER_V4, BYTES).used_all();
}

#[test]
fn a_transfer_survives_the_loss_of_its_first_link() {
    let lab = Uplinks::three_dongles(RATE);
    let _server = lab.serve();
    lab.client.setup("");
    for verb in ["get", "put"] {
        // The transfer itself checks each byte.
        let moved = lab.interrupted(verb, SERVER_V4, BYTES, || lab.cut(1));
        assert!(moved.by_link[0] < BYTES / 3, "{moved:?}");
        assert!(moved.by_link[1..].iter().all(|bytes| *bytes > BYTES / 5), "{moved:?}");
        lab.router.ip("link set r1 up");
        wait::until("its routes in use", || {
            let routes = lab.client.net.ip("route show");
            !routes.contains("linkdown") && routes.contains("default")
        });
    }
}

#[test]
fn a_backup_carries_nothing_until_the_primary_is_cut_and_then_the_rest() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    lab.client.setup("--backup w2");
    let endpoints = lab.client.net.ip("mptcp endpoint show");
    assert!(endpoints.contains("10.2.0.1 id 2 subflow backup"), "{endpoints}");
    for verb in ["get", "put"] {
        lab.transfer(verb, SERVER_V4, BYTES / 2).used_only(1);
        let mut before = 0;
        let moved = lab.interrupted(verb, SERVER_V4, BYTES, || {
            before = subflow_bytes(&lab);
            lab.cut(1);
        });
        assert!(before < BYTES / 50, "{before} over the backup before the cut");
        assert!(moved.by_link[1] > BYTES / 3, "{moved:?}");
        lab.router.ip("link set r1 up");
        wait::until("its routes in use", || !lab.client.net.ip("route show").contains("linkdown"));
    }
}

/// What the established subflows over the second link have carried, as `ss -i` has it.
fn subflow_bytes(lab: &Uplinks) -> u64 {
    let all = kernel::ss(&lab.client.net, "-tiO");
    let ours = all.lines().filter(|line| line.contains("10.2.0.1"));
    ours.flat_map(str::split_whitespace)
        .filter_map(|word| {
            word.strip_prefix("bytes_acked:").or(word.strip_prefix("bytes_received:"))
        })
        .map(|bytes| bytes.parse::<u64>().expect("a number"))
        .sum()
}

#[test]
fn a_program_that_binds_to_an_address_leaves_by_its_link() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    lab.client.setup("");
    for (link, source) in [(1, "10.1.0.1"), (2, "10.2.0.1")] {
        let client: Cmd = lab.client.command("python3").arg(transfer_py());
        let client = client.args(["put", SERVER_V4, &PORT.to_string(), &FEW.to_string(), source]);
        lab.observe(client).used_only(link);
    }
}
