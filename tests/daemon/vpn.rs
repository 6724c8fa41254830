//! A VPN that comes while a daemon runs: within moments nothing leaves around its tunnel, not even of
//! connections that were there before, and when it goes both links carry them again.
//!
//! Judged by packets: the router between client and server counts all of the client's that are not the
//! tunnel's own.
//!
//! Not here: set-ups without a daemon beside a VPN (setup/vpn.rs).

use rustix::process::Signal;

use super::heal::healing;
use super::host::{Daemon, is_whole, stands};
use super::service::idles;
use crate::support::hold::Hold;
use crate::support::tunnel::{BEHIND_V4, Style, connect, disconnect, download, host};
use crate::support::uplinks::{SERVER_V4, Uplinks, assert_same};
use crate::support::{Running, kernel, wait};

const BOTH: &str = "w1 and w2 are set up";
const CAPTURED: &str = "traffic of this host leaves by tun0, which is no uplink: nothing that was \
                        set up leads around it";
/// Enough for both links to carry a share worth the name.
const BYTES: u64 = 4_000_000;

/// Counts what the client sends over its uplinks beside the tunnel.
fn count(lab: &Uplinks) {
    let table = "table inet left {
        counter beside { }
        chain from {
            type filter hook prerouting priority -290
            iifname != { r1, r2 } return
            meta l4proto icmpv6 return
            udp dport 51820 return
            counter name beside
        }
    }";
    lab.router.command("nft").args(["-f", "-"]).input(table).run().ok();
}

/// How many packets it was since this was asked last.
fn beside(lab: &Uplinks) -> u64 {
    let ask = lab.router.command("nft").args(["reset", "counter", "inet", "left", "beside"]);
    let said = ask.run().ok().stdout;
    let mut words = said.split_whitespace().skip_while(|word| *word != "packets").skip(1);
    words.next().and_then(|word| word.parse().ok()).expect("nft prints a number of packets")
}

/// What the client has put into the tunnel.
fn inside(lab: &Uplinks) -> u64 {
    kernel::traffic(&lab.client.net, "tun0").sent
}

/// How many subflows lead over the second link to what is behind the tunnel.
fn joined(lab: &Uplinks, style: Style) -> usize {
    let to = style.target();
    let from = if to.contains(':') { "[2001:db8:2::1]" } else { "10.2.0.1" };
    let to = if to.contains(':') { format!("[{to}]") } else { to.to_owned() };
    let ask = format!("-Htn state established src {from} and dst {to}");
    let ask = lab.client.net.command("ss").args(ask.split_whitespace());
    ask.run().ok().stdout.lines().count()
}

/// A download that stops in the middle until it is released, when the second link has so many subflows.
fn half_a_download(lab: &Uplinks, style: Style, hold: &Hold, subflows: usize) -> Running {
    let before: u64 = lab.counters().iter().sum();
    let mut client = hold.on(lab.client_of("get", style.target(), BYTES)).start();
    wait::until("the first half, and a subflow over w2", || {
        assert!(!client.ended(), "it waits for its second half");
        lab.counters().iter().sum::<u64>() - before > BYTES / 2 && joined(lab, style) == subflows
    });
    client
}

#[test]
fn nothing_leaves_around_a_tunnel_that_comes_and_both_links_are_back_when_it_goes() {
    for style in Style::CAPTURING {
        comes_and_goes(style, |lab| Daemon::start(&lab.client, ""));
    }
}

/// The daemon closes the subflows of its connections itself, and opens none while the tunnel is there.
#[test]
fn nor_does_anything_where_the_daemon_opens_the_subflows() {
    for style in [Style::LowerMetric, Style::WgQuick, Style::HalvesV6] {
        comes_and_goes(style, healing);
    }
}

