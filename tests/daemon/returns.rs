//! A link that is back after a long time: subflows that backed off meanwhile begin anew, in
//! transfers that are there, and connections that have no other subflow live on.

use super::heal::healing;
use super::host::{Daemon, OFF, stands};
use crate::support::hold::Hold;
use crate::support::uplinks::{SERVER_V4, Uplinks};
use crate::support::{Running, wait};

const RATE: &str = "15mbit";
const BYTES: u64 = 12_000_000;
const BOTH: &str = "w1 and w2 are set up";
/// The client's address on the second link, as a listener on `::` sees it.
const FAR: &str = "[::ffff:10.2.0.1]:";

/// The server's end of the subflows to the second link, as ss(8) shows them.
fn to_second(lab: &Uplinks) -> Vec<String> {
    let listed = lab.server.net.command("ss").args(["-tnHOi", "state", "established"]).run().ok();
    listed.stdout.lines().filter(|line| line.contains(FAR)).map(str::to_owned).collect()
}

/// The port of the client's end.
fn port(subflow: &str) -> Option<&str> {
    subflow.split(FAR).nth(1)?.split([' ', '\t']).next()
}

/// How often in a row the timer of a subflow has run out, as ss(8) prints it.
fn backoff(subflow: &str) -> u32 {
    let printed = subflow.split(" backoff:").nth(1).and_then(|it| it.split([' ', '\n']).next());
    printed.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Waits until the subflows back off for long. Each pause is twice the one before it: two more, and three
/// at least, are more than the half second after which a daemon takes a link to have been away.
#[track_caller]
fn until_backed_off(subflows: impl Fn() -> Vec<String>) {
    let most = || subflows().iter().map(|it| backoff(it)).max().unwrap_or(0);
    let least = (most() + 2).max(3);
    wait::until("an end that backs off", || most() >= least);
}

/// A download that uses both links and holds its second half back.
fn download(lab: &Uplinks, hold: &Hold) -> Running {
    let mut client = hold.on(lab.client_of("get", SERVER_V4, 2 * BYTES)).start();
    wait::until("both links to carry bytes", || {
        assert!(!client.ended(), "it waits for its second half");
        lab.counters().iter().all(|bytes| *bytes > BYTES / 50)
    });
    client
}

#[test]
fn the_subflows_of_a_link_that_was_away_for_long_begin_anew() {
    begin_anew(|lab| Daemon::start(&lab.client, ""));
}

#[test]
fn so_do_those_that_the_daemon_opens_itself() {
    begin_anew(healing);
}

fn begin_anew(start: impl Fn(&Uplinks) -> Daemon) {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = start(&lab);
    stands(&lab.client, BOTH);
    let hold = Hold::new();
    let client = download(&lab, &hold);
    let [before] = &to_second(&lab)[..] else { panic!("{:?}", to_second(&lab)) };
    let before = port(before).expect("ss(8) prints it").to_owned();
    lab.client.net.ip("link set w2 down");
    stands(&lab.client, OFF);
    until_backed_off(|| to_second(&lab));
    lab.client.net.ip("link set w2 up");
    stands(&lab.client, BOTH);
    wait::until("another subflow", || {
        to_second(&lab).iter().any(|it| port(it) != Some(&before) && !it.contains(" backoff:"))
    });
    let carried = lab.counters();
    hold.release();
    client.finish().ok();
    let after = lab.counters();
    assert!(after[1] - carried[1] > BYTES / 6, "{carried:?} {after:?}");
    daemon.end().ok();
}

#[test]
fn a_connection_that_fell_back_to_tcp_on_that_link_goes_on() {
    let lab = Uplinks::two_subnets(RATE);
    lab.server.net.sysctl("net/mptcp/enabled", "0");
    let _server = lab.serve();
    let daemon = Daemon::start(&lab.client, "");
    let hold = Hold::new();
    let upload = lab.client_of("put", SERVER_V4, BYTES / 2).args(["10.2.0.1"]);
    let mut client = hold.on(upload).start();
    wait::until("bytes over the second link", || {
        assert!(!client.ended(), "it waits for its second half");
        lab.counters()[1] > BYTES / 50
    });
    lab.client.net.ip("link set w2 down");
    stands(&lab.client, OFF);
    until_backed_off(|| {
        let ss = lab.client.net.command("ss").args(["-tnHOi", "src", "10.2.0.1"]).run().ok();
        ss.stdout.lines().map(str::to_owned).collect()
    });
    lab.client.net.ip("link set w2 up");
    wait::until("another endpoint", || {
        let endpoints = lab.client.net.ip("mptcp endpoint");
        endpoints.contains("10.2.0.1 id ") && !endpoints.contains("10.2.0.1 id 2 ")
    });
    hold.release();
    client.finish().ok();
    daemon.end().ok();
}
