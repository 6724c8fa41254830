//! Hosts and settings that are no gateway: each is told what is wrong and what to do, and nothing changes.

use crate::lan::{Lan, relay};
use crate::support::scratch;
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
    refused(
        &lan,
        "--lan br0 --lan-address 192.168.0.7/24",
        2,
        &[
            "of the uplink w1 overlap",
            "fix: sudo mptcpize gateway --lan br0 --lan-address 192.168.77.1/24",
        ],
    );
    refused(&lan, "--lan br0 --lan-address 192.168.9.0/24", 2, &["is no address of a host"]);
}

#[test]
fn a_host_without_an_uplink_is_none() {
    let lan = Lan::behind(Uplinks::new(&["20mbit"; 2]));
    refused(
        &lan,
        "--lan br0",
        1,
        &[
            "this host has no uplink",
            "w1: ",
            "ip route add default via GATEWAY dev w1    # or in",
            "w1 = \"GATEWAY\"",
        ],
    );
    let said = lan.router().tool("gateway --lan br0").run().stderr;
    assert!(!said.contains("br0:") && !said.contains("as asked"), "nobody asked: {said}");
}

#[test]
fn a_lan_whose_only_family_no_uplink_has_is_none() {
    let lan = Lan::three_dongles();
    lan.router().net.ip("address del 192.168.77.1/24 dev br0");
    let lines = ["no uplink has the IPv6 of the LAN br0", "--lan-address 192.168.77.1/24 --dhcp"];
    refused(&lan, "--lan br0", 1, &lines);
}

#[test]
fn what_is_likely_not_meant_is_said_and_each_interface_taken_once() {
    let lan = Lan::three_dongles();
    let file = scratch("settings").join("mptcpize.toml");
    std::fs::write(&file, "[gateway]\nweights.nosuch = 3\n").expect("a scratch file");
    let options = format!("gateway --lan br0,br0 --dry-run --config {}", file.display());
    let said = lan.router().tool(&options).run().ok().stdout;
    for line in [
        "inet mptcpize: TCP from br0 to port",
        "! no uplink has the IPv6 of br0: it leads nowhere\n",
        "! weights names nosuch, which is no uplink now\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn a_table_of_our_name_that_somebody_else_made_stays() {
    let lan = Lan::three_dongles();
    for content in ["chain theirs { }", "set theirs { type ipv4_addr; }"] {
        let table = format!("table inet mptcpize {{\n {content}\n}}");
        lan.router().net.command("nft").args(["-f", "-"]).input(table).run().ok();
        let lines =
            ["a table inet mptcpize that no gateway made", "sudo nft list table inet mptcpize"];
        refused(&lan, "--lan br0", 1, &lines);
        refused(&lan, "--lan br0 --dry-run", 1, &lines);
        let before = lan.state();
        lan.router().tool("gateway undo").run().ok();
        assert_same(&before, &lan.state(), "undo");
        lan.router().net.command("nft").args(["delete", "table", "inet", "mptcpize"]).run().ok();
    }
}

#[test]
fn a_host_without_systemd_has_no_service() {
    let mut lan = Lan::three_dongles();
    lan.lab.client.mounting("mount -t tmpfs tmpfs /run");
    let what = "no systemd runs here";
    refused(&lan, "--enable --lan br0", 5, &[what, "gateway --lan=br0    # runs here"]);
    refused(&lan, "--disable", 5, &[what, "sudo mptcpize gateway undo    # ends"]);
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