#[track_caller]
fn comes_and_goes(style: Style, start: fn(&Uplinks) -> Daemon) {
    let lab = host();
    count(&lab);
    let before = lab.client.state();
    let _server = lab.serve();
    let daemon = start(&lab);
    stands(&lab.client, BOTH);
    let set_up = lab.client.state();
    let (hold, other_hold) = (Hold::new(), Hold::new());
    let client = half_a_download(&lab, style, &hold, 1);
    let other = half_a_download(&lab, style, &other_hold, 2);

    let vpn = connect(&lab, style);
    stands(&lab.client, CAPTURED);
    let rules = lab.client.net.ip("rule show") + &lab.client.net.ip("-6 rule show");
    assert!(!rules.contains("proto 86"), "{style:?}: {rules}");
    let endpoints = lab.client.net.ip("mptcp endpoint show");
    assert!(!endpoints.contains("10.2.0.1 "), "{style:?}: {endpoints}");
    wait::until("no subflow over w2", || joined(&lab, style) == 0);
    beside(&lab);
    let sent = inside(&lab);
    // What was there before goes on, into the tunnel, whose other end knows no such address.
    hold.release();
    wait::until("packets of the connection in the tunnel", || inside(&lab) > sent);
    // New connections have the tunnel for themselves.
    download(&lab, style.target(), BYTES / 10);
    assert_eq!(beside(&lab), 0, "{style:?}");

    disconnect(&lab, style, vpn);
    stands(&lab.client, BOTH);
    is_whole(&lab.client);
    client.finish().ok();
    wait::until("a subflow of the other connection over w2", || joined(&lab, style) > 0);
    let back = lab.counters();
    other_hold.release();
    other.finish().ok();
    let now = lab.counters();
    assert!(now[1] - back[1] > BYTES / 10, "{style:?}: {back:?} {now:?}");
    let said = daemon.said();
    assert_eq!(said.matches(": withdrew ").count(), 1, "{style:?}: {said}");
    assert_same(
        &in_order(&set_up),
        &in_order(&lab.client.state()),
        &format!("{style:?}, given back"),
    );
    daemon.end().ok();
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), &format!("{style:?}, undone"));
}

/// A state without the endpoints' ids, which the kernel gives anew.
fn in_order(state: &str) -> String {
    let without = |line: &str| match line.split_once(" id ") {
        Some((address, rest)) => {
            format!("{address} {}", rest.split_once(' ').map_or("", |(_, flags)| flags))
        }
        None => line.to_owned(),
    };
    let mut lines: Vec<String> = state.lines().map(without).collect();
    lines.sort();
    lines.join("\n")
}

#[test]
fn a_tunnel_for_some_networks_changes_nothing() {
    let lab = host();
    count(&lab);
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    stands(&lab.client, BOTH);
    let before = lab.client.state();
    let _vpn = connect(&lab, Style::Split);
    // It looks at the host once more, after the tunnel has come.
    daemon.signal(Signal::HUP);
    daemon.says("the settings were read again");
    is_whole(&lab.client);
    stands(&lab.client, BOTH);
    let ours = |state: &str| -> Vec<String> {
        let ours = state.lines().filter(|line| line.contains("proto 86") || line.contains(" id "));
        ours.map(str::to_owned).collect()
    };
    assert_eq!(ours(&lab.client.state()), ours(&before));
    lab.transfer("get", SERVER_V4, BYTES).used_all();
    // What the client's kernel says of the end leaves beside the tunnel, as it began.
    let ask = "-Htn state connected exclude time-wait dst 10.99.0.1";
    wait::until("the end of its connection", || {
        lab.client.net.command("ss").args(ask.split_whitespace()).run().ok().stdout.is_empty()
    });
    beside(&lab);
    download(&lab, BEHIND_V4, BYTES / 10);
    assert_eq!(beside(&lab), 0);
    assert!(!daemon.said().contains("withdrew"), "{}", daemon.said());
    daemon.end().ok();
}

/// An IPsec policy has neither link nor route: it is known by itself, and what an uplink's address has
/// leaves in clear whatever the routes say. So no endpoint stays.
#[test]
fn an_ipsec_policy_that_comes_ends_every_endpoint_and_its_end_brings_them_back() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let daemon = Daemon::start(&lab.client, "");
    stands(&lab.client, BOTH);
    // Until it has slept over its own changes, any look could be theirs.
    idles(&daemon);
    let policy = "src 10.9.0.1/32 dst 0.0.0.0/0 dir out";
    let template = "tmpl src 10.1.0.1 dst 198.51.100.1 proto esp mode tunnel";
    lab.client.net.ip(&format!("xfrm policy add {policy} {template}"));
    daemon.says("to 0.0.0.0/0 leaves by IPsec: withdrew 2 endpoints and ");
    assert_eq!(lab.client.net.ip("mptcp endpoint show"), "");
    idles(&daemon);
    lab.client.net.ip(&format!("xfrm policy delete {policy}"));
    stands(&lab.client, BOTH);
    is_whole(&lab.client);
    daemon.end().ok();
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
}
