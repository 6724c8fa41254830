//! Those without a key: not one byte for them, all of them treated alike, and what they may cost.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use mptcpize_model::relay::key::Method;
use mptcpize_model::relay::server::{Limits, Settings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::client::{Flight, dial};
use super::rented::{PORT, Rented, WEB_V4, key, met, once, refused, settings, state, user};
use crate::lan::{content, outcome};
use crate::support::lab::SERVER;
use crate::support::{kernel, wait};

/// Nobody has to wait long for the end of a handshake that is none.
fn impatient() -> Settings {
    // Longer than a busy machine takes for what is sent whole.
    Settings { limits: Limits { handshake_s: 10, ..Limits::default() }, ..settings() }
}

fn at() -> SocketAddr {
    format!("{SERVER}:{PORT}").parse().unwrap()
}

/// What the relay does with somebody who sends this, keeping its half open or not: the bytes that came,
/// and how it ended.
fn answers(streams: Vec<(String, TcpStream)>) -> Vec<(String, usize, Option<ErrorKind>)> {
    let read = |(name, mut stream): (String, TcpStream)| {
        stream.set_read_timeout(Some(wait::deadline())).unwrap();
        let mut came = Vec::new();
        let ended = stream.read_to_end(&mut came);
        (name, came.len(), ended.err().map(|error| error.kind()))
    };
    streams.into_iter().map(read).collect()
}

/// First bytes of those who try out what a port is, and of those whose key, clock or request is wrong.
fn probes(rented: &Rented) -> Vec<(String, Vec<u8>)> {
    let to: SocketAddr = format!("{WEB_V4}:80").parse().unwrap();
    let own = key(Method::Aes128, 1);
    let honest = || Flight::new(Method::Aes128, &own, to, b"data");
    let other = rented.client_with(Method::Aes128, &[&key(Method::Aes128, 9)]);
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.extend_from_slice(&content(506));
    let mut wrong_tag = honest().bytes();
    *wrong_tag.last_mut().unwrap() ^= 1;
    let mut named: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("one byte", vec![5]),
        ("SOCKS5", vec![5, 1, 0]),
        ("SOCKS4", vec![4, 1, 0, 80, 198, 51, 100, 7, 0]),
        ("CONNECT", format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").into_bytes()),
        ("HTTP", b"GET http://198.51.100.7/ HTTP/1.1\r\nHost: 198.51.100.7\r\n\r\n".to_vec()),
        ("TLS", hello),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        // A stream of aes-128-gcm, of chacha20-ietf-poly1305 and of a stream cipher looks random.
        ("older methods", content(16 + 18 + 7 + 16)),
        ("a salt alone", content(16)),
        ("a header but one byte", content(42)),
        ("a header", content(43)),
        ("1 MB", content(1 << 20)),
        ("the key of somebody else", other.flight(to, b"data")),
        ("an old request", Flight { ahead: -31, ..honest() }.bytes()),
        ("a request of tomorrow", Flight { ahead: 86_400, ..honest() }.bytes()),
        ("an answer", Flight { kind: 1, ..honest() }.bytes()),
        ("no address", Flight { variable: vec![9; 40], ..honest() }.bytes()),
        ("a short address", Flight { variable: vec![1, 198], ..honest() }.bytes()),
        ("no data and no padding", Flight::new(Method::Aes128, &own, to, b"").bytes()),
        ("a wrong tag", wrong_tag),
    ];
    let last = honest().bytes();
    named.push(("a request cut short", last[..last.len() - 5].to_vec()));
    named.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

#[test]
fn a_probe_gets_not_one_byte_and_ends_like_any_other() {
    let rented = Rented::new(&["1000mbit"]);
    let relay = rented.relay(&impatient());
    let (listener, _) = rented.serve(WEB_V4);
    listener.set_nonblocking(true).unwrap();
    for ends_its_half in [false, true] {
        let open = |(name, bytes): (String, Vec<u8>)| {
            let mut stream = dial(&rented.lab.client, at(), Some(kernel::MPTCP));
            stream.write_all(&bytes).unwrap();
            if ends_its_half {
                stream.shutdown(Shutdown::Write).unwrap();
            }
            (name, stream)
        };
        let streams = probes(&rented).into_iter().map(open).collect();
        let expected = (!ends_its_half).then_some(ErrorKind::ConnectionReset);
        for (name, bytes, ended) in answers(streams) {
            assert_eq!((bytes, ended), (0, expected), "{name}, half ended: {ends_its_half}");
        }
    }
    let said = once(&relay, |state| state.strangers == 0);
    assert_eq!(refused(&said, "clock"), 4, "{said:?}");
    assert!(refused(&said, "slow") >= 4 && refused(&said, "key") >= 20, "{said:?}");
    assert_eq!((said.all.carried, said.all.up_bytes), (0, 0));
    let clocks: Vec<_> = said.clocks.iter().map(|(client, ahead)| (client, *ahead)).collect();
    let [(client, ahead)] = clocks[..] else { panic!("one client: {clocks:?}") };
    assert_eq!(client.to_string(), "10.1.0.1");
    assert!((86_390..=86_400).contains(&ahead) || (-40..=-30).contains(&ahead), "{ahead}");
    let log = relay.stop();
    assert!(log.contains("refused a connection of 10.1.0.1:"), "{log}");
    assert!(log.lines().count() < 12, "{log}");
    assert!(!log.contains("AQEB"), "the key is told: {log}");
}

#[test]
fn a_request_that_comes_again_is_not_taken_again() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = impatient();
    let relay = rented.relay(&settings);
    let (listener, to) = rented.serve(WEB_V4);
    let flight = rented.client(&settings).flight(to, b"xonce");
    let mut first = dial(&rented.lab.client, at(), None);
    first.write_all(&flight).unwrap();
    let mut far = met(&listener);
    let mut came = [0; 4];
    far.read_exact(&mut came).unwrap();
    assert_eq!(&came, b"once");
    let replay = || {
        let mut again = dial(&rented.lab.client, at(), None);
        again.write_all(&flight).unwrap();
        ("again".to_owned(), again)
    };
    let [(_, bytes, ended)] = &answers(vec![replay()])[..] else { panic!("one") };
    assert_eq!((*bytes, *ended), (0, Some(ErrorKind::ConnectionReset)));
    let said = once(&relay, |state| state.strangers == 0);
    assert_eq!((refused(&said, "replay"), said.all.carried), (1, 1), "{said:?}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "the replay was carried");
}

#[test]
fn an_honest_request_is_taken_in_whatever_pieces_it_comes() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = Settings { users: vec![user("ann", 2)], ..settings() };
    let _relay = rented.relay(&settings);
    let (listener, to) = rented.serve(WEB_V4);
    let client = rented.client_with(Method::Aes128, &[&settings.key, &settings.users[0].key]);
    for protocol in [None, Some(kernel::MPTCP)] {
        let mut stream = dial(&rented.lab.client, at(), protocol);
        stream.set_nodelay(true).unwrap();
        for byte in client.flight(to, b"xdata") {
            stream.write_all(&[byte]).unwrap();
        }
        let mut far = met(&listener);
        let mut came = [0; 4];
        far.read_exact(&mut came).unwrap();
        assert_eq!(&came, b"data");
    }
}

#[test]
fn a_key_opens_only_what_it_is_for() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = Settings { users: vec![user("ann", 2), user("bob", 3)], ..impatient() };
    let relay = rented.relay(&settings);
    let (listener, to) = rented.serve(WEB_V4);
    let [server, ann, stranger] = [1, 2, 9].map(|number| key(Method::Aes128, number));
    let refused_ones: [&[_]; 5] =
        [&[&server], &[&ann], &[&ann, &server], &[&stranger, &ann], &[&server, &stranger]];
    let mut streams = Vec::new();
    for keys in refused_ones {
        let client = rented.client_with(Method::Aes128, keys);
        let mut stream = client.socket();
        stream.write_all(&client.flight(to, b"data")).unwrap();
        streams.push((format!("{} keys", keys.len()), stream));
    }
    for (name, bytes, ended) in answers(streams) {
        assert_eq!((bytes, ended), (0, Some(ErrorKind::ConnectionReset)), "{name}");
    }
    let (_near, _far) =
        rented.connect(&rented.client_with(Method::Aes128, &[&server, &ann]), &(listener, to));
    let said = once(&relay, |state| state.all.open == 1);
    assert_eq!(refused(&said, "key"), 5);
    assert_eq!((said.users["ann"].amounts.carried, said.users["bob"].amounts.carried), (1, 0));
}

