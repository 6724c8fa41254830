//! A relay that is not what it should be, or somebody on the way to it.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use mptcpize_model::relay::agent::Relay;
use mptcpize_model::relay::key::Key;

use crate::agent::lab::{Bed, PORT, RENTED_V4, WEB_V4, known};
use crate::lan::content;
use crate::support::wait;

/// Where somebody sits between agent and relay.
const BETWEEN: u16 = 9;

/// Somebody at the rented server who does this to each connection of the agent. Ends with the test.
fn instead(bed: &Bed, act: impl Fn(TcpStream) + Clone + Send + 'static) -> Relay {
    let listener = bed
        .lab
        .server
        .enter(|| TcpListener::bind((RENTED_V4, PORT + BETWEEN)).expect("the port is free"));
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let act = act.clone();
            thread::spawn(move || act(stream));
        }
    });
    known(BETWEEN, Key::new(vec![0; 16]))
}

/// Connects to the relay with number 0 on behalf of whoever comes, whose key it has.
fn onward(bed: &Bed) -> impl Fn() -> TcpStream + Clone + Send + use<> {
    // Made here, because threads of the test are not in that namespace.
    let made = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    for _ in 0..4 {
        let stream = bed.lab.server.enter(|| TcpStream::connect((RENTED_V4, PORT)).unwrap());
        made.lock().unwrap().push(stream);
    }
    move || made.lock().unwrap().pop().expect("one of four")
}

fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn garbage_resets_the_program_and_is_named() {
    let bed = Bed::new();
    let relay = instead(&bed, |mut stream| {
        let _ = stream.write_all(&content(5_000));
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let agent = bed.agent(&bed.settings(&[&relay]));
    let mut near = bed.dial(format!("{WEB_V4}:80").parse().unwrap());
    let mut came = Vec::new();
    let ended = near.read_to_end(&mut came).map_err(|error| error.kind());
    assert_eq!((ended, came.len()), (Err(ErrorKind::ConnectionReset), 0));
    wait::until("the fault is named", || {
        agent.state().relays.relays[0].fault.contains("is not of Shadowsocks 2022")
    });
}

#[test]
fn a_relay_that_says_nothing_is_found_out_and_connections_go_directly() {
    let bed = Bed::new();
    let relay = instead(&bed, |mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let agent = bed.agent(&bed.settings(&[&relay]));
    let at = bed.serve(WEB_V4);
    let early = bed.dial(at.1);
    wait::until("it is not chosen any more", || agent.state().relays.chosen.is_none());
    let (_near, far) = bed.connect(&at);
    assert_eq!(far.peer_addr().unwrap().ip().to_string(), "10.1.0.1");
    drop(early);
}

#[test]
fn single_bytes_are_put_together() {
    let bed = Bed::new();
    let _rented = bed.rent(0);
    let onward = onward(&bed);
    let relay = instead(&bed, move |near| {
        let far = onward();
        let trickle = |mut from: TcpStream, mut to: TcpStream| {
            to.set_nodelay(true).unwrap();
            let mut byte = [0];
            while from.read(&mut byte).is_ok_and(|length| length > 0) {
                if to.write_all(&byte).is_err() {
                    break;
                }
            }
        };
        let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        // The request in one piece: the relay may judge a split one.
        thread::spawn(move || drop(std::io::copy(&mut &from, &mut &to)));
        trickle(far, near);
    });
    let _agent = bed.agent(&bed.settings(&[&relay]));
    let (mut near, mut far) = bed.connect(&bed.serve(WEB_V4));
    let bytes = content(20_000);
    far.write_all(&bytes).unwrap();
    let mut came = vec![0; bytes.len()];
    near.read_exact(&mut came).unwrap();
    assert!(came == bytes);
}

#[test]
fn a_stream_that_is_cut_or_changed_on_the_way_never_looks_complete() {
    let bed = Bed::new();
    let _rented = bed.rent(0);
    for turn in 0..3 {
        let onward = onward(&bed);
        let relay = instead_at(&bed, turn, move |mut near, turn| {
            let mut far = onward();
            let mut part = vec![0; 10_001];
            // The request, with the first bytes of the program.
            let asked = near.read(&mut part).unwrap_or(0);
            if far.write_all(&part[..asked]).is_err() || far.read_exact(&mut part).is_err() {
                return;
            }
            match turn {
                0 => reset(&near),
                // A forged end of the stream.
                1 => {}
                _ => part[9_000] ^= 1,
            }
            let _ = near.write_all(&part);
            if turn == 2 {
                let _ = std::io::copy(&mut far, &mut near);
            }
        });
        let agent = bed.agent(&bed.settings(&[&relay]));
        let (mut near, mut far) = {
            let (listener, at) = bed.serve(WEB_V4);
            let mut near = bed.dial(at);
            near.write_all(b"x").unwrap();
            (near, listener.accept().unwrap().0)
        };
        far.write_all(&content(50_000)).unwrap();
        let ended = near.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert_eq!(ended, Err(ErrorKind::ConnectionReset), "turn {turn}");
        agent.stop();
    }
}

/// As [`instead`], at a port for each turn.
fn instead_at(
    bed: &Bed,
    turn: u16,
    act: impl Fn(TcpStream, u16) + Clone + Send + 'static,
) -> Relay {
    let number = BETWEEN + 1 + turn;
    let listener = bed
        .lab
        .server
        .enter(|| TcpListener::bind((RENTED_V4, PORT + number)).expect("the port is free"));
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let act = act.clone();
            thread::spawn(move || act(stream, turn));
        }
    });
    known(number, Key::new(vec![0; 16]))
}
