//! Every line that `mptcpize check` prints as a fix, or as another way, is executed: on a real kernel,
//! on a host whose links have names that no shell takes as they are; and its finding goes.
//!
//! The list is complete: a finding that has a fix and is not in `checks::FIXABLE` ends a debug build,
//! and every entry of that list is in a table here. Not here: whether each fault is told from
//! others (check_faults.rs, check_peer.rs), what only systemd can do (check_programs.rs), and what has lists of
//! its own: a host that is a gateway (gateway_check.rs), and every program (services/system_seen.rs).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::check::{Checked, check, paste};
use crate::support::kernel::counter;
use crate::support::uplinks::{PORT, SERVER_V4, Station, Uplinks};
use crate::support::{Netns, Running, wait};
use mptcpize_model::checks::FIXABLE;

const RATE: &str = "15mbit";

/// Names of links that the kernel takes. `%` is not among them, in which it puts a number.
const NAMES: [&str; 12] = [
    "a;id", "$(id)", "x'y", "-v", "--help", "*", "a=b", "`id`", "w.1", "!x#~", "\\\"?[x]",
    "{a,b}&|<",
];

/// What systemd does is shown in check_programs.rs, with a process in the place of the unit's, and in
/// setup/managers/mptcpd.rs.
const BY_SYSTEMD: [&str; 3] = ["managers.two", "managers.userspace", "services.without"];

/// A host that was set up, and whose links are called differently.
struct Host {
    lab: Uplinks,
    names: Vec<&'static str>,
    /// What carries MPTCP at the other end, where a fault needs it.
    server: Option<Running>,
}

impl Host {
    fn new(build: fn() -> Uplinks, links: usize, first: usize) -> Self {
        let lab = build();
        let names: Vec<&str> = (0..links).map(|at| NAMES[(first + at) % NAMES.len()]).collect();
        for (number, name) in (1..).zip(&names) {
            let rename = ["link", "set", "dev", &format!("w{number}"), "name", name];
            lab.client.command("ip").args(rename).run().silent();
        }
        lab.client.setup("");
        Host { lab, names, server: None }
    }

    /// `{1}` stands for the name of the first link.
    fn named(&self, text: &str) -> String {
        let names = (1..).zip(&self.names);
        names.fold(text.to_owned(), |text, (number, name)| {
            text.replace(&format!("{{{number}}}"), name)
        })
    }

    fn ip(&self, line: &str) {
        self.lab.client.net.ip(&self.named(line));
    }

    fn sysctl(&self, name: &str, value: &str) {
        self.lab.client.net.sysctl(&self.named(name), value);
    }

    /// Makes MPTCP connections, one after the other, that last long enough for a join, until this host
    /// or the peer has counted so many of something: on a busy machine one may end before its join.
    fn talk(&mut self, counted: &str, times: u64) {
        self.server.get_or_insert_with(|| self.lab.serve());
        let group = if counted == "IPReversePathFilter" { "TcpExt" } else { "MPTcpExt" };
        let ends = [&self.lab.client.net, &self.lab.server.net];
        wait::until(counted, || {
            self.lab.client_of("get", SERVER_V4, 200_000).run();
            ends.iter().any(|end| counter(end, group, counted) >= times)
        });
    }
}

/// A packet filter: one rule in a chain at this hook.
fn filter(net: &Netns, hook: &str, rule: &str) {
    let script = format!(
        "nft add table inet f
         nft 'add chain inet f c {{ type filter hook {hook} priority -150; }}'
         nft 'add rule inet f c {rule}'"
    );
    net.command("sh").args(["-euc", &script]).run().silent();
}

fn unfilter(net: &Netns) {
    net.command("nft").args(["flush", "ruleset"]).run().silent();
}

/// What `check` finds when `make` has been done.
struct Fault {
    code: &'static str,
    what: &'static str,
    make: fn(&mut Host),
}

const fn fault(code: &'static str, what: &'static str, make: fn(&mut Host)) -> Fault {
    Fault { code, what, make }
}

