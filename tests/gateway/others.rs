//! What is not TCP of the LAN to the internet passes as if no relay were there.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};

use crate::lan::{Lan, SERVER, accept, connect};
use crate::support::uplinks::assert_same;
use crate::support::{Launch, scratch, wait};

#[test]
fn datagrams_are_forwarded_and_translated() {
    let lan = Lan::three_dongles();
    let gateway = lan.gateway("");
    let server = lan.lab.server.net.enter(|| UdpSocket::bind((SERVER, 0))).expect("a port");
    let at = server.local_addr().expect("it is bound");
    let client = lan.phone.enter(|| UdpSocket::bind("0.0.0.0:0")).expect("a port");
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(wait::deadline())).expect("it is a socket");
    }
    client.send_to(b"there", at).expect("it is routed");
    let mut bytes = [0; 5];
    let (_, from) = server.recv_from(&mut bytes).expect("it comes");
    assert_eq!((&bytes, from.ip().to_string().as_str()), (b"there", "192.168.0.11"));
    server.send_to(b"back!", from).expect("it is routed");
    client.recv_from(&mut bytes).expect("it comes back");
    assert_eq!(&bytes, b"back!");
    gateway.end();
}

#[test]
fn a_port_that_others_forward_into_the_lan_is_answered() {
    let lan = Lan::three_dongles();
    let router = &lan.router().net;
    let rules = "table ip others {
        chain prerouting {
            type nat hook prerouting priority dstnat
            iifname w1 tcp dport 2222 dnat to 192.168.77.2:22
        }
    }";
    router.command("nft").args(["-f", "-"]).input(rules).run().ok();
    // The port that the rule above sends it to.
    let listener = lan.phone.enter(|| TcpListener::bind("0.0.0.0:22")).expect("nobody has it");
    let gateway = lan.gateway("");
    let port = "192.168.0.11:2222".parse().expect("an address");
    let mut near = connect(&lan.lab.server.net, port);
    let (mut far, from) = accept(&listener);
    assert_eq!(from.ip().to_string(), SERVER);
    far.write_all(b"hello").expect("it is open");
    let mut bytes = [0; 5];
    near.read_exact(&mut bytes).expect("it comes");
    assert_eq!(&bytes, b"hello");
    gateway.end();
}

#[test]
fn what_bypasses_the_relay_by_the_settings_is_forwarded() {
    let lan = Lan::three_dongles();
    let net = &lan.lab.server.net;
    let (one, other) = (
        net.enter(|| TcpListener::bind((SERVER, 0))),
        net.enter(|| TcpListener::bind((SERVER, 0))),
    );
    let (one, other) = (one.expect("a port"), other.expect("a port"));
    let ports = [&one, &other].map(|it| it.local_addr().expect("it listens"));
    let file = scratch("settings").join("mptcpize.toml");
    let text = format!("[gateway]\nlan = [\"br0\"]\nexcept_ports = [{}]\n", ports[0].port());
    std::fs::write(&file, text).expect("a scratch file");
    let gateway = lan.gateway(&format!("--config {}", file.display()));
    // The relay's connections have sources of the range of this host, and MPTCP asks for it first.
    let asked = || crate::support::kernel::counter(&lan.router().net, "MPTcpExt", "MPCapableSYNTX");
    for (listener, at, relayed) in [(&one, ports[0], 0), (&other, ports[1], 1)] {
        let before = asked();
        let _near = connect(&lan.phone, at);
        accept(listener);
        assert_eq!(asked() - before, relayed, "{at}");
    }
    gateway.end();
}

#[test]
fn quic_is_refused_where_that_is_asked_and_passes_otherwise() {
    let lan = Lan::three_dongles();
    let quic = &lan.lab.server.net;
    // The port of QUIC (RFC 9114, section 3.1), which is what is refused.
    let server = quic.enter(|| UdpSocket::bind((SERVER, 443))).expect("nobody has it");
    server.set_read_timeout(Some(wait::deadline())).expect("it is a socket");
    let send = || {
        let client = lan.phone.enter(|| UdpSocket::bind("0.0.0.0:0")).expect("a port");
        client.set_read_timeout(Some(wait::deadline())).expect("it is a socket");
        client.connect((SERVER, 443)).expect("it is routed");
        client.send(b"initial").expect("it is routed");
        client
    };
    let gateway = lan.gateway("");
    let _client = send();
    server.recv(&mut [0; 7]).expect("it passes");
    gateway.end();
    let gateway = lan.gateway("--quic block");
    let refused = send().recv(&mut [0]).expect_err("it is refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    gateway.end();
}

/// A firewall as on many a router: it lets in what it answers to, and forwards nothing.
const FIREWALL: &str = "table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname lo accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
    }
}";

#[test]
fn a_firewall_that_drops_the_lan_is_named_with_lines_that_let_it_pass() {
    let lan = Lan::three_dongles();
    let served = lan.serve(Launch::Tool, 1_000_000);
    let router = lan.router();
    router.net.command("nft").args(["-f", "-"]).input(FIREWALL).run().ok();
    let before = lan.state();
    let gateway = lan.gateway("");
    let said = gateway.said();
    let fixes: Vec<&str> =
        said.lines().filter_map(|line| line.split_once(" accepts it: ")).map(|it| it.1).collect();
    assert_eq!(fixes.len(), 2, "{said}");
    gateway.end();
    assert_same(&before, &lan.state(), "ended");
    for fix in fixes {
        router.command("sh").args(["-euc", fix]).run().silent();
    }
    let gateway = lan.gateway("");
    assert!(!gateway.said().contains(" accepts it: "), "{}", gateway.said());
    lan.download(&lan.phone, SERVER, &served);
    gateway.end();
}
