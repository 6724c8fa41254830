//! Each fault that `mptcpize check` names is made for real; it must be found, and its fix, pasted,
//! must make it go away; and every other verb must say the same of it (support/agree.rs).
//!
//! Not here: other programs on the host (check_programs.rs), faults between it and a peer
//! (check_peer.rs), and those that this machine cannot have (pure/findings.rs).

use crate::support::agree::agree;
use crate::support::check::{check, mend, paste};
use crate::support::uplinks::{PORT, Uplinks};

const RATE: &str = "15mbit";

/// A fault: how it is made on a host that works, and all that is found then.
struct Fault {
    name: &'static str,
    make: fn(&Uplinks),
    found: &'static [&'static str],
}

/// Makes each fault on a fresh host that `make` built and `setup` set up; finds it; mends it.
fn each(build: fn() -> Uplinks, faults: &[Fault]) {
    for Fault { name, make, found } in faults {
        let lab = build();
        lab.client.setup("");
        check(&lab.client, "").finds(&[], &format!("before {name}"));
        make(&lab);
        let checked = agree(&lab.client, name);
        checked.finds(found, name);
        mend(&lab.client, &checked);
        let mut after = check(&lab.client, "");
        // What was flushed with the rest, and no other finding is about.
        if after.codes().contains("setup.stale") {
            mend(&lab.client, &after);
            after = check(&lab.client, "");
        }
        after.finds(&[], &format!("{name} after {:?}", checked.fixes()));
    }
}

fn ip(lab: &Uplinks, line: &str) {
    lab.client.net.ip(line);
}

fn sysctl(lab: &Uplinks, name: &str, value: &str) {
    lab.client.net.sysctl(name, value);
}

fn nft(lab: &Uplinks, rule: &str) {
    let script = format!(
        "nft add table inet f; nft add chain inet f o '{{ type filter hook output priority 0; }}'
         nft add chain inet f bad; nft add rule inet f bad drop; nft add rule inet f o {rule}"
    );
    lab.client.command("sh").args(["-euc", &script]).run().silent();
}

#[test]
fn a_host_that_was_never_set_up_is_mended_by_setup() {
    for lab in [Uplinks::two_subnets(RATE), Uplinks::three_dongles(RATE)] {
        let checked = check(&lab.client, "");
        let mut expected = vec!["endpoints.missing", "routing.elsewhere", "limits.no_addresses"];
        if checked.codes().contains("arp.flux") {
            expected.push("arp.flux");
        }
        checked.finds(&expected, "never set up");
        assert_eq!(checked.fixes(), ["mptcpize setup"]);
        mend(&lab.client, &checked);
        check(&lab.client, "").finds(&[], "set up");
    }
}

#[test]
fn faults_of_routing() {
    each(
        || Uplinks::two_subnets(RATE),
        &[
            Fault {
                name: "the rule of an address is gone",
                make: |lab| ip(lab, "rule del from 10.2.0.1 lookup 8685"),
                found: &["routing.elsewhere"],
            },
            Fault {
                name: "an endpoint that is bound to its link, and no rule for it",
                make: |lab| {
                    ip(lab, "mptcp endpoint flush");
                    ip(lab, "mptcp endpoint add 10.2.0.1 dev w2 subflow");
                    ip(lab, "rule del from 10.2.0.1 lookup 8685");
                },
                found: &["routing.unbound"],
            },
            Fault {
                name: "the same with a strict rp_filter",
                make: |lab| {
                    ip(lab, "mptcp endpoint flush");
                    ip(lab, "mptcp endpoint add 10.2.0.1 dev w2 subflow");
                    ip(lab, "rule del from 10.2.0.1 lookup 8685");
                    sysctl(lab, "net/ipv4/conf/w2/rp_filter", "1");
                },
                found: &["routing.unbound", "rp_filter.drops"],
            },
            Fault {
                name: "a static route through the other link, and a strict rp_filter",
                make: |lab| {
                    ip(lab, "route add 10.50.0.0/24 via 10.2.0.254 dev w2");
                    sysctl(lab, "net/ipv4/conf/all/rp_filter", "1");
                },
                found: &["rp_filter.static_route"],
            },
        ],
    );
}

