//! What the relay takes, and what it does not: only what the packet filter handed over, from the LAN,
//! for hosts beyond the router.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};

use mptcpize_model::gateway::Limits;

use crate::lan::{Gateway, PORT, ROUTER_V4, Relay, SERVER_V4, outcome};
use crate::support::kernel;

const RATES: [&str; 2] = ["50mbit", "50mbit"];

#[test]
fn nobody_reaches_its_port_directly() {
    let gateway = Gateway::new(&RATES);
    gateway.filter("fib daddr type local accept");
    let _relay = gateway.relay();
    let before = kernel::counter(gateway.router(), "TcpExt", "ListenOverflows");
    // Each address of the router, from the LAN and from the internet's side.
    for (own, host) in [
        (ROUTER_V4, &gateway.phone),
        ("fd77::1", &gateway.phone),
        ("10.1.0.1", &gateway.lab.router),
        ("2001:db8:1::1", &gateway.lab.router),
    ] {
        let to = SocketAddr::new(own.parse().unwrap(), PORT);
        // The kernel's own refusal of the handshake: nobody listens there.
        let refused = host.enter(|| TcpStream::connect(to)).expect_err("it is refused");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{to}");
    }
    assert_eq!(kernel::counter(gateway.router(), "TcpExt", "ListenOverflows"), before);
}

#[test]
fn it_never_connects_to_the_router_itself() {
    let gateway = Gateway::new(&RATES);
    // A rule that hands over too much: what is for the router comes here.
    gateway.filter("");
    let relay = gateway.relay();
    let services: Vec<TcpListener> = [ROUTER_V4, "fd77::1", "10.2.0.1", "127.0.0.1"]
        .iter()
        // One port at all addresses, so that the address alone is what differs.
        .map(|own| gateway.router().enter(|| TcpListener::bind((*own, 2222)).unwrap()))
        .collect();
    for service in &services[..3] {
        let to = service.local_addr().unwrap();
        assert_eq!(outcome(&gateway.phone, to), ErrorKind::ConnectionReset, "{to}");
    }
    // Its own port at the router's own address, handed over by the filter.
    let own = SocketAddr::new(ROUTER_V4.parse().unwrap(), PORT);
    assert_eq!(outcome(&gateway.phone, own), ErrorKind::ConnectionReset);
    for address in ["169.254.169.254:80", "0.0.0.1:80", "[::ffff:10.1.0.1]:80"] {
        let to: SocketAddr = address.parse().unwrap();
        let ended = outcome(&gateway.phone, to);
        assert_ne!(ended, ErrorKind::UnexpectedEof, "{address}");
    }
    for service in &services {
        service.set_nonblocking(true).unwrap();
        let nobody = service.accept().expect_err("nobody came");
        assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
    }
    let said = relay.stop();
    assert!(said.contains("it was for the router itself"), "{said}");
}

#[test]
fn at_a_limit_new_connections_are_refused_and_old_ones_live() {
    let gateway = Gateway::new(&RATES);
    let limits = Limits { connections: 3, per_client: 2, handshakes_s: 100 };
    let mut settings = gateway.settings();
    settings.limits = limits;
    let mut relay = Relay::start(gateway.router(), &settings);
    let listener = gateway.serve(SERVER_V4);
    let old: Vec<_> = (0..2).map(|_| gateway.connect(&listener)).collect();
    assert_eq!(outcome(&gateway.phone, listener.1), ErrorKind::ConnectionReset, "two of the phone");
    let other = gateway.laptop.enter(|| TcpStream::connect(listener.1).unwrap());
    let (other_far, _) = listener.0.accept().unwrap();
    assert_eq!(outcome(&gateway.laptop, listener.1), ErrorKind::ConnectionReset, "three in all");
    settings.limits.connections = 4;
    relay.reload(&settings);
    let more = gateway.laptop.enter(|| TcpStream::connect(listener.1).unwrap());
    let (more_far, _) = listener.0.accept().unwrap();
    for (mut near, mut far) in old.into_iter().chain([(other, other_far), (more, more_far)]) {
        crate::lan::send(&mut near, b"here");
        let mut came = Vec::new();
        far.read_to_end(&mut came).unwrap();
        assert_eq!(came, b"here");
    }
    let said = relay.stop();
    assert!(said.contains("limits.per_client") && said.contains("limits.connections"), "{said}");
}
