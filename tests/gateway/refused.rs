//! Hosts and settings that are no gateway: each is told what is wrong and what to do, and nothing changes.

use crate::lan::{Lan, relay};
use crate::support::uplinks::{Uplinks, assert_same};

/// Runs `gateway OPTIONS`, which is refused with this code and these words; the host stays as it was.
#[track_caller]
fn refused(lan: &Lan, options: &str, code: i32, words: &[&str]) {
    relay();
    let before = lan.state();
    let outcome = lan.router().tool("gateway").args(options.split_whitespace()).run();
    assert_eq!(outcome.code(), code, "{outcome}");
    for word in words.iter().chain(&["  why: ", "  fix: "]) {
        assert!(outcome.stderr.contains(word), "{word:?}: {outcome}");
    }
    assert_same(&before, &lan.state(), options);
}

#[test]
fn a_lan_that_is_none_is_named_with_what_to_do() {
    let lan = Lan::three_dongles();
    let net = &lan.router().net;
    net.ip("link add bare type bridge");
    net.ip("link set bare up");
    net.ip("link add off0 type bridge");
    net.ip("address add 192.168.78.1/24 dev off0");
    net.ip("link add twice type bridge");
    net.ip("address add 192.168.0.200/26 dev twice");
    net.ip("link set twice up");
    net.settle();
    refused(&lan, "", 2, &["which interface is the LAN?", "br0 (192.168.77.1/24 and fd77::1/64)"]);
    refused(&lan, "--lan eth7", 2, &["there is no interface eth7", "this host has "]);
    refused(&lan, "--lan w1", 2, &["w1 is an uplink and cannot be the LAN"]);
    refused(&lan, "--lan w2", 2, &["w2 is an uplink and cannot be the LAN"]);
    refused(&lan, "--lan p1", 2, &["p1 is no LAN of its own", "gateway --lan br0"]);
    refused(&lan, "--lan lo", 2, &["lo cannot be a LAN"]);
    refused(&lan, "--lan off0", 1, &["the LAN interface off0 is down", "ip link set off0 up"]);
    let lines = ["--lan bare --lan-address", "ip address add 192.168.77.1/24 dev bare"];
    refused(&lan, "--lan bare", 1, &["the LAN interface bare has no address", lines[0], lines[1]]);
    let networks = "192.168.0.192/26 and 192.168.0.0/24";
    refused(&lan, "--lan twice", 1, &["networks of the LAN twice and of the uplink w1", networks]);
    refused(&lan, "--lan br0 --lan-address 192.168.0.7/24", 1, &["of the uplink w1 overlap"]);
    refused(&lan, "--lan br0 --lan-address 192.168.9.0/24", 2, &["is no address of a host"]);
}

#[test]
fn a_host_without_an_uplink_is_none() {
    let lan = Lan::behind(Uplinks::new(&["20mbit"; 2]));
    refused(&lan, "--lan br0", 1, &["this host has no uplink", "w1: "]);
}

#[test]
fn a_host_without_nft_or_with_a_kernel_that_has_no_tproxy_is_told_so() {
    let mut lan = Lan::three_dongles();
    let own = |text: &str| {
        format!(
            "mount -t tmpfs tmpfs /usr/sbin\n\
             printf '%s\\n' '#!/bin/sh' {text} >/usr/sbin/nft\nchmod 755 /usr/sbin/nft"
        )
    };
    lan.lab.client.mounting("mount -t tmpfs tmpfs /usr/sbin");
    refused(&lan, "--lan br0", 5, &["nft is not here", "apt install nftables"]);
    // What nft says of a rule whose module is missing.
    lan.lab.client.mounting(&own("'[ \"$1\" = -j ] && echo \"{\\\"nftables\\\": []}\" && exit' \
         'echo \"/f:9:1-9: Error: Could not process rule: No such file or directory\" >&2' \
         'echo \"meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:8684\" >&2' 'exit 1'"));
    refused(&lan, "--lan br0", 5, &["this kernel cannot be a gateway", "\"tproxy\"", "modprobe"]);
}

#[test]
fn one_gateway_runs_at_a_time() {
    let lan = Lan::three_dongles();
    let gateway = lan.gateway("");
    let outcome = lan.router().tool("gateway --lan br0").run();
    assert_eq!(outcome.code(), 1, "{outcome}");
    assert!(outcome.stderr.starts_with("error: a gateway runs here already\n"), "{outcome}");
    let outcome = lan.router().tool("gateway undo").run();
    assert_eq!(outcome.code(), 1, "{outcome}");
    gateway.end();
}
