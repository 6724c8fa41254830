//! Several relays: the next one when one fails, and what is done when none can be reached.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use mptcpize_model::relay::agent::Fallback;
use mptcpize_model::relay::key::Key;
use mptcpize_model::relay::status::Relay;

use crate::agent::lab::{Agent, Bed, RENTED_V4, WEB_V4};
use crate::lan::outcome;
use crate::support::wait;

const CLIENT: &str = "10.1.0.1";

/// Makes a connection and says from whom it came to the web server.
fn via(bed: &Bed, at: &(TcpListener, SocketAddr)) -> String {
    let (mut near, mut far) = bed.connect(at);
    works(&mut near, &mut far);
    far.peer_addr().unwrap().ip().to_string()
}

fn works(near: &mut TcpStream, far: &mut TcpStream) {
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
    far.write_all(b"x").unwrap();
    near.read_exact(&mut [0]).unwrap();
}

fn relay(agent: &Agent, number: usize) -> Relay {
    agent.state().relays.relays[number].clone()
}

fn chosen(agent: &Agent) -> Option<String> {
    agent.state().relays.chosen.map(String::from)
}

#[test]
fn the_next_relay_takes_over_from_one_that_is_silent_and_gives_way_to_one_that_is_back() {
    let bed = Bed::new();
    let rented = [bed.rent(0), bed.rent(1)];
    let agent = bed.agent(&bed.settings(&[&rented[0].known, &rented[1].known]));
    let at = bed.serve(WEB_V4);
    assert_eq!(via(&bed, &at), RENTED_V4);
    wait::until("both are measured", || {
        (0..2).all(|number| relay(&agent, number).rtt_us.is_some())
    });
    // Either may be the faster one as it is measured here.
    let mut first = 0;
    wait::until("the chosen one is silent and found out", || {
        first = u16::from(chosen(&agent).as_deref() == Some("relay-1"));
        bed.silence(&[first]);
        assert_eq!(via(&bed, &at), RENTED_V4);
        relay(&agent, first.into()).fault.starts_with("it does not answer")
    });
    let (first, other) = (usize::from(first), 1 - first);
    assert_eq!(chosen(&agent).unwrap(), format!("relay-{other}"));
    let before = relay(&agent, first).amounts.carried;
    for _ in 0..5 {
        via(&bed, &at);
    }
    assert_eq!(relay(&agent, first).amounts.carried, before, "nobody waits for it any more");
    bed.silence(&[]);
    wait::until("the first is usable again", || {
        via(&bed, &at);
        relay(&agent, first).fault.is_empty()
    });
    bed.silence(&[other]);
    assert_eq!(via(&bed, &at), RENTED_V4);
    assert_eq!(chosen(&agent).unwrap(), format!("relay-{first}"));
}

#[test]
fn where_none_can_be_reached_connections_go_directly_and_that_is_said_once() {
    let bed = Bed::new();
    let rented = bed.rent(0);
    let agent = bed.agent(&bed.settings(&[&rented.known]));
    let at = bed.serve(WEB_V4);
    assert_eq!(via(&bed, &at), RENTED_V4);
    let known = rented.known.clone();
    drop(rented);
    for _ in 0..3 {
        assert_eq!(via(&bed, &at), CLIENT);
    }
    let state = agent.state().relays;
    assert_eq!((state.chosen, state.direct.carried), (None, 3));
    assert_eq!(state.relays[0].fault, "nobody listens at its port");
    let _again = bed.rent(0);
    wait::until("the relay is used again", || via(&bed, &at) == RENTED_V4);
    let said = agent.stop();
    let direct = "no relay can be reached: new connections go directly";
    assert_eq!(said.matches(direct).count(), 1, "{said}");
    let back = format!("new connections go through the relay {}", known.name);
    assert_eq!(said.matches(&back).count(), 1, "{said}");
}

#[test]
fn a_silent_relay_does_not_keep_connections_from_going_directly() {
    let bed = Bed::new();
    let rented = bed.rent(0);
    bed.silence(&[0]);
    let _agent = bed.agent(&bed.settings(&[&rented.known]));
    assert_eq!(via(&bed, &bed.serve(WEB_V4)), CLIENT);
}

#[test]
fn where_nothing_goes_directly_connections_are_reset_while_no_relay_can_be_reached() {
    let bed = Bed::new();
    let rented = bed.rent(0);
    let mut settings = bed.settings(&[&rented.known]);
    settings.terms.fallback = Fallback::Refuse;
    let agent = bed.agent(&settings);
    let at = bed.serve(WEB_V4);
    assert_eq!(via(&bed, &at), RENTED_V4);
    drop(rented);
    for _ in 0..2 {
        assert_eq!(outcome(bed.client(), at.1), ErrorKind::ConnectionReset);
    }
    assert_eq!(agent.state().relays.refused.get("no_relay"), Some(&2));
    let _again = bed.rent(0);
    assert_eq!(via(&bed, &at), RENTED_V4, "it is tried when there is nothing else");
}

#[test]
fn a_relay_that_wants_another_key_is_named_and_not_used() {
    let bed = Bed::new();
    let rented = [bed.rent(0), bed.rent(1)];
    let mut wrong = rented[0].known.clone();
    wrong.keys = vec![Key::new(vec![0x77; 16])];
    let agent = bed.agent(&bed.settings(&[&wrong, &rented[1].known]));
    let at = bed.serve(WEB_V4);
    // Whoever comes before anything is known gets no answer.
    let early = bed.dial(at.1);
    wait::until("the fault is found", || !relay(&agent, 0).fault.is_empty());
    let fault = relay(&agent, 0).fault;
    assert!(fault.contains("the key is wrong"), "{fault}");
    assert_eq!(chosen(&agent).as_deref(), Some("relay-1"));
    assert_eq!(via(&bed, &at), RENTED_V4);
    drop(early);
}

#[test]
fn a_relay_without_mptcp_is_spoken_to_in_tcp_and_the_state_says_so() {
    let bed = Bed::new();
    bed.lab.server.sysctl("net/mptcp/enabled", "0");
    let rented = bed.rent(0);
    let agent = bed.agent(&bed.settings(&[&rented.known]));
    assert_eq!(via(&bed, &bed.serve(WEB_V4)), RENTED_V4);
    assert_eq!(relay(&agent, 0).mptcp, Some(false));
}

#[test]
fn a_relay_whose_name_cannot_be_resolved_keeps_nobody_waiting() {
    let bed = Bed::new();
    let rented = bed.rent(0);
    let mut nowhere = crate::agent::lab::known(1, Key::new(vec![1; 16]));
    nowhere.host = "relay.invalid".to_owned();
    let agent = bed.agent(&bed.settings(&[&nowhere, &rented.known]));
    let at = bed.serve(WEB_V4);
    assert_eq!(via(&bed, &at), RENTED_V4);
    wait::until("the fault is named", || {
        via(&bed, &at);
        relay(&agent, 0).fault == "its name relay.invalid cannot be resolved"
    });
    assert_eq!(chosen(&agent).as_deref(), Some("relay-0"));
}
