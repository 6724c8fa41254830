//! The relay's life: other settings, its end, and another relay after it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use mptcpize_model::net::IfName;
use rustix::process::Signal;

use crate::lan::{Gateway, PORT, Relay, SERVER_V4};
use crate::support::{Cmd, hold, kernel, scratch, tool, wait};

const RATES: [&str; 2] = ["50mbit", "50mbit"];

fn works(near: &mut TcpStream, far: &mut TcpStream) {
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
    far.write_all(b"x").unwrap();
    near.read_exact(&mut [0]).unwrap();
}

#[test]
fn told_to_end_it_ends_with_its_last_connection() {
    let gateway = Gateway::new(&RATES);
    let mut relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let (mut near, mut far) = gateway.connect(&listener);
    relay.signal(Signal::TERM);
    relay.says("STOPPING=1");
    wait::until("no listener", || !kernel::is_listening(gateway.router(), PORT));
    works(&mut near, &mut far);
    assert!(!relay.running.ended());
    drop((near, far));
    relay.running.finish().ok();
}

#[test]
fn told_twice_it_ends_at_once() {
    let gateway = Gateway::new(&RATES);
    let mut relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let (mut near, mut far) = gateway.connect(&listener);
    works(&mut near, &mut far);
    relay.signal(Signal::TERM);
    relay.says("STOPPING=1");
    relay.signal(Signal::TERM);
    relay.running.finish().ok();
}

#[test]
fn a_limit_ends_the_wait_for_the_last_connection() {
    let gateway = Gateway::new(&RATES);
    let mut settings = gateway.settings();
    settings.drain_s = 0;
    let relay = Relay::start(gateway.router(), &settings);
    let listener = gateway.serve(SERVER_V4);
    let held = gateway.connect(&listener);
    relay.signal(Signal::TERM);
    relay.running.finish().ok();
    drop(held);
}

#[test]
fn settings_that_cannot_be_used_change_nothing() {
    let gateway = Gateway::new(&RATES);
    let mut relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let (mut near, mut far) = gateway.connect(&listener);
    let mut settings = gateway.settings();
    settings.lan.push(IfName::new("away").unwrap());
    relay.reload(&settings);
    works(&mut near, &mut far);
    let (mut near, mut far) = gateway.connect(&listener);
    works(&mut near, &mut far);
    let said = relay.stop();
    let expected =
        "error: cannot listen for away at 127.0.0.1:8099\n  why: there is no such interface\n";
    assert!(said.contains(expected), "{said}");
}

/// Plays systemd: makes listeners, and lets each relay have them (sd_listen_fds(3)).
const SYSTEMD: &str = "
import os, socket, sys
IP_TRANSPARENT = 19
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'lan')
listener.setsockopt(socket.SOL_IP, IP_TRANSPARENT, int(sys.argv[1]))
listener.bind(('127.0.0.1', 8099))
listener.listen()
os.dup2(listener.fileno(), 3) if listener.fileno() != 3 else os.set_inheritable(3, True)
commands = [sys.argv[2:]]
first = os.fork()
if first:
    # The second relay starts when the first has been told to end.
    sys.stdin.read(1)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn a_listener_that_was_handed_over_serves_one_relay_after_the_other() {
    let gateway = Gateway::new(&RATES);
    let listener = gateway.serve(SERVER_V4);
    let fifo = hold::fifo();
    let script = "exec 0<>\"$1\"; shift; exec python3 -c \"$@\"";
    let command = Cmd::new("sh").args(["-c", script, "sh"]).arg(&fifo).arg(SYSTEMD).arg("1");
    let mut relay =
        Relay::start_by(command.arg(tool::binary()), gateway.router(), &gateway.settings());
    let (mut near, mut far) = gateway.connect(&listener);
    works(&mut near, &mut far);
    let first = child(relay.running.pid());
    rustix::process::kill_process(first, Signal::TERM).unwrap();
    relay.says("STOPPING=1");
    // Between the two nobody takes connections, and the kernel keeps them.
    let waits = gateway.phone.enter(|| TcpStream::connect(listener.1).unwrap());
    std::fs::OpenOptions::new().write(true).open(&fifo).unwrap().write_all(b"x").unwrap();
    relay.says("READY=1");
    let (mut other, mut other_far) = (waits, listener.0.accept().unwrap().0);
    works(&mut other, &mut other_far);
    works(&mut near, &mut far);
    drop((near, far, other, other_far));
}

/// The child of a process.
fn child(pid: u32) -> rustix::process::Pid {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    rustix::process::Pid::from_raw(text.split_whitespace().next().unwrap().parse().unwrap())
        .unwrap()
}

#[test]
fn a_listener_that_would_take_too_much_is_not_used() {
    let gateway = Gateway::new(&RATES);
    let home = scratch("handed");
    let settings = home.join("settings.json");
    std::fs::write(&settings, serde_json::to_string(&gateway.settings()).unwrap()).unwrap();
    let python = Cmd::new("python3").args(["-c", SYSTEMD, "0"]).arg(tool::binary());
    let relay = python.args(["gateway", "--settings"]).arg(&settings).within(gateway.router());
    let ended = relay.run();
    assert!(ended.stderr.contains("it is not transparent (IP_TRANSPARENT)"), "{ended}");
}

#[test]
fn what_cannot_start_says_why() {
    let gateway = Gateway::new(&RATES);
    let home = scratch("settings");
    let start = |text: &str| {
        let file = home.join("settings.json");
        std::fs::write(&file, text).unwrap();
        let command = Cmd::new(tool::binary()).args(["gateway", "--settings"]).arg(&file);
        let ended = command.within(gateway.router()).run();
        (ended.code(), ended.stderr)
    };
    let good = serde_json::to_string(&gateway.settings()).unwrap();
    for (text, code, why) in [
        ("{".to_owned(), 1, "EOF while parsing"),
        (good.replace("\"log\"", "\"lag\""), 1, "unknown field `lag`"),
        (good.replace("8099", "0"), 1, "port is 0"),
        (
            good.replace("\"lan\":[\"lan\"]", "\"lan\":[\"w1\"]"),
            1,
            "w1 is of the LAN and an uplink",
        ),
    ] {
        let (ended, said) = start(&text);
        assert_eq!(ended, code, "{said}");
        assert!(
            said.starts_with("error: cannot use the settings in ") && said.contains(why),
            "{said}"
        );
    }
    let _other = gateway.relay();
    let (code, said) = start(&good);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another program listens there"), "{said}");
    let ended = Cmd::new(tool::binary()).arg("gatewey").run();
    assert_eq!((ended.code(), ended.stderr.lines().count()), (2, 2), "{ended}");
    let to: SocketAddr = "127.0.0.1:8099".parse().unwrap();
    assert!(gateway.phone.enter(|| TcpStream::connect(to)).is_err());
}
