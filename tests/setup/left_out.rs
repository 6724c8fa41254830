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