#[test]
fn routes_that_refuse_what_is_never_used_are_no_fault() {
    let lab = Uplinks::two_subnets(RATE);
    for link in [1, 2] {
        lab.number_v6(link);
    }
    lab.client.setup("");
    let to_v6 = "4000::/2";
    for (option, kind, to) in [
        ("-4", "blackhole", "240.0.0.0/4"),
        ("-4", "unreachable", "240.0.0.0/4"),
        ("-4", "prohibit", "240.0.0.0/4"),
        ("-4", "throw", "240.0.0.0/4"),
        ("-4", "unicast", "240.0.0.0/4 via 10.1.0.254"),
        ("-6", "blackhole", to_v6),
        ("-6", "unreachable", to_v6),
        ("-6", "prohibit", to_v6),
        ("-6", "throw", to_v6),
        ("-6", "unicast", "4000::/2 via 2001:db8:1::254"),
    ] {
        ip(&lab, &format!("{option} route add {kind} {to}"));
        // Two that are commonly refused, too.
        for other in ["192.88.99.0/24", "203.0.113.0/24"] {
            ip(&lab, &format!("route replace blackhole {other}"));
        }
        let checked = check(&lab.client, "");
        checked.finds(&[], &format!("{kind} {to}"));
        assert_eq!(checked.topic("routing")["severity"], "fine", "{kind} {to}");
        // A fault is found all the same.
        for table in [8684, 8685] {
            ip(&lab, &format!("{option} rule del lookup {table} pref 32765"));
        }
        let checked = check(&lab.client, "");
        checked.finds(&["routing.elsewhere"], &format!("{kind} {to}, without rules"));
        mend(&lab.client, &checked);
        ip(&lab, &format!("{option} route del {kind} {to}"));
    }
}

#[test]
fn endpoints_without_routes_are_told_from_those_with() {
    // One default route, endpoints with `dev`: the joins are sent and never answered.
    let lab = Uplinks::three_dongles(RATE);
    for (host, dev) in [(12, "w2"), (13, "w3")] {
        ip(&lab, &format!("mptcp endpoint add 192.168.0.{host} dev {dev} subflow"));
    }
    ip(&lab, "mptcp limits set subflows 8 add_addr_accepted 8");
    for dev in ["w1", "w2", "w3"] {
        sysctl(&lab, &format!("net/ipv4/conf/{dev}/arp_ignore"), "1");
    }
    let checked = check(&lab.client, "");
    checked.finds(&["routing.elsewhere"], "no default route of its own");
    let title = checked.topic("routing")["title"].as_str().expect("a text");
    assert_eq!(title, "packets from 192.168.0.12 pass w2's gateway by");
    mend(&lab.client, &checked);
    check(&lab.client, "").finds(&[], "set up");
}

#[test]
fn a_static_route_breaks_connections_exactly_as_long_as_it_is_found() {
    let lab = Uplinks::two_subnets(RATE);
    lab.router.ip("route add 10.50.0.0/24 via 10.99.0.1");
    lab.server.net.ip("address add 10.50.0.1/24 dev lo");
    let _server = lab.serve();
    lab.client.setup("");
    ip(&lab, "route add 10.50.0.0/24 via 10.2.0.254 dev w2");
    sysctl(&lab, "net/ipv4/conf/w1/rp_filter", "1");
    let peer = format!("10.50.0.1:{PORT} --timeout 4");
    let checked = check(&lab.client, &peer);
    checked.finds(&["rp_filter.static_route", "peer.path_dead"], "strict");
    let why = checked.topic("rp_filter")["title"].as_str().expect("a text");
    assert_eq!(why, "w1 drops what comes from 10.50.0.0/24 for 10.1.0.1");
    mend(&lab.client, &checked);
    // What was dropped meanwhile has been counted, and is told until somebody has read it.
    let checked = check(&lab.client, &peer);
    checked.finds(&["counters.rp_filter"], "loose");
    mend(&lab.client, &checked);
    check(&lab.client, &peer).finds(&[], "read");
}

