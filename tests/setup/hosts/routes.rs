//! Hosts with addresses, links and routes of every sort: which are uplinks, and how they are used.

use super::kinds::{Kind, W1_W2, bare, endpoints, gateway, ours, ten, two, two_v6, usual};
use super::look::word_after;
use crate::support::uplinks::Uplinks;

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        is: "one with the modem's network before the provider's on a link",
        base: two,
        commands: &[
            "address delete 10.2.0.1/24 dev w2",
            "address add 192.168.100.2/24 dev w2",
            "address add 10.2.0.1/24 dev w2",
            "route add default via 10.2.0.254 dev w2 metric 200",
        ],
        uplinks: W1_W2,
        ask: &["192.168.100.1"],
        expect: usual,
    },
    Kind {
        is: "one whose default route names its source",
        base: two,
        commands: &[
            "address add 10.2.0.9/24 dev w2",
            "route replace default via 10.2.0.254 dev w2 metric 200 src 10.2.0.9",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, _| {
            assert_eq!(endpoints(lab), ["10.1.0.1", "10.2.0.9"]);
            assert_eq!(word_after(&ours(lab, "-4", "w2"), "src").as_deref(), Some("10.2.0.9"));
        },
    },
    Kind {
        is: "one with metrics on a default route, as jumbo frames want",
        base: two,
        commands: &["route replace default via 10.2.0.254 dev w2 metric 200 mtu 1400 advmss 1300 \
             initcwnd 20 initrwnd 30 rto_min 50ms quickack 1 congctl reno"],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            let ours = ours(lab, "-4", "w2");
            for (word, value) in [
                ("mtu", "1400"),
                ("advmss", "1300"),
                ("initcwnd", "20"),
                ("initrwnd", "30"),
                ("quickack", "1"),
                ("congctl", "reno"),
                ("rto_min", "lock"),
            ] {
                assert_eq!(word_after(&ours, word).as_deref(), Some(value), "{ours}");
            }
        },
    },
    Kind {
        is: "one with nexthop objects, which the kernel does not spell out",
        base: two,
        commands: &[
            "SYSCTL net/ipv4/nexthop_compat_mode 0",
            "route delete default dev w2",
            "nexthop add id 7 via 10.2.0.254 dev w2",
            "route add default nhid 7 metric 200",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: usual,
    },
    Kind {
        is: "one with both gateways in a group of nexthops",
        base: two,
        commands: &[
            "SYSCTL net/ipv4/nexthop_compat_mode 0",
            "route delete default dev w1",
            "route delete default dev w2",
            "nexthop add id 1 via 10.1.0.254 dev w1",
            "nexthop add id 2 via 10.2.0.254 dev w2",
            "nexthop add id 10 group 1/2",
            "route add default nhid 10 metric 50",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: usual,
    },
    Kind {
        is: "one with both gateways in one route",
        base: two,
        commands: &[
            "route delete default dev w1",
            "route delete default dev w2",
            "route add default nexthop via 10.1.0.254 dev w1 nexthop via 10.2.0.254 dev w2",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: usual,
    },
    Kind {
        is: "one with IPv6 default routes for a source each",
        base: two_v6,
        commands: &[
            "-6 route delete default dev w1",
            "-6 route delete default dev w2",
            "route add default from 2001:db8:1::/64 via 2001:db8:1::254 dev w1 metric 100",
            "route add default from 2001:db8:2::/64 via 2001:db8:2::254 dev w2 metric 200",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, _| assert_eq!(endpoints(lab), ["2001:db8:1::1", "2001:db8:2::1"]),
    },
    Kind {
        is: "one that prefers its temporary IPv6 addresses",
        base: || Uplinks::new(&["50mbit"; 2]),
        commands: &[
            "SYSCTL net/ipv6/conf/w1/use_tempaddr 2",
            "SYSCTL net/ipv6/conf/w2/use_tempaddr 2",
            "address add 2001:db8:1::1/64 dev w1 mngtmpaddr nodad",
            "address add 2001:db8:2::1/64 dev w2 mngtmpaddr nodad",
            "route add default via 2001:db8:1::254 dev w1 metric 100",
            "route add default via 2001:db8:2::254 dev w2 metric 200",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, _| {
            let shown = lab.client.net.ip("-6 -o address show scope global temporary");
            let own = |line: &str| {
                let address = word_after(line, "inet6").expect("its form");
                address.trim_end_matches("/64").to_owned()
            };
            let mut temporary: Vec<String> = shown.lines().map(own).collect();
            temporary.sort();
            assert_eq!(temporary.len(), 2, "{shown}");
            // One for each link, and those that programs get.
            assert_eq!(endpoints(lab), temporary);
        },
    },
    Kind {
        is: "one whose gateway lies outside its network, onlink",
        base: bare,
        commands: &[
            "address add 10.2.0.1/32 dev w2",
            "route add default via 10.9.9.9 dev w2 onlink metric 200",
        ],
        uplinks: W1_W2,
        ask: &["10.9.9.9"],
        expect: |lab, _| {
            assert_eq!(endpoints(lab), ["10.1.0.1", "10.2.0.1"]);
            assert_eq!(gateway(lab, "w2"), "10.9.9.9");
        },
    },
    Kind {
        is: "one whose gateway outside its network has a route of scope link",
        base: bare,
        commands: &[
            "address add 10.2.0.1/32 dev w2",
            "route add 10.9.9.9 dev w2 scope link",
            "route add default via 10.9.9.9 dev w2 metric 200",
        ],
        uplinks: W1_W2,
        ask: &["10.9.9.9"],
        expect: |lab, _| {
            assert_eq!(endpoints(lab), ["10.1.0.1", "10.2.0.1"]);
            assert_eq!(gateway(lab, "w2"), "10.9.9.9");
        },
    },
    Kind {
        is: "one with an IPv6 gateway for IPv4",
        base: bare,
        commands: &[
            "address add 10.2.0.1/32 dev w2",
            "-4 route add default via inet6 fe80::1 dev w2 metric 200",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, _| {
            assert_eq!(endpoints(lab), ["10.1.0.1", "10.2.0.1"]);
            assert!(ours(lab, "-4", "w2").contains("via inet6 fe80::1"));
        },
    },
    Kind {
        is: "one with a point-to-point address",
        base: bare,
        commands: &[
            "address add 10.64.2.1 peer 10.64.2.254/32 dev w2",
            "route add default via 10.64.2.254 dev w2 metric 200",
        ],
        uplinks: W1_W2,
        ask: &["10.64.2.254"],
        expect: |lab, _| {
            assert_eq!(endpoints(lab), ["10.1.0.1", "10.64.2.1"]);
            assert_eq!(gateway(lab, "w2"), "10.64.2.254");
        },
    },
    Kind {
        is: "one whose addresses are on a macvlan, and not on the link below",
        base: two,
        commands: &[
            "address delete 10.1.0.1/24 dev w1",
            "link add m1 link w1 type macvlan mode bridge",
            "address add 10.1.0.1/24 dev m1",
            "link set m1 up",
            "route add default via 10.1.0.254 dev m1 metric 100",
        ],
        uplinks: &["m1", "w2"],
        ask: &[],
        expect: |lab, _| assert_eq!(endpoints(lab), ["10.1.0.1", "10.2.0.1"]),
    },
    Kind {
        is: "one with a macvlan over an uplink",
        base: two,
        commands: &[
            "link add shim link w1 type macvlan mode bridge",
            "address add 10.1.0.77/24 dev shim",
            "link set shim up",
            "route add default via 10.1.0.254 dev shim metric 300",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            assert!(plan.contains("shim (") && plan.contains("over w1"), "{plan}");
        },
    },
    Kind {
        is: "one with ten links, more than the kernel takes endpoints",
        base: ten,
        commands: &[],
        uplinks: &["w1", "w10", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9"],
        ask: &[],
        expect: |lab, plan| {
            // The best eight, and which they are is said.
            let best: Vec<String> = (1..=8).map(|link| format!("10.{link}.0.1")).collect();
            assert_eq!(endpoints(lab), best);
            assert!(plan.contains("10.9.0.1") && plan.contains("10.10.0.1"), "{plan}");
        },
    },
    Kind {
        is: "one with two gateways on a link",
        base: two,
        commands: &["route add default via 10.2.0.253 dev w2 metric 201"],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            assert!(plan.contains("10.2.0.253"), "the other gateway is said: {plan}");
        },
    },
    Kind {
        is: "one that drops what the Internet does not route",
        base: two,
        commands: &[
            "route add blackhole 240.0.0.0/4",
            "route add unreachable 203.0.113.0/24",
            "route add prohibit 198.51.100.0/24",
            "route add blackhole 192.0.2.0/24",
            "route add blackhole 198.18.0.0/15",
            "route add blackhole 100.64.0.0/10",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: usual,
    },
    Kind {
        is: "one with IPv6 metrics on a default route",
        base: two_v6,
        commands: &[
            "-6 route delete default dev w2",
            "route add default via 2001:db8:2::254 \
             dev w2 metric 200 mtu 1400 advmss 1300 hoplimit 77",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, _| {
            let ours = ours(lab, "-6", "w2");
            for (word, value) in [("mtu", "1400"), ("advmss", "1300"), ("hoplimit", "77")] {
                assert_eq!(word_after(&ours, word).as_deref(), Some(value), "{ours}");
            }
        },
    },
    Kind {
        is: "one that answers for addresses of the Internet itself",
        base: two,
        commands: &[
            "route add local 203.0.113.0/24 dev lo",
            "route add local 240.0.0.0/4 dev lo",
            "route add local 4000::/16 dev lo",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: usual,
    },
];
