//! While no relay runs connections are forwarded and translated; one that comes back takes the new ones.

use std::io::{Read, Write};
use std::net::TcpListener;

use rustix::process::Signal;

use crate::lan::{Lan, SERVER, accept, connect, send, used_all, used_only};
use crate::support::{Launch, kernel, wait};

#[test]
fn connections_are_forwarded_while_the_relay_is_dead_and_relayed_once_it_is_back() {
    let lan = Lan::three_dongles();
    let served = lan.serve(Launch::Tool, 8_000_000);
    let listener =
        lan.lab.server.net.enter(|| TcpListener::bind((SERVER, 0))).expect("the kernel chooses");
    let at = listener.local_addr().expect("it listens");
    let gateway = lan.gateway("");

    // The gateway itself is kept from starting another one.
    gateway.signal(Signal::STOP);
    let dead = gateway.relay();
    send(dead, Signal::KILL);
    let stat = format!("/proc/{dead}/stat");
    wait::until("a dead relay", || {
        std::fs::read_to_string(&stat).is_ok_and(|text| text.contains(") Z "))
    });
    // Its sockets go with the last of its threads.
    wait::until("nobody who listens", || !kernel::is_listening(&lan.router().net, 8684));
    used_only(&lan.download(&lan.phone, SERVER, &served), 1);
    let mut near = connect(&lan.laptop, at);
    let (mut far, from) = accept(&listener);
    assert_eq!(from.ip().to_string(), "192.168.0.11", "translated");

    gateway.signal(Signal::CONT);
    gateway.says("connections are forwarded until it runs again");
    wait::until("another relay", || {
        let relays = gateway.children();
        relays.len() == 1 && relays[0] != dead && kernel::is_listening(&lan.router().net, 8684)
    });
    used_all(&lan.download(&lan.phone, SERVER, &served));
    // What began without it goes on without it.
    for _ in 0..3 {
        near.write_all(b"more").expect("it lives");
        let mut bytes = [0; 4];
        far.read_exact(&mut bytes).expect("it lives");
        far.write_all(&bytes).expect("it lives");
        near.read_exact(&mut bytes).expect("it lives");
        assert_eq!(&bytes, b"more");
    }
    gateway.end();
}
