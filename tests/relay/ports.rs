//! Ports that are used again, a client's own while the router still remembers the connection before;
//! and ports of the router, of which there are few towards one server.

use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

use crate::lan::{Gateway, Relay, SERVER_V4, SERVER_V6};
use crate::support::{kernel, wait};

const RATES: [&str; 2] = ["50mbit", "50mbit"];

/// A connection of the phone from a port; of its choice where that is 0.
fn from(gateway: &Gateway, port: u16, to: SocketAddr) -> TcpStream {
    let (family, own) = match to {
        SocketAddr::V4(_) => (AddressFamily::INET, "192.168.77.2"),
        SocketAddr::V6(_) => (AddressFamily::INET6, "fd77::2"),
    };
    gateway.phone.enter(|| {
        let near: OwnedFd = socket(family, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_reuseaddr(&near, true).unwrap();
        bind(&near, &SocketAddr::new(own.parse().unwrap(), port)).unwrap();
        connect(&near, &to).unwrap();
        near.into()
    })
}

#[test]
fn a_client_that_uses_a_port_again_is_answered_at_once() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    for address in [SERVER_V4, SERVER_V6] {
        let (listener, at) = gateway.serve(address);
        let mut near = from(&gateway, 0, at);
        let port = near.local_addr().unwrap().port();
        // The server ends first, so the router is the one that remembers (TIME-WAIT, RFC 9293
        // section 3.6.1).
        let (far, _) = listener.accept().unwrap();
        far.shutdown(Shutdown::Write).unwrap();
        assert_eq!(near.read(&mut [0]).unwrap(), 0);
        drop((near, far));
        let end = format!("= :{port}");
        let remembered = || {
            let words = ["-Htn", "state", "time-wait", "dport", &end];
            gateway.router().command("ss").args(words).run().ok().stdout
        };
        wait::until("a router that remembers", || !remembered().is_empty());
        let before = kernel::counter(&gateway.phone, "TcpExt", "TCPTimeouts");
        drop(from(&gateway, port, at));
        let after = kernel::counter(&gateway.phone, "TcpExt", "TCPTimeouts");
        assert_eq!(after, before, "{address}: the first packet was sent again");
    }
}

#[test]
fn a_server_that_takes_all_ports_of_an_uplink_is_reached_over_another() {
    let gateway = Gateway::new(&RATES);
    gateway.router().sysctl("net/ipv4/ip_local_port_range", "50000 50003");
    let mut settings = gateway.settings();
    settings.uplinks[1].backup = true;
    let _relay = Relay::start(gateway.router(), &settings);
    gateway.lab.server.ip("address add 10.99.0.11/24 dev eth");
    let (busy, other) = (gateway.serve_tcp(SERVER_V4), gateway.serve_tcp("10.99.0.11"));
    let from = |(_, far): &(TcpStream, TcpStream)| far.peer_addr().unwrap().ip().to_string();
    let held: Vec<_> = (0..6).map(|_| gateway.connect(&busy)).collect();
    let sources: Vec<_> = held.iter().map(from).collect();
    assert_eq!(sources[..4], ["10.1.0.1"; 4]);
    assert_eq!(sources[4..], ["10.2.0.1"; 2]);
    // The first uplink is not to blame, and has ports towards everybody else.
    assert_eq!(from(&gateway.connect(&other)), "10.1.0.1");
}
