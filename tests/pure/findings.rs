//! What `mptcpize check` says, from observations that are data: faults that this machine cannot have,
//! and the screen for every kind of reader. No kernel.
//!
//! `UPDATE=1 cargo test --test pure findings::` writes tests/screens/check-*.txt anew; read the
//! difference before you commit it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::observed::{counted, laptop, name, peer, service, troubled};
use mptcpize::output::check::Screen;
use mptcpize::output::term::{Colour, Term};
use mptcpize_model::checks::{
    self, Finding, FirewallRule, Harm, Observed, Place, Scope, Severity, Shim, Socket, judge,
};
use mptcpize_model::config::Role;
use mptcpize_model::lacks::Lack;
use mptcpize_model::net::MAIN;
use mptcpize_model::{Flavour, HostState, Manager, route_lookup};

/// The codes of all that is not fine.
fn codes(seen: &Observed) -> BTreeSet<String> {
    let odd = |finding: &Finding| finding.severity != Severity::Fine;
    checks::run(seen).into_iter().filter(odd).map(|finding| finding.code.to_owned()).collect()
}

/// A tunnel took the default route after the set-up; the second link's subflows follow it or not.
fn captured(seen: &mut Observed, leaks: bool) {
    let mut link = seen.host.links[0].clone();
    (link.name, link.kind, link.loopback) = (name("wg0"), Some("wireguard".into()), false);
    seen.host.links.push(link);
    let endpoint = seen.host.endpoints.last().expect("it is set up").clone();
    let by = |dev: &str| Some(route_lookup::Hop { dev: name(dev), via: None, table: MAIN });
    let to = "20.77.86.84".parse().expect("a literal address");
    let unbound = route_lookup::RouteLookup { from: None, to, oif: None, hop: by("wg0") };
    let hop = by(if leaks { "wwan0" } else { "wg0" });
    let subflow =
        route_lookup::RouteLookup { from: Some(endpoint.address), hop, ..unbound.clone() };
    seen.host.ways = vec![unbound, subflow];
}

