//! What a client with the right key gets: its bytes, its halves, its ends.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use mptcpize_model::relay::key::Method;

use super::rented::{Rented, WEB_V4, WEB_V6, met, once, settings, with_method};
use crate::lan::content;
use crate::support::wait;

/// Of links that are slower than both ends are on a busy machine: one connection needs both.
const RATES: [&str; 2] = ["10mbit", "10mbit"];

/// Reads so many bytes.
fn take(from: &mut impl Read, bytes: usize) -> Vec<u8> {
    let mut taken = vec![0; bytes];
    from.read_exact(&mut taken).unwrap();
    taken
}

#[test]
fn every_byte_arrives_both_ways_over_both_links() {
    let rented = Rented::new(&RATES);
    let settings = settings();
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    let bytes = content(6_000_000);
    for address in [WEB_V4, WEB_V6] {
        let listener = rented.serve(address);
        let (mut near, mut far) = rented.connect(&client, &listener);
        let before = rented.lab.traffic();
        thread::scope(|scope| {
            let far = scope.spawn(move || {
                let mut came = Vec::new();
                far.read_to_end(&mut came).unwrap();
                far.write_all(&came).unwrap();
                came
            });
            near.write_all(&bytes).unwrap();
            near.finish();
            assert!(near.rest().unwrap() == bytes, "{address}: down");
            assert!(far.join().unwrap() == bytes, "{address}: up");
        });
        let after = rented.lab.traffic();
        for (one, other) in before.iter().zip(&after) {
            let (up, down) = (other.sent - one.sent, other.received - one.received);
            assert!(up > 1_000_000 && down > 1_000_000, "{address}: {up} up, {down} down");
        }
    }
    let state = once(&relay, |state| state.all.open == 0);
    assert!(state.mptcp);
    assert_eq!((state.all.carried, state.all.mptcp), (2, 2));
    assert_eq!((state.all.up_bytes, state.all.down_bytes), (12_000_002, 12_000_000));
    assert_eq!(state.users[""].amounts, state.all);
    assert_eq!(state.users[""].month_bytes, 24_000_002);
}

#[test]
fn each_method_of_2022_carries() {
    let rented = Rented::new(&["1000mbit"]);
    let listener = rented.serve(WEB_V4);
    for method in Method::ALL {
        let settings = with_method(method);
        let relay = rented.relay(&settings);
        let (mut near, mut far) = rented.connect(&rented.client(&settings), &listener);
        near.write_all(b"ping").unwrap();
        assert_eq!(take(&mut far, 4), b"ping", "{method}");
        far.write_all(b"pong").unwrap();
        drop(far);
        assert_eq!(near.rest().unwrap(), b"pong", "{method}");
        relay.stop();
    }
}

#[test]
fn a_client_without_mptcp_is_served_over_tcp() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    rented.lab.client.sysctl("net/mptcp/enabled", "0");
    let (listener, at) = rented.serve(WEB_V4);
    let mut near = client.over(client.socket_of_tcp(), at);
    near.write_all(b"x").unwrap();
    let mut far = met(&listener);
    far.write_all(b"there").unwrap();
    assert_eq!(take(&mut near, 5), b"there");
    let state = once(&relay, |state| state.all.open == 1);
    assert_eq!((state.all.carried, state.all.mptcp, state.strangers), (1, 0, 0));
}

#[test]
fn either_half_ends_while_the_other_goes_on() {
    let rented = Rented::new(&RATES);
    let settings = settings();
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    let listener = rented.serve(WEB_V4);
    let (mut near, mut far) = rented.connect(&client, &listener);
    near.finish();
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
    far.write_all(b"after").unwrap();
    assert_eq!(take(&mut near, 5), b"after");
    drop(far);
    assert_eq!(near.rest().unwrap(), b"");
    let (mut near, mut far) = rented.connect(&client, &listener);
    far.write_all(b"first").unwrap();
    far.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(near.rest().unwrap(), b"first");
    near.write_all(b"after").unwrap();
    assert_eq!(take(&mut far, 5), b"after");
    near.finish();
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
    let said = once(&relay, |state| state.all.open == 0);
    assert_eq!(said.all.carried, 2);
    let log = relay.stop();
    assert!(!log.contains("reset"), "{log}");
}

/// Ends a connection by a reset.
fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_reset_of_either_end_resets_the_other_and_loses_nothing_sent_before() {
    let rented = Rented::new(&RATES);
    let settings = settings();
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    let listener = rented.serve(WEB_V4);
    let (mut near, mut far) = rented.connect(&client, &listener);
    far.write_all(b"last").unwrap();
    assert_eq!(take(&mut near, 4), b"last");
    reset(&far);
    drop(far);
    assert_eq!(near.rest().expect_err("reset").kind(), ErrorKind::ConnectionReset);
    let (mut near, mut far) = rented.connect(&client, &listener);
    near.write_all(b"last").unwrap();
    assert_eq!(take(&mut far, 4), b"last");
    reset(near.raw());
    drop(near);
    assert_eq!(far.read(&mut [0]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
    once(&relay, |state| state.all.open == 0);
}

#[test]
fn a_stream_that_is_cut_off_never_looks_complete() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let relay = rented.relay(&settings);
    let client = rented.client(&settings);
    let listener = rented.serve(WEB_V4);
    // A whole chunk, then an end of stream within the next one.
    let flight = client.flight(listener.1, b"whole");
    let mut near = client.socket();
    near.write_all(&flight).unwrap();
    near.write_all(&[7; 9]).unwrap();
    near.shutdown(std::net::Shutdown::Write).unwrap();
    let (mut far, _) = listener.0.accept().unwrap();
    far.set_read_timeout(Some(wait::deadline())).unwrap();
    assert_eq!(take(&mut far, 5), b"whole");
    assert_eq!(far.read(&mut [0]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
    // And the death of the relay.
    let (mut near, mut far) = rented.connect(&client, &listener);
    relay.stop();
    assert_eq!(near.rest().expect_err("reset").kind(), ErrorKind::ConnectionReset);
    assert_eq!(far.read(&mut [0]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
}
