//! Which connections go through a relay, and which do not.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use mptcpize_model::relay::agent::Policy;
use mptcpize_model::relay::status::Via;

use crate::agent::lab::{Agent, Bed, REDIRECT, RENTED_V4, WEB_V4, WEB_V6};
use crate::lan::{content, moved, outcome};

fn works(near: &mut TcpStream, far: &mut TcpStream) {
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
    far.write_all(b"x").unwrap();
    near.read_exact(&mut [0]).unwrap();
}

fn ways(agent: &Agent) -> Vec<Via> {
    agent.state().relays.connections.into_iter().map(|one| one.via).collect()
}

#[test]
fn what_leaves_by_no_uplink_goes_where_the_host_sends_it_and_not_over_an_uplink() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    // A tunnel, whose inside is a link to the web server's other address.
    let client = bed.client();
    client.ip(&format!("link add vpn type veth peer name inside netns {}", bed.web.path()));
    client.ip("address add 10.8.0.1/24 dev vpn");
    client.ip("link set vpn up");
    bed.web.ip("address add 10.8.0.2/24 dev inside");
    bed.web.ip("address add 203.0.113.200/32 dev lo");
    bed.web.ip("link set inside up");
    client.ip("route add 203.0.113.200 via 10.8.0.2 src 10.8.0.1");
    client.settle();
    let agent = bed.agent(&bed.settings(&[&relay.known]));
    let at = bed.serve("203.0.113.200");
    let before = bed.lab.traffic();
    let (mut near, mut far) = bed.connect(&at);
    works(&mut near, &mut far);
    assert_eq!(far.peer_addr().unwrap().ip().to_string(), "10.8.0.1");
    assert_eq!(ways(&agent), [Via::Direct]);
    let bytes = content(1_000_000);
    assert!(moved(&mut near, &mut far, &bytes) == bytes);
    // Hosts tell their groups by multicast now and then.
    for (one, other) in before.iter().zip(bed.lab.traffic()) {
        let over = (other.received + other.sent) - (one.received + one.sent);
        assert!(over < 20_000, "{over} bytes went over an uplink");
    }
}

#[test]
fn networks_that_never_go_there_private_ones_and_the_relay_itself_are_reached_directly() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let mut settings = bed.settings(&[&relay.known]);
    settings.terms.never = vec!["203.0.113.0/25".parse().unwrap()];
    let agent = bed.agent(&settings);
    let rented = |address: &str| {
        let listener = bed.lab.server.enter(|| TcpListener::bind((address, 0)).unwrap());
        let at = listener.local_addr().unwrap();
        (listener, at)
    };
    for at in [bed.serve(WEB_V4), rented("10.99.0.1"), rented(RENTED_V4)] {
        let (mut near, mut far) = bed.connect(&at);
        works(&mut near, &mut far);
        assert_eq!(far.peer_addr().unwrap().ip().to_string(), "10.1.0.1", "{}", at.1);
        assert_eq!(agent.state().relays.relays[0].amounts.carried, 0);
    }
    // Everything else still does.
    let (mut near, mut far) = bed.connect(&bed.serve(WEB_V6));
    works(&mut near, &mut far);
    assert_eq!(agent.state().relays.relays[0].amounts.carried, 1);
}

#[test]
fn a_server_is_asked_once_for_mptcp_where_only_those_without_go_through_a_relay() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let mut settings = bed.settings(&[&relay.known]);
    settings.terms.policy = Policy::WithoutMptcp;
    let agent = bed.agent(&settings);
    let at = bed.serve(WEB_V4);
    for expected in ["10.1.0.1", RENTED_V4, RENTED_V4] {
        let (mut near, mut far) = bed.connect(&at);
        works(&mut near, &mut far);
        assert_eq!(far.peer_addr().unwrap().ip().to_string(), expected);
    }
    // One that speaks it is never sent there.
    bed.web.sysctl("net/mptcp/enabled", "1");
    let listener = crate::support::mptcp::listener(&bed.web, "203.0.113.80:0");
    let at = listener.local_addr().unwrap();
    for _ in 0..2 {
        let mut near = bed.dial(at);
        let (mut far, from) = listener.accept().unwrap();
        works(&mut near, &mut far);
        assert_eq!(from.ip().to_string(), "10.1.0.1");
        assert!(ways(&agent).contains(&Via::Multipath));
    }
}

#[test]
fn a_connection_to_the_agent_itself_is_reset_and_not_sent_round_and_round() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let agent = bed.agent(&bed.settings(&[&relay.known]));
    for own in ["127.0.0.1", "[::1]"] {
        let to = format!("{own}:{REDIRECT}").parse().unwrap();
        assert_eq!(outcome(bed.client(), to), ErrorKind::ConnectionReset, "{own}");
    }
    assert_eq!(agent.state().relays.refused.get("own_address"), Some(&2));
}

#[test]
fn other_settings_hold_for_new_connections_and_leave_old_ones_alone() {
    let bed = Bed::new();
    let rented = [bed.rent(0), bed.rent(1)];
    let mut agent = bed.agent(&bed.settings(&[&rented[0].known]));
    let at = bed.serve(WEB_V4);
    let (mut near, mut far) = bed.connect(&at);
    works(&mut near, &mut far);
    agent.reload(&bed.settings(&[&rented[1].known]));
    works(&mut near, &mut far);
    let (mut other, mut other_far) = bed.connect(&at);
    works(&mut other, &mut other_far);
    let names: Vec<_> = ways(&agent).into_iter().map(|via| format!("{via:?}")).collect();
    assert!(["relay-0", "relay-1"].iter().all(|name| names.concat().contains(name)), "{names:?}");
    // Settings that cannot be used change nothing.
    let mut none = bed.settings(&[&rented[1].known]);
    none.terms.relays.clear();
    agent.reload(&none);
    let (mut near, mut far) = bed.connect(&at);
    works(&mut near, &mut far);
    assert!(agent.stop().contains("why: relays names none"));
}
