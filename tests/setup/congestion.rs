//! `setup --congestion`: the subflows that leave by a link have the algorithm that it was given, as ss(8)
//! shows it, and what was there before comes back with the undo.
//!
//! Not here: what that does for a link with loss (`scripts/bench congestion`).

use std::collections::BTreeMap;

use crate::support::hold::Hold;
use crate::support::uplinks::{PORT, SERVER_V4, Uplinks, assert_same};
use crate::support::wait;

const RATE: &str = "15mbit";

/// Sends something and waits; options that were set before are copied to each subflow.
const CLIENT: &str = r#"
import os, socket, sys
one = socket.socket(proto=262)
one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
one.connect((sys.argv[1], int(sys.argv[2])))
one.sendall(b"get 1000 held\n")
open(os.environ["HOLD"], "rb").read(1)
"#;

/// The algorithm of each open subflow, by the local address: the third word after `ts sack`.
fn algorithms(lab: &Uplinks) -> BTreeMap<String, String> {
    let ask = format!("-OHtin state established dport = :{PORT}");
    let said = lab.client.net.command("ss").args(ask.split_whitespace()).run().ok().stdout;
    let of_line = |line: &str| {
        let local = line.split_whitespace().nth(2)?.rsplit_once(':')?.0.to_owned();
        let known = ["reno", "cubic", "bbr"];
        let algorithm = line.split_whitespace().find(|word| known.contains(word))?.to_owned();
        Some((local, algorithm))
    };
    said.lines().filter_map(of_line).collect()
}

/// The algorithms of a new connection's subflows, once both links have one.
fn of_a_new_connection(lab: &Uplinks) -> BTreeMap<String, String> {
    let hold = Hold::new();
    let client = lab.client.command("python3").args(["-c", CLIENT, SERVER_V4]);
    let client = hold.on(client.args([&PORT.to_string()])).start();
    wait::until("a subflow on each link", || algorithms(lab).len() == 2);
    let found = algorithms(lab);
    hold.release();
    client.finish().ok();
    wait::until("the end of that connection", || algorithms(lab).is_empty());
    found
}

#[test]
fn the_subflows_of_a_link_have_what_was_asked_for_it_and_those_of_others_keep_theirs() {
    let lab = Uplinks::two_subnets(RATE);
    let before = lab.client.state();
    let _server = lab.serve();
    lab.client.setup("");
    let usual = of_a_new_connection(&lab);
    // Every kernel has reno (net/ipv4/tcp_cong.c).
    for (link, other) in [(1, 2), (2, 1)] {
        let dry = lab.client.setup(&format!("--forget --congestion w{link}=reno --dry-run"));
        let route = format!("default via 10.{link}.0.254 dev w{link} table 868{}", link + 3);
        let expected = format!("+ route     {route} src 10.{link}.0.1 congctl reno");
        assert!(dry.contains(&expected), "{dry}");
        lab.client.setup(&format!("--forget --congestion w{link}=reno"));
        let found = of_a_new_connection(&lab);
        let [mine, others] = [link, other].map(|link| format!("10.{link}.0.1"));
        assert_eq!(found[&mine], "reno");
        assert_eq!(found[&others], usual[&others]);
    }
    lab.client.setup("--forget");
    assert_eq!(of_a_new_connection(&lab), usual);
    lab.client.setup("--congestion w1=reno --congestion w2=reno");
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
}

#[test]
fn what_the_kernel_or_the_host_does_not_have_is_refused_before_anything_changes() {
    let lab = Uplinks::two_subnets(RATE);
    let before = lab.client.state();
    for (asked, expected) in [
        (
            "w2=nosuch",
            "error: this kernel has no congestion control nosuch, asked for w2\n  why: it",
        ),
        ("w9=reno", "error: there is no link w9, which congestion names\n"),
        ("w2", "it is not of the form IF=NAME"),
        ("w2=b/../r", "\"b/../r\" is no name of a congestion control, such as bbr or cubic"),
    ] {
        let said = lab.client.tool("setup --congestion").arg(asked).run();
        assert_eq!(said.code(), 2, "{said}");
        assert!(said.stderr.contains(expected), "{said}");
    }
    assert_same(&before, &lab.client.state(), "refused");
}
