//! A LAN whose connections go on through a relay on a rented server.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use mptcpize_model::gateway::Settings;
use mptcpize_model::gateway_status::reason;
use mptcpize_model::relay::agent::{self, Fallback, Policy, Terms};
use mptcpize_model::relay::status::Via;

use crate::agent::lab::{RENTED_V4, WEB_V4, furnish, rent};
use crate::lan::{Gateway, Relay, content, outcome, send};
use crate::support::{Netns, wait};

/// Of links that are slower than both ends are on a busy machine: one connection needs both.
const RATES: [&str; 2] = ["10mbit", "10mbit"];

/// A gateway, and a web server without MPTCP beyond its uplinks.
fn bed() -> (Gateway, Netns) {
    let gateway = Gateway::new(&RATES);
    let web = furnish(&gateway.lab);
    (gateway, web)
}

fn settings(gateway: &Gateway, relays: Vec<agent::Relay>, policy: Policy) -> Settings {
    let terms = Terms { relays, policy, never: Vec::new(), fallback: Fallback::Direct };
    Settings { relays: Some(terms), ..gateway.settings() }
}

fn serve(web: &Netns) -> (TcpListener, SocketAddr) {
    let listener = web.enter(|| TcpListener::bind((WEB_V4, 0)).unwrap());
    let at = listener.local_addr().unwrap();
    (listener, at)
}

fn works(near: &mut TcpStream, far: &mut TcpStream) {
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
    far.write_all(b"x").unwrap();
    near.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_client_of_the_lan_gets_the_sum_of_the_uplinks_from_a_server_without_mptcp() {
    let (gateway, web) = bed();
    let rented = rent(&gateway.lab.server, 0);
    let settings = settings(&gateway, vec![rented.known.clone()], Policy::Always);
    let relay = Relay::start(gateway.router(), &settings);
    let (mut near, mut far) = gateway.connect(&serve(&web));
    assert_eq!(far.peer_addr().unwrap().ip().to_string(), RENTED_V4);
    let bytes = content(6_000_000);
    let before = gateway.by_link();
    let came = thread::scope(|scope| {
        scope.spawn(|| send(&mut far, &bytes));
        let mut came = Vec::new();
        near.read_to_end(&mut came).unwrap();
        came
    });
    assert!(came == bytes);
    let shares: Vec<u64> =
        gateway.by_link().iter().zip(before).map(|(after, before)| after - before).collect();
    assert!(shares.iter().all(|share| *share > 1_000_000), "{shares:?}");
    let state = relay.once(|state| state.all.down_bytes >= 6_000_000);
    assert_eq!((state.all.open, state.all.mptcp, state.clients.len()), (1, 1, 1));
    assert_eq!(state.clients[0].amounts.down_bytes, 6_000_000);
    let by_uplink: Vec<u64> = state.uplinks.iter().map(|one| one.down_bytes).collect();
    assert!(by_uplink.iter().all(|bytes| *bytes > 1_000_000), "{by_uplink:?}");
    let relays = state.relays.unwrap();
    assert_eq!(relays.chosen.unwrap(), rented.known.name);
    let one = &relays.connections[0];
    assert_eq!((&one.via, one.down_bytes), (&Via::Relay(rented.known.name), 6_000_000));
    assert_eq!(one.from.ip().to_string(), "192.168.77.2");
}

#[test]
fn while_no_relay_can_be_reached_a_lan_goes_directly() {
    let (gateway, web) = bed();
    let rented = rent(&gateway.lab.server, 0);
    let settings = settings(&gateway, vec![rented.known.clone()], Policy::Always);
    let relay = Relay::start(gateway.router(), &settings);
    let at = serve(&web);
    let (mut near, mut far) = gateway.connect(&at);
    works(&mut near, &mut far);
    rented.running.stop();
    let ended = near.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(ended, Err(ErrorKind::ConnectionReset), "what went through it has ended");
    let (mut near, mut far) = gateway.connect(&at);
    works(&mut near, &mut far);
    assert!(far.peer_addr().unwrap().ip().to_string().starts_with("10."));
    let relays = relay.once(|state| state.all.open == 1).relays.unwrap();
    assert_eq!((relays.chosen, relays.direct.open), (None, 1));
    let _again = rent(&gateway.lab.server, 0);
    wait::until("the relay is used again", || {
        let (_near, far) = gateway.connect(&at);
        far.peer_addr().unwrap().ip().to_string() == RENTED_V4
    });
}

#[test]
fn where_nothing_goes_directly_a_client_is_reset_and_counted() {
    let (gateway, web) = bed();
    let rented = rent(&gateway.lab.server, 0);
    let mut settings = settings(&gateway, vec![rented.known.clone()], Policy::Always);
    drop(rented);
    settings.relays.as_mut().unwrap().fallback = Fallback::Refuse;
    let relay = Relay::start(gateway.router(), &settings);
    let at = serve(&web);
    assert_eq!(outcome(&gateway.phone, at.1), ErrorKind::ConnectionReset);
    let state = relay.once(|state| state.connections == 0);
    assert_eq!(state.refused.get(reason::DESTINATION), Some(&1));
    assert_eq!(state.relays.unwrap().refused.get("no_relay"), Some(&1));
}

#[test]
fn a_server_that_was_found_without_mptcp_is_moved_to_the_relay_the_next_time() {
    let (gateway, web) = bed();
    let rented = rent(&gateway.lab.server, 0);
    let settings = settings(&gateway, vec![rented.known.clone()], Policy::WithoutMptcp);
    let _relay = Relay::start(gateway.router(), &settings);
    let at = serve(&web);
    let from = || {
        let (mut near, mut far) = gateway.connect(&at);
        works(&mut near, &mut far);
        far.peer_addr().unwrap().ip().to_string()
    };
    assert!(from().starts_with("10."));
    assert_eq!(from(), RENTED_V4);
}

#[test]
fn other_settings_bring_relays_and_take_them_away() {
    let (gateway, web) = bed();
    let rented = rent(&gateway.lab.server, 0);
    let mut relay = Relay::start(gateway.router(), &gateway.settings());
    let at = serve(&web);
    let with = settings(&gateway, vec![rented.known.clone()], Policy::Always);
    let expect = |through: bool| {
        let (mut near, mut far) = gateway.connect(&at);
        works(&mut near, &mut far);
        assert_eq!(far.peer_addr().unwrap().ip().to_string() == RENTED_V4, through);
    };
    expect(false);
    relay.reload(&with);
    expect(true);
    relay.reload(&gateway.settings());
    expect(false);
}
