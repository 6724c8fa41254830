//! Hosts with rules and tables of their own, which keep their say.

use super::kinds::{Kind, W1_W2, first, last_resorts, rules, table, two, usual};

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        is: "a laptop with Wi-Fi and LTE",
        base: two,
        commands: &[],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            // At main's very edge, in this order, and by source: the device is for the routes.
            let ours: Vec<u32> = rules(lab)
                .into_iter()
                .filter(|(priority, rule)| rule.contains("proto 86") && *priority < 32766)
                .map(|(priority, _)| priority)
                .collect();
            assert_eq!(ours, [32765; 4]);
            let texts: Vec<bool> = rules(lab)
                .iter()
                .filter(|(priority, _)| *priority == 32765)
                .map(|(_, rule)| rule.contains("suppress_prefixlength"))
                .collect();
            assert!(texts.starts_with(&[true]) && texts.ends_with(&[false]), "{texts:?}");
            assert!(!lab.client.net.ip("mptcp endpoint show").contains(" dev "));
            assert_eq!(last_resorts(lab), [table(lab, "w1"), table(lab, "w2")]);
        },
    },
    Kind {
        is: "one with VRFs, whose local rule stands right before main's",
        base: two,
        commands: &["rule add pref 32765 table local", "rule delete pref 0"],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            first(lab, "lookup local");
        },
    },
    Kind {
        is: "one whose local rule stands at 1000",
        base: two,
        commands: &["rule add pref 1000 table local", "rule delete pref 0"],
        uplinks: W1_W2,
        ask: &[],
        expect: usual,
    },
    Kind {
        is: "one whose main rule stands at 30000",
        base: two,
        commands: &["rule add pref 30000 lookup main", "rule delete pref 32766"],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            let before = rules(lab).into_iter().filter(|(priority, _)| *priority < 30000);
            let ours = before.filter(|(_, rule)| rule.contains("proto 86"));
            assert_eq!(ours.map(|(priority, _)| priority).collect::<Vec<_>>(), [29999; 4]);
        },
    },
    Kind {
        is: "one whose last rule lets nothing out that main does not",
        base: two,
        commands: &["rule add pref 40000 prohibit"],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            lab.client.net.ip("route delete default dev w1");
            lab.client.net.ip("route delete default dev w2");
            let asked = lab.client.net.command("ip").args(["route", "get", "203.0.113.9"]).run();
            assert!(asked.stderr.contains("Permission denied"), "{asked}");
            lab.client.net.ip("route add default via 10.1.0.254 dev w1 metric 100");
            lab.client.net.ip("route add default via 10.2.0.254 dev w2 metric 200");
        },
    },
    Kind {
        is: "one with a rule of the user's own that has no priority",
        base: two,
        commands: &[
            "route add 198.51.100.0/24 via 10.1.0.254 dev w1 table 100",
            "rule add from 10.2.0.1 lookup 100",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            first(lab, "lookup 100");
        },
    },
    Kind {
        is: "one whose user sends a whole address elsewhere by a rule without priority",
        base: two,
        commands: &[
            "address add 10.2.0.9/24 dev w2",
            "route add default via 10.1.0.254 dev w1 table 100",
            "rule add from 10.2.0.9 lookup 100",
            "rule add fwmark 7 lookup 100",
        ],
        uplinks: W1_W2,
        ask: &["203.0.113.9 mark 7", "10.2.0.254 mark 7"],
        expect: |lab, plan| {
            usual(lab, plan);
            first(lab, "from 10.2.0.9 lookup 100");
            first(lab, "fwmark 0x7 lookup 100");
        },
    },
    Kind {
        is: "one with another default route for marked packets",
        base: two,
        commands: &[
            "route add default via 10.1.0.253 dev w1 table 200",
            "rule add fwmark 1 table 200 pref 1000",
        ],
        uplinks: W1_W2,
        ask: &["203.0.113.9 mark 1"],
        expect: usual,
    },
    Kind {
        is: "one with a bridge that has a default route in a table of its own",
        base: two,
        commands: &[
            "link add br0 type bridge",
            "link add port type veth peer name inside",
            "link set port master br0 up",
            "link set inside up",
            "link set br0 up",
            "address add 172.30.0.1/24 dev br0",
            "route add default via 172.30.0.254 dev br0 table 300",
            "rule add fwmark 2 table 300 pref 1000",
        ],
        uplinks: W1_W2,
        ask: &["203.0.113.9 mark 2", "172.30.0.254"],
        expect: usual,
    },
    Kind {
        is: "a node of Cilium's, with a pair of links and the local rule at 100",
        base: two,
        commands: &[
            "link add cilium_host type veth peer name cilium_net",
            "link set cilium_host up",
            "link set cilium_net up",
            "address add 10.0.0.67/32 dev cilium_host",
            "route add 10.0.0.67 dev cilium_host scope link",
            "route add 10.0.0.0/24 via 10.0.0.67 dev cilium_host src 10.0.0.67",
            "route add local default dev lo table 2004",
            "route add 10.0.0.67 dev cilium_host scope link table 2005",
            "route add default via 10.0.0.67 dev cilium_host table 2005",
            "rule add pref 9 fwmark 0x200/0xf00 lookup 2004",
            "rule add pref 10 fwmark 0xa00/0xf00 lookup 2005",
            "rule add pref 100 lookup local",
            "rule delete pref 0",
        ],
        uplinks: W1_W2,
        ask: &["203.0.113.9 mark 0x200", "203.0.113.9 mark 0xa00", "10.0.0.99"],
        expect: usual,
    },
    Kind {
        is: "a cloud image, whose second address has a rule and a table",
        base: two,
        commands: &[
            "route delete default dev w2",
            "route add default via 10.2.0.254 dev w2 table 1001",
            "rule add from 10.2.0.1 lookup 1001 pref 1001",
        ],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            // Main leads nobody to w2, whatever happens to w1.
            assert_eq!(last_resorts(lab), [table(lab, "w1")]);
        },
    },
    Kind {
        is: "one with a route of somebody's in our first table",
        base: two,
        commands: &["route add 198.51.100.0/24 via 10.1.0.254 dev w1 table 8684"],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            assert_eq!([table(lab, "w1"), table(lab, "w2")], ["8685", "8686"]);
        },
    },
    Kind {
        is: "one where nothing goes out when both default routes are gone",
        base: two,
        commands: &["route add unreachable default metric 9999"],
        uplinks: W1_W2,
        ask: &[],
        expect: |lab, plan| {
            usual(lab, plan);
            for link in 1..=2 {
                lab.client.net.ip(&format!("route delete default dev w{link}"));
            }
            let asked = lab.client.net.command("ip").args(["route", "get", "203.0.113.9"]).run();
            assert!(asked.stderr.contains("No route to host"), "{asked}");
            for link in 1..=2 {
                let route = format!("default via 10.{link}.0.254 dev w{link} metric {link}00");
                lab.client.net.ip(&format!("route add {route}"));
            }
        },
    },
    Kind {
        is: "one that routes by port, user, link and type of service",
        base: two,
        commands: &[
            "route add default via 10.1.0.253 dev w1 table 78",
            "rule add ipproto tcp dport 25 lookup 78 pref 700",
            "rule add uidrange 1000-2000 lookup 78 pref 701",
            "rule add iif lo to 198.51.100.0/24 lookup 78 pref 702",
            "rule add oif w1 to 192.0.2.0/24 lookup 78 pref 703",
            "route add default tos 0x10 via 10.2.0.253 dev w2",
        ],
        uplinks: W1_W2,
        ask: &[
            "203.0.113.9 ipproto tcp dport 25",
            "203.0.113.9 uid 1500",
            "192.0.2.9 oif w1",
            "198.51.100.9",
        ],
        expect: |lab, plan| {
            usual(lab, plan);
            let net = &lab.client.net;
            assert!(net.ip("route get 203.0.113.9 tos 0x10").contains("via 10.2.0.253"));
        },
    },
    Kind {
        is: "one with static routes and containers",
        base: two,
        commands: &[
            "route add 10.50.0.0/16 via 10.2.0.253 dev w2",
            "route add 10.51.0.0/16 via 10.1.0.253 dev w1 table 77",
            "rule add to 10.51.0.0/16 lookup 77 pref 500",
            "rule add from 172.17.0.0/16 goto 32766 pref 600",
            "link add docker0 type bridge",
            "address add 172.17.0.1/16 dev docker0",
            "link set docker0 up",
        ],
        uplinks: W1_W2,
        ask: &["10.50.0.1", "10.51.0.1", "172.17.0.9"],
        expect: usual,
    },
];
