//! Where users of the relay get, and where they do not: the rented server's own services and its private
//! network are not theirs, by whatever name.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};

use mptcpize_model::relay::server::Settings;

use super::rented::{Rented, WEB_V4, WEB_V6, listen, met, once, refused, settings, state};
use crate::lan::Relay;
use crate::support::{Cmd, scratch, tool};

/// A relay whose host knows these names.
fn with_names(rented: &Rented, settings: &Settings, names: &str) -> Relay {
    let hosts = scratch("hosts").join("hosts");
    fs::write(&hosts, names).unwrap();
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let command = Cmd::new("unshare").args(["--mount", "sh", "-c", script]).arg(hosts);
    rented.relay_by(command.arg(tool::binary()), settings)
}

#[test]
fn a_name_leads_to_an_address_that_answers() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let names = format!(
        "{WEB_V4} four.example\n{WEB_V6} six.example\n{WEB_V6} both.example\n{WEB_V4} both.example\n"
    );
    let _relay = with_names(&rented, &settings, &names);
    let client = rented.client(&settings);
    let (listener, at) = rented.serve(WEB_V4);
    let (listener_v6, at_v6) = rented.serve(WEB_V6);
    // Nobody listens at the IPv6 address there: the other one answers.
    for (name, listener, port) in [
        ("four.example", &listener, at.port()),
        ("six.example", &listener_v6, at_v6.port()),
        ("both.example", &listener, at.port()),
    ] {
        let mut near = client.open_name(name, port);
        near.write_all(b"x").unwrap();
        met(listener).write_all(b"here").unwrap();
        assert_eq!(near.rest().unwrap(), b"here", "{name}");
    }
}

#[test]
fn what_does_not_answer_is_reset() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    let (listener, at) = rented.serve(WEB_V4);
    drop(listener);
    let tunnels =
        [client.open(at), client.open_name("nowhere.invalid", 80), client.open_name("a\0b", 80)];
    for mut near in tunnels {
        near.write_all(b"x").unwrap();
        assert_eq!(near.rest().expect_err("reset").kind(), ErrorKind::ConnectionReset);
    }
    // What was refused is counted behind the reset that the client has seen.
    once(&relay, |state| state.all.open == 0 && refused(state, "unreachable") >= 3);
}

/// Addresses of the rented server and of its own network; a service listens at each that has one.
const INWARD: [&str; 4] = ["127.0.0.1", "10.99.0.1", "198.51.100.1", "::1"];

#[test]
fn nothing_of_the_servers_own_is_reached_by_address_or_by_name() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let names = "127.0.0.1 inward.example\n10.0.0.7 private.example\n\
        198.51.100.1 own.example\n::ffff:127.0.0.1 mapped.example\n";
    let relay = with_names(&rented, &settings, names);
    let client = rented.client(&settings);
    let (listener, at) = listen(rented.host(), "::");
    listener.set_nonblocking(true).unwrap();
    let port = at.port();
    let by_address = [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.99.0.1",
        "10.99.0.254",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "198.51.100.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:198.51.100.7",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a63:1",
        "2002:7f00:1::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "2001:db8:7::1",
    ];
    let by_name = [
        "localhost",
        "inward.example",
        "private.example",
        "own.example",
        "mapped.example",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "::1",
        "::ffff:7f00:1",
    ];
    let addressed =
        by_address.map(|text| client.open(SocketAddr::new(text.parse().unwrap(), port)));
    let named = by_name.map(|text| client.open_name(text, port));
    for mut near in addressed.into_iter().chain(named) {
        near.write_all(b"x").unwrap();
        assert_eq!(near.rest().expect_err("reset").kind(), ErrorKind::ConnectionReset);
    }
    let said = once(&relay, |state| state.all.open == 0);
    let all = by_address.len() + by_name.len();
    assert_eq!(refused(&said, "private") + refused(&said, "unreachable"), all as u64, "{said:?}");
    assert!(refused(&said, "unreachable") <= 1, "{said:?}");
    assert!(listener.accept().is_err(), "somebody came in");
    assert_eq!((said.all.up_bytes, said.all.down_bytes), (0, 0));
}

#[test]
fn a_name_of_several_addresses_leads_to_the_public_ones_alone() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let names = format!("127.0.0.1 twofold.example\n{WEB_V4} twofold.example\n");
    let _relay = with_names(&rented, &settings, &names);
    let (listener, at) = rented.serve(WEB_V4);
    let inward = rented.host().enter(|| TcpListener::bind(("127.0.0.1", at.port())).unwrap());
    inward.set_nonblocking(true).unwrap();
    let mut near = rented.client(&settings).open_name("twofold.example", at.port());
    near.write_all(b"x").unwrap();
    met(&listener).write_all(b"web").unwrap();
    assert_eq!(near.rest().unwrap(), b"web");
    assert!(inward.accept().is_err());
}

#[test]
fn what_is_private_is_reached_where_the_administrator_says_so() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = Settings { allow_private: true, ..settings() };
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    for address in INWARD {
        let (listener, at) = listen(rented.host(), address);
        let mut near = client.open(at);
        near.write_all(b"x").unwrap();
        met(&listener).write_all(b"inside").unwrap();
        assert_eq!(near.rest().unwrap(), b"inside", "{address}");
    }
    for address in ["0.0.0.0", "224.0.0.1", "::", "ff02::1", "::ffff:0.0.0.0"] {
        let mut near = client.open(SocketAddr::new(address.parse().unwrap(), 80));
        near.write_all(b"x").unwrap();
        assert_eq!(near.rest().expect_err(address).kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(refused(&state(&relay), "private"), 5);
}

#[test]
fn the_server_itself_answers_those_who_measure_the_way_to_it() {
    let rented = Rented::new(&["1000mbit", "1000mbit"]);
    let settings = settings();
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    let mut near = client.open_name("speed.mptcpize.invalid", 3);
    near.write_all(b"x").unwrap();
    let line = String::from_utf8(near.rest().unwrap()).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&said["mptcpize"], &said["mptcp"]), (&1.into(), &true.into()), "{line}");
    assert!(said["subflows"].as_u64() >= Some(1) && said["clock"].is_u64(), "{line}");
    let mut near = client.open_name("speed.mptcpize.invalid", 2);
    // The crate's first request has no room for all of a long first write.
    for _ in 0..10 {
        near.write_all(&[7; 30_000]).unwrap();
    }
    near.finish();
    assert_eq!(near.rest().unwrap(), b"300000");
    let mut near = client.open_name("speed.mptcpize.invalid", 1);
    near.write_all(b"x").unwrap();
    let mut zeros = vec![1; 300_000];
    near.read_exact(&mut zeros).unwrap();
    assert!(zeros.iter().all(|byte| *byte == 0));
    drop(near);
    let mut near = client.open_name("speed.mptcpize.invalid", 4);
    near.write_all(b"x").unwrap();
    assert_eq!(near.rest().expect_err("reset").kind(), ErrorKind::ConnectionReset);
    let said = once(&relay, |state| state.all.open == 0);
    assert_eq!(said.all.carried, 4);
    assert!(said.all.up_bytes >= 300_000 && said.all.down_bytes >= 300_000, "{said:?}");
}
