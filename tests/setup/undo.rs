//! `mptcpize setup undo` leaves no trace: all that iproute2 and procfs show is byte for byte what
//! it was, and what others changed meanwhile stays.
//!
//! Not here: a set-up that was interrupted (crash.rs).

use crate::support::uplinks::{Station, Uplinks, assert_same, difference};

/// Hosts in which one thing or another is special.
fn hosts() -> Vec<(&'static str, Uplinks)> {
    let mixed = Uplinks::new(&["15mbit"; 3]);
    for link in 1..=3 {
        mixed.number_v6(link);
    }
    mixed.number_v4(2);
    let peers = Uplinks::new(&["15mbit"; 2]);
    for link in 1..=2 {
        let far = format!("10.64.{link}.254");
        peers.client.net.ip(&format!("address add 10.64.{link}.1 peer {far}/32 dev w{link}"));
        peers.client.net.ip(&format!("route add default via {far} dev w{link} metric {link}"));
    }
    let off = Uplinks::two_subnets("15mbit");
    off.client.net.sysctl("net/mptcp/enabled", "0");
    let busy = Uplinks::three_dongles("15mbit");
    let client = &busy.client.net;
    client.ip("mptcp limits set subflows 3 add_addr_accepted 1");
    client.ip("mptcp endpoint add 192.168.0.12 dev w2 id 7 signal");
    client.ip("rule add from 192.168.0.13 lookup 8684 priority 32765 protocol static");
    client.ip("route add default via 192.168.0.1 dev w3 table 8684");
    client.ip("rule add fwmark 1 lookup 100");
    client.sysctl("net/ipv4/conf/w2/arp_ignore", "2");
    client.sysctl("net/ipv4/conf/all/rp_filter", "1");
    vec![
        ("three dongles", Uplinks::three_dongles("15mbit")),
        ("two subnets", Uplinks::two_subnets("15mbit")),
        ("mixed families", mixed),
        ("point to point", peers),
        ("MPTCP switched off", off),
        ("settings of others", busy),
    ]
}

#[test]
fn undo_leaves_the_host_byte_for_byte_as_it_was() {
    for (name, lab) in hosts() {
        let before = lab.client.state();
        lab.client.setup("");
        assert_ne!(before, lab.client.state(), "{name}: something was set up");
        lab.client.setup("undo");
        assert_same(&before, &lab.client.state(), name);
        let said = lab.client.setup("undo");
        assert_eq!(said, "nothing to undo: mptcpize changed nothing since the boot\n", "{name}");
        assert!(!lab.client.state_directory().exists(), "{name}");
    }
}

#[test]
fn a_second_set_up_changes_nothing() {
    for (name, lab) in hosts() {
        lab.client.setup("");
        let after = lab.client.state();
        let said = lab.client.setup("");
        assert!(said.starts_with("already set up: "), "{name}: {said}");
        assert_same(&after, &lab.client.state(), name);
    }
}

#[test]
fn what_others_change_meanwhile_stays() {
    let lab = Uplinks::three_dongles("15mbit");
    let client = &lab.client.net;
    lab.client.setup("");
    client.ip("mptcp limits set subflows 5 add_addr_accepted 4");
    client.ip("mptcp endpoint delete id 1");
    client.ip("mptcp endpoint add 192.168.0.11 dev w1 signal");
    client.sysctl("net/ipv4/conf/w1/arp_ignore", "2");
    client.ip("rule add from 10.0.0.0/8 lookup 77 priority 32764");
    client.ip("route add 10.7.0.0/16 via 192.168.0.1 dev w2 table 8685");
    let said = lab.client.setup("undo");
    assert_eq!(said, "undid 22 changes, 3 had gone already or belong to others now\n");
    assert_eq!(client.ip("mptcp limits show"), "add_addr_accepted 4 subflows 5 \n");
    assert_eq!(client.ip("mptcp endpoint show"), "192.168.0.11 id 4 signal dev w1 \n");
    assert_eq!(client.ip("route show table 8685"), "10.7.0.0/16 via 192.168.0.1 dev w2 \n");
    assert!(client.ip("rule show").contains("32764:\tfrom 10.0.0.0/8 lookup 77"));
    let arp_ignore = client.enter(|| std::fs::read("/proc/sys/net/ipv4/conf/w1/arp_ignore"));
    assert_eq!(arp_ignore.expect("it is there"), b"2\n");
}

