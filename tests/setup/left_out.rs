//! Links that are left out by name: what was set up for them goes, what is asked is said to be kept, and what
//! contradicts itself is refused. And what a set-up leaves as it is, so that nothing is bonded all the same.

use serde_json::Value;

use crate::support::uplinks::{Uplinks, assert_same};

const RATE: &str = "15mbit";
const KEPT: &str = "    (mptcpize setup --forget returns to the file)\n";

fn shown(lab: &Uplinks) -> String {
    ["mptcp endpoint show", "rule show", "route show table all"]
        .map(|question| lab.client.net.ip(question))
        .concat()
}

#[test]
fn leaving_out_the_second_of_two_links_takes_away_what_was_set_up_for_it() {
    for (option, gone, left, address, other) in [
        ("--exclude w2", "w2", "w1", "10.2.0.1", "10.1.0.1"),
        ("--exclude w1", "w1", "w2", "10.1.0.1", "10.2.0.1"),
        ("--only w2", "w1", "w2", "10.1.0.1", "10.2.0.1"),
    ] {
        let lab = Uplinks::two_subnets(RATE);
        let before = lab.client.state();
        lab.client.setup("");
        let whole = shown(&lab);
        let said = lab.client.setup(option);
        let expected = format!(
            "kept until the next boot: {option}{KEPT}only one path, {left}: nothing to set up; what was set \
             up for links that are left out is gone: 6 changes\n"
        );
        assert_eq!(said, expected);
        let endpoints = lab.client.net.ip("mptcp endpoint show");
        assert!(!endpoints.contains(address) && endpoints.contains(other), "{option}: {endpoints}");
        let rules = lab.client.net.ip("rule show");
        assert!(!rules.contains(&format!("from {address} ")), "{option}: {rules}");
        assert!(rules.contains(&format!("from {other} ")), "{option}: {rules}");
        let routes = lab.client.net.ip(&format!("route show table all dev {gone} proto 86"));
        assert_eq!(routes.trim(), "", "{option}");
        let again = format!("as before: {option}{KEPT}only one path, {left}: nothing to set up\n");
        assert_eq!(lab.client.setup(""), again);

        assert_eq!(lab.client.setup("--forget").lines().count(), 1);
        let ids =
            |text: &str| text.replace(" id 1 ", " ").replace(" id 2 ", " ").replace(" id 3 ", " ");
        let sorted = |text: &str| {
            let mut lines: Vec<String> = ids(text).lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&whole), sorted(&shown(&lab)), "{option}: taken back");
        lab.client.setup(option);
        lab.client.setup("undo");
        assert_same(&before, &lab.client.state(), option);
    }
}

/// What becomes of the second of two links that were set up.
type Mishap = (&'static str, fn(&Uplinks));

fn switched_off(lab: &Uplinks) {
    lab.client.net.ip("link set w2 down");
}

fn without_its_address(lab: &Uplinks) {
    lab.client.net.ip("address delete 10.2.0.1/24 dev w2");
}

fn without_its_table(lab: &Uplinks) {
    let rules = lab.client.net.ip("rule show");
    let tables = rules.lines().filter_map(|line| line.split_once("from 10.2.0.1 lookup "));
    let mut tables = tables.filter_map(|(_, rest)| rest.split_whitespace().next());
    let table = tables.find(|table| *table != "main").expect("its rule names a table");
    lab.client.net.ip(&format!("route flush table {table}"));
}

fn without_its_rules(lab: &Uplinks) {
    lab.client.net.ip("rule delete from 10.2.0.1");
    lab.client.net.ip("rule delete from 10.2.0.1");
}

const MISHAPS: [Mishap; 4] = [
    ("switched off", switched_off),
    ("without its address", without_its_address),
    ("its table flushed", without_its_table),
    ("its rules deleted", without_its_rules),
];

#[track_caller]
fn nothing_of_the_second_link_is_left(lab: &Uplinks, name: &str) {
    let left = shown(lab);
    let of_it = |line: &&str| line.contains("proto 86") || line.contains(" subflow");
    let left: Vec<&str> =
        left.lines().filter(of_it).filter(|line| !line.contains("10.1.0.")).collect();
    // The last resort of the first link.
    assert!(left.iter().all(|line| line.contains("from all lookup ")), "{name}: {left:?}");
    assert!(left.len() <= 1, "{name}: {left:?}");
}

#[test]
fn a_link_that_is_left_out_loses_it_also_where_the_kernel_or_somebody_dropped_parts_before() {
    for (name, happens) in MISHAPS {
        let lab = Uplinks::two_subnets(RATE);
        let before = (lab.client.net.ip("rule show"), lab.client.net.ip("mptcp endpoint show"));
        lab.client.setup("");
        happens(&lab);
        let one = "only one path, w1: nothing to set up";
        let expected = format!(
            "kept until the next boot: --exclude w2{KEPT}{one}; what was set up for links that are left out is \
             gone: 4 changes\n"
        );
        assert_eq!(lab.client.setup("--exclude w2"), expected, "{name}");
        nothing_of_the_second_link_is_left(&lab, name);
        lab.client.net.ip("link set w2 up");
        let again = format!("as before: --exclude w2{KEPT}{one}\n");
        assert_eq!(lab.client.setup(""), again, "{name}");
        nothing_of_the_second_link_is_left(&lab, name);
        lab.client.setup("undo");
        let after = (lab.client.net.ip("rule show"), lab.client.net.ip("mptcp endpoint show"));
        assert_eq!(before, after, "{name}");
    }
}

#[test]
fn a_link_that_is_switched_off_keeps_what_was_set_up_where_nobody_left_it_out() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    switched_off(&lab);
    let before = shown(&lab);
    let said = lab.client.setup("");
    assert_eq!(
        said,
        "only one path, w1: nothing to set up; w2 was set up and is away: what was set up stays, and \
         mptcpize setup completes it when it is back\n"
    );
    assert_eq!(before, shown(&lab));
}

