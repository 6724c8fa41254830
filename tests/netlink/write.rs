//! What the tool writes, as `ip` reads it; and that it removes what it wrote and nothing else,
//! however much the other looks like it.

use std::net::IpAddr;

use crate::support::Netns;
use mptcpize::host::netlink::KernelError;
use mptcpize::host::netlink::rtnl::{METRIC_V6, Rtnl};
use mptcpize_model::metrics::Metrics;
use mptcpize_model::net::{Action, Family, IfName, Prefix, Route, Rule};

fn host() -> Netns {
    let host = Netns::new();
    for line in [
        "link add e0 type veth peer name p0",
        "link add e1 type veth peer name p1",
        "tuntap add tun0 mode tun",
        "link set e0 up",
        "link set e1 up",
        "link set p0 up",
        "link set p1 up",
        "link set tun0 up",
        "address add 192.0.2.2/24 dev e0",
        "address add 192.0.2.3/24 dev e0",
        "address add 10.64.9.2/32 dev tun0",
        "address add 2001:db8:1::2/64 dev e0 nodad",
    ] {
        host.ip(line);
    }
    host
}

fn with<T: Send>(host: &Netns, work: impl FnOnce(&mut Rtnl) -> T + Send) -> T {
    host.enter(|| work(&mut Rtnl::open().expect("rtnetlink is there")))
}

fn errno(outcome: Result<(), KernelError>) -> i32 {
    outcome.err().map_or(0, |error| error.errno)
}

/// A default route of table 101, made by us.
fn route(via: Option<&str>, dev: &str) -> Route {
    let via: Option<IpAddr> = via.map(|via| via.parse().expect("a literal address"));
    Route {
        table: 101,
        family: via.map_or(Family::V4, Family::of),
        to: None,
        from: None,
        via,
        dev: IfName::new(dev).expect("a literal name"),
        src: None,
        metric: 0,
        protocol: 123,
        onlink: false,
        scope: None,
        metrics: Metrics::default(),
        encapsulated: false,
    }
}

fn rule(from: &str, table: u32) -> Rule {
    let from: Prefix = from.parse().expect("a literal network");
    Rule {
        priority: 1000,
        family: Family::of(from.address),
        from: Some(from),
        local: false,
        action: Action::Lookup,
        table,
        suppress: None,
        protocol: 123,
        conditional: false,
    }
}

#[test]
fn a_route_is_what_ip_would_have_made() {
    let to = |network: &str| Some(network.parse().expect("a literal network"));
    let table: Vec<(Route, &str)> = vec![
        (route(Some("192.0.2.1"), "e0"), "default via 192.0.2.1 dev e0 proto 123"),
        (
            Route { metric: 7, src: "192.0.2.3".parse().ok(), ..route(Some("192.0.2.1"), "e0") },
            "default via 192.0.2.1 dev e0 proto 123 src 192.0.2.3 metric 7",
        ),
        (route(None, "tun0"), "default dev tun0 proto 123 scope link linkdown"),
        (
            Route { to: to("192.0.2.0/24"), ..route(None, "e0") },
            "192.0.2.0/24 dev e0 proto 123 scope link",
        ),
        (
            Route { onlink: true, ..route(Some("10.99.99.99"), "e0") },
            "default via 10.99.99.99 dev e0 proto 123 onlink",
        ),
        (
            Route { family: Family::V4, ..route(Some("fe80::1"), "e0") },
            "default via inet6 fe80::1 dev e0 proto 123",
        ),
        (
            route(Some("2001:db8:1::1"), "e0"),
            "default via 2001:db8:1::1 dev e0 proto 123 metric 1024 pref medium",
        ),
        (
            Route { to: to("2001:db8:1::/64"), family: Family::V6, metric: 9, ..route(None, "e0") },
            "2001:db8:1::/64 dev e0 proto 123 metric 9 pref medium",
        ),
        (
            Route { table: 4_000_000_000, ..route(Some("192.0.2.1"), "e0") },
            "default via 192.0.2.1 dev e0 proto 123",
        ),
    ];
    for (route, expected) in table {
        let host = host();
        let show = |host: &Netns| {
            let family = if route.family == Family::V4 { "-4" } else { "-6" };
            host.ip(&format!("{family} route show table {}", route.table)).trim().to_owned()
        };
        let outcomes =
            with(&host, |rtnl| [errno(rtnl.add_route(&route)), errno(rtnl.add_route(&route))]);
        assert_eq!(outcomes, [0, libc::EEXIST], "{route}");
        assert_eq!(show(&host), expected);
        let metric =
            if route.family == Family::V6 && route.metric == 0 { METRIC_V6 } else { route.metric };
        let read = with(&host, |rtnl| rtnl.routes_in(route.table, route.family));
        assert_eq!(read.as_deref(), Ok(&[Route { metric, ..route.clone() }][..]));
        let outcomes = with(&host, |rtnl| {
            [errno(rtnl.delete_route(&route)), errno(rtnl.delete_route(&route))]
        });
        assert_eq!(outcomes, [0, libc::ESRCH], "{route}");
        assert_eq!(show(&host), "");
    }
}

