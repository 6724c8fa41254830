//! A host that was set up and then lost some of it: `status`, `check` and `setup --dry-run` say so
//! alike, and the next `run` or `setup` mends it, also while a link has no address for a moment.
//!
//! Not here: undo after such events (undo.rs), real network managers (managers.rs).

use std::fs;

use crate::support::uplinks::{Uplinks, assert_same};
use crate::support::{Cmd, wait};

const RATE: &str = "15mbit";

/// What the three verbs say: 0 where all is well, 3 where something is due.
fn judged(lab: &Uplinks) -> [i32; 3] {
    ["status", "check", "setup --dry-run --exit-code"]
        .map(|verb| lab.client.tool(verb).run().code())
}

/// Something that happens to a host after its set-up.
struct Event {
    what: &'static str,
    lines: &'static [&'static str],
}

const EVENTS: &[Event] = &[
    Event {
        what: "a manager deletes all rules of others",
        lines: &[
            "rule del from 10.1.0.1 lookup 8684",
            "rule del from 10.2.0.1 lookup 8685",
            "rule del from 10.1.0.1 lookup main",
            "rule del from 10.2.0.1 lookup main",
            "rule del lookup 8684",
            "rule del lookup 8685",
        ],
    },
    Event {
        what: "one rule of the last resort is gone",
        lines: &["rule del lookup 8685 pref 32801"],
    },
    Event {
        what: "the link was switched off and on, and nobody makes its default route again",
        lines: &["link set w2 down", "link set w2 up"],
    },
    Event { what: "its table was emptied", lines: &["route flush table 8685"] },
    Event { what: "somebody deleted the endpoints", lines: &["mptcp endpoint flush"] },
    Event {
        what: "a rule of main was put before that of the link's table",
        lines: &[
            "rule del from 10.2.0.1 lookup main",
            "rule add from 10.2.0.1 lookup main suppress_prefixlength 0 pref 32765 proto 86",
        ],
    },
    Event {
        what: "the address was renumbered and the old one is for old connections only",
        lines: &[
            "address change 10.2.0.1/24 dev w2 preferred_lft 0",
            "address add 10.2.0.77/24 dev w2",
            "route replace default via 10.2.0.254 dev w2 metric 200",
        ],
    },
    Event { what: "a limit was lowered", lines: &["mptcp limits set subflows 1"] },
    Event {
        what: "the gateway changed",
        lines: &["route del default dev w2", "route add default via 10.2.0.253 dev w2 metric 200"],
    },
];

#[test]
fn what_is_no_longer_as_it_was_set_up_is_judged_alike_and_mended() {
    for Event { what, lines } in EVENTS {
        let lab = Uplinks::two_subnets(RATE);
        lab.client.setup("");
        assert_eq!(judged(&lab), [0; 3], "before {what}");
        lines.iter().for_each(|line| drop(lab.client.net.ip(line)));
        assert_eq!(judged(&lab), [3; 3], "{what}");
        let said = lab.client.tool("run true").run().ok().stderr;
        assert!(said.starts_with("mptcpize: set up w1 and w2 with "), "{what}: {said}");
        assert_eq!(judged(&lab), [0; 3], "{what}, mended");
        let rules = lab.client.net.ip("rule show pref 32765");
        for address in ["10.1.0.1", "10.2.0"] {
            let of = |rule: &&str| rule.contains(&format!("from {address}"));
            let own: Vec<&str> = rules.lines().filter(of).collect();
            let main = own.iter().position(|rule| rule.contains("lookup main suppress"));
            let table = own.iter().position(|rule| rule.contains("lookup 868"));
            assert!(main.is_some() && main < table, "{what}: {rules}");
        }
        let undone = lab.client.tool("setup undo").run();
        assert_eq!(undone.code(), 0, "{what}: {undone}");
        let left = lab.client.state();
        assert!(!left.contains("proto 86") && !left.contains("8685"), "{what}: {left}");
        assert!(!left.contains(" subflow "), "{what}: {left}");
    }
}

