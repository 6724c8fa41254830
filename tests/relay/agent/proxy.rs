//! SOCKS5 and HTTP CONNECT, byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use mptcpize_model::relay::agent::Fallback;

use crate::agent::lab::{Bed, PROXY, RENTED_V4, WEB_V4, known};
use mptcpize_model::relay::key::Key;

fn open(bed: &Bed) -> TcpStream {
    bed.dial(format!("127.0.0.1:{PROXY}").parse().unwrap())
}

fn says(stream: &mut TcpStream, expected: &[u8]) {
    let mut came = vec![0; expected.len()];
    stream.read_exact(&mut came).unwrap();
    assert_eq!(came, expected);
}

/// All that comes until the end of the stream.
fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// A request of SOCKS5 for an IPv4 address.
fn socks(command: u8, address: [u8; 4], port: u16) -> Vec<u8> {
    [&[5, command, 0, 1][..], &address, &port.to_be_bytes()].concat()
}

const GRANTED: [u8; 10] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

#[test]
fn socks5_takes_addresses_and_names_that_only_the_relay_can_resolve() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let agent = bed.agent(&bed.settings(&[&relay.known]));
    let (listener, at) = bed.serve(WEB_V4);
    let name = b"web.example";
    let by_name = [&[5, 1, 0, 3, 11][..], name, &at.port().to_be_bytes()].concat();
    let by_address = socks(1, [203, 0, 113, 80], at.port());
    for (request, host) in [(by_address, WEB_V4), (by_name, "web.example")] {
        let mut near = open(&bed);
        near.write_all(&[5, 2, 2, 0]).unwrap();
        says(&mut near, &[5, 0]);
        near.write_all(&request).unwrap();
        says(&mut near, &GRANTED);
        near.write_all(b"hello").unwrap();
        let (mut far, from) = listener.accept().unwrap();
        says(&mut far, b"hello");
        far.write_all(b"back").unwrap();
        says(&mut near, b"back");
        assert_eq!(from.ip().to_string(), RENTED_V4);
        let told = agent.state().relays.connections;
        let expected = format!("{host}:{}", at.port());
        assert!(told.iter().any(|one| one.to == expected), "{told:?}");
    }
}

#[test]
fn socks5_is_understood_in_single_bytes_and_all_at_once() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let (listener, at) = bed.serve(WEB_V4);
    let all = [&[5, 1, 0][..], &socks(1, [203, 0, 113, 80], at.port()), b"early"].concat();
    let mut near = open(&bed);
    near.set_nodelay(true).unwrap();
    for byte in &all {
        near.write_all(&[*byte]).unwrap();
    }
    let mut other = open(&bed);
    other.write_all(&all).unwrap();
    for near in [&mut near, &mut other] {
        says(near, &[5, 0]);
        says(near, &GRANTED);
        let (mut far, _) = listener.accept().unwrap();
        says(&mut far, b"early");
    }
}

#[test]
fn what_socks5_cannot_do_is_said_by_its_reply_codes() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let here = bed.client().enter(|| std::net::TcpListener::bind("10.1.0.1:0").unwrap());
    let closed = here.local_addr().unwrap().port();
    drop(here);
    let address = [203, 0, 113, 80];
    let odd_address = vec![5, 1, 0, 9, 1, 2, 3, 4, 0, 80];
    let no_name = vec![5, 1, 0, 3, 0, 0, 80];
    for (request, code) in [
        (socks(2, address, 80), 7),
        (socks(3, address, 80), 7),
        (socks(9, address, 80), 7),
        (odd_address, 8),
        (no_name, 1),
        // The host's own address: what it says there is passed on.
        (socks(1, [10, 1, 0, 1], closed), 5),
    ] {
        let mut near = open(&bed);
        near.write_all(&[5, 1, 0]).unwrap();
        says(&mut near, &[5, 0]);
        near.write_all(&request).unwrap();
        says(&mut near, &[5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(rest(&mut near), "", "{request:?}");
    }
    let mut near = open(&bed);
    near.write_all(&[5, 1, 2]).unwrap();
    says(&mut near, &[5, 0xFF]);
    assert_eq!(rest(&mut near), "");
}

#[test]
fn http_connect_takes_names_and_what_is_sent_with_the_request() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let (listener, at) = bed.serve(WEB_V4);
    for host in ["web.example", WEB_V4] {
        let place = format!("{host}:{}", at.port());
        let mut near = open(&bed);
        let head = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nX: y\r\n\r\nearly");
        near.write_all(head.as_bytes()).unwrap();
        says(&mut near, b"HTTP/1.1 200 Connection established\r\n\r\n");
        let (mut far, from) = listener.accept().unwrap();
        says(&mut far, b"early");
        far.write_all(b"back").unwrap();
        says(&mut near, b"back");
        assert_eq!(from.ip().to_string(), RENTED_V4);
    }
}