#[test]
fn a_route_that_looks_like_ours_stays() {
    let ours = route(Some("192.0.2.1"), "e0");
    let ours_v6 = route(Some("2001:db8:1::1"), "e0");
    for (ours, other) in [
        (&ours, "default via 192.0.2.1 dev e0 table 101 proto static"),
        (&ours, "default via 192.0.2.1 dev e0 table 101 proto 123 metric 5"),
        (&ours, "default via 192.0.2.1 dev e0 table 101 proto 123 src 192.0.2.3"),
        (&ours, "default via 192.0.2.9 dev e0 table 101 proto 123"),
        (&ours, "default dev e0 table 101 proto 123"),
        (&ours, "default via 192.0.2.1 dev e0 table 101 proto 123 tos 0x10"),
        (&ours, "default via 192.0.2.1 dev e0 table 102 proto 123"),
        (&ours, "0.0.0.0/1 via 192.0.2.1 dev e0 table 101 proto 123"),
        (&ours_v6, "default via 2001:db8:1::1 dev e0 table 101 proto static"),
        (&ours_v6, "default via 2001:db8:1::1 dev e0 table 101 proto 123 metric 5"),
        (&ours_v6, "default via fe80::1 dev e0 table 101 proto 123"),
        (&ours_v6, "default from 2001:db8:1::/64 via 2001:db8:1::1 dev e0 table 101 proto 123"),
        (&route(None, "tun0"), "default dev e1 table 101 proto 123"),
    ] {
        let host = host();
        let family = if ours.family == Family::V4 { "-4" } else { "-6" };
        host.ip(&format!("{family} route add {other}"));
        let show = |host: &Netns| {
            host.ip(&format!("{family} route show table all proto 123"))
                + &host.ip(&format!("{family} route show table all proto static"))
        };
        let before = show(&host);
        assert!(before.lines().count() == 1, "{other}: {before}");
        assert_eq!(errno(with(&host, |rtnl| rtnl.delete_route(ours))), libc::ESRCH, "{other}");
        assert_eq!(show(&host), before, "{other}");
    }
}

#[test]
fn where_the_kernel_would_take_another_route_none_is_removed() {
    let host = host();
    host.ip("route add default via 192.0.2.1 dev e0 table 101 proto 123 src 192.0.2.3");
    // Ours says no source; that of the other does not matter to the kernel, which has it first.
    let ours = route(Some("192.0.2.1"), "e0");
    host.ip("route append default via 192.0.2.1 dev e0 table 101 proto 123");
    let error = with(&host, |rtnl| rtnl.delete_route(&ours)).expect_err("it is ambiguous");
    assert_eq!(error.errno, libc::EBUSY, "{error}");
    assert!(error.to_string().contains("src 192.0.2.3"), "{error}");
    assert_eq!(host.ip("route show table 101").lines().count(), 2);
}

#[test]
fn a_rule_is_what_ip_would_have_made() {
    for (rule, option, expected) in [
        (rule("192.0.2.2", 101), "-4", "1000:\tfrom 192.0.2.2 lookup 101 proto 123"),
        (rule("192.0.2.0/24", 101), "-4", "1000:\tfrom 192.0.2.0/24 lookup 101 proto 123"),
        (rule("2001:db8:1::2", 101), "-6", "1000:\tfrom 2001:db8:1::2 lookup 101 proto 123"),
        (
            rule("192.0.2.2", 4_000_000_000),
            "-4",
            "1000:\tfrom 192.0.2.2 lookup 4000000000 proto 123",
        ),
        (
            Rule { from: None, suppress: Some(0), table: 254, ..rule("0.0.0.0", 0) },
            "-4",
            "1000:\tfrom all lookup main suppress_prefixlength 0 proto 123",
        ),
        (
            Rule { from: None, priority: 0, protocol: 0, ..rule("0.0.0.0", 7) },
            "-4",
            "0:\tfrom all lookup 7",
        ),
    ] {
        let host = host();
        let outcomes =
            with(&host, |rtnl| [errno(rtnl.add_rule(&rule)), errno(rtnl.add_rule(&rule))]);
        assert_eq!(outcomes, [0, libc::EEXIST], "{rule}");
        let shown = host.ip(&format!("{option} rule show"));
        assert!(shown.lines().any(|line| line.trim_end() == expected), "{expected}\n{shown}");
        assert!(with(&host, |rtnl| rtnl.rules()).is_ok_and(|rules| rules.contains(&rule)));
        let outcomes =
            with(&host, |rtnl| [errno(rtnl.delete_rule(&rule)), errno(rtnl.delete_rule(&rule))]);
        assert_eq!(outcomes, [0, libc::ENOENT], "{rule}");
        assert_eq!(
            host.ip(&format!("{option} rule show")),
            Netns::new().ip(&format!("{option} rule show"))
        );
    }
}