#[test]
fn our_own_set_up_is_mended_although_others_have_endpoints_too() {
    let lab = Uplinks::two_subnets(RATE);
    let before = lab.client.state();
    lab.client.setup("");
    // A manager that starts later finds these addresses taken, and adds one of another link.
    lab.client.net.ip("mptcp endpoint add 10.1.0.9 dev w1 subflow");
    for table in ["8684", "8685"] {
        lab.client.net.ip(&format!("rule del lookup {table} pref 32765"));
    }
    assert_eq!(lab.client.tool("setup --dry-run --exit-code").run().code(), 3);
    let said = lab.client.tool("run true").run().ok().stderr;
    assert!(said.starts_with("mptcpize: set up w1 and w2 with "), "{said}");
    assert!(lab.client.net.ip("mptcp endpoint show").contains("10.1.0.9"));
    lab.client.net.ip("mptcp endpoint delete id 3");
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
}

#[test]
fn links_that_answer_for_each_other_are_set_up_beside_a_managers_endpoints() {
    let lab = Uplinks::three_dongles(RATE);
    for number in 1..=3 {
        let link = format!("w{number}");
        lab.client.net.ip(&format!("mptcp endpoint add 192.168.0.1{number} dev {link} subflow"));
        let route = format!("route replace default via 192.168.0.1 dev {link} metric 10{number}");
        lab.client.net.ip(&route);
    }
    let endpoints = lab.client.net.ip("mptcp endpoint show");
    let said = lab.client.tool("run true").run().ok().stderr;
    assert!(said.starts_with("mptcpize: set up w1, w2 and w3 with "), "{said}");
    assert_eq!(lab.client.net.ip("mptcp endpoint show"), endpoints, "theirs, as they were");
    let value = lab.client.net.enter(|| {
        fs::read_to_string("/proc/sys/net/ipv4/conf/w2/arp_ignore").expect("it is there")
    });
    assert_eq!(value.trim(), "1");
}

#[test]
fn a_set_up_waits_for_a_link_that_a_manager_configures_anew() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    // As networkd does on `networkctl reconfigure`: the address goes, our rules go, all comes back.
    lab.client.net.ip("address del 10.2.0.1/24 dev w2");
    for table in ["main", "8685"] {
        lab.client.net.ip(&format!("rule del from 10.2.0.1 lookup {table}"));
    }
    let log = crate::support::scratch("strace").join("log");
    let call = "clock_nanosleep";
    let running = lab
        .client
        .command("strace")
        .args(["-f", "-qq", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=STOP:when=1"), "-o"])
        .arg(&log)
        .arg(crate::support::tool::binary())
        .arg("setup")
        .start();
    wait::until("the tool waits for the address", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("--- stopped by SIGSTOP ---"))
    });
    lab.client.net.ip("address add 10.2.0.1/24 dev w2");
    lab.client.net.ip("route replace default via 10.2.0.254 dev w2 metric 200");
    let children = format!("/proc/{0}/task/{0}/children", running.pid());
    let tool = fs::read_to_string(children).expect("strace runs").trim().to_owned();
    Cmd::new("kill").args(["-CONT", &tool]).run().ok();
    let outcome = running.finish();
    assert!(outcome.stdout.starts_with("set up w1 and w2 with "), "{outcome}");
    assert_eq!(judged(&lab), [0; 3]);
}

#[test]
fn a_link_that_stays_away_is_named_and_its_set_up_kept() {
    let lab = Uplinks::two_subnets(RATE);
    let before = lab.client.state();
    lab.client.setup("");
    lab.client.net.ip("link set w2 down");
    let said = lab.client.setup("");
    assert!(said.contains("w2 was set up and is away"), "{said}");
    lab.client.net.ip("link set w2 up");
    lab.client.net.ip("route replace default via 10.2.0.254 dev w2 metric 200");
    assert!(lab.client.setup("").starts_with("set up w1 and w2 with "));
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
}