type Row = (&'static str, fn(&mut Observed), &'static [&'static str]);

#[test]
fn each_observation_gives_its_findings() {
    // Skipped ones have the code of their topic.
    let table: &[Row] = &[
        ("all is well", |_| (), &[]),
        (
            "a link that the daemon found dead",
            |seen| drop(seen.stalled.insert(name("wwan0"), "its gateway does not answer".into())),
            &["paths.held"],
        ),
        (
            "a kernel without MPTCP",
            |seen| (seen.host.kernel.mptcp, seen.socket) = (Flavour::Absent, Socket::Absent),
            &["kernel.absent", "shim", "endpoints", "limits", "counters"],
        ),
        (
            "the out-of-tree kernel",
            |seen| seen.host.kernel.mptcp = Flavour::OutOfTree,
            &["kernel.out_of_tree", "shim", "endpoints", "limits", "counters"],
        ),
        (
            "a sandbox that forbids it",
            |seen| seen.socket = Socket::Refused("operation not permitted".into()),
            &["kernel.refused", "shim", "endpoints", "limits", "counters"],
        ),
        (
            "an older kernel, which is no fault",
            |seen| seen.lacks = vec![Lack::Scheduler, Lack::Laminar],
            &["kernel.lacks"],
        ),
        (
            "a kernel with IPv6 as a module",
            |seen| seen.host.kernel.mptcp_without_ipv6 = true,
            &["kernel.without_ipv6"],
        ),
        (
            "a path manager of userspace that is not there, on an older kernel",
            |seen| drop(seen.host.sysctls.insert("net.mptcp.pm_type".into(), "1".into())),
            &["kernel.userspace_manager", "shim", "endpoints", "limits", "counters"],
        ),
        (
            "the same, and mptcpd is it",
            |seen| {
                seen.host.sysctls.insert("net.mptcp.path_manager".into(), "userspace".into());
                seen.host.managers = vec![Manager::Mptcpd];
                seen.host.ours.clear();
            },
            &["managers.other"],
        ),
        (
            "NetworkManager",
            |seen| seen.host.managers = vec![Manager::NetworkManager],
            &["managers.other"],
        ),
        ("networkd has no endpoints", |seen| seen.host.managers = vec![Manager::Networkd], &[]),
        (
            "two managers",
            |seen| seen.host.managers = vec![Manager::Mptcpd, Manager::NetworkManager],
            &["managers.two"],
        ),
        (
            "no place for the library",
            |seen| {
                seen.shim = Shim::Nowhere { why: "/tmp: mounted noexec".into(), fix: "x".into() }
            },
            &["shim.nowhere"],
        ),
        (
            "no program to try it with",
            |seen| seen.shim = Shim::NoProgram { library: "/x".into() },
            &["shim.no_program"],
        ),
        (
            "one link alone",
            |seen| {
                seen.host.links.retain(|link| link.name.as_str() != "wwan0");
                seen.host.addresses.retain(|address| address.dev.as_str() != "wwan0");
                seen.host.routes.retain(|route| route.dev.as_str() != "wwan0");
                seen.host.endpoints.clear();
            },
            &[],
        ),
        ("no link at all", |seen| seen.host = HostState::default(), &["paths.none"]),
        (
            "a VPN takes everything",
            |seen| captured(seen, false),
            &["vpn.captured", "endpoints", "routing", "limits"],
        ),
        (
            "a VPN takes everything but subflows",
            |seen| captured(seen, true),
            &["vpn.leak", "endpoints", "routing", "limits"],
        ),
        (
            "fewer subflows, as asked",
            |seen| {
                seen.asked.max_subflows = Some(0);
                let limits = seen.host.limits.as_mut().expect("it has limits");
                (limits.subflows, limits.add_addr_accepted) = (0, 0);
            },
            &[],
        ),
        (
            "a server needs no addresses of its clients, but endpoints that are announced",
            |seen| {
                seen.asked.role = Role::Server;
                seen.host.limits.as_mut().expect("it has limits").add_addr_accepted = 0;
            },
            &["setup.stale"],
        ),
        (
            "rules that may not be read",
            |seen| seen.firewall.unread = Some("only root may read them".into()),
            &["firewall.unread"],
        ),
        (
            "a rule for what is forwarded",
            |seen| {
                seen.firewall.rules.push(FirewallRule {
                    place: "rule 3".into(),
                    hook: Some("forward".into()),
                    harm: Harm::Strips,
                    joins_only: false,
                    delete: "nft delete rule inet f o handle 3".into(),
                });
            },
            &["firewall.forward"],
        ),
        (
            "a service that runs without",
            |seen| seen.services.push(service("nginx.service", vec![4711], 0)),
            &["services.without"],
        ),
        (
            "a listener of a unit that an option made TCP",
            |seen| {
                let line = "1 of 2 listeners TCP".to_owned();
                seen.stayed_tcp.insert("nginx.service".into(), vec![line]);
            },
            &["services.tcp"],
        ),
        (
            "a service of somebody else",
            |seen| seen.services.push(service("nginx.service", vec![], 1)),
            &["services.unreadable"],
        ),
        (
            "a service that is on",
            |seen| seen.services.push(service("nginx.service", vec![], 0)),
            &[],
        ),
        (
            "two of three joins unanswered",
            |seen| counted(seen, &[("MPJoinSynTx", 3), ("MPJoinSynAckRx", 1)]),
            &["counters.joins_unanswered"],
        ),
        (
            "one of three is a lost packet",
            |seen| counted(seen, &[("MPJoinSynTx", 3), ("MPJoinSynAckRx", 2)]),
            &[],
        ),
        (
            "joins within this host",
            |seen| counted(seen, &[("MPJoinSynTx", 9), ("MPJoinSynTxConnectErr", 9)]),
            &["counters.joins_unsent"],
        ),
        (
            "joins of connections that may all be within this host",
            |seen| {
                let local = ("MPCapableSYNACKRX", 2);
                counted(seen, &[("MPJoinSynTx", 4), local, ("MPCapableSYNRX", 2)]);
            },
            &["counters.joins_within"],
        ),
        (
            "a server that takes more connections than it begins, and its own joins go unanswered",
            |seen| {
                let more = ("MPCapableSYNACKRX", 10);
                counted(seen, &[("MPJoinSynTx", 9), more, ("MPCapableSYNRX", 1000)]);
            },
            &["counters.joins_unanswered"],
        ),
        (
            "joins of connections to others beside some within this host",
            |seen| {
                let more = ("MPCapableSYNACKRX", 3);
                counted(seen, &[("MPJoinSynTx", 4), more, ("MPCapableSYNRX", 2)]);
            },
            &["counters.joins_unanswered"],
        ),
        ("a blackhole", |seen| counted(seen, &[("Blackhole", 1)]), &["counters.blackhole"]),
        (
            "joins refused",
            |seen| counted(seen, &[("MPJoinRejected", 1)]),
            &["counters.joins_rejected"],
        ),
        (
            "a forger",
            |seen| counted(seen, &[("MPJoinAckHMacFailure", 1)]),
            &["counters.joins_forged"],
        ),
        (
            "a middlebox",
            |seen| counted(seen, &[("DSSCorruptionReset", 1)]),
            &["counters.middlebox"],
        ),
        (
            "servers without MPTCP are no fault",
            |seen| counted(seen, &[("MPCapableSYNTX", 9), ("MPCapableFallbackSYNACK", 7)]),
            &["counters.peers_without"],
        ),
        (
            "packets that rp_filter dropped",
            |seen| seen.reverse_path_drops = 5,
            &["counters.rp_filter"],
        ),
    ];
    for (what, change, expected) in table {
        let mut seen = laptop(true);
        change(&mut seen);
        let expected: BTreeSet<String> = expected.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(codes(&seen), expected, "{what}: {:#?}", checks::run(&seen));
    }
}

#[test]
fn what_was_not_tried_for_lack_of_time_is_no_verdict() {
    for (tcp, mptcp, expected) in [
        (true, false, &["peer.late", "peer.path"][..]),
        (false, false, &["peer.unreachable", "peer.path"]),
    ] {
        let mut seen = laptop(true);
        let mut report = peer(&seen);
        for tried in &mut report.tries {
            tried.carried = None;
            if !tcp {
                tried.tcp = Default::default();
            }
            if !mptcp {
                tried.mptcp = Default::default();
            }
        }
        report.joint.clear();
        seen.peer = Some(report);
        let expected: BTreeSet<String> = expected.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(codes(&seen), expected, "{:#?}", checks::run(&seen));
    }
}

#[test]
fn every_problem_and_warning_says_what_to_do() {
    let mut seen = laptop(false);
    seen.peer = Some(peer(&seen));
    for finding in checks::run(&seen) {
        let bad = finding.severity >= Severity::Warning;
        let helps = !finding.fix.is_empty() || finding.advice.is_some();
        assert!(!bad || helps, "{finding:?}");
        // What is to be pasted is a command and nothing but.
        for command in finding.fix.iter().chain(&finding.or) {
            let first = command.split(' ').next().unwrap_or_default();
            assert!(["mptcpize", "sysctl", "nft", "ip", "systemctl"].contains(&first), "{command}");
            assert!(!command.contains(['(', ')', '<', '>', '…']), "{command}");
        }
    }
}

#[test]
fn observations_survive_their_json() {
    let mut seen = laptop(true);
    seen.peer = Some(peer(&seen));
    seen.firewall.unread = Some("x".into());
    let text = serde_json::to_string(&seen).expect("plain data");
    let back: Observed = serde_json::from_str(&text).expect("our own text");
    assert_eq!(checks::run(&back), checks::run(&seen));
}

fn text(seen: &Observed, term: &Term) -> String {
    let judged = judge(seen, Scope::Whole);
    let peer = seen.peer.as_ref().map(|report| (report.name.as_str(), report.port));
    Screen { judged: &judged, place: Place::default(), peer }.text(term)
}

/// Compares with a file of tests/screens, or writes it.
#[track_caller]
fn same(file: &str, is: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/screens").join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, is).expect("the repository can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(is == expected, "{file}\n--- is\n{is}--- should be\n{expected}");
}

#[test]
fn the_screen_fits_every_reader() {
    let wide = Term { width: 80, ..Term::PLAIN };
    same("check-fine.txt", &text(&laptop(true), &wide));
    same("check-troubled.txt", &text(&troubled(), &wide));
    same("check-narrow.txt", &text(&troubled(), &Term { width: 50, ..Term::PLAIN }));
    let ascii = text(&troubled(), &Term { utf8: false, ..wide });
    assert!(ascii.is_ascii(), "{ascii}");
    same("check-ascii.txt", &ascii);
    let coloured = text(
        &troubled(),
        &Term::new(Colour::Always, Some(80), |name| (name == "LANG").then(|| "C.UTF-8".to_owned())),
    );
    same("check-colour.txt", &coloured);
    // Colour carries nothing alone.
    let mut plain = coloured;
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, text(&troubled(), &wide));
    // Words are broken at the width; commands never, because they are to be pasted.
    for line in text(&troubled(), &wide).lines() {
        let command = ["fix  ", "or   ", "For a report:"].iter().any(|it| line.contains(it));
        assert!(command || line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn in_another_namespace_every_command_names_it() {
    let judged = judge(&troubled(), Scope::Whole);
    let place = Place { sudo: false, netns: Some("lab".to_owned()) };
    let text = Screen { judged: &judged, place, peer: None }.text(&Term::PLAIN);
    assert!(text.contains("fix  mptcpize setup --netns lab\n"), "{text}");
    assert!(text.contains("For a report: mptcpize check --json --netns lab\n"), "{text}");
    let next =
        "\nNext, to mend routing:\n  mptcpize setup --netns lab\n  mptcpize check --netns lab\n";
    assert!(text.ends_with(next), "{text}");
    let mut off = laptop(true);
    off.socket = Socket::Off;
    let judged = judge(&off, Scope::Whole);
    for (netns, prefix) in [
        ("lab", "ip netns exec lab"),
        ("4711", "nsenter --net=/proc/4711/ns/net"),
        ("/run/x", "nsenter --net=/run/x"),
    ] {
        let place = Place { sudo: true, netns: Some(netns.to_owned()) };
        let text = Screen { judged: &judged, place, peer: None }.text(&Term::PLAIN);
        let line = format!("fix  sudo {prefix} sysctl -w net.mptcp.enabled=1\n");
        assert!(text.contains(&line), "{text}");
    }
}

/// The paths of all keys, lists as `[]`.
fn keys(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                // What is keyed by names of the kernel is data.
                let key = if at.ends_with(".sysctls") { "*" } else { key };
                let path = format!("{at}.{key}");
                keys(inner, &path, found);
                found.insert(path);
            }
        }
        Value::Array(list) => list.iter().for_each(|it| keys(it, &format!("{at}[]"), found)),
        _ => {}
    }
}

#[test]
fn the_json_keeps_its_keys() {
    let mut seen = troubled();
    seen.services.push(service("nginx.service", vec![4711], 0));
    seen.firewall.rules.push(FirewallRule {
        place: "rule 3".into(),
        hook: None,
        harm: Harm::Drops,
        joins_only: true,
        delete: "nft".into(),
    });
    let judged = judge(&seen, Scope::Whole);
    let screen = Screen { judged: &judged, place: Place::default(), peer: None };
    let mut found = BTreeSet::new();
    let value = screen.json(&seen);
    assert_eq!(value["version"], 1);
    keys(&value, "", &mut found);
    let list: String = found.iter().map(|key| format!("{key}\n")).collect();
    same("check-json-keys.txt", &list);
}
