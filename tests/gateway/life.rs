//! A gateway from its start to its end: what clients get of it, and what is left.

use std::fs;

use crate::lan::{Lan, SERVER, used_all};
use crate::support::uplinks::{PORT, SERVER_V6, Uplinks, assert_same};
use crate::support::{Launch, kernel, scratch, serve, wait};

#[test]
fn an_unmodified_client_downloads_over_three_uplinks_and_the_end_leaves_nothing() {
    let lan = Lan::three_dongles();
    let served = lan.serve(Launch::Tool, 12_000_000);
    let before = lan.state();
    let gateway = lan.gateway("");
    for client in [&lan.phone, &lan.laptop] {
        used_all(&lan.download(client, SERVER, &served));
    }
    gateway.end();
    assert_same(&before, &lan.state(), "ended");
}

#[test]
fn an_upload_uses_all_uplinks_and_arrives_as_it_was() {
    let lan = Lan::three_dongles();
    let (directory, bytes) = serve::content(12_000_000);
    let stored = scratch("stored");
    let _server = serve::store(&lan.lab.server.net, Launch::Tool, &stored, PORT);
    let gateway = lan.gateway("");
    let before = lan.lab.counters();
    let url = format!("http://{SERVER}:{PORT}/file");
    let curl = lan.phone.command("curl").args(["-sSf", "-T"]).arg(directory.join("file")).arg(url);
    curl.run().ok();
    assert!(fs::read(stored.join("file")).expect("it came") == bytes, "other bytes came");
    let after = lan.lab.counters();
    used_all(&after.iter().zip(before).map(|(after, before)| after - before).collect::<Vec<_>>());
    gateway.end();
}

#[test]
fn clients_of_ipv6_use_all_uplinks_too() {
    let lab = Uplinks::two_subnets("20mbit");
    lab.number_v6(1);
    lab.number_v6(2);
    let lan = Lan::behind(lab);
    let served = lan.serve_v6(10_000_000);
    let before = lan.state();
    let gateway = lan.gateway("");
    used_all(&lan.download(&lan.phone, &format!("[{SERVER_V6}]"), &served));
    gateway.end();
    assert_same(&before, &lan.state(), "ended");
}

#[test]
fn one_that_was_killed_is_taken_back_by_undo() {
    let lan = Lan::three_dongles();
    let before = lan.state();
    lan.gateway("").kill();
    let undone = lan.router().tool("gateway undo").run().silent();
    assert!(undone.stdout.starts_with("undid "), "{undone}");
    assert_same(&before, &lan.state(), "undone");
    let again = lan.router().tool("gateway undo").run().silent();
    assert_eq!(again.stdout, "nothing to undo: no gateway has left anything\n");
}

#[test]
fn one_that_was_killed_is_followed_by_one_that_takes_everything_back() {
    let lan = Lan::three_dongles();
    let before = lan.state();
    lan.gateway("").kill();
    // Its relay's sockets go with the last of its threads.
    wait::until("nobody who listens", || !kernel::is_listening(&lan.router().net, 8684));
    let gateway = lan.gateway("-v");
    assert!(!gateway.said().contains(" + "), "{}", gateway.said());
    gateway.end();
    assert_same(&before, &lan.state(), "ended");
}

#[test]
fn a_set_up_that_was_there_before_stays() {
    let lan = Lan::three_dongles();
    lan.router().setup("");
    let before = lan.state();
    lan.gateway("").end();
    assert_same(&before, &lan.state(), "ended");
}

#[test]
fn what_a_daemon_sets_up_stays_when_a_gateway_ends() {
    let lan = Lan::three_dongles();
    let before = lan.state();
    let daemon = lan.router().tool("daemon").start();
    let set_up = || lan.router().tool("setup --dry-run --exit-code").run().code() == 0;
    wait::until("a set-up by the daemon", set_up);
    lan.gateway("").end();
    assert!(set_up(), "it is the daemon's");
    drop(daemon);
    lan.router().tool("setup undo").run().ok();
    assert_same(&before, &lan.state(), "undone");
}

#[test]
fn a_dry_run_shows_each_change_and_makes_none() {
    let lan = Lan::three_dongles();
    let before = lan.state();
    let shown = lan.router().tool("gateway --lan br0 --dry-run").run().silent().stdout;
    for line in [
        "~ sysctl    net.ipv4.conf.br0.forwarding 0 -> 1 ",
        "+ rule      fwmark 0x8684 lookup 8683",
        "+ endpoint  192.168.0.13 subflow",
        "+ nft       table inet mptcpize: TCP from br0 to port 8684, masquerade on w1, w2 and w3",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_same(&before, &lan.state(), "a dry run");
}

#[test]
fn the_relay_has_one_capability_and_a_user_of_its_own() {
    let lan = Lan::three_dongles();
    let gateway = lan.gateway("");
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.relay())).expect("it runs");
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}: {status}")).trim().to_owned()
    };
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(line(set), "0000000000001000", "{set} has CAP_NET_ADMIN alone");
    }
    assert_eq!((line("NoNewPrivs:"), line("Groups:")), ("1".to_owned(), String::new()));
    let users = line("Uid:");
    let users: Vec<u32> =
        users.split_whitespace().map(|id| id.parse().expect("a number")).collect();
    assert!(users.iter().all(|id| (61184..=65519).contains(id)), "{users:?}");
    gateway.end();
}
