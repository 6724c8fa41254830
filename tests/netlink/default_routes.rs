//! Default routes of a link, found without reading the table: every form that a table can have,
//! and a table with as many routes as a router of the Internet has.

use std::fs;
use std::net::IpAddr;

use crate::support::{Netns, scratch};
use mptcpize::host::netlink::KernelError;
use mptcpize::host::netlink::rtnl::Rtnl;
use mptcpize_model::net::{Family, IfName, Link, MAIN, Route};

/// Two uplinks, a link without a gateway, and a tunnel.
fn host() -> Netns {
    let host = Netns::new();
    for line in [
        "link add e0 type veth peer name p0",
        "link add e1 type veth peer name p1",
        "link add lan type veth peer name plan",
        "tuntap add tun0 mode tun",
        "link set e0 up",
        "link set e1 up",
        "link set p0 up",
        "link set p1 up",
        "link set lan up",
        "link set plan up",
        "link set tun0 up",
        "address add 192.0.2.2/24 dev e0",
        "address add 198.51.100.2/24 dev e1",
        "address add 10.0.0.1/24 dev lan",
        "address add 10.8.0.2/24 dev tun0",
        "address add 2001:db8:1::2/64 dev e0 nodad",
        "address add 2001:db8:2::2/64 dev e1 nodad",
    ] {
        host.ip(line);
    }
    host
}

fn ok<T>(outcome: Result<T, KernelError>) -> T {
    outcome.unwrap_or_else(|error| panic!("errno {}: {error}", error.errno))
}

fn with<T: Send>(host: &Netns, work: impl FnOnce(&mut Rtnl) -> T + Send) -> T {
    host.enter(|| work(&mut Rtnl::open().expect("rtnetlink is there")))
}

fn link(rtnl: &mut Rtnl, name: &str) -> Link {
    let links = ok(rtnl.links());
    links.into_iter().find(|link| link.name.as_str() == name).expect("the test made it")
}

/// The default routes of a link, as `ip route` would write them.
fn defaults(host: &Netns, name: &str) -> Vec<String> {
    let routes = with(host, |rtnl| {
        let link = link(rtnl, name);
        ok(rtnl.default_routes(&link, &[]))
    });
    routes.iter().map(Route::to_string).collect()
}

