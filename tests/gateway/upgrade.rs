//! Another release of the relay takes what begins, and what was begun goes on with the one before.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::lan::{Gateway, Lan, SERVER, accept, connect, relay, used_all};
use crate::support::scratch::copy;
use crate::support::{Launch, kernel, scratch, tool, wait};

/// Some bytes there and back.
fn works((near, far): &mut (TcpStream, TcpStream)) {
    let mut bytes = [0; 4];
    near.write_all(b"more").expect("it lives");
    far.read_exact(&mut bytes).expect("it lives");
    far.write_all(&bytes).expect("it lives");
    near.read_exact(&mut bytes).expect("it lives");
    assert_eq!(&bytes, b"more");
}

#[test]
fn an_upgrade_of_the_relay_breaks_no_connection() {
    let lan = Lan::three_dongles();
    let served = lan.serve(Launch::Tool, 6_000_000);
    let listener = lan.lab.server.net.enter(|| TcpListener::bind((SERVER, 0))).expect("a port");
    let at = listener.local_addr().expect("it listens");
    let place = scratch("installed");
    let launcher = copy(tool::binary(), &place.join("mptcpize"), 0o755);
    let installed = copy(&relay(), &place.join("mptcpize-relay"), 0o755);
    let command = lan.router().command(&launcher).args(["gateway", "--lan", "br0"]);
    let gateway = Gateway::start_by(command);
    gateway.says("TCP of br0 goes over ");
    let first = gateway.relay();
    let mut held = (connect(&lan.phone, at), accept(&listener).0);
    works(&mut held);

    // As dpkg does it: the new file takes the name of the old one.
    let new = copy(&relay(), &place.join("new"), 0o755);
    fs::rename(new, installed).expect("both are ours");
    gateway.signal(Signal::HUP);
    gateway.says("another relay was installed");
    wait::until("two relays", || gateway.children().len() == 2);
    works(&mut held);
    kernel::wait_for_listener(&lan.router().net, 8684);
    used_all(&lan.download(&lan.phone, SERVER, &served));
    works(&mut held);
    drop(held);
    wait::until("the end of the first", || gateway.children().len() == 1);
    assert_ne!(gateway.relay(), first, "{}", gateway.said());
    gateway.end();
}
