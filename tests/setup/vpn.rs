//! A VPN keeps what it was given: `mptcpize setup` and `mptcpize run` never lead traffic around a
//! tunnel, whichever came first, and a host from which a tunnel would leak is told so.
//!
//! Judged by packets: downloads over MPTCP through a tunnel whose own packets go over w1, while the
//! router between client and server counts all that is not the tunnel's.
//!
//! Not here: routes and bridges without a VPN (routes.rs), other kinds of host (hosts.rs).

use crate::support::check::{Checked, check, paste};
use crate::support::kernel;
use crate::support::tunnel::{
    BEHIND_V4, Packets, Style, connect, disconnect, download, host, leaks, packets,
};
use crate::support::uplinks::{SERVER_V4, Uplinks, assert_same};

/// A few hundred packets: the joins of a connection come with the first of them.
const BYTES: u64 = 300_000;
/// What neighbours, routers and groups say on an idle link.
const IDLE_BYTES: u64 = 6_000;

/// Downloads through the tunnel, and sees that no byte of it went beside; what was said.
#[track_caller]
fn keeps_inside(lab: &Uplinks, style: Style, when: &str) -> String {
    packets(lab);
    let second = || kernel::traffic(&lab.client.net, "w2");
    let (inside, before) = (kernel::traffic(&lab.client.net, "tun0"), second());
    let outcome = download(lab, style.target(), BYTES);
    let seen = packets(lab);
    let (idle, after) = (kernel::traffic(&lab.client.net, "tun0"), second());
    let what = format!("{style:?}, {when}: {seen:?} {outcome}");
    assert_eq!(seen.beside, 0, "{what}");
    assert!(seen.tunnel > BYTES / 1400, "{what}");
    assert!(idle.received - inside.received > BYTES, "{what}");
    let moved = after.received + after.sent - before.received - before.sent;
    assert!(moved < IDLE_BYTES, "{moved} bytes over w2, {what}");
    outcome.stderr
}

/// The problem that stands first, which is a leak; the line that ends it.
#[track_caller]
fn leak(checked: &Checked) -> String {
    let first = &checked.0["findings"][0];
    assert_eq!(first["code"], "vpn.leak", "{:#}", checked.0["findings"]);
    assert_eq!(first["severity"], "problem", "{first:#}");
    assert!(first.to_string().contains("tun0"), "{first:#}");
    let fix = first["fix"].as_array().expect("a list").iter();
    let fix: Vec<&str> = fix.filter_map(|line| line.as_str()).collect();
    assert!(!fix.is_empty(), "{first:#}");
    fix.join(" && ")
}

/// `check` has a leak first, with the line that ends it; `status` says it too.
#[track_caller]
fn is_told(lab: &Uplinks) -> String {
    let checked = check(&lab.client, "");
    let fix = leak(&checked);
    let status = lab.client.tool("status").run();
    assert_eq!(status.code(), 3, "{status}");
    let said = |line: &str| status.stdout.contains(line);
    assert!(said("tun0") && fix.split(" && ").all(said), "{fix}: {status}");
    fix
}

#[test]
fn a_captured_host_is_left_alone() {
    for style in Style::CAPTURING {
        let lab = host();
        let _server = lab.serve();
        let vpn = connect(&lab, style);
        let before = lab.client.state();
        // Once for each way of asking is enough.
        let asked: &[&str] = match style {
            Style::LowerMetric => &["setup", "run --setup true"],
            _ => &["setup"],
        };
        for arguments in asked {
            let refused = lab.client.tool(arguments).run();
            let said: Vec<&str> = refused.stderr.lines().collect();
            assert_eq!((refused.code(), said.len()), (1, 3), "{style:?}: {refused}");
            assert!(said[0].starts_with("error: ") && said[0].contains("tun0"), "{refused}");
            assert!(said[1].starts_with("  why: "), "{refused}");
            assert!(said[2].starts_with("  fix: "), "{refused}");
            assert!(said[2].contains("mptcpize setup --beside-vpn"), "{refused}");
        }
        let said = keeps_inside(&lab, style, "nothing set up");
        assert_eq!(said, "", "{style:?}");
        assert_same(&before, &lab.client.state(), &format!("{style:?}"));
        assert_eq!(lab.client.journal(), None, "{style:?}");
        // Without the tunnel it is a host like any other.
        disconnect(&lab, style, vpn);
        let said = lab.client.tool("run true").run().ok().stderr;
        assert!(said.starts_with("mptcpize: set up w1 and w2 with "), "{style:?}: {said}");
    }
}

