//! One host, one judgement: `status`, `check`, `top --once` and `setup --dry-run` beside each other, on hosts with a
//! fault and on hosts that only look odd. With a daemon that runs: agree_daemon.rs.
//!
//! Not here: the faults of check_faults.rs, each of which is compared there in the same way.

use crate::support::agree::agree;
use crate::support::tunnel::{self, Style};
use crate::support::uplinks::{Uplinks, assert_same};
use crate::support::wait;

const RATE: &str = "15mbit";

fn ip(lab: &Uplinks, line: &str) {
    lab.client.net.ip(line);
}

/// A host: how it is built, whether it is set up, what happens to it, and all that is found then.
struct Host {
    name: &'static str,
    build: fn() -> Uplinks,
    set_up: bool,
    make: fn(&Uplinks),
    found: &'static [&'static str],
    paths: &'static [&'static str],
}

/// Two links with addresses of both families.
fn dual_stack() -> Uplinks {
    let lab = Uplinks::two_subnets(RATE);
    [1, 2].into_iter().for_each(|link| lab.number_v6(link));
    lab
}

/// One link with addresses of both families.
fn one_dual_stack_link() -> Uplinks {
    let lab = Uplinks::new(&[RATE]);
    lab.number_v4(1);
    lab.number_v6(1);
    lab
}

const HOSTS: [Host; 13] = [
    Host {
        name: "as setup left it",
        build: || Uplinks::two_subnets(RATE),
        set_up: true,
        make: |_| (),
        found: &[],
        paths: &["w1", "w2"],
    },
    Host {
        name: "never set up",
        build: || Uplinks::two_subnets(RATE),
        set_up: false,
        make: |_| (),
        found: &["endpoints.missing", "routing.elsewhere", "limits.no_addresses"],
        paths: &["w1", "w2"],
    },
    Host {
        name: "a link that was set up and is away",
        build: || Uplinks::two_subnets(RATE),
        set_up: true,
        make: |lab| ip(lab, "link delete w2"),
        found: &[],
        paths: &["w1"],
    },
    Host {
        name: "one link with both families is one path",
        build: one_dual_stack_link,
        set_up: false,
        make: |_| (),
        found: &[],
        paths: &["w1"],
    },
    Host {
        name: "two links with both families are two paths",
        build: dual_stack,
        set_up: true,
        make: |_| (),
        found: &[],
        paths: &["w1", "w2"],
    },
    Host {
        name: "a link that is switched off",
        build: || Uplinks::two_subnets(RATE),
        set_up: true,
        make: |lab| ip(lab, "link set w2 down"),
        found: &["endpoints.link_down"],
        paths: &["w1"],
    },
    Host {
        name: "a link that is cut",
        build: || Uplinks::two_subnets(RATE),
        set_up: true,
        make: |lab| {
            lab.cut(2);
            lab.client.wait_for_lost_carrier("w2");
        },
        found: &["paths.carrier"],
        paths: &["w1"],
    },
    Host {
        name: "a link that has another address now",
        build: || Uplinks::two_subnets(RATE),
        set_up: true,
        make: |lab| {
            ip(lab, "address del 10.2.0.1/24 dev w2");
            ip(lab, "address add 10.2.0.7/24 dev w2");
            ip(lab, "route add default via 10.2.0.254 dev w2 metric 200");
        },
        found: &["endpoints.vanished", "endpoints.missing", "routing.elsewhere"],
        paths: &["w1", "w2"],
    },
    Host {
        name: "a link that was set up and is left out by name since then",
        build: || Uplinks::two_subnets(RATE),
        set_up: true,
        make: |lab| drop(lab.client.setup("--exclude w2")),
        found: &[],
        paths: &["w1"],
    },
    Host {
        name: "the worse of two links alone, after both",
        build: || Uplinks::two_subnets(RATE),
        set_up: true,
        make: |lab| drop(lab.client.setup("--only w2")),
        found: &[],
        paths: &["w2"],
    },
    Host {
        name: "somebody flushed the table of a link",
        build: || Uplinks::two_subnets(RATE),
        set_up: true,
        make: |lab| ip(lab, "route flush table 8685"),
        found: &["routing.elsewhere"],
        paths: &["w1", "w2"],
    },
    Host {
        name: "a link over another one that was switched off",
        build: || {
            let lab = Uplinks::two_subnets(RATE);
            ip(&lab, "address flush dev w2");
            ip(&lab, "link add m2 link w2 type macvlan mode bridge");
            ip(&lab, "address add 10.2.0.1/24 dev m2");
            ip(&lab, "link set m2 up");
            ip(&lab, "route add default via 10.2.0.254 dev m2 metric 200");
            lab.client.net.settle();
            lab
        },
        set_up: true,
        make: |lab| {
            ip(lab, "link set w2 down");
            wait::until("m2 without carrier", || {
                let shown = lab.client.net.ip("link show dev m2");
                shown.contains("NO-CARRIER") || shown.contains("LOWERLAYERDOWN")
            });
        },
        found: &["paths.carrier"],
        paths: &["w1"],
    },
    Host {
        name: "no link at all",
        build: || Uplinks::new(&[RATE]),
        set_up: false,
        make: |_| (),
        found: &["paths.none"],
        paths: &[],
    },
];

