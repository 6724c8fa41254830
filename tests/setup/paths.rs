//! `mptcpize setup` makes every link carry data: transfers through routers with several uplinks,
//! judged by the links' own byte counters, because a count of subflows proves nothing.
//!
//! Not here: what is planned for which host (pure/plan.rs), dead links (failover.rs).

use crate::support::kernel;
use crate::support::uplinks::{SERVER_MAPPED, SERVER_V4, SERVER_V6, Uplinks};

/// Enough that the beginning of a transfer does not count.
const BYTES: u64 = 15_000_000;
/// Enough where one link carries all of it.
const BYTES_OF_ONE: u64 = 2_000_000;
/// Of each link.
const RATE: &str = "15mbit";

#[test]
fn three_uplinks_in_one_network_with_one_default_route_add_up() {
    let lab = Uplinks::three_dongles(RATE);
    let _server = lab.serve();
    lab.transfer("get", SERVER_V4, BYTES_OF_ONE).used_only(1);
    let said = lab.client.setup("");
    assert_eq!(said, "set up w1, w2 and w3 with 25 changes (undo: mptcpize setup undo)\n");
    let one = lab.tcp("get", SERVER_V4, BYTES_OF_ONE);
    one.used_only(1);
    lab.transfer("get", SERVER_V4, BYTES).used_all().got_the_sum(&one);
    lab.transfer("put", SERVER_V4, BYTES).used_all().got_the_sum(&one);
}

#[test]
fn a_strict_rp_filter_takes_nothing_away() {
    let lab = Uplinks::three_dongles(RATE);
    for link in ["all", "default", "w1", "w2", "w3"] {
        lab.client.net.sysctl(&format!("net/ipv4/conf/{link}/rp_filter"), "1");
    }
    let _server = lab.serve();
    lab.client.setup("");
    let one = lab.tcp("get", SERVER_V4, BYTES_OF_ONE);
    lab.transfer("get", SERVER_V4, BYTES).used_all().got_the_sum(&one);
    lab.transfer("put", SERVER_V4, BYTES).used_all().got_the_sum(&one);
}

#[test]
fn a_router_that_asks_for_the_addresses_anew_still_finds_each_on_its_own_link() {
    let lab = Uplinks::three_dongles(RATE);
    let _server = lab.serve();
    lab.client.setup("");
    // Downwards it is the router that chooses the link, by what ARP tells it.
    let moved = lab.interrupted("get", SERVER_V4, BYTES, || {
        lab.router.ip("neigh flush dev lan");
    });
    moved.used_all();
    let flushed = lab.router.ip("neigh show dev lan");
    let mut seen: Vec<&str> = flushed
        .lines()
        .filter_map(|line| line.split(" lladdr ").nth(1)?.split(' ').next())
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 3, "one link address each:\n{flushed}");
}

#[test]
fn ipv6_alone_adds_up() {
    let lab = Uplinks::new(&[RATE; 3]);
    for link in 1..=3 {
        lab.number_v6(link);
    }
    let _server = lab.serve();
    lab.client.setup("");
    let one = lab.tcp("get", SERVER_V6, BYTES_OF_ONE);
    lab.transfer("get", SERVER_V6, BYTES).used_all().got_the_sum(&one);
    lab.transfer("put", SERVER_V6, BYTES).used_all().got_the_sum(&one);
}

/// What a server of both families announces.
fn announce_both(lab: &Uplinks) {
    let server = &lab.server.net;
    server.ip("mptcp limits set subflows 8 add_addr_accepted 8");
    server.ip(&format!("mptcp endpoint add {SERVER_V4} dev eth signal"));
    server.ip(&format!("mptcp endpoint add {SERVER_V6} dev eth signal"));
}

/// Over either family, from a socket that can have both. One made for IPv4 (`AF_INET`) cannot have
/// IPv6 subflows at all (`mptcp_pm_addr_families_match`, net/mptcp/pm.c), whatever is configured.
const EITHER_FAMILY: [&str; 2] = [SERVER_V6, SERVER_MAPPED];