#[test]
fn each_form_of_table_gives_the_default_routes_of_its_links() {
    type Row = (&'static str, &'static [&'static str], &'static str, &'static [&'static str]);
    let table: &[Row] = &[
        ("no default route", &[], "e0", &[]),
        (
            "a route for each uplink, with metrics",
            &[
                "route add default via 192.0.2.1 dev e0 metric 100 proto dhcp src 192.0.2.2",
                "route add default via 198.51.100.1 dev e1 metric 600",
            ],
            "e1",
            &["default via 198.51.100.1 dev e1 metric 600"],
        ),
        (
            "two routes over one link",
            &[
                "route add default via 192.0.2.9 dev e0 metric 200",
                "route add default via 192.0.2.1 dev e0 metric 100 src 192.0.2.2",
            ],
            "e0",
            &[
                "default via 192.0.2.1 dev e0 src 192.0.2.2 metric 100",
                "default via 192.0.2.9 dev e0 metric 200",
            ],
        ),
        ("one of another link", &["route add default via 192.0.2.1 dev e0"], "lan", &[]),
        (
            "both families",
            &[
                "route add default via 192.0.2.1 dev e0",
                "-6 route add default via fe80::1 dev e0 metric 512",
                "-6 route add default via 2001:db8:1::1 dev e0 metric 4096",
            ],
            "e0",
            &["default via 192.0.2.1 dev e0", "default via fe80::1 dev e0 metric 512"],
        ),
        (
            "several next hops",
            &[
                "route add default nexthop via 192.0.2.1 dev e0 nexthop via 198.51.100.1 dev e1",
                "-6 route add default nexthop via 2001:db8:1::1 dev e0 nexthop via 2001:db8:2::1 dev e1",
            ],
            "e1",
            &["default via 198.51.100.1 dev e1", "default via 2001:db8:2::1 dev e1 metric 1024"],
        ),
        (
            "no gateway",
            &["route add default dev tun0 metric 50"],
            "tun0",
            &["default dev tun0 metric 50"],
        ),
        (
            "a gateway of the other family",
            &["-4 route add default via inet6 fe80::1 dev e0"],
            "e0",
            &["default via fe80::1 dev e0"],
        ),
        (
            "a VPN that halves the address space",
            &[
                "route add default via 192.0.2.1 dev e0",
                "route add 0.0.0.0/1 via 10.8.0.1 dev tun0",
                "route add 128.0.0.0/1 via 10.8.0.1 dev tun0",
            ],
            "e0",
            &["default via 192.0.2.1 dev e0"],
        ),
        (
            "halves over the link itself",
            &[
                "route add default via 192.0.2.1 dev e0",
                "route add 0.0.0.0/1 via 192.0.2.9 dev e0",
                "route add 128.0.0.0/1 via 192.0.2.9 dev e0",
            ],
            "e0",
            &["default via 192.0.2.1 dev e0"],
        ),
        (
            "halves over the link, and no default route",
            &[
                "route add 0.0.0.0/1 via 192.0.2.9 dev e0",
                "route add 128.0.0.0/1 via 192.0.2.9 dev e0",
            ],
            "e0",
            &[],
        ),
        (
            "reserved addresses in a blackhole",
            &[
                "route add default via 192.0.2.1 dev e0",
                "route add blackhole 240.0.0.0/4",
                "-6 route add default via 2001:db8:1::1 dev e0",
                "-6 route add unreachable 4000::/3",
            ],
            "e0",
            &["default via 192.0.2.1 dev e0", "default via 2001:db8:1::1 dev e0 metric 1024"],
        ),
        (
            "a VPN's rules, as wg-quick makes them",
            &[
                "route add default via 192.0.2.1 dev e0",
                "route add default dev tun0 table 51820",
                "rule add not fwmark 51820 lookup 51820 priority 32764",
                "rule add lookup main suppress_prefixlength 0 priority 32763",
            ],
            "e0",
            &["default via 192.0.2.1 dev e0"],
        ),
        (
            "rules that shut everything but a VPN",
            &[
                "route add default via 192.0.2.1 dev e0",
                "-6 route add default via 2001:db8:1::1 dev e0",
                "-6 route add 2001:db8:77::/48 via 2001:db8:1::1 dev e0",
                "route add unreachable default table 7",
                "-6 route add unreachable default table 7",
                "rule add not fwmark 7 lookup 7 priority 100",
                "-6 rule add not fwmark 7 lookup 7 priority 100",
            ],
            "e0",
            &["default via 192.0.2.1 dev e0", "default via 2001:db8:1::1 dev e0 metric 1024"],
        ),
        (
            "no rule for main",
            &[
                "route add default via 192.0.2.1 dev e0 metric 7",
                "route add default via 192.0.2.9 dev e0 metric 8",
                "rule del lookup main",
                "-6 route add default via 2001:db8:1::1 dev e0 metric 7",
                "-6 route add default via 2001:db8:1::9 dev e0 metric 8",
                "-6 rule del lookup main",
            ],
            "e0",
            &[
                "default via 192.0.2.1 dev e0 metric 7",
                "default via 192.0.2.9 dev e0 metric 8",
                "default via 2001:db8:1::1 dev e0 metric 7",
            ],
        ),
        (
            "a rule that forbids everything",
            &[
                "route add default via 192.0.2.1 dev e0",
                "rule add unreachable priority 100",
                "-6 route add default via 2001:db8:1::1 dev e0",
                "-6 rule add unreachable priority 100",
            ],
            "e0",
            &["default via 192.0.2.1 dev e0", "default via 2001:db8:1::1 dev e0 metric 1024"],
        ),
        (
            "a table of its own by a last rule",
            &[
                "route add default via 198.51.100.1 dev e1 table 102",
                "rule add lookup 102 priority 40000",
            ],
            "e1",
            &[],
        ),
        (
            "a table of its own for its address",
            &[
                "route add default via 198.51.100.1 dev e1 table 102",
                "rule add from 198.51.100.2 lookup 102",
            ],
            "e1",
            &[],
        ),
        (
            "a link without carrier, and such links ignored",
            &[
                "route add default via 192.0.2.1 dev e0",
                "-6 route add default via 2001:db8:1::1 dev e0",
                "link set p0 down",
            ],
            "e0",
            &["default via 192.0.2.1 dev e0", "default via 2001:db8:1::1 dev e0 metric 1024"],
        ),
        (
            "a type of service of its own",
            &["route add default via 192.0.2.1 dev e0 tos 0x10"],
            "e0",
            &[],
        ),
    ];
    for (what, lines, name, expected) in table {
        let host = host();
        for kind in ["ipv4", "ipv6"] {
            host.sysctl(&format!("net/{kind}/conf/all/ignore_routes_with_linkdown"), "1");
        }
        for line in *lines {
            host.ip(line);
        }
        assert_eq!(defaults(&host, name), *expected, "{what}");
    }
}