#[test]
fn a_tunnel_that_comes_up_after_the_set_up_has_all_that_its_rules_and_routes_take() {
    let by_rules = Style::CAPTURING.into_iter().filter(|style| *style != Style::LowerMetric);
    for style in by_rules {
        let lab = host();
        let _server = lab.serve();
        lab.client.setup("");
        let set_up = lab.client.state();
        let vpn = connect(&lab, style);
        let said = keeps_inside(&lab, style, "set up before");
        assert_eq!(said, "", "{style:?}");
        let checked = check(&lab.client, "");
        checked.finds(&[], &format!("{style:?} leaks nothing"));
        let note = checked.topic("vpn");
        assert!(note["why"].as_str().is_some_and(|why| why.contains("set up before")), "{note}");
        disconnect(&lab, style, vpn);
        assert_same(&set_up, &lab.client.state(), &format!("{style:?}, disconnected"));
    }
}

#[test]
fn a_better_default_route_after_the_set_up_is_seen_and_the_fix_ends_the_leak() {
    let lab = host();
    let _server = lab.serve();
    lab.client.setup("");
    let vpn = connect(&lab, Style::LowerMetric);
    let fix = is_told(&lab);
    let run = lab.client.tool("run true").run().ok();
    assert_eq!(run.stderr.lines().count(), 1, "{run}");
    assert!(run.stderr.starts_with("mptcpize: ") && run.stderr.contains("tun0"), "{run}");
    assert!(run.stderr.contains(&fix), "{fix}: {run}");
    paste(&lab.client, &fix);
    assert_eq!(keeps_inside(&lab, Style::LowerMetric, &fix), "");
    assert!(!check(&lab.client, "").codes().contains("vpn.leak"));
    assert_eq!(lab.client.tool("run true").run().ok().stderr, "");
    // It was no false alarm: as long as nobody pastes the line, the uplinks carry data.
    disconnect(&lab, Style::LowerMetric, vpn);
    lab.client.setup("");
    let _vpn = connect(&lab, Style::LowerMetric);
    leaks(&lab, BEHIND_V4, BYTES, |seen| seen.joining > 0);
}

#[test]
fn endpoints_of_a_manager_that_lead_around_a_tunnel_are_told_without_any_set_up_of_ours() {
    for style in [Style::WgQuick, Style::Halves, Style::LowerMetric, Style::HalvesV6] {
        let lab = host();
        let _server = lab.serve();
        // As NetworkManager makes them.
        let network_manager = || {
            for link in 1..=2 {
                for address in [format!("10.{link}.0.1"), format!("2001:db8:{link}::1")] {
                    let endpoint = format!("mptcp endpoint add {address} dev w{link} subflow");
                    lab.client.net.ip(&endpoint);
                }
            }
        };
        network_manager();
        assert!(!check(&lab.client, "").codes().contains("vpn.leak"), "{style:?}: no VPN yet");
        let _vpn = connect(&lab, style);
        let fix = is_told(&lab);
        paste(&lab.client, &fix);
        keeps_inside(&lab, style, &fix);
        assert!(!check(&lab.client, "").codes().contains("vpn.leak"), "{style:?}");
        lab.client.net.ip("mptcp endpoint flush");
        network_manager();
        leaks(&lab, style.target(), BYTES, |seen| seen.beside > 0);
    }
}

#[test]
fn who_insists_is_told_what_leaves_the_tunnel() {
    for style in Style::CAPTURING {
        let lab = host();
        let _server = lab.serve();
        let _vpn = connect(&lab, style);
        let before = lab.client.state();
        let done = lab.client.tool("setup --beside-vpn").run().ok();
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains("set up w1 and w2"), "{style:?}: {done}");
        assert!(said.contains("tun0"), "{style:?}: {done}");
        assert!(lab.client.net.ip("mptcp endpoint show").contains("10.2.0.1"), "{style:?}");
        let set_up = lab.client.state();
        lab.client.tool("run true").run().ok();
        assert!(lab.client.setup("").contains("as before: --beside-vpn"), "{style:?}");
        assert_same(&set_up, &lab.client.state(), &format!("{style:?}, as asked"));
        lab.client.setup("undo");
        assert_same(&before, &lab.client.state(), &format!("{style:?}"));
    }
}

#[test]
fn a_split_tunnel_captures_nothing_and_has_all_that_is_its_own() {
    for vpn_first in [true, false] {
        let lab = host();
        let _server = lab.serve();
        let vpn = vpn_first.then(|| connect(&lab, Style::Split));
        let said = lab.client.setup("");
        assert!(said.starts_with("set up w1 and w2"), "{said}");
        let _vpn = vpn.unwrap_or_else(|| connect(&lab, Style::Split));
        assert!(!check(&lab.client, "").codes().contains("vpn.leak"), "{vpn_first}");
        keeps_inside(&lab, Style::Split, if vpn_first { "the VPN first" } else { "set up first" });
        // All else uses both uplinks, and only what is behind the tunnel does not.
        packets(&lab);
        // Enough that the beginning of a transfer does not count.
        lab.transfer("get", SERVER_V4, 100 * BYTES).used_all();
        let Packets { beside, joining, .. } = packets(&lab);
        assert!(beside > 0 && joining == 0, "{beside} {joining}");
    }
}

