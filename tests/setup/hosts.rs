//! Hosts as they are: on kinds of host that people have, `mptcpize setup` finds the right paths, and
//! whatever the kernel did before with a packet, it does after.
//!
//! One rule holds on all of them: for any destination, unbound or from any address of the host, the
//! kernel's look-up gives the same device and gateway before and after the set-up. The only
//! difference is that what left by an uplink's default route leaves by its address's own uplink.
//! And all of them are left byte for byte as they were by `mptcpize setup undo`.
//!
//! The kinds are in hosts/rules.rs and hosts/routes.rs, the same address on two links in hosts/twice.rs,
//! what a set-up was asked and the later commands in hosts/asked.rs. Not here: VPNs (vpn.rs), transfers
//! over uplinks of the usual sort (paths.rs).

mod asked;
mod kinds;
mod look;
mod routes;
mod rules;
mod twice;

use crate::support::check::check;
use crate::support::uplinks::{SERVER_V4, Uplinks, assert_same};
use kinds::Kind;
use look::{Look, ways};

/// Everything that a set-up may touch; more than [`crate::support::uplinks::Station::state`].
fn everything(lab: &Uplinks) -> String {
    let net = &lab.client.net;
    // First, for it waits until every address has been checked for duplicates.
    let state = lab.client.state();
    let addresses = net.ip("-o address show");
    // How long an address lives counts down.
    let lives = |line: &str| line.split(" valid_lft ").next().unwrap_or_default().to_owned();
    let addresses: Vec<String> = addresses.lines().map(lives).collect();
    let ruleset = net.command("nft").args(["list", "ruleset"]).run().ok().stdout;
    format!("{state}# addresses\n{}\n# nft\n{ruleset}", addresses.join("\n"))
}

/// The links that the set-up sends something by.
fn uplinks(lab: &Uplinks) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for family in ["-4", "-6"] {
        for route in lab.client.net.ip(&format!("{family} route show table all proto 86")).lines() {
            let link = look::word_after(route, "dev").expect("it has a device");
            if !links.contains(&link) {
                links.push(link);
            }
        }
    }
    links.sort();
    links
}

/// Sees that each look-up gives what it gave, but for what left by an uplink's default route.
#[track_caller]
fn same_ways(kind: &Kind, uplinks: &[String], before: &[Look], after: &[Look]) {
    assert_eq!(before.len(), after.len(), "{}", kind.is);
    for (before, after) in before.iter().zip(after) {
        let free = before.by_mains_default
            && before.source.is_some()
            && before.dev.as_ref().is_some_and(|dev| uplinks.contains(dev));
        let own = before.source_dev.as_ref().filter(|dev| uplinks.contains(dev));
        let right = match own {
            Some(own) if free => after.dev.as_ref() == Some(own),
            _ => (&before.kind, &before.dev, &before.via) == (&after.kind, &after.dev, &after.via),
        };
        assert!(right, "{}: {}\n{before:#?}\n{after:#?}", kind.is, before.question);
    }
}

#[track_caller]
fn goes_through(kind: &Kind) {
    let lab = kind.host();
    let state = everything(&lab);
    let before = ways(&lab.client.net, kind.ask);
    let plan = lab.client.setup("--dry-run");
    let setup = lab.client.tool("setup").run().ok();
    assert_eq!(uplinks(&lab), kind.uplinks, "{}: {plan}", kind.is);
    assert!(setup.stdout.starts_with("set up "), "{}: {setup}", kind.is);
    (kind.expect)(&lab, &plan);
    same_ways(kind, &uplinks(&lab), &before, &ways(&lab.client.net, kind.ask));
    check(&lab.client, "").finds(&[], kind.is);
    let status = lab.client.tool("status").run();
    assert_eq!(status.code(), 0, "{}: {status}", kind.is);
    let again = lab.client.setup("");
    assert!(again.starts_with("already set up"), "{}: {again}", kind.is);
    lab.client.setup("undo");
    assert_same(&state, &everything(&lab), kind.is);
}