#[test]
fn one_address_does_not_keep_the_others_out() {
    let rented = Rented::new(&["1000mbit", "1000mbit"]);
    let settings = Settings {
        limits: Limits { strangers_per_address: 4, handshake_s: 3_600, ..Limits::default() },
        ..settings()
    };
    let relay = rented.relay(&settings);
    let scan = || dial(&rented.lab.client, at(), None);
    let held: Vec<_> = (0..4).map(|_| scan()).collect();
    once(&relay, |state| state.strangers == 4);
    assert_eq!(outcome(&rented.lab.client, at()), ErrorKind::ConnectionReset);
    assert_eq!(refused(&state(&relay), "crowd"), 1);
    // Another address is not concerned, nor is that one once its connections have ended.
    let listener = rented.serve(WEB_V4);
    let client = rented.client(&settings);
    rented.lab.client.ip("route replace default via 10.2.0.254 dev w2");
    let _other = rented.connect(&client, &listener);
    rented.lab.client.ip("route replace default via 10.1.0.254 dev w1");
    drop(held);
    once(&relay, |state| state.strangers == 0);
    let _same = rented.connect(&client, &listener);
}

/// Lets this process have so many descriptors.
fn descriptors(number: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < number) {
        let maximum = maximum.map(|maximum| maximum.max(number));
        setrlimit(Resource::Nofile, Rlimit { current: Some(number), maximum }).unwrap();
    }
}