fn sorted(state: &str) -> String {
    let mut lines: Vec<&str> = state.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn a_link_that_was_down_and_is_up_again_is_repaired() {
    for (name, lab) in hosts().into_iter().take(4) {
        let client = &lab.client.net;
        let before = lab.client.state();
        lab.client.setup("");
        let whole = lab.client.state();
        // The kernel drops the link's routes, of all tables, and its IPv6 addresses.
        let addresses = client.ip("-6 address show dev w2 scope global");
        let defaults = client.ip("route show default dev w2");
        let defaults_v6 = client.ip("-6 route show default dev w2");
        client.ip("link set w2 down");
        assert_ne!(whole, lab.client.state(), "{name}");
        client.ip("link set w2 up");
        crate::support::wait::until("a carrier", || client.ip("link show w2").contains("LOWER_UP"));
        if addresses.contains("inet6") {
            client.ip("address add 2001:db8:2::1/64 dev w2 nodad");
        }
        for route in defaults.lines().chain(defaults_v6.lines()) {
            client.ip(&format!("route replace {} dev w2", route.replace(" pref medium", "")));
        }
        lab.client.setup("");
        // The order of what was added again is another.
        assert_same(&sorted(&whole), &sorted(&lab.client.state()), &format!("{name}, repaired"));
        lab.client.setup("undo");
        assert_same(&sorted(&before), &sorted(&lab.client.state()), &format!("{name}, undone"));
    }
}

#[test]
fn a_link_that_is_down_at_the_end_gets_its_sysctls_back() {
    let lab = Uplinks::two_subnets("15mbit");
    let client = &lab.client.net;
    let path = "/proc/sys/net/ipv4/conf/w2/ignore_routes_with_linkdown";
    let value = || client.enter(|| std::fs::read_to_string(path)).expect("the link is there");
    lab.client.setup("");
    assert_eq!(value(), "1\n");
    client.ip("link set w2 down");
    lab.client.setup("undo");
    assert_eq!(value(), "0\n");
}

#[test]
fn iproute2_reads_what_we_write_and_we_read_what_it_writes() {
    let lab = Uplinks::three_dongles("15mbit");
    lab.client.setup("");
    let whole = lab.client.state();
    let client = &lab.client.net;
    // Taken away with iproute2's own words, and put back with them: nothing is left to do.
    for table in ["8684", "8685", "8686"] {
        for route in client.ip(&format!("route show table {table}")).lines() {
            client.ip(&format!("route delete table {table} {route}"));
            client.ip(&format!("route add table {table} {route}"));
        }
    }
    for rule in client.ip("rule show").lines().filter(|rule| rule.contains("proto 86")) {
        let (priority, rule) = rule.split_once(":\t").expect("ip-rule's form");
        client.ip(&format!("rule delete priority {priority} {rule}"));
        client.ip(&format!("rule add priority {priority} {rule}"));
    }
    let endpoints = client.ip("mptcp endpoint show");
    client.ip("mptcp endpoint flush");
    for endpoint in endpoints.lines() {
        client.ip(&format!("mptcp endpoint add {endpoint}"));
    }
    let now = lab.client.state();
    assert_eq!(difference(&whole, &now), "");
    assert!(lab.client.setup("").starts_with("already set up"));
}

#[test]
fn nothing_is_set_up_with_one_path() {
    let lab = Uplinks::new(&["15mbit"; 2]);
    lab.number_v4(1);
    let station: &Station = &lab.client;
    let before = station.state();
    assert_eq!(station.setup(""), "only one path, w1: nothing to set up\n");
    assert_same(&before, &station.state(), "one path");
    assert_eq!(station.journal(), None);
}
