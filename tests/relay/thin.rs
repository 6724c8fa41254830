//! One connection from end to end: its bytes, its halves, its end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use crate::lan::{Gateway, SERVER_V4, SERVER_V6, content, moved, outcome};
use crate::support::kernel;

const RATES: [&str; 2] = ["50mbit", "50mbit"];

#[test]
fn every_byte_arrives_both_ways_over_both_uplinks() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    for address in [SERVER_V4, SERVER_V6] {
        let listener = gateway.serve(address);
        let (mut near, mut far) = gateway.connect(&listener);
        let bytes = content(6_000_000);
        let before = gateway.by_link();
        assert!(moved(&mut near, &mut far, &bytes) == bytes, "{address}: up");
        let between = gateway.by_link();
        assert!(moved(&mut far, &mut near, &bytes) == bytes, "{address}: down");
        let after = gateway.by_link();
        for (one, other) in [(&before, &between), (&between, &after)] {
            let shares: Vec<u64> = one.iter().zip(other).map(|(one, other)| other - one).collect();
            assert!(shares.iter().all(|share| *share > 1_000_000), "{address}: {shares:?}");
        }
    }
}

/// Ends a connection by a reset.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

fn read_four(stream: &mut TcpStream) -> [u8; 4] {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn either_half_ends_while_the_other_goes_on() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    for listener in [gateway.serve(SERVER_V4), gateway.serve_tcp(SERVER_V4)] {
        for turn in 0..2 {
            let (mut near, mut far) = gateway.connect(&listener);
            let (first, second) =
                if turn == 0 { (&mut near, &mut far) } else { (&mut far, &mut near) };
            assert_eq!(moved(first, second, b"over"), b"over");
            for _ in 0..3 {
                second.write_all(b"more").unwrap();
                assert_eq!(&read_four(first), b"more");
            }
            assert_eq!(moved(second, first, b"end"), b"end");
        }
    }
}

#[test]
fn a_reset_of_either_end_resets_the_other_and_loses_nothing_sent_before() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    for listener in [gateway.serve(SERVER_V4), gateway.serve_tcp(SERVER_V4)] {
        for turn in 0..2 {
            let (near, far) = gateway.connect(&listener);
            let (mut first, mut second) = if turn == 0 { (near, far) } else { (far, near) };
            first.write_all(b"last").unwrap();
            assert_eq!(&read_four(&mut second), b"last");
            reset(first);
            let error = second.read(&mut [0]).expect_err("it was reset");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "turn {turn}");
        }
    }
}

#[test]
fn an_answer_reaches_a_client_whose_request_was_cut_short_by_a_reset() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listener = gateway.serve_tcp(SERVER_V4);
    let (mut near, mut far) = gateway.connect(&listener);
    near.write_all(b"more than it reads").unwrap();
    assert_eq!(&read_four(&mut far), b"more");
    far.write_all(b"none").unwrap();
    // What was not read makes the kernel send a reset after the answer.
    drop(far);
    assert_eq!(&read_four(&mut near), b"none");
    assert_eq!(near.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_sender_is_held_back_by_a_receiver_that_does_not_read() {
    let gateway = Gateway::new(&["1000mbit", "1000mbit"]);
    let relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    for turn in 0..2 {
        let (near, far) = gateway.connect(&listener);
        let (mut first, mut second) = if turn == 0 { (near, far) } else { (far, near) };
        let bytes = content(1 << 20);
        let mut sent = 0;
        // Nothing is taken any more once all buffers on the way are full.
        first.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        while let Ok(more) = first.write(&bytes[sent % bytes.len()..]) {
            sent += more;
            assert!(sent < 200 << 20, "{sent} bytes were taken from a sender that nobody reads");
        }
        first.set_write_timeout(None).unwrap();
        let memory = rss(relay.running.pid());
        assert!(memory < 32 << 20, "the relay itself holds {memory} bytes");
        let rest = thread::scope(|scope| {
            scope.spawn(|| first.shutdown(Shutdown::Write).unwrap());
            let mut came = 0;
            let mut piece = vec![0; 1 << 16];
            loop {
                let length = second.read(&mut piece).unwrap();
                if length == 0 {
                    break came;
                }
                for (at, byte) in piece[..length].iter().enumerate() {
                    assert!(*byte == bytes[(came + at) % bytes.len()], "byte {}", came + at);
                }
                came += length;
            }
        });
        assert_eq!(rest, sent);
    }
}

/// Resident memory that is the process's own.
pub(crate) fn rss(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_destination_that_refuses_is_refused_to_the_client_before_anything_was_read() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    let (listener, at) = gateway.serve_tcp(SERVER_V4);
    drop(listener);
    // The handshake is the relay's.
    assert_eq!(outcome(&gateway.phone, at), ErrorKind::ConnectionReset);
    // No route of the network leads there: it answers with an ICMP message.
    let nowhere = "198.51.100.1:80".parse().unwrap();
    assert_eq!(outcome(&gateway.phone, nowhere), ErrorKind::ConnectionReset);
    let said = relay.stop();
    assert!(said.contains("Connection refused"), "{said}");
}

#[test]
fn a_server_without_mptcp_is_spoken_to_in_tcp_and_asked_once() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listener = gateway.serve_tcp(SERVER_V4);
    let asked = || kernel::counter(gateway.router(), "MPTcpExt", "MPCapableSYNTX");
    for _ in 0..3 {
        let (mut near, mut far) = gateway.connect(&listener);
        assert_eq!(moved(&mut near, &mut far, b"here"), b"here");
    }
    assert_eq!(asked(), 1);
}