#[test]
fn of_every_host_all_verbs_say_the_same() {
    for Host { name, build, set_up, make, found, paths } in HOSTS {
        let lab = build();
        if set_up {
            lab.client.setup("");
        }
        make(&lab);
        let checked = agree(&lab.client, name);
        checked.finds(found, name);
        assert_eq!(checked.0["usable_paths"], serde_json::json!(paths), "{name}");
    }
}

#[test]
fn a_vpn_that_is_led_around_is_told_by_all_and_its_end_too() {
    let lab = tunnel::host();
    lab.client.setup("");
    let _vpn = tunnel::connect(&lab, Style::LowerMetric);
    agree(&lab.client, "led around").finds(&["vpn.leak"], "led around");
    lab.client.setup("undo");
    agree(&lab.client, "nothing is set up").finds(&[], "nothing is set up");
}

/// What each verb says of a VPN that nothing is led around: the cause, that nothing is to be done, and what bonds
/// all the same.
#[test]
fn a_vpn_that_nothing_is_led_around_is_right_for_every_verb() {
    for (style, set_up) in
        [(Style::Halves, false), (Style::Halves, true), (Style::LowerMetric, false)]
    {
        let lab = tunnel::host();
        if set_up {
            lab.client.setup("");
        }
        let _vpn = tunnel::connect(&lab, style);
        let name = format!("{style:?}, set up: {set_up}");
        agree(&lab.client, &name).finds(&[], &name);
        let top = if cfg!(feature = "top") { "top --once" } else { "status" };
        for verb in ["status", "check", top, "setup --dry-run", "setup --dry-run --exit-code"] {
            let told = lab.client.tool(verb).env("COLUMNS", "200").run();
            assert_eq!(told.code(), 0, "{name}, {verb}: {told}");
            let has = |text: &str| told.stdout.contains(text);
            assert!(
                has("traffic of this host leaves by tun0, which is no uplink"),
                "{name}: {told}"
            );
            assert!(
                has("do: mptcpize setup --beside-vpn ") || has("do   mptcpize setup --beside-vpn "),
                "{name}: {told}"
            );
            let more = ["every path is ready", "check HOST", "fix: ", "error: "];
            assert!(!more.into_iter().any(has), "{name}, {verb}: {told}");
        }
        let before = lab.client.state();
        let refused = lab.client.tool("setup").run();
        assert_eq!(refused.code(), 1, "{name}: it was asked to bond, and does not: {refused}");
        assert!(
            refused.stderr.contains("fix: sudo mptcpize setup --beside-vpn\n"),
            "{name}: {refused}"
        );
        assert_same(&before, &lab.client.state(), &name);
    }
}