#[test]
fn the_default_routes_of_any_table_are_found() {
    let host = host();
    for line in [
        "route add default via 192.0.2.1 dev e0 table 7 metric 1",
        "route add default via 198.51.100.1 dev e1 table 7 metric 2",
        "route add 0.0.0.0/1 via 192.0.2.1 dev e0 table 7",
        "route add 203.0.113.0/24 via 192.0.2.1 dev e0 table 7",
        "-6 route add default via 2001:db8:1::1 dev e0 table 7",
        "-6 route add 2001:db8:9::/48 via 2001:db8:1::1 dev e0 table 7",
        "route add default via 192.0.2.1 dev e0 table 8",
    ] {
        host.ip(line);
    }
    let lines = |table, family| -> Vec<String> {
        let routes = with(&host, |rtnl| ok(rtnl.default_routes_in(table, family)));
        routes.iter().map(Route::to_string).collect()
    };
    let expected = [
        "default via 192.0.2.1 dev e0 table 7 metric 1",
        "default via 198.51.100.1 dev e1 table 7 metric 2",
    ];
    assert_eq!(lines(7, Family::V4), expected);
    assert_eq!(lines(7, Family::V6), ["default via 2001:db8:1::1 dev e0 table 7 metric 1024"]);
    for family in Family::BOTH {
        assert_eq!(lines(4242, family), [""; 0]);
    }
}

#[test]
fn a_default_route_says_who_made_it() {
    let host = host();
    host.ip("route add default via 192.0.2.1 dev e0 proto dhcp metric 100");
    let routes = with(&host, |rtnl| {
        let link = link(rtnl, "e0");
        ok(rtnl.default_routes(&link, &[]))
    });
    let [route] = &routes[..] else { panic!("{routes:?}") };
    assert_eq!((route.protocol, route.table, route.family), (16, MAIN, Family::V4));
}

#[test]
fn the_way_of_a_packet_is_that_of_ip_route_get() {
    let host = host();
    for line in [
        "route add default via 192.0.2.1 dev e0",
        "route add default via 198.51.100.1 dev e1 table 102",
        "rule add from 198.51.100.2 lookup 102",
        "route add unreachable 203.0.113.0/24",
        "-6 route add default via 2001:db8:1::1 dev e0",
    ] {
        host.ip(line);
    }
    let ip = |text: &str| -> IpAddr { text.parse().expect("a literal address") };
    let name = |text: &str| IfName::new(text).expect("a literal name");
    let get = |to: &str, from: Option<&str>, oif: Option<&str>| {
        let oif = oif.map(name);
        with(&host, |rtnl| rtnl.route_get(ip(to), from.map(ip), oif.as_ref()))
    };
    let line = |to, from, oif| ok(get(to, from, oif)).to_string();
    assert_eq!(line("8.8.8.8", None, None), "8.8.8.8 via 192.0.2.1 dev e0 src 192.0.2.2");
    assert_eq!(
        line("8.8.8.8", Some("198.51.100.2"), None),
        "8.8.8.8 via 198.51.100.1 dev e1 table 102"
    );
    assert_eq!(line("10.0.0.9", None, None), "10.0.0.9 dev lan src 10.0.0.1");
    assert_eq!(line("192.0.2.2", None, None), "192.0.2.2 dev lo table 255 src 192.0.2.2");
    assert_eq!(
        line("2001:db8:ffff::1", None, None),
        "2001:db8:ffff::1 via 2001:db8:1::1 dev e0 src 2001:db8:1::2 metric 1024"
    );
    for (to, from, oif) in [
        ("203.0.113.9", None, None),
        ("8.8.8.8", None, Some("nope")),
        ("8.8.8.8", Some("9.9.9.9"), None),
        ("2001:db8:ffff::1", None, Some("tun0")),
    ] {
        assert!(get(to, from, oif).is_err(), "{to} {from:?} {oif:?}");
    }
}