#[test]
fn two_links_of_different_families_add_up_over_either() {
    let lab = Uplinks::new(&[RATE; 2]);
    lab.number_v6(1);
    lab.number_v4(2);
    announce_both(&lab);
    let _server = lab.serve();
    lab.client.setup("");
    let endpoints = lab.client.net.ip("mptcp endpoint show");
    // iproute2 older than the kernel has no word for laminar.
    let laminar = endpoints.contains("laminar") || endpoints.contains("rawflags 20");
    assert_eq!(laminar, kernel::is_at_least(6, 18), "{endpoints}");
    if !kernel::is_at_least(6, 3) {
        lab.transfer("get", SERVER_V6, BYTES_OF_ONE).used_only(1);
        return;
    }
    for server in EITHER_FAMILY {
        let one = lab.tcp("get", server, BYTES_OF_ONE);
        lab.transfer("get", server, BYTES).used_all().got_the_sum(&one);
        lab.transfer("put", server, BYTES).used_all().got_the_sum(&one);
    }
    lab.transfer("get", SERVER_V4, BYTES_OF_ONE).used_only(2);
}

#[test]
fn three_links_of_different_families_add_up_over_either() {
    for families in [["6", "4", "4"], ["46", "6", "4"]] {
        let lab = Uplinks::new(&[RATE; 3]);
        for (link, families) in (1..).zip(families) {
            if families.contains('4') {
                lab.number_v4(link);
            }
            if families.contains('6') {
                lab.number_v6(link);
            }
        }
        announce_both(&lab);
        let _server = lab.serve();
        lab.client.setup("");
        let endpoints = lab.client.net.ip("mptcp endpoint show");
        assert!(endpoints.lines().all(|line| line.contains("fullmesh")), "{endpoints}");
        if !kernel::is_at_least(6, 3) {
            lab.transfer("get", SERVER_V6, BYTES_OF_ONE);
            lab.transfer("get", SERVER_V4, BYTES_OF_ONE);
            continue;
        }
        for server in EITHER_FAMILY {
            let one = lab.tcp("get", server, BYTES_OF_ONE);
            lab.transfer("get", server, BYTES).used_all().got_the_sum(&one);
        }
    }
}

#[test]
fn links_with_both_families_add_up_over_either() {
    let lab = Uplinks::new(&[RATE; 3]);
    for link in 1..=3 {
        lab.number_v4(link);
        lab.number_v6(link);
    }
    announce_both(&lab);
    let _server = lab.serve();
    lab.client.setup("");
    for server in [SERVER_V4, SERVER_V6] {
        let one = lab.tcp("get", server, BYTES_OF_ONE);
        lab.transfer("get", server, BYTES).used_all().got_the_sum(&one);
    }
}

#[test]
fn links_with_one_host_at_the_other_end_add_up() {
    let lab = Uplinks::new(&[RATE; 2]);
    for (link, metric) in [(1, 100), (2, 200)] {
        let (near, far) = (format!("10.64.{link}.1"), format!("10.64.{link}.254"));
        lab.client.net.ip(&format!("address add {near} peer {far}/32 dev w{link}"));
        lab.router.ip(&format!("address add {far} peer {near}/32 dev r{link}"));
        lab.client.net.ip(&format!("route add default via {far} dev w{link} metric {metric}"));
    }
    let _server = lab.serve();
    lab.client.setup("");
    let one = lab.tcp("get", SERVER_V4, BYTES_OF_ONE);
    lab.transfer("get", SERVER_V4, BYTES).used_all().got_the_sum(&one);
    lab.transfer("put", SERVER_V4, BYTES).used_all().got_the_sum(&one);
}

#[test]
fn a_point_to_point_link_without_a_route_adds_up() {
    let mut lab = Uplinks::new(&[RATE]);
    lab.number_v4(1);
    let _tunnel = lab.add_tun(RATE);
    let _server = lab.serve();
    // A TUN device is most often a VPN's: it wants to be named.
    assert_eq!(lab.client.setup(""), "only one path, w1: nothing to set up\n");
    lab.client.setup("--only w1,w2");
    let one = lab.tcp("get", SERVER_V4, BYTES_OF_ONE);
    lab.transfer("get", SERVER_V4, BYTES).used_all().got_the_sum(&one);
    lab.transfer("put", SERVER_V4, BYTES).used_all().got_the_sum(&one);
}
