//! Which uplinks connections go over: without MPTCP, with a dead uplink, beside a VPN.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::lan::{Gateway, Relay, SERVER_V4, content, outcome, send};
use crate::server::rented::accepted;
use crate::support::kernel;

const RATES: [&str; 3] = ["20mbit", "20mbit", "20mbit"];

/// The server's listeners over plain TCP, each at an address of its own: a client stays on one uplink
/// towards one address.
fn addresses(gateway: &Gateway, number: u8) -> Vec<(TcpListener, SocketAddr)> {
    let address = |number: u8| {
        let address = format!("10.99.0.{}", 10 + number);
        gateway.lab.server.ip(&format!("address add {address}/24 dev eth"));
        gateway.serve_tcp(&address)
    };
    (0..number).map(address).collect()
}

/// How much each link carried since.
fn since(gateway: &Gateway, before: &[u64]) -> Vec<u64> {
    gateway.by_link().iter().zip(before).map(|(after, before)| after - before).collect()
}

#[test]
fn connections_to_servers_without_mptcp_are_spread_over_all_uplinks() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listeners = addresses(&gateway, 6);
    let before = gateway.by_link();
    let bytes = content(500_000);
    // All before a byte moves: between two looks at the links, placement goes by what it has placed itself.
    let near: Vec<_> = gateway
        .phone
        .enter(|| listeners.iter().map(|(_, at)| TcpStream::connect(at).unwrap()).collect());
    let far: Vec<_> = listeners.iter().map(|(listener, _)| accepted(listener)).collect();
    thread::scope(|scope| {
        for (mut near, mut far) in near.into_iter().zip(far) {
            let bytes = &bytes;
            scope.spawn(move || send(&mut far, bytes));
            scope.spawn(move || {
                let mut came = Vec::new();
                near.read_to_end(&mut came).unwrap();
                assert!(came == *bytes);
            });
        }
    });
    // Two of six went over each.
    let shares = since(&gateway, &before);
    assert!(shares.iter().all(|share| (900_000..1_500_000).contains(share)), "{shares:?}");
}

#[test]
fn a_client_comes_from_one_address_towards_one_server() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listeners = addresses(&gateway, 3);
    for (listener, at) in &listeners {
        let from = |_| {
            let _near = gateway.phone.enter(|| TcpStream::connect(at).unwrap());
            listener.accept().unwrap().1.ip()
        };
        let sources: Vec<_> = (0..5).map(from).collect();
        assert!(sources.iter().all(|source| *source == sources[0]), "{sources:?}");
    }
}

#[test]
fn an_uplink_that_swallows_packets_is_passed_by() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listeners = addresses(&gateway, 8);
    // The carrier stays, and nothing comes back.
    gateway.lab.router.command("nft").args(["-f", "-"]).input(
        "table inet swallow {\n chain forward {\n type filter hook forward priority 0\n iifname r1 drop\n }\n }",
    ).run().ok();
    for listener in &listeners {
        let (mut near, mut far) = gateway.connect(listener);
        near.write_all(b"x").unwrap();
        far.read_exact(&mut [0]).unwrap();
        let from = far.peer_addr().unwrap().ip();
        assert_ne!(from.to_string(), "10.1.0.1");
    }
}

#[test]
fn an_uplink_whose_address_is_gone_is_passed_by_at_once() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    gateway.router().ip("address del 10.1.0.1/24 dev w1");
    for _ in 0..3 {
        let (mut near, mut far) = gateway.connect(&listener);
        near.write_all(b"x").unwrap();
        far.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(kernel::counter(gateway.router(), "TcpExt", "TCPTimeouts"), 0);
}

#[test]
fn what_the_host_sends_through_a_vpn_goes_through_it_and_over_nothing_else() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    let (router, network) = (gateway.router(), &gateway.lab.router);
    // A tunnel's device, and a route that leads the server's network through it.
    router.ip(&format!("link add vpn type veth peer name vpn netns {}", network.path()));
    for (host, number) in [(router, 1), (network, 254)] {
        host.ip(&format!("address add 10.200.0.{number}/24 dev vpn"));
        host.ip("link set vpn up");
        host.settle();
    }
    router.ip("route add 10.99.0.0/24 via 10.200.0.254 dev vpn");
    let listener = gateway.serve(SERVER_V4);
    let before = gateway.by_link();
    let (mut near, mut far) = gateway.connect(&listener);
    assert_eq!(far.peer_addr().unwrap().ip().to_string(), "10.200.0.1");
    let bytes = content(1_000_000);
    thread::scope(|scope| {
        scope.spawn(|| send(&mut near, &bytes));
        let mut came = Vec::new();
        far.read_to_end(&mut came).unwrap();
        assert!(came == bytes);
    });
    let shares = since(&gateway, &before);
    assert!(shares.iter().all(|share| *share < 20_000), "{shares:?}");
    // And where a route forbids it (as a VPN that is down leaves it), nothing is led around.
    router.ip("route replace blackhole 10.99.0.0/24");
    assert_eq!(outcome(&gateway.phone, listener.1), ErrorKind::ConnectionReset);
    let said = relay.stop();
    assert!(
        said.contains("over the host's own route") || said.contains("no route leads there"),
        "{said}"
    );
}

#[test]
fn other_settings_take_an_uplink_away_from_new_connections() {
    let gateway = Gateway::new(&RATES);
    let mut settings = gateway.settings();
    settings.uplinks[0].backup = true;
    let mut relay = Relay::start(gateway.router(), &settings);
    let listeners = addresses(&gateway, 4);
    let from = |listener: &(TcpListener, SocketAddr)| {
        let (_near, far) = gateway.connect(listener);
        far.peer_addr().unwrap().ip().to_string()
    };
    assert!(listeners[..2].iter().all(|listener| from(listener) != "10.1.0.1"));
    settings.uplinks.truncate(1);
    relay.reload(&settings);
    assert!(listeners[2..].iter().all(|listener| from(listener) == "10.1.0.1"));
}