#[test]
fn a_daemon_takes_it_away_too_and_says_so() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    let seen = lab.client.tool("daemon --exclude w2").start();
    crate::support::wait::until("no endpoint of w2", || {
        let said = lab.client.tool("status -j").run().stdout;
        let said: Value = serde_json::from_str(&said).expect("JSON");
        !lab.client.net.ip("mptcp endpoint show").contains("10.2.0.1")
            && said["daemon"]["standing"] == "only one path, w1: nothing to set up"
            && said["daemon"]["events"][0]["text"]
                == "took away what was set up for links that are left out: 6 changes"
    });
    drop(seen);
}

#[test]
fn a_daemon_takes_it_away_too_where_the_kernel_or_somebody_dropped_parts_before() {
    for (name, happens) in MISHAPS {
        let lab = Uplinks::two_subnets(RATE);
        lab.client.setup("");
        happens(&lab);
        let seen = lab.client.tool("daemon --exclude w2").start();
        crate::support::wait::until(&format!("w2, {name}, is taken away"), || {
            let said = lab.client.tool("status -j").run().stdout;
            let said: Value = serde_json::from_str(&said).expect("JSON");
            said["daemon"]["standing"] == "only one path, w1: nothing to set up"
                && said["daemon"]["events"][0]["text"]
                    == "took away what was set up for links that are left out: 4 changes"
        });
        nothing_of_the_second_link_is_left(&lab, name);
        drop(seen);
    }
}

#[test]
fn what_is_asked_of_a_host_with_nothing_to_do_is_said_to_be_kept() {
    let lab = Uplinks::two_subnets(RATE);
    let said = lab.client.setup("--only w1");
    let one = "only one path, w1: nothing to set up\n";
    assert_eq!(said, format!("kept until the next boot: --only w1{KEPT}{one}"));
    assert_eq!(lab.client.setup(""), format!("as before: --only w1{KEPT}{one}"));
    assert_eq!(lab.client.setup("--only w1"), one, "nothing of it is new");
}

#[test]
fn a_link_that_is_wanted_and_left_out_at_once_is_refused() {
    let lab = Uplinks::two_subnets(RATE);
    let before = lab.client.state();
    lab.client.tool("setup --only w1,w2 --exclude w2").run().says(
        2,
        "error: w2 is named by only and by exclude\n  why: a link is either used or left out\n  \
         fix: mptcpize setup --exclude w2    # or the other\n",
    );
    assert_eq!(lab.client.journal(), None);
    assert_same(&before, &lab.client.state(), "refused");
}

#[test]
fn what_keeps_links_from_being_bonded_all_the_same_is_told_after_the_set_up() {
    for (name, value, code, lines) in [
        (
            "net/mptcp/pm_type",
            "1",
            "kernel.userspace_manager",
            "  ✗ kernel: the path manager is a program that is not there\n    fix: sysctl -w net.mptcp.",
        ),
        (
            "net/mptcp/allow_join_initial_addr_port",
            "0",
            "kernel.no_initial_joins",
            "  ! kernel: clients may not join to a server's first address\n    fix: sysctl -w net.mptcp.",
        ),
    ] {
        let lab = Uplinks::two_subnets(RATE);
        lab.client.net.sysctl(name, value);
        let setup = || lab.client.tool("setup").env("LC_ALL", "C.UTF-8");
        let said = setup().run().silent().stdout;
        assert!(said.starts_with("set up w1 and w2 with "), "{said}");
        let told = said.split_once("\n\nNot mended by it:\n").expect("it is told").1;
        assert!(told.starts_with(lines), "{said}");
        let said = setup().run().silent().stdout;
        assert!(said.starts_with("already set up: w1 and w2\n\nNot mended by it:\n"), "{said}");
        let said = lab.client.tool("setup --json").run().silent().stdout;
        let said: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(said["findings"][0]["code"], code, "{said:#}");
    }
}

#[test]
fn run_says_after_its_set_up_what_that_did_not_mend() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.net.sysctl("net/mptcp/pm_type", "1");
    let said = lab.client.tool("run true").run().ok().stderr;
    let line =
        "\nmptcpize: kernel: the path manager is a program that is not there: sysctl -w net.mptcp.";
    assert!(said.starts_with("mptcpize: set up w1 and w2 with ") && said.contains(line), "{said}");
    let said = lab.client.tool("run true").run().ok().stderr;
    assert_eq!(said, "", "it set nothing up");
}
