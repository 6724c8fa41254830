//! Connections in data, and a clock that is moved to each deadline.

mod leave;

use std::net::{IpAddr, SocketAddr};

use super::super::join::{Leave, ListedSubflow};
use super::*;
use crate::mptcp::Flags;

const START: Millis = Millis(1_000_000);

fn address(link: u8) -> IpAddr {
    IpAddr::from([10, link, 0, 1])
}

fn server() -> SocketAddr {
    "10.99.0.1:8080".parse().expect("a literal address")
}

fn endpoint(link: u8, flags: Flags) -> Endpoint {
    Endpoint { id: link, address: address(link), port: None, dev: None, flags }
}

/// A message about the subflow from a link's address and this port.
fn event(kind: Kind, token: u32, link: u8, port: u16) -> Event {
    Event {
        token: Some(token),
        local: Some(address(link)),
        local_port: Some(port),
        remote: Some(server().ip()),
        remote_port: Some(server().port()),
        ..Event::new(kind)
    }
}

/// Two links, both with an endpoint.
fn two_links() -> Heal {
    let mut heal = Heal::default();
    let endpoints = vec![endpoint(1, Flags::SUBFLOW), endpoint(2, Flags::SUBFLOW)];
    assert!(heal.set(START, true, endpoints, 8), "it has just begun");
    heal
}

/// A connection that began on the first link and has its subflow on the second.
fn joined(heal: &mut Heal, token: u32) {
    heal.told(START, &event(Kind::Established, token, 1, 40_000));
    heal.joins(START);
    heal.told(START, &event(Kind::SubflowEstablished, token, 2, 40_000));
    assert_eq!(heal.joins(START), []);
}

fn lose(heal: &mut Heal, now: Millis, token: u32, link: u8, port: u16, error: u8) {
    let closed = Event { error: Some(error), ..event(Kind::SubflowClosed, token, link, port) };
    heal.told(now, &closed);
}

/// From which links subflows are asked for.
fn links(joins: &[Join]) -> Vec<u8> {
    joins.iter().map(|join| join.local.id).collect()
}

#[test]
fn a_new_connection_gets_a_subflow_from_each_link_but_its_own() {
    let mut heal = two_links();
    heal.told(START, &event(Kind::Established, 7, 1, 40_000));
    let joins = heal.joins(START);
    let wanted = Join { token: 7, local: endpoint(2, Flags::SUBFLOW), remote: server() };
    assert_eq!(joins, [wanted]);
    assert_eq!((heal.joins(START), heal.deadline()), (vec![], None));
}

#[test]
fn what_the_network_ended_is_opened_again_at_once_on_either_link() {
    for (link, error) in [(1, 104), (2, 104), (2, 103), (2, 110)] {
        let mut heal = two_links();
        joined(&mut heal, 7);
        lose(&mut heal, START, 7, link, 40_000, error);
        assert_eq!(links(&heal.joins(START)), [link]);
        heal.told(START, &event(Kind::SubflowEstablished, 7, link, 40_001));
        assert_eq!((heal.joins(START), heal.take_back(START), heal.healed()), (vec![], 1, 1));
    }
}

#[test]
fn what_somebody_closed_and_connections_of_others_are_left_alone() {
    let mut heal = two_links();
    joined(&mut heal, 7);
    lose(&mut heal, START, 7, 2, 40_000, 0);
    assert_eq!((heal.joins(START), heal.deadline()), (vec![], None));
    let accepted = Event { server_side: Some(true), ..event(Kind::Established, 8, 1, 40_002) };
    heal.told(START, &accepted);
    assert_eq!(heal.joins(START), []);
    // One that began under the kernel's path manager.
    heal.told(START, &event(Kind::Established, 9, 1, 40_003));
    let joins = heal.joins(START);
    heal.refused(START, &joins[0], 22);
    lose(&mut heal, START, 9, 1, 40_003, 104);
    assert_eq!((heal.joins(START), heal.deadline()), (vec![], None));
}

#[test]
fn a_peer_that_refuses_is_asked_less_and_less_and_then_no_more() {
    let mut heal = two_links();
    heal.told(START, &event(Kind::Established, 7, 1, 40_000));
    assert_eq!(heal.joins(START).len(), 1);
    let (mut now, mut attempts) = (START, 1);
    for port in 40_001.. {
        lose(&mut heal, now, 7, 2, port, 104);
        let Some(deadline) = heal.joins(now).is_empty().then(|| heal.deadline()) else {
            attempts += 1;
            continue;
        };
        let Some(deadline) = deadline else { break };
        now = deadline;
        assert_eq!(links(&heal.joins(now)), [2]);
        attempts += 1;
    }
    assert_eq!((attempts, now.0 - START.0), (8, 100 + 200 + 400 + 800 + 1_600 + 3_200));
    // Another set of endpoints is another chance.
    let endpoints = vec![endpoint(1, Flags::SUBFLOW), endpoint(2, Flags::FULLMESH)];
    heal.set(now, true, endpoints, 8);
    assert_eq!(links(&heal.joins(now)), [2]);
}