#[test]
fn faults_of_limits_endpoints_and_sysctls() {
    each(
        || Uplinks::two_subnets(RATE),
        &[
            Fault {
                name: "no subflow allowed",
                make: |lab| ip(lab, "mptcp limits set subflows 0 add_addr_accepted 8"),
                found: &["limits.no_subflows"],
            },
            Fault {
                name: "no announced address accepted",
                make: |lab| ip(lab, "mptcp limits set subflows 8 add_addr_accepted 0"),
                found: &["limits.no_addresses"],
            },
            Fault {
                name: "an endpoint on an address that never was",
                make: |lab| ip(lab, "mptcp endpoint add 10.9.9.9 subflow"),
                found: &["endpoints.vanished"],
            },
            Fault {
                name: "an endpoint that names another link",
                make: |lab| {
                    ip(lab, "mptcp endpoint flush");
                    ip(lab, "mptcp endpoint add 10.2.0.1 dev w1 subflow");
                },
                found: &["endpoints.wrong_link"],
            },
            Fault {
                name: "an endpoint without a use",
                make: |lab| {
                    ip(lab, "mptcp endpoint flush");
                    ip(lab, "mptcp endpoint add 10.2.0.1 dev w2 backup");
                },
                found: &["endpoints.idle"],
            },
            Fault {
                name: "endpoints flushed",
                make: |lab| ip(lab, "mptcp endpoint flush"),
                found: &["endpoints.missing"],
            },
            Fault {
                name: "MPTCP switched off",
                make: |lab| sysctl(lab, "net/mptcp/enabled", "0"),
                found: &["kernel.off"],
            },
            Fault {
                name: "a path manager that does not run",
                make: |lab| sysctl(lab, "net/mptcp/pm_type", "1"),
                found: &["kernel.userspace_manager"],
            },
            Fault {
                name: "joins to the first address forbidden",
                make: |lab| sysctl(lab, "net/mptcp/allow_join_initial_addr_port", "0"),
                found: &["kernel.no_initial_joins"],
            },
        ],
    );
}

#[test]
fn faults_of_links_that_share_a_network() {
    each(
        || Uplinks::three_dongles(RATE),
        &[
            Fault {
                name: "each answers for all",
                make: |lab| {
                    for dev in ["w1", "w2", "w3"] {
                        sysctl(lab, &format!("net/ipv4/conf/{dev}/arp_ignore"), "0");
                    }
                },
                found: &["arp.flux"],
            },
            Fault {
                name: "some do not answer at all",
                make: |lab| sysctl(lab, "net/ipv4/conf/all/arp_filter", "1"),
                found: &["arp.filter"],
            },
            Fault {
                name: "fewer subflows than paths",
                make: |lab| ip(lab, "mptcp limits set subflows 1 add_addr_accepted 8"),
                found: &["limits.few_subflows"],
            },
        ],
    );
}

#[test]
fn arp_filter_silences_a_link_exactly_as_long_as_it_is_found() {
    let lab = Uplinks::three_dongles(RATE);
    let _server = lab.serve();
    lab.client.setup("");
    let peer = format!("10.99.0.1:{PORT} --timeout 4");
    // The client knows its gateway from here on, and gives the router no occasion to learn from it.
    check(&lab.client, &peer).finds(&[], "as setup left it");
    sysctl(&lab, "net/ipv4/conf/all/arp_filter", "1");
    lab.router.ip("neigh flush dev lan");
    let checked = check(&lab.client, &peer);
    checked.finds(&["arp.filter", "peer.path_dead"], "arp_filter is on");
    mend(&lab.client, &checked);
    // The router tries again only when its failed entries have gone. And the joins that nobody answered
    // meanwhile are past: of a busy machine's there may be more than of those that were.
    lab.router.ip("neigh flush dev lan nud failed");
    lab.client.tool("counters --since-last").run().ok();
    check(&lab.client, &peer).finds(&[], "arp_filter is off");
}