#[test]
fn a_rule_that_looks_like_ours_stays() {
    let ours = rule("192.0.2.2", 101);
    let for_all = Rule { from: None, ..ours.clone() };
    // Beside the other, ours comes and goes; or the kernel would take the other for it, which is
    // seen when it is to go (`EBUSY`) or by the kernel when it is to come (`EEXIST`).
    let free = (0, 0);
    let hidden = (0, libc::EBUSY);
    let taken = (libc::EEXIST, libc::ENOENT);
    for (ours, other, beside) in [
        (&ours, "from 192.0.2.2 lookup 101 priority 1000", free),
        (&ours, "from 192.0.2.2 lookup 101 priority 1000 protocol static", free),
        (&ours, "from 192.0.2.2 lookup 101 priority 1001 protocol 123", free),
        (&ours, "from 192.0.2.2 lookup 102 priority 1000 protocol 123", free),
        (&ours, "from 192.0.2.0/24 lookup 101 priority 1000 protocol 123", free),
        (&ours, "from 192.0.2.3 lookup 101 priority 1000 protocol 123", free),
        (&ours, "from all lookup 101 priority 1000 protocol 123", free),
        (&ours, "from 192.0.2.2 unreachable priority 1000 protocol 123", free),
        (&ours, "from 192.0.2.2 fwmark 1 lookup 101 priority 1000 protocol 123", hidden),
        (&ours, "from 192.0.2.2 iif e0 lookup 101 priority 1000 protocol 123", hidden),
        (&ours, "from 192.0.2.2 dport 80 lookup 101 priority 1000 protocol 123", hidden),
        (
            &ours,
            "from 192.0.2.2 lookup 101 suppress_prefixlength 0 priority 1000 protocol 123",
            hidden,
        ),
        (&ours, "not from 192.0.2.2 lookup 101 priority 1000 protocol 123", taken),
        (&ours, "from 192.0.2.2 to 10.0.0.0/8 lookup 101 priority 1000 protocol 123", taken),
        (&ours, "from 192.0.2.2 tos 0x10 lookup 101 priority 1000 protocol 123", taken),
        (&ours, "from 192.0.2.2 lookup 101 priority 1000 protocol 123 realms 3", taken),
        (&for_all, "from 192.0.2.2 lookup 101 priority 1000 protocol 123", taken),
    ] {
        let host = host();
        host.ip(&format!("rule add {other}"));
        let before = host.ip("rule show");
        assert_eq!(errno(with(&host, |rtnl| rtnl.delete_rule(ours))), libc::ENOENT, "{other}");
        assert_eq!(host.ip("rule show"), before, "{other}");
        let added = errno(with(&host, |rtnl| rtnl.add_rule(ours)));
        let removed = errno(with(&host, |rtnl| rtnl.delete_rule(ours)));
        assert_eq!((added, removed), beside, "{other}");
        let after = host.ip("rule show");
        let stays = |line: &str| after.lines().any(|other| other == line);
        assert!(before.lines().all(stays), "{other}\n{after}");
    }
}

#[test]
fn a_rule_that_does_more_than_the_model_says_is_not_written() {
    let host = host();
    let conditional = Rule { conditional: true, ..rule("192.0.2.2", 101) };
    let no_table = rule("192.0.2.2", 0);
    for rule in [conditional, no_table] {
        let outcomes =
            with(&host, |rtnl| [errno(rtnl.add_rule(&rule)), errno(rtnl.delete_rule(&rule))]);
        assert_eq!(outcomes, [libc::EINVAL; 2], "{rule:?}");
    }
}

#[test]
fn a_refusal_has_the_kernels_own_words() {
    let host = host();
    let error = with(&host, |rtnl| rtnl.add_route(&route(Some("203.0.113.1"), "e0")));
    let error = error.expect_err("the gateway is on no network");
    assert_eq!(
        (error.errno, error.text.as_deref()),
        (libc::ENETUNREACH, Some("Nexthop has invalid gateway"))
    );
    let error = with(&host, |rtnl| rtnl.add_route(&route(None, "nope"))).expect_err("no such link");
    assert_eq!(
        (error.errno, error.to_string().as_str()),
        (libc::ENODEV, "there is no interface nope")
    );
    let source = Route { src: "10.1.1.1".parse().ok(), ..route(Some("192.0.2.1"), "e0") };
    let error = with(&host, |rtnl| rtnl.add_route(&source)).expect_err("the source is foreign");
    assert_eq!(
        (error.errno, error.text.as_deref()),
        (libc::EINVAL, Some("Invalid prefsrc address"))
    );
}