#[test]
fn what_http_cannot_do_is_said_with_a_reason() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let _agent = bed.agent(&bed.settings(&[&relay.known]));
    let long = format!("CONNECT a.example:80 HTTP/1.1\r\nX: {}", "y".repeat(9_000));
    let many = format!("CONNECT a.example:80 HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(70));
    for (request, status) in [
        ("GET http://a.example/ HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        ("CONNECT a.example HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("CONNECT a.example:0 HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("CONNECT 2001:db8::1:80 HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("CONNECT a b HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET\0\r\n\r\n", "400 Bad Request"),
        (&long, "431 Request Header Fields Too Large"),
        (&many, "431 Request Header Fields Too Large"),
    ] {
        let mut near = open(&bed);
        near.write_all(request.as_bytes()).unwrap();
        let answer = rest(&mut near);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:.60}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{answer}");
        assert!(body.ends_with('\n') && body.lines().count() == 1, "{answer}");
        assert_eq!(status.starts_with("405"), head.contains("Allow: CONNECT"), "{answer}");
    }
}

#[test]
fn where_no_relay_can_be_reached_a_program_is_told_in_its_own_words() {
    let bed = Bed::new();
    let nobody = known(3, Key::new(vec![1; 16]));
    let mut settings = bed.settings(&[&nobody]);
    settings.terms.fallback = Fallback::Refuse;
    let _agent = bed.agent(&settings);
    let mut near = open(&bed);
    near.write_all(b"CONNECT web.example:80 HTTP/1.1\r\n\r\n").unwrap();
    let answer = rest(&mut near);
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains("no relay can be reached: Connection refused"), "{answer}");
    let mut near = open(&bed);
    near.write_all(&[5, 1, 0]).unwrap();
    says(&mut near, &[5, 0]);
    near.write_all(&socks(1, [203, 0, 113, 80], 80)).unwrap();
    says(&mut near, &[5, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn whoever_speaks_neither_is_not_answered() {
    let bed = Bed::new();
    let relay = bed.rent(0);
    let agent = bed.agent(&bed.settings(&[&relay.known]));
    // A TLS hello, another version of SOCKS5's second packet, nothing.
    for bytes in [&[0x16, 3, 1, 2, 0, 1][..], &[5, 1, 0, 6, 1, 0, 1], &[0xFF; 2_000], b"get /"] {
        let mut near = open(&bed);
        // It may be gone before all is sent.
        let _ = near.write_all(bytes);
        let mut came = Vec::new();
        let ended = near.read_to_end(&mut came).map_err(|error| error.kind());
        assert!(matches!(ended, Ok(_) | Err(ErrorKind::ConnectionReset)), "{ended:?}");
        assert!(came.is_empty() || came == [5, 0], "{came:?}");
    }
    let mut old = open(&bed);
    old.write_all(&[4, 1, 0, 80, 203, 0, 113, 80, 0]).unwrap();
    says(&mut old, &[0, 91, 0, 0, 0, 0, 0, 0]);
    assert_eq!(agent.state().relays.relays[0].amounts.carried, 0);
}
