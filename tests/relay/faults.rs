//! What goes wrong in the middle of a connection: an uplink that is cut, a relay that is killed, bytes
//! out of band.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use rustix::net::SendFlags;
use rustix::process::Signal;

use crate::lan::{Gateway, SERVER_V4, SERVER_V6, content};
use crate::support::{kernel, wait};

/// Enough for the cut to be in the middle, with a rate that passes it in two seconds.
const BYTES: usize = 100_000_000;
const FAST: [&str; 2] = ["500mbit", "500mbit"];
const RATES: [&str; 2] = ["50mbit", "50mbit"];

/// How an uplink ends.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The carrier is lost.
    Carrier,
    /// Every packet vanishes, and nothing tells of it.
    Silence,
}

impl Cut {
    fn first_uplink(self, gateway: &Gateway) {
        let network = &gateway.lab.router;
        match self {
            Cut::Carrier => drop(network.ip("link set r1 down")),
            Cut::Silence => {
                let rules = "table netdev cut {
                    chain in { type filter hook ingress device r1 priority 0; policy drop; }
                }
                table inet cut {
                    chain out { type filter hook postrouting priority 0; oifname r1 drop; }
                }";
                drop(network.command("nft").args(["-f", "-"]).input(rules).run().ok());
            }
        }
    }
}

#[test]
fn a_transfer_loses_no_byte_when_an_uplink_is_cut_in_the_middle() {
    for (address, up, cut) in [
        (SERVER_V4, true, Cut::Carrier),
        (SERVER_V4, false, Cut::Silence),
        (SERVER_V6, true, Cut::Silence),
        (SERVER_V6, false, Cut::Carrier),
    ] {
        let gateway = Gateway::new(&FAST);
        let _relay = gateway.relay();
        let listener = gateway.serve(address);
        let (near, far) = gateway.connect(&listener);
        let (mut from, mut to) = if up { (near, far) } else { (far, near) };
        // Its length is no multiple of what is read at a time, so what is lost or repeated shows.
        let block = content(999_983);
        thread::scope(|scope| {
            let sent = &block;
            scope.spawn(move || {
                let mut left = BYTES;
                while left > 0 {
                    let piece = &sent[..left.min(sent.len())];
                    from.write_all(piece).unwrap();
                    left -= piece.len();
                }
            });
            let mut came = 0;
            let mut place = vec![0; block.len()];
            let mut at_cut = None;
            while came < BYTES {
                let piece = &mut place[..(BYTES - came).min(block.len())];
                to.read_exact(piece).unwrap();
                assert!(*piece == block[..piece.len()], "{address} {up} {cut:?}: after {came}");
                came += piece.len();
                if came > BYTES / 4 && at_cut.is_none() {
                    cut.first_uplink(&gateway);
                    at_cut = Some(gateway.by_link());
                }
            }
            let (before, after) = (at_cut.unwrap(), gateway.by_link());
            let by_second = after[1] - before[1];
            assert!(by_second > BYTES as u64 / 2, "{address} {up} {cut:?}: {before:?} {after:?}");
        });
    }
}

/// Bytes to the other end and back.
fn is_carried(near: &TcpStream, far: &TcpStream) {
    for (mut from, mut to) in [(near, far), (far, near)] {
        from.write_all(b"here").unwrap();
        let mut came = [0; 4];
        to.read_exact(&mut came).unwrap();
        assert_eq!(&came, b"here");
    }
}