/// What `ip route get` says, its complaint included.
fn way(lab: &Uplinks, to: &str) -> String {
    let asked = lab.client.net.command("ip").args(["route", "get", to]).run();
    format!("{}{}", asked.stdout, asked.stderr)
}

#[test]
fn with_the_tunnel_down_a_kill_switch_still_lets_nothing_out() {
    // Main has the tunnel's default route and no other; the uplinks' own are in tables of theirs.
    let lab = host();
    let client = &lab.client.net;
    for link in 1..=2 {
        client.ip(&format!("route delete default dev w{link}"));
        client.ip(&format!("-6 route delete default dev w{link}"));
        client.ip(&format!("route add default via 10.{link}.0.254 dev w{link} table 10{link}"));
        client.ip(&format!("rule add from 10.{link}.0.1 lookup 10{link} pref 100{link}"));
    }
    client.ip("route add 10.99.0.1/32 via 10.1.0.254 dev w1");
    let unreachable = way(&lab, "203.0.113.9");
    assert!(unreachable.contains("unreachable"), "{unreachable}");
    let before = lab.client.state();
    let vpn = connect(&lab, Style::Split);
    client.ip("route add default via 10.8.0.1 dev tun0 metric 50");
    lab.client.tool("setup --beside-vpn").run().ok();
    assert!(client.ip("mptcp endpoint show").contains("10.2.0.1"));
    assert!(way(&lab, "203.0.113.9").contains("dev tun0"));
    drop(vpn);
    assert_eq!(way(&lab, "203.0.113.9"), unreachable, "the tunnel is down");
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
    // A set-up that finds no tunnel leaves that destination unreachable too.
    let said = lab.client.setup("");
    assert!(said.starts_with("set up w1 and w2"), "{said}");
    assert_eq!(way(&lab, "203.0.113.9"), unreachable, "no tunnel yet");
}

/// A policy of strongSwan's sort: what has the address that the VPN gave is encrypted, to anywhere.
fn ipsec(lab: &Uplinks) {
    lab.client.net.ip("address add 10.9.0.1/32 dev w1");
    lab.client.net.ip("xfrm policy add src 10.9.0.1/32 dst 0.0.0.0/0 dir out \
         tmpl src 10.1.0.1 dst 198.51.100.1 proto esp mode tunnel");
}

#[test]
fn an_ipsec_policy_for_the_internet_is_a_vpn_though_no_route_says_so() {
    let lab = Uplinks::two_subnets("15mbit");
    ipsec(&lab);
    let before = lab.client.state();
    let refused = lab.client.tool("setup").run();
    assert_eq!(refused.code(), 1, "{refused}");
    assert!(refused.stderr.contains("to 0.0.0.0/0 leaves by IPsec"), "{refused}");
    assert!(refused.stderr.contains("fix: sudo mptcpize setup --beside-vpn"), "{refused}");
    lab.client.tool("run true").run().says(0, "");
    assert_same(&before, &lab.client.state(), "captured by IPsec");
    // For one network it takes that network alone.
    lab.client.net.ip("xfrm policy flush");
    lab.client.net.ip("xfrm policy add src 10.9.0.1/32 dst 10.77.0.0/16 dir out \
         tmpl src 10.1.0.1 dst 198.51.100.1 proto esp mode tunnel");
    assert!(lab.client.setup("").starts_with("set up w1 and w2"));
}

#[test]
fn an_ipsec_policy_that_comes_after_the_set_up_is_seen_and_the_fix_ends_the_leak() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    lab.client.setup("");
    ipsec(&lab);
    let checked = check(&lab.client, "");
    let first = &checked.0["findings"][0];
    assert_eq!(first["code"], "vpn.leak", "{first:#}");
    assert!(first["title"].to_string().contains("IPsec"), "{first:#}");
    assert_eq!(lab.client.tool("status").run().code(), 3);
    let said = lab.client.tool("run true").run().ok().stderr;
    assert!(said.contains("mptcpize setup undo"), "{said}");
    paste(&lab.client, "mptcpize setup undo");
    assert_eq!(check(&lab.client, "").0["findings"][0]["code"], "vpn.captured");
    lab.client.net.ip("address del 10.9.0.1/32 dev w1");
    lab.client.net.ip("xfrm policy flush");
    assert_same(&before, &lab.client.state(), "undone");
}