/// On two links in networks of their own.
const TWO: &[Fault] = &[
    fault("kernel.off", "switched off", |host| host.sysctl("net/mptcp/enabled", "0")),
    fault("kernel.userspace_manager", "nobody manages paths", |host| {
        host.sysctl("net/mptcp/pm_type", "1");
    }),
    fault("kernel.no_initial_joins", "no joins to the first address", |host| {
        host.sysctl("net/mptcp/allow_join_initial_addr_port", "0");
    }),
    fault("endpoints.missing", "flushed", |host| host.ip("mptcp endpoint flush")),
    fault("endpoints.vanished", "nobody has its address", |host| {
        host.ip("mptcp endpoint add 10.9.9.9 subflow");
    }),
    fault("endpoints.wrong_link", "it names another link", |host| {
        host.ip("mptcp endpoint flush");
        host.ip("mptcp endpoint add 10.2.0.1 dev {1} subflow");
    }),
    fault("endpoints.idle", "it has no use", |host| {
        host.ip("mptcp endpoint flush");
        host.ip("mptcp endpoint add 10.2.0.1 dev {2} backup");
    }),
    fault("endpoints.link_down", "its link is switched off", |host| {
        host.ip("link set dev {2} down")
    }),
    fault("limits.no_subflows", "none allowed", |host| {
        host.ip("mptcp limits set subflows 0 add_addr_accepted 8");
    }),
    fault("limits.no_addresses", "none accepted", |host| {
        host.ip("mptcp limits set subflows 8 add_addr_accepted 0");
    }),
    fault("routing.unbound", "its endpoint is bound, and its rule has gone", unbound),
    fault("routing.elsewhere", "its rule has gone", |host| {
        host.ip("rule del from 10.2.0.1 lookup 8685");
    }),
    fault("setup.stale", "the rule behind main has gone", |host| {
        host.ip("rule del lookup 8685 pref 32801");
    }),
    fault("vpn.leak", "a tunnel came later and took the default route", |host| {
        for line in [
            "tuntap add tun0 mode tun",
            "address add 10.8.0.2/24 dev tun0",
            "link set tun0 up",
            "route add default via 10.8.0.1 dev tun0 metric 5",
        ] {
            host.ip(line);
        }
    }),
    fault("rp_filter.drops", "strict, and no rule", |host| {
        unbound(host);
        host.sysctl("net/ipv4/conf/{2}/rp_filter", "1");
    }),
    fault("rp_filter.static_route", "strict, and a static route", |host| {
        host.ip("route add 10.50.0.0/24 via 10.2.0.254 dev {2}");
        host.sysctl("net/ipv4/conf/{1}/rp_filter", "1");
    }),
    fault("firewall.rule", "dropped", |host| {
        filter(&host.lab.client.net, "output", "tcp option mptcp exists drop");
    }),
    fault("firewall.forward", "dropped where it is forwarded", |host| {
        filter(&host.lab.client.net, "forward", "tcp option mptcp exists drop");
    }),
];

/// On three links in one network.
const THREE: &[Fault] = &[
    fault("arp.flux", "each answers for all", |host| {
        for number in 1..=3 {
            host.sysctl(&format!("net/ipv4/conf/{{{number}}}/arp_ignore"), "0");
        }
    }),
    fault("arp.filter", "some do not answer", |host| {
        host.sysctl("net/ipv4/conf/all/arp_filter", "1")
    }),
    fault("arp.filter", "one does not answer", |host| {
        host.sysctl("net/ipv4/conf/{2}/arp_filter", "1");
    }),
    fault("arp.announce", "as setup leaves it", |_| ()),
    fault("limits.few_subflows", "fewer than paths", |host| {
        host.ip("mptcp limits set subflows 1 add_addr_accepted 8");
    }),
];