#[test]
fn when_the_relay_is_killed_all_else_is_forwarded_and_its_connections_are_reset() {
    let gateway = Gateway::new(&RATES);
    let network = &gateway.lab.router;
    network.ip("route add 192.168.77.0/24 via 10.1.0.1");
    let relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let datagrams = gateway.lab.server.enter(|| UdpSocket::bind((SERVER_V4, 0)).unwrap());
    let sender = gateway.phone.enter(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    sender.connect(datagrams.local_addr().unwrap()).unwrap();
    datagrams.set_read_timeout(Some(wait::deadline())).unwrap();
    let passes = || {
        sender.send(b"datagram").unwrap();
        assert_eq!(datagrams.recv(&mut [0; 16]).unwrap(), 8);
    };
    let (near, far) = gateway.connect(&listener);
    is_carried(&near, &far);
    passes();
    relay.signal(Signal::KILL);
    // Not the end of a stream, which would be taken for the end of a file.
    for (mut end, name) in [(&near, "the client"), (&far, "the server")] {
        let ended = end.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(ended, Err(ErrorKind::ConnectionReset), "{name}");
    }
    passes();
    // The filter hands over only what somebody takes: connections are forwarded meanwhile.
    wait::until("no listener", || !kernel::is_listening(gateway.router(), crate::lan::PORT));
    let (near, far) = gateway.connect(&listener);
    assert_eq!(far.peer_addr().unwrap().ip().to_string(), "192.168.77.2");
    is_carried(&near, &far);
    let _relay = gateway.relay();
    let (near, far) = gateway.connect(&listener);
    assert_ne!(far.peer_addr().unwrap().ip().to_string(), "192.168.77.2");
    is_carried(&near, &far);
}

#[test]
fn urgent_bytes_arrive_in_their_place_and_stop_nothing() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let (multipath, plain) = (gateway.serve(SERVER_V4), gateway.serve_tcp(SERVER_V4));
    // The first connection to a server without MPTCP asks for it, and the second one does not.
    for (listener, ends) in [(&multipath, 1), (&plain, 2), (&plain, 2)] {
        let (near, far) = gateway.connect(listener);
        // MPTCP has no urgent bytes.
        for (from, mut to) in [(&near, &far), (&far, &near)].into_iter().take(ends) {
            let mut expected = Vec::new();
            for (piece, flags) in [
                (b"before".as_slice(), SendFlags::empty()),
                (b"!", SendFlags::OOB),
                (b"between", SendFlags::empty()),
                (b"?", SendFlags::OOB),
                (b"after", SendFlags::empty()),
            ] {
                rustix::net::send(from, piece, flags).unwrap();
                expected.extend_from_slice(piece);
            }
            let mut came = vec![0; expected.len()];
            to.set_read_timeout(Some(wait::deadline())).unwrap();
            to.read_exact(&mut came).unwrap();
            assert_eq!(String::from_utf8_lossy(&came), String::from_utf8_lossy(&expected));
        }
    }
}

#[test]
fn a_reset_of_one_end_reaches_the_other_though_it_does_not_read() {
    let gateway = Gateway::new(&FAST);
    let _relay = gateway.relay();
    let listeners = [gateway.serve(SERVER_V4), gateway.serve_tcp(SERVER_V4)];
    thread::scope(|scope| {
        for (listener, turn) in listeners.iter().flat_map(|one| [(one, 0), (one, 1)]) {
            let (near, far) = gateway.connect(listener);
            let (mut from, to) = if turn == 0 { (near, far) } else { (far, near) };
            scope.spawn(move || {
                fill(&mut from);
                reset(from);
                assert_eq!(error(&to), ErrorKind::ConnectionReset, "turn {turn}");
            });
        }
    });
}

#[test]
fn a_reset_reaches_a_server_that_has_heard_the_end_of_the_stream_before() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    for listener in [gateway.serve(SERVER_V4), gateway.serve_tcp(SERVER_V4)] {
        let (near, mut far) = gateway.connect(&listener);
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(far.read(&mut [0]).unwrap(), 0);
        reset(near);
        // Of a connection that has ended from that side a reset is EPIPE (tcp_reset() in
        // net/ipv4/tcp_input.c).
        assert_eq!(error(&far), ErrorKind::BrokenPipe);
    }
}

/// Sends until all buffers on the way are full and nobody takes more.
fn fill(from: &mut TcpStream) {
    let piece = [0; 1 << 16];
    from.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    while from.write(&piece).is_ok() {}
}

/// Ends a connection by a reset.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// The error that the kernel has noted for a connection that nobody reads from.
fn error(stream: &TcpStream) -> ErrorKind {
    let mut noted = None;
    wait::until("a reset", || {
        noted = stream.take_error().unwrap();
        noted.is_some()
    });
    noted.unwrap().kind()
}