#[test]
fn a_link_that_asks_in_anothers_name_is_noted_and_stops() {
    let lab = Uplinks::three_dongles(RATE);
    lab.client.setup("");
    let card = |dev: &str| {
        let shown = lab.client.net.ip(&format!("-br link show dev {dev}"));
        shown.split_whitespace().nth(2).expect("it has a card").to_owned()
    };
    // A packet from w2's address to the router itself; which card does that take it for?
    let learned = || {
        lab.client.net.ip("neigh flush all");
        lab.router.ip("neigh flush all");
        let script = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
                      s.bind(('192.168.0.12', 0)); s.sendto(b'x', ('192.168.0.1', 9))";
        lab.client.command("python3").args(["-c", script]).run().ok();
        let mut learned = String::new();
        crate::support::wait::until("the router knows a card", || {
            learned = lab.router.ip("neigh show to 192.168.0.12 dev lan");
            learned.contains("lladdr")
        });
        learned
    };
    let checked = check(&lab.client, "");
    assert_eq!(checked.topic("arp")["code"], "arp.announce");
    assert!(learned().contains(&card("w1")));
    for command in checked.topic("arp")["fix"].as_array().expect("a list") {
        paste(&lab.client, command.as_str().expect("a text"));
    }
    assert_eq!(check(&lab.client, "").topic("arp")["code"], "arp");
    assert!(!learned().contains(&card("w1")));
}

#[test]
fn faults_of_packet_filters() {
    each(
        || Uplinks::two_subnets(RATE),
        &[
            Fault {
                name: "MPTCP dropped",
                make: |lab| nft(lab, "tcp option mptcp exists counter drop"),
                found: &["firewall.rule"],
            },
            Fault {
                name: "joins refused",
                make: |lab| nft(lab, "tcp option mptcp subtype 1 reject with tcp reset"),
                found: &["firewall.rule"],
            },
            Fault {
                name: "the option taken out",
                make: |lab| nft(lab, "reset tcp option mptcp"),
                found: &["firewall.rule"],
            },
            Fault {
                name: "dropped in a chain of its own",
                make: |lab| nft(lab, "tcp option mptcp exists jump bad"),
                found: &["firewall.rule"],
            },
        ],
    );
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    for harmless in ["tcp option mptcp exists counter accept", "tcp option mptcp missing drop"] {
        nft(&lab, harmless);
        check(&lab.client, "").finds(&[], harmless);
    }
}

#[test]
fn a_link_that_is_switched_off_is_named_with_its_switch() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    ip(&lab, "link set w2 down");
    let checked = check(&lab.client, "");
    checked.finds(&["endpoints.link_down"], "w2 is down");
    mend(&lab.client, &checked);
    // Its routes went with it, and nobody here is a DHCP client: the journal knows its gateway.
    let checked = check(&lab.client, "");
    checked.finds(&["routing.elsewhere"], "w2 is up");
    mend(&lab.client, &checked);
    check(&lab.client, "").finds(&[], "w2 has a route");
    let route = lab.client.net.ip("route show table 8685 default");
    assert!(route.contains("via 10.2.0.254 dev w2"), "{route}");
    lab.cut(2);
    lab.client.wait_for_lost_carrier("w2");
    check(&lab.client, "").finds(&["paths.carrier"], "w2 is cut");
}

#[test]
fn more_links_than_the_kernel_takes_endpoints_are_no_fault() {
    let lab = Uplinks::new(&[RATE; 10]);
    (1..=10).for_each(|link| lab.number_v4(link));
    let titles = |checked: &crate::support::check::Checked| -> Vec<String> {
        let all = checked.0["findings"].as_array().expect("a list").iter();
        let about = all.filter(|finding| finding["topic"] == "endpoints");
        about.map(|finding| finding["title"].as_str().expect("a text").to_owned()).collect()
    };
    let full = "none on w9 and w10: this kernel takes 8";
    let checked = check(&lab.client, "");
    assert!(checked.codes().contains("endpoints.missing"), "{checked:?}");
    let missing = "none on w2, w3, w4, w5, w6, w7 and w8: connections never use them";
    assert_eq!(titles(&checked), [missing, full]);
    mend(&lab.client, &checked);
    let checked = check(&lab.client, "");
    checked.finds(&[], "eight have an endpoint");
    assert!(titles(&checked).iter().any(|title| title == full), "{checked:?}");
    let status = lab.client.tool("status").env("LC_ALL", "C.UTF-8").run();
    assert_eq!(status.code(), 0, "{status}");
    assert!(status.stdout.contains(&format!("– endpoints: {full}\n")), "{status}");
    // What the note advises.
    lab.client.setup("undo");
    lab.client.setup("--exclude w1,w2");
    let shown = lab.client.net.ip("mptcp endpoint show");
    assert!(shown.contains("10.9.0.1 ") && shown.contains("10.10.0.1 "), "{shown}");
}