/// On two links, with traffic that the kernel counts.
const COUNTED: &[Fault] = &[
    fault("kernel.suspended", "MPTCP vanishes", vanishes),
    fault("counters.blackhole", "MPTCP vanished", |host| {
        vanishes(host);
        // Ends the suspension.
        host.sysctl("net/mptcp/blackhole_timeout", "3600");
    }),
    fault("counters.joins_unanswered", "joins vanish", |host| {
        filter(&host.lab.router, "prerouting", "tcp option mptcp subtype 1 drop");
        host.talk("MPJoinSynTx", 4);
        unfilter(&host.lab.router);
    }),
    fault("counters.joins_forged", "the proof in a SYN-ACK is changed", |host| {
        // The option follows MSS, SACK and timestamps, a NOP and the window scale.
        let rule = "tcp flags & (syn|ack) == syn|ack tcp option mptcp subtype 1 @th,352,32 set 7";
        filter(&host.lab.router, "prerouting", rule);
        host.talk("MPJoinSynAckHMacFailure", 1);
        unfilter(&host.lab.router);
    }),
    fault("counters.middlebox", "the option is lost behind the handshake", |host| {
        let rule = "tcp flags & syn == 0 reset tcp option mptcp";
        filter(&host.lab.router, "prerouting", rule);
        host.talk("MPCapableDataFallback", 1);
        unfilter(&host.lab.router);
    }),
    fault("counters.rp_filter", "strict, and no rule", |host| {
        host.ip("rule del from 10.2.0.1 lookup 8685");
        host.sysctl("net/ipv4/conf/{2}/rp_filter", "1");
        host.talk("IPReversePathFilter", 1);
        host.lab.client.setup("");
    }),
];

/// Found by the peer.
const AT_THE_PEER: &[Fault] = &[fault("counters.joins_rejected", "no subflows there", |host| {
    host.lab.server.net.ip("mptcp limits set subflows 0");
    host.talk("MPJoinRejected", 1);
    host.lab.server.net.ip("mptcp limits set subflows 8");
})];

/// The endpoint of the second link is bound to it, as NetworkManager makes one; its rule is gone.
fn unbound(host: &mut Host) {
    host.ip("mptcp endpoint flush");
    host.ip("mptcp endpoint add 10.2.0.1 dev {2} subflow");
    host.ip("rule del from 10.2.0.1 lookup 8685");
}

fn vanishes(host: &mut Host) {
    let server = host.lab.serve();
    filter(&host.lab.router, "prerouting", "tcp option mptcp exists drop");
    // A program that goes on as TCP, whereupon the kernel believes in a blackhole.
    let script = format!("import socket; socket.create_connection(('{SERVER_V4}', {PORT}), 50)");
    host.lab.client.tool("run --no-setup python3 -c").arg(script).run().ok();
    unfilter(&host.lab.router);
    host.server = Some(server);
}

/// The findings with this code.
fn of<'a>(checked: &'a Checked, code: &str) -> Vec<&'a Value> {
    let all = checked.0["findings"].as_array().expect("a list").iter();
    all.filter(|finding| finding["code"] == code).collect()
}

/// Its lines, of either kind.
fn lines(finding: &Value, kind: &str) -> Vec<String> {
    let all = finding[kind].as_array().expect("a list").iter();
    all.map(|line| line.as_str().expect("a text").to_owned()).collect()
}

/// Makes each fault on a host of its own, and mends it; then once more in the other way, where there
/// is one.
fn each(faults: &[Fault], build: fn() -> Uplinks, links: usize, at: fn(&Host) -> &Station) {
    for (first, Fault { code, what, make }) in faults.iter().enumerate() {
        let mut other_way = false;
        for kind in ["fix", "or"] {
            if kind == "or" && !other_way {
                continue;
            }
            let mut host = Host::new(build, links, first);
            make(&mut host);
            let checked = check(at(&host), "");
            let found = of(&checked, code);
            assert!(!found.is_empty(), "{code}, {what}: {:#?}", checked.0["findings"]);
            for finding in found {
                let todo = lines(finding, kind);
                assert!(!todo.is_empty(), "{code}, {what}: no {kind}");
                other_way |= !lines(finding, "or").is_empty();
                todo.iter().for_each(|line| paste(at(&host), line));
            }
            let checked = check(at(&host), "");
            let left = of(&checked, code);
            assert!(left.is_empty(), "{code}, {what}, {:?} by {kind}: {left:#?}", host.names);
        }
    }
}