#[test]
fn ten_thousand_losses_at_once_are_made_good_without_a_burst() {
    let mut heal = two_links();
    let all: Vec<Listed> = (0..10_000)
        .map(|token| Listed {
            token,
            remote: server(),
            subflows: vec![ListedSubflow {
                local: SocketAddr::new(address(1), 40_000),
                remote: server(),
                id: 0,
            }],
        })
        .collect();
    heal.listed(START, all);
    let (mut now, mut asked) = (START, 0);
    while let Some(deadline) = heal.deadline() {
        now = now.max(deadline);
        let joins = heal.joins(now);
        assert!(joins.len() <= AT_ONCE, "{} at {now:?}", joins.len());
        asked += joins.len();
    }
    assert_eq!(asked, 10_000);
    assert!(now.0 - START.0 < 10_000, "{now:?}");
}

#[test]
fn the_limit_holds_and_another_family_waits_for_an_announcement() {
    let mut heal = Heal::default();
    let v6 = Endpoint {
        address: "2001:db8:2::1".parse().expect("literal"),
        ..endpoint(2, Flags::SUBFLOW)
    };
    let ends = vec![v6, endpoint(3, Flags::SUBFLOW), endpoint(4, Flags::SUBFLOW)];
    heal.set(START, true, ends, 2);
    heal.told(START, &event(Kind::Established, 7, 1, 40_000));
    assert_eq!(links(&heal.joins(START)), [3, 4]);
    let announced = Event {
        token: Some(7),
        remote: Some("2001:db8:99::1".parse().expect("literal")),
        remote_id: Some(1),
        ..Event::new(Kind::Announced)
    };
    heal.told(START, &announced);
    assert_eq!(heal.joins(START), [], "there is no room");
    lose(&mut heal, START, 7, 3, 40_001, 104);
    let joins = heal.joins(START);
    assert_eq!(
        joins.iter().map(|join| join.remote.to_string()).collect::<Vec<_>>(),
        ["[2001:db8:99::1]:8080"]
    );
}

#[test]
fn a_connection_that_is_gone_and_a_daemon_that_may_not_act_wait_for_nothing() {
    let mut heal = two_links();
    joined(&mut heal, 7);
    lose(&mut heal, START, 7, 2, 40_000, 104);
    heal.told(START, &event(Kind::Closed, 7, 1, 40_000));
    assert_eq!((heal.joins(START), heal.deadline()), (vec![], None));
    joined(&mut heal, 8);
    lose(&mut heal, START, 8, 2, 40_000, 104);
    heal.set(START, false, vec![], 8);
    assert_eq!((heal.joins(START), heal.deadline()), (vec![], None));
}

/// The endpoint of a link that was plugged in again has another id.
#[test]
fn an_address_keeps_its_id_in_a_connection() {
    let mut heal = two_links();
    joined(&mut heal, 7);
    let again = Endpoint { id: 3, ..endpoint(2, Flags::SUBFLOW) };
    let other = Endpoint { id: 2, ..endpoint(3, Flags::SUBFLOW) };
    heal.set(START, true, vec![again, other], 8);
    lose(&mut heal, START, 7, 2, 40_000, 104);
    let joins = heal.joins(START);
    let seen: Vec<_> = joins.iter().map(|join| (join.local.address, join.local.id)).collect();
    assert_eq!(seen, [(address(2), 2), (address(3), 1)]);
    // A refusal says nothing of who manages a connection that had a subflow from here.
    heal.refused(START, &joins[0], 22);
    assert_eq!(heal.joins(START), []);
    let next = heal.deadline().expect("it is tried again");
    assert_eq!(links(&heal.joins(next)), [2]);
}

#[test]
fn subflows_of_a_link_that_passes_again_are_ended_and_opened_anew() {
    let mut heal = two_links();
    joined(&mut heal, 7);
    heal.told(START, &event(Kind::Established, 8, 2, 40_001));
    heal.replace(&[address(2)].into());
    let ends = heal.leaves(START);
    let which: Vec<(u32, u16)> = ends.iter().map(|end| (end.token, end.local.port())).collect();
    assert_eq!(which, [(7, 40_000)], "the other connection has no other subflow yet");
    let now = START + Duration::from_secs(60);
    heal.joins(now);
    lose(&mut heal, now, 7, 2, 40_000, 0);
    assert_eq!(links(&heal.joins(now)), [2], "at once");
    heal.told(now, &event(Kind::SubflowEstablished, 7, 2, 40_002));
    lose(&mut heal, now, 7, 2, 40_002, 0);
    assert_eq!(heal.joins(now), [], "one that somebody else closes stays closed");
}