#[test]
fn two_hundred_thousand_routes_do_not_matter() {
    let host = host();
    host.ip("route add default via 192.0.2.1 dev e0 metric 100");
    host.ip("route add default via 198.51.100.1 dev e1 metric 200");
    host.ip("-6 route add default via 2001:db8:1::1 dev e0");
    let file = scratch("batch").join("routes");
    let text: String = (0..200_000u32)
        .map(|number| {
            let [_, a, b, c] = number.to_be_bytes();
            format!("route add {}.{b}.{c}.0/24 via 192.0.2.1 dev e0 proto bgp\n", 20 + a)
        })
        .collect();
    fs::write(&file, text).expect("a scratch file can be written");
    host.ip(&format!("-batch {}", file.display()));

    let (found, empty, asked, read) = with(&host, |rtnl| {
        let [e0, e1, lan] = ["e0", "e1", "lan"].map(|name| link(rtnl, name));
        let mut found = ok(rtnl.default_routes(&e0, &[]));
        found.extend(ok(rtnl.default_routes(&e1, &[])));
        let empty = ok(rtnl.default_routes(&lan, &[]));
        let start = cpu_ns();
        for _ in 0..20 {
            ok(rtnl.default_routes(&e0, &[]));
            ok(rtnl.default_routes(&lan, &[]));
            assert_eq!(ok(rtnl.routes_through((MAIN, &e0.name), Family::V4, 64)).len(), 64);
        }
        let asked = cpu_ns() - start;
        let routes = ok(rtnl.routes_in(MAIN, Family::V4)).len();
        assert_eq!(routes, 200_000 + 2 + 4, "the routes and those of the four networks");
        (found, empty, asked, cpu_ns() - start - asked)
    });
    let found: Vec<String> = found.iter().map(Route::to_string).collect();
    assert_eq!(
        found,
        [
            "default via 192.0.2.1 dev e0 metric 100",
            "default via 2001:db8:1::1 dev e0 metric 1024",
            "default via 198.51.100.1 dev e1 metric 200"
        ]
    );
    assert_eq!(empty, []);
    println!("20 × 2 links asked: {} µs of CPU; table read once: {} µs", asked / 1000, read / 1000);
    // CPU time of this thread, kernel included, and only in proportion: to ask forty times must be
    // less work than to read the table once.
    assert!(asked < read, "asked {asked} ns, read {read} ns");
}

/// CPU time of this thread (proc_pid_schedstat(5): the first number).
fn cpu_ns() -> u64 {
    // The kernel brings the number up to date when the thread is looked at by the scheduler.
    std::thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("this kernel counts");
    text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn routes_through_gateways_of_a_link_are_read_as_far_as_they_are_asked_for() {
    let host = host();
    for line in [
        "route add default via 192.0.2.1 dev e0",
        "route add 10.10.0.0/16 dev e0",
        "route add 10.11.0.0/16 via 192.0.2.1 dev e0 table 200",
        "route add 10.12.0.0/16 nexthop via 192.0.2.1 dev e0 nexthop via 198.51.100.1 dev e1",
        "route add 203.0.113.0/25 via 192.0.2.1 dev e0",
        "route add 203.0.113.128/25 via 198.51.100.1 dev e1",
    ] {
        host.ip(line);
    }
    let read = |name: &str, most| -> Vec<String> {
        let routes = with(&host, |rtnl| {
            let link = link(rtnl, name);
            ok(rtnl.routes_through((MAIN, &link.name), Family::V4, most))
        });
        routes.iter().map(Route::to_string).collect()
    };
    let [both, own] =
        ["10.12.0.0/16", "203.0.113.0/25"].map(|to| format!("{to} via 192.0.2.1 dev e0"));
    assert_eq!(read("e0", 64), [both.clone(), own]);
    assert_eq!(read("e0", 1), [both]);
    let other =
        ["10.12.0.0/16", "203.0.113.128/25"].map(|to| format!("{to} via 198.51.100.1 dev e1"));
    assert_eq!(read("e1", 64), other);
    assert!(read("lan", 64).is_empty());
}