#[test]
fn fixes_on_two_links_of_any_name() {
    each(TWO, || Uplinks::two_subnets(RATE), 2, |host| &host.lab.client);
}

#[test]
fn fixes_on_links_of_any_name_in_one_network() {
    each(THREE, || Uplinks::three_dongles(RATE), 3, |host| &host.lab.client);
}

#[test]
fn fixes_of_what_the_kernel_counts() {
    each(COUNTED, || Uplinks::two_subnets(RATE), 2, |host| &host.lab.client);
    each(AT_THE_PEER, || Uplinks::two_subnets(RATE), 2, |host| &host.lab.server);
}

#[test]
fn every_fix_is_executed() {
    let tables = [TWO, THREE, COUNTED, AT_THE_PEER];
    let made = tables.iter().flat_map(|table| table.iter()).map(|fault| fault.code);
    let made: BTreeSet<&str> = made.chain(BY_SYSTEMD).collect();
    let elsewhere = |code: &&str| code.starts_with("gateway.") || code.starts_with("system.");
    assert_eq!(made, FIXABLE.into_iter().filter(|code| !elsewhere(code)).collect());
    let elsewhere = include_str!("check_programs.rs");
    assert!(BY_SYSTEMD.iter().all(|code| elsewhere.contains(&format!("finds(&[\"{code}\"]"))));
}

#[test]
fn every_name_reaches_a_line_that_is_pasted() {
    for first in 0..NAMES.len() {
        let host = Host::new(|| Uplinks::two_subnets(RATE), 2, first);
        host.ip("mptcp endpoint flush");
        host.sysctl("net/ipv4/conf/{2}/rp_filter", "1");
        host.ip("rule del from 10.2.0.1 lookup 8685");
        // The second is judged once the first is mended.
        for (code, kind) in [("endpoints.missing", "or"), ("rp_filter.drops", "fix")] {
            let checked = check(&host.lab.client, "");
            let found = of(&checked, code);
            assert_eq!(found.len(), 1, "{code}, {:?}: {:#?}", host.names, checked.0["findings"]);
            for line in lines(found[0], kind) {
                paste(&host.lab.client, &line);
            }
        }
        let checked = check(&host.lab.client, "");
        checked.finds(&["routing.unbound"], host.names[1]);
        let shown = host.lab.client.net.ip("mptcp endpoint show");
        assert!(shown.trim_end().ends_with(&format!("dev {}", host.names[1])), "{shown}");
    }
}

#[test]
fn a_chain_of_any_name_loses_its_rule() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    for name in ["a;id", "$(id)", "x'y", "-v", "a b", "\"q\""] {
        let place = serde_json::json!({"family": "inet", "table": name});
        let with = |more: Value| {
            let mut all = place.clone();
            let map = all.as_object_mut().expect("it is one");
            map.extend(more.as_object().expect("it is one").clone());
            all
        };
        let hook = serde_json::json!({"name": name, "type": "filter", "hook": "output", "prio": 0,
            "policy": "accept"});
        let option = serde_json::json!({"tcp option": {"name": "mptcp"}});
        let exists = serde_json::json!({"match": {"op": "==", "left": option, "right": true}});
        let rule = serde_json::json!({"chain": name, "expr": [exists, {"drop": null}]});
        let script = serde_json::json!({"nftables": [
            {"add": {"table": {"family": "inet", "name": name}}},
            {"add": {"chain": with(hook)}}, {"add": {"rule": with(rule)}},
        ]});
        lab.client.net.command("nft").args(["-j", &script.to_string()]).run().silent();
        let checked = check(&lab.client, "");
        checked.finds(&["firewall.rule"], name);
        for line in checked.fixes() {
            paste(&lab.client, &line);
        }
        check(&lab.client, "").finds(&[], name);
    }
}
