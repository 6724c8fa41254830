//! What IPv6 changes by itself: routers that announce themselves and go, and temporary addresses
//! that take each other's place (RFC 8981).

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::host::{Daemon, Half, is_whole, stands};
use crate::support::uplinks::{SERVER_V6, Uplinks};
use crate::support::{Running, scratch, wait};

const RATE: &str = "15mbit";
const BYTES: u64 = 3_000_000;
const BOTH: &str = "w1 and w2 are set up";

/// A router that announces itself from this address on the second link, as long as radvd runs.
fn announces(lab: &Uplinks, from: &str) -> Running {
    let place = scratch("radvd");
    let settings = format!(
        "interface r2 {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
           AdvRASrcAddress {{ {from}; }}; prefix 2001:db8:2::/64 {{ }}; }};"
    );
    fs::write(place.join("conf"), settings).expect("a scratch file can be made");
    let mut radvd = lab
        .router
        .command("radvd")
        .args(["--nodaemon", "--logmethod", "stderr", "--config"])
        .arg(place.join("conf"))
        .arg("--pidfile")
        .arg(place.join("pid"))
        .quiet()
        .start();
    wait::until("a default route (package radvd)", || {
        assert!(!radvd.ended(), "radvd ended");
        let routes = lab.client.net.ip("-6 route show default dev w2");
        routes.contains(&format!("via {from}"))
    });
    radvd
}

#[test]
fn another_router_takes_the_place_of_one_that_says_goodbye() {
    let lab = Uplinks::new(&[RATE; 2]);
    lab.number_v6(1);
    lab.router.ip("address add 2001:db8:2::254/64 dev r2 nodad");
    for address in ["fe80::a", "fe80::b"] {
        lab.router.ip(&format!("address add {address}/64 dev r2 nodad"));
    }
    let _server = lab.serve();
    let first = announces(&lab, "fe80::a");
    let daemon = Daemon::start(&lab.client, "");
    stands(&lab.client, BOTH);
    // It says that it is a router for zero seconds more.
    let pid = Pid::from_raw(first.pid().cast_signed()).expect("it is no process 0");
    kill_process(pid, Signal::TERM).expect("it is our child and was not waited for");
    first.finish();
    wait::until("the end of the first router", || {
        !lab.client.net.ip("-6 route show default dev w2").contains("fe80::a")
    });
    let _second = announces(&lab, "fe80::b");
    wait::until("its gateway in the link's table", || {
        lab.client.net.ip("-6 route show table 8685").contains("default via fe80::b dev w2")
    });
    stands(&lab.client, BOTH);
    is_whole(&lab.client);
    lab.transfer("put", SERVER_V6, BYTES).used_all();
    daemon.end().ok();
}

/// The temporary addresses of the second link that are not deprecated, the newest first.
fn temporary(lab: &Uplinks) -> Vec<String> {
    let listed = lab.client.net.ip("-6 -o address show dev w2 temporary -deprecated");
    let address = |line: &str| line.split("inet6 ").nth(1)?.split('/').next().map(str::to_owned);
    listed.lines().filter_map(address).collect()
}

#[test]
fn a_transfer_keeps_a_link_whose_temporary_address_gives_way_to_the_next() {
    let lab = Uplinks::new(&[RATE; 2]);
    lab.number_v6(1);
    lab.number_v6(2);
    let _server = lab.serve();
    // The first is preferred for 8 s, of which the kernel keeps some for the next.
    let knobs = [("use_tempaddr", "2"), ("temp_valid_lft", "600"), ("temp_prefered_lft", "8")];
    for (knob, value) in knobs {
        lab.client.net.sysctl(&format!("net/ipv6/conf/w2/{knob}"), value);
    }
    lab.client.net.ip("address change 2001:db8:2::1/64 dev w2 mngtmpaddr");
    wait::until("a temporary address", || !temporary(&lab).is_empty());
    let daemon = Daemon::start(&lab.client, "");
    let has_endpoint = |address: &str| {
        lab.client
            .net
            .ip("mptcp endpoint")
            .lines()
            .any(|line| line.split(' ').next() == Some(address))
    };
    // The first, unless the daemon came late.
    let mut first = String::new();
    wait::until("the endpoint of a temporary address", || {
        first = temporary(&lab).into_iter().find(|it| has_endpoint(it)).unwrap_or_default();
        !first.is_empty()
    });
    let half = Half::upload(&lab, SERVER_V6, 8 * BYTES);
    wait::until("the endpoint of the next one", || {
        temporary(&lab).iter().any(|address| *address != first && has_endpoint(address))
    });
    // That one stays.
    lab.client.net.sysctl("net/ipv6/conf/w2/temp_prefered_lft", "500");
    is_whole(&lab.client);
    half.ends_over(2, BYTES / 2);
    daemon.end().ok();
}
