//! A LAN made from nothing: the address of its interface, and those of its clients.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::lan::{Lan, SERVER, used_all};
use crate::support::uplinks::{Uplinks, assert_same};
use crate::support::{Launch, Netns, scratch, wait};

/// A LAN whose router and clients have no addresses.
fn bare() -> Lan {
    let lan = Lan::behind(Uplinks::three_dongles("20mbit"));
    lan.router().net.ip("address flush dev br0 scope global");
    for client in [&lan.phone, &lan.laptop] {
        client.ip("address flush dev eth scope global");
        client.ip("-6 route flush default");
        // What a router advertises, the kernel takes.
        client.sysctl("net/ipv6/conf/eth/accept_ra", "2");
        client.sysctl("net/ipv6/conf/eth/autoconf", "1");
    }
    lan
}

/// The user of a process that runs.
fn user(pid: u32) -> u32 {
    fs::metadata(format!("/proc/{pid}")).expect("it runs").uid()
}

/// Is there such a process, and is it no more than its end that somebody has to take note of?
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Asks for an address as a phone does, and takes what comes; what it said.
fn asks(client: &Netns) -> String {
    let script = scratch("udhcpc").join("script");
    let text = "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\n\
        ip address add $ip/$mask dev $interface\nip route add default via $router\n\
        echo \"$ip/$mask via $router dns $dns\"\n";
    crate::support::scratch::file(&script, text, 0o755);
    let ask = client.command("busybox").args(["udhcpc", "-f", "-q", "-n", "-i", "eth", "-s"]);
    ask.arg(script).run().ok().stdout
}

#[test]
fn a_client_asks_for_an_address_and_downloads_over_all_uplinks() {
    let lan = bare();
    let served = lan.serve(Launch::Tool, 8_000_000);
    let before = lan.state();
    let gateway = lan.gateway("--lan-address 192.168.88.1/24,fd88::1/64 --dhcp");
    // It answers once it has said nothing and is there.
    wait::until("a server of addresses", || {
        lan.router().net.proc_net("udp").lines().any(|line| line.contains(":0043 "))
    });
    let given = asks(&lan.phone);
    assert!(given.contains("/24 via 192.168.88.1 dns 192.168.88.1"), "{given}");
    used_all(&lan.download(&lan.phone, SERVER, &served));
    // Without a question: by router advertisements.
    wait::until("an address of IPv6", || {
        lan.laptop.ip("-6 address show dev eth scope global").contains("inet6 fd88:")
    });
    wait::until("a router of IPv6", || lan.laptop.ip("-6 route show default").contains("proto ra"));
    let children = gateway.children();
    assert_eq!(children.len(), 2, "a relay and a server of addresses");
    assert!(children.iter().all(|pid| user(*pid) >= 61184), "neither is root");
    gateway.end();
    assert_same(&before, &lan.state(), "ended");
    assert!(children.iter().all(|pid| !runs(*pid)), "{children:?}");
}

#[test]
fn an_address_that_was_given_goes_with_undo() {
    let lan = bare();
    let before = lan.state();
    let gateway = lan.gateway("--lan-address 192.168.88.1/24 --dhcp");
    let children = gateway.children();
    gateway.kill();
    wait::until("the end of its children", || children.iter().all(|pid| !runs(*pid)));
    assert!(lan.router().net.ip("address show dev br0").contains("192.168.88.1/24"));
    lan.router().tool("gateway undo").run().silent();
    assert_same(&before, &lan.state(), "undone");
}