/// Goes through all of them, so that one that fails does not hide another.
#[track_caller]
fn all_of(kinds: &[Kind]) {
    let goes = |kind: &&Kind| std::panic::catch_unwind(|| goes_through(kind)).is_ok();
    let failed: Vec<&str> = kinds.iter().filter(|kind| !goes(kind)).map(|kind| kind.is).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn hosts_with_rules_of_their_own_keep_their_ways() {
    all_of(rules::KINDS);
}

#[test]
fn hosts_with_links_and_routes_of_every_sort_keep_their_ways() {
    all_of(routes::KINDS);
}

#[test]
fn a_macvlan_over_the_only_uplink_is_no_second_path() {
    let lab = kinds::single_with_macvlan();
    let before = everything(&lab);
    assert_eq!(lab.client.setup(""), "only one path, w1: nothing to set up\n");
    lab.client.tool("run true").run().says(0, "");
    assert_same(&before, &everything(&lab), "a macvlan");
}

#[test]
fn an_address_that_a_rule_sends_out_by_another_link_is_no_path() {
    for (rule, by) in [
        ("rule add pref 100 from 10.2.0.1 lookup main", "w1"),
        ("rule add pref 100 from 10.2.0.0/16 lookup 77", "w1"),
    ] {
        let lab = Uplinks::two_subnets("15mbit");
        lab.client.net.ip("route add default via 10.1.0.254 dev w1 table 77");
        lab.client.net.ip(rule);
        let before = everything(&lab);
        let plan = lab.client.setup("--dry-run");
        assert!(plan.contains(&format!("pref 100\" sends its packets out by {by})")), "{plan}");
        assert!(lab.client.setup("").starts_with("only one path, w1"), "{rule}");
        assert_same(&before, &everything(&lab), rule);
        for verb in ["status", "check", "setup --dry-run --exit-code"] {
            assert_eq!(lab.client.tool(verb).run().code(), 0, "{rule}: {verb}");
        }
    }
}

#[test]
fn where_sysctls_are_read_only_the_rest_is_set_up() {
    let mut lab = Uplinks::three_dongles("15mbit");
    // As container engines have it.
    lab.client.mounting(
        "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys
         ! echo 1 2>/dev/null >/proc/sys/net/ipv4/conf/w1/arp_ignore",
    );
    let before = everything(&lab);
    let _server = lab.serve();
    let done = lab.client.tool("setup").run().ok();
    assert!(done.stdout.starts_with("set up w1, w2 and w3 with "), "{done}");
    assert!(done.stdout.contains("\n/proc/sys is read-only here: 6 sysctls stay as they are\n"));
    lab.transfer("get", SERVER_V4, 6_000_000).used_all();
    // What cannot be had is no reason to try for ever, or to fail.
    assert!(lab.client.setup("").starts_with("already set up"));
    lab.client.tool("run true").run().says(0, "");
    lab.client.setup("undo");
    assert_same(&before, &everything(&lab), "undone");
    lab.client.tool("run true").run().ok();
    assert_eq!(lab.client.net.ip("mptcp endpoint show").lines().count(), 3, "run does it too");
}

#[test]
fn where_there_is_no_place_for_our_rules_the_reason_is_told() {
    let local = "the local table is not asked before main";
    let rows: [(&[&str], &str); 3] = [
        (&["rule delete pref 0"], local),
        (&["rule add pref 32766 lookup local", "rule delete pref 0"], local),
        // A networkd that takes the kernel's own rules for foreign ones.
        (
            &["rule delete pref 32766", "rule delete pref 32767"],
            "no rule leads all traffic to the main table",
        ),
    ];
    for (commands, why) in rows {
        let lab = Uplinks::two_subnets("50mbit");
        for command in commands {
            lab.client.net.ip(command);
        }
        let before = everything(&lab);
        let refused = lab.client.tool("setup").run();
        assert_eq!(refused.code(), 1, "{refused}");
        let what = "there is no place for the source rules";
        let said = format!("error: {what}\n  why: {why}\n  fix: ip rule show; ");
        assert!(refused.stderr.starts_with(&said), "{refused}");
        lab.client.tool("run true").run().ok();
        assert_same(&before, &everything(&lab), "refused");
        assert_eq!(lab.client.journal(), None);
        // The same words from whoever is asked.
        let checked = check(&lab.client, "");
        let paths = checked.topic("paths");
        assert_eq!((&paths["title"], &paths["why"]), (&what.into(), &why.into()), "{paths}");
        assert_eq!(lab.client.tool("status").run().code(), 3);
    }
}