/// Memory of a process that is its own, in bytes.
pub(crate) fn memory(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn ten_thousand_slow_handshakes_cost_little_and_keep_nobody_out() {
    descriptors(16_384);
    let rented = Rented::new(&["1000mbit"]);
    let settings = Settings {
        limits: Limits { strangers_per_address: 20_000, handshake_s: 3_600, ..Limits::default() },
        ..settings()
    };
    let relay = rented.relay(&settings);
    let listener = rented.serve(WEB_V4);
    let client = rented.client(&settings);
    let before = memory(relay.running.pid());
    let host = &rented.lab.client;
    let slow: Vec<TcpStream> = host.enter(|| {
        let slow = || {
            let mut stream = TcpStream::connect(at()).unwrap();
            // One that the relay has ended already takes no byte.
            let _ = stream.write_all(&[5; 20]);
            stream
        };
        (0..10_000).map(|_| slow()).collect()
    });
    let said = once(&relay, |state| refused(state, "crowd") == 10_000 - 2_048);
    assert_eq!(said.strangers, 2_048);
    let (mut near, mut far) = rented.connect(&client, &listener);
    far.write_all(b"here").unwrap();
    let mut came = [0; 4];
    near.read_exact(&mut came).unwrap();
    assert_eq!(&came, b"here");
    let grown = memory(relay.running.pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes for those who wait");
    let [(_, bytes, ended)] =
        &answers(slow.into_iter().take(1).map(|one| (String::new(), one)).collect())[..]
    else {
        panic!("one")
    };
    assert_eq!((*bytes, *ended), (0, Some(ErrorKind::ConnectionReset)), "the oldest has gone");
}
