//! A path that stays up and passes nothing is passed by, and used again when it passes; bytes over each
//! link prove it.

use super::heal::healing;
use super::host::{Daemon, status};
use crate::support::uplinks::{SERVER_V4, Uplinks, assert_same};
use crate::support::{Running, wait};

const RATE: &str = "15mbit";
const BYTES: u64 = 1_000_000;

/// More than a test waits for.
const ENDLESS: u64 = 100_000_000;

/// Drops all that is forwarded from and to a link of the router.
fn drop_all(lab: &Uplinks, link: usize) {
    let rules = format!(
        "table inet cut {{\n chain forward {{\n type filter hook forward priority 0;\n \
         iifname r{link} drop;\n oifname r{link} drop;\n }}\n }}\n"
    );
    lab.router.command("nft").args(["-f", "-"]).input(rules).run().ok();
}

fn pass_all(lab: &Uplinks) {
    lab.router.command("nft").args(["delete", "table", "inet", "cut"]).run().ok();
}

/// A transfer that does not end, once it has used both links.
fn transfer(lab: &Uplinks, verb: &str) -> Running {
    let before = lab.counters();
    let mut client = lab.client_of(verb, SERVER_V4, ENDLESS).quiet().start();
    wait::until("bytes over both links", || {
        assert!(!client.ended(), "it has no end");
        lab.counters().iter().zip(&before).all(|(now, before)| now - before > BYTES)
    });
    client
}

/// Waits until the daemon says of a link that nothing passes it, and has acted on it.
fn is_set_aside(lab: &Uplinks, link: usize) {
    let standing = format!("w1 and w2 are set up; paths: nothing passes w{link}");
    wait::until(&format!("w{link} is set aside: {}", status(&lab.client)), || {
        let held = status(&lab.client)["status"]["held"][0].clone();
        held["link"] == format!("w{link}")
            && held["why"].as_str().is_some_and(|why| why.starts_with("nothing passes it: "))
            && status(&lab.client)["status"]["standing"] == standing
            && lab.client.net.ip("mptcp endpoint show").contains("backup")
    });
}

#[test]
fn new_connections_pass_by_a_link_that_passes_nothing_until_it_does() {
    for verb in ["put", "get"] {
        let lab = Uplinks::two_subnets(RATE);
        let host = lab.client.state();
        let _server = lab.serve();
        let daemon = Daemon::start(&lab.client, "");
        let client = transfer(&lab, verb);
        drop_all(&lab, 1);
        is_set_aside(&lab, 1);
        daemon.says("w1 passes nothing: ");
        // Both begin on the link that main's default route names.
        lab.transfer("get", SERVER_V4, BYTES).used_only(2);
        lab.tcp("put", SERVER_V4, BYTES).used_only(2);
        let dry_run = lab.client.tool("setup --dry-run --exit-code").run();
        assert_eq!(dry_run.code(), 0, "there is nothing to mend: {dry_run}");
        pass_all(&lab);
        daemon.says("w1 passes again, after ");
        wait::until("nothing is passed by", || {
            !lab.client.net.ip("rule show").contains("iif lo")
                && !lab.client.net.ip("mptcp endpoint show").contains("backup")
        });
        drop(client);
        lab.transfer(verb, SERVER_V4, 3 * BYTES).used_all();
        daemon.end().ok();
        lab.client.setup("undo");
        assert_same(&host, &lab.client.state(), "undone");
    }
}

/// Connections that are bound to the address of a link stay on it, and a daemon that ends leaves no
/// link set aside, for nobody would see that it passes again.
#[test]
fn a_daemon_that_ends_takes_back_that_a_link_is_set_aside_and_so_does_setup_after_a_kill() {
    for killed in [false, true] {
        let lab = Uplinks::two_subnets(RATE);
        let _server = lab.serve();
        let daemon = Daemon::start(&lab.client, "");
        let rules = lab.client.net.ip("rule show");
        let client = transfer(&lab, "put");
        drop_all(&lab, 1);
        is_set_aside(&lab, 1);
        let bound = lab.client.net.ip("route get 10.99.0.1 from 10.1.0.1");
        assert!(bound.contains("dev w1"), "{bound}");
        if killed {
            daemon.kill();
            lab.client.setup("");
        } else {
            daemon.end().ok();
        }
        assert_eq!(lab.client.net.ip("rule show"), rules, "killed: {killed}");
        assert!(!lab.client.net.ip("mptcp endpoint show").contains("backup"), "killed: {killed}");
        drop(client);
    }
}

#[test]
fn a_gateway_that_does_not_answer_is_passed_by_until_it_does() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    lab.router.ip("link set r1 arp off");
    lab.client.net.ip("neighbour flush dev w1");
    // It makes the kernel ask for the gateway.
    let _waits = lab.client_of("get", SERVER_V4, BYTES).quiet().start();
    is_set_aside(&lab, 1);
    daemon.says("w1 passes nothing: its gateway does not answer");
    lab.transfer("get", SERVER_V4, BYTES).used_only(2);
    lab.router.ip("link set r1 arp on");
    daemon.says("w1 passes again, after ");
    daemon.end().ok();
}

/// Where the daemon opens the subflows it makes no endpoint anew: a connection knows an address by one
/// id, and gets no subflow from it by another.
#[test]
fn a_transfer_whose_subflows_the_daemon_opens_uses_the_link_again() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = healing(&lab);
    let client = transfer(&lab, "get");
    let endpoints = lab.client.net.ip("mptcp endpoint");
    drop_all(&lab, 1);
    is_set_aside(&lab, 1);
    pass_all(&lab);
    daemon.says("w1 passes again, after ");
    let before = lab.counters();
    wait::until("bytes over the link again", || lab.counters()[0] - before[0] > BYTES);
    assert_eq!(lab.client.net.ip("mptcp endpoint"), endpoints);
    drop(client);
    daemon.end().ok();
}