#[test]
fn of_a_second_link_that_is_no_path_every_verb_says_why() {
    let away = "10.2.0.1 (id 2) waits for its link, which is away";
    for (set_up, line, told, planned) in [
        (false, "link set w2 down", "w2 is none: ", "Left out: "),
        (false, "route del default dev w2", "w2 is none: ", "Left out: "),
        (true, "link delete w2", away, away),
    ] {
        let lab = Uplinks::two_subnets(RATE);
        if set_up {
            lab.client.setup("");
        }
        ip(&lab, line);
        let top = if cfg!(feature = "top") { "top --once" } else { "status" };
        for (verb, told) in
            [("status", told), ("check", told), (top, told), ("setup --dry-run", planned)]
        {
            let said = lab.client.tool(verb).env("COLUMNS", "200").run().ok().stdout;
            assert!(said.contains(told), "{line}: {verb} and {told}: {said}");
        }
        let metrics = lab.client.tool("metrics").run().ok().stdout;
        let up =
            |link, is| metrics.contains(&format!("\nmptcpize_path_up{{link=\"{link}\"}} {is}\n"));
        assert!(up("w1", 1) && up("w2", 0) == set_up, "{line}: {metrics}");
    }
}

#[test]
fn an_endpoint_whose_address_lapsed_waits_for_it_and_no_verb_takes_it_away() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    let set_up = lab.client.state();
    ip(&lab, "address del 10.2.0.1/24 dev w2");
    let checked = agree(&lab.client, "lapsed");
    checked.finds(&[], "lapsed");
    assert_eq!(checked.fixes(), [""; 0], "{:#}", checked.0["findings"]);
    let note = checked.topic("endpoints");
    assert_eq!(note["title"], "10.2.0.1 (id 2) waits for w2, which has no address");
    ip(&lab, "address add 10.2.0.1/24 dev w2");
    ip(&lab, "route add default via 10.2.0.254 dev w2 metric 200");
    lab.client.setup("");
    agree(&lab.client, "it is back").finds(&[], "it is back");
    assert_same(&set_up, &lab.client.state(), "it is back");
}

#[test]
fn of_a_set_up_that_is_stale_the_first_change_says_whether_it_adds_or_removes() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    lab.number_v6(1);
    let checked = agree(&lab.client, "IPv6 came");
    checked.finds(&["setup.stale"], "IPv6 came");
    let why = checked.topic("setup")["why"].as_str().expect("a text").to_owned();
    let dry_run = lab.client.tool("setup --dry-run").env("COLUMNS", "200").run().ok().stdout;
    let first = dry_run.lines().find(|line| line.starts_with("  - ") || line.starts_with("  + "));
    let verb = if first.expect("a change").starts_with("  - ") { "remove" } else { "add" };
    assert!(
        why.contains(&format!(" the first: {verb} the endpoint 10.1.0.1 ")),
        "{why}: {dry_run}"
    );
}

#[test]
fn one_command_mends_an_address_that_changed_and_every_verb_names_it() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    ip(&lab, "address del 10.2.0.1/24 dev w2");
    ip(&lab, "address add 10.2.0.7/24 dev w2");
    ip(&lab, "route add default via 10.2.0.254 dev w2 metric 200");
    let checked = agree(&lab.client, "another address");
    assert_eq!(checked.fixes(), ["mptcpize setup"]);
    lab.client.setup("");
    agree(&lab.client, "set up again").finds(&[], "set up again");
    let shown = lab.client.net.ip("mptcp endpoint show");
    assert!(!shown.contains("10.2.0.1 ") && shown.contains("10.2.0.7 "), "{shown}");
}

#[test]
#[cfg(feature = "top")]
fn links_that_carry_nothing_have_no_share_of_it() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    let is_idle = |row: &&str| !row.contains('%') && !row.contains("0.0");
    // What neighbours asked of each other when the links came up may still be counted.
    wait::until("two idle links", || {
        let frame = lab.client.tool("top --once").env("LC_ALL", "C.UTF-8").run().ok().stdout;
        let rows: Vec<&str> = frame.lines().filter(|line| line.starts_with(" w")).collect();
        rows.len() == 2 && rows.iter().all(is_idle)
    });
}
