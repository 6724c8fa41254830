//! What the relay says of itself, compared with what the test's own sockets and the links' counters say;
//! and who is told nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use mptcpize_model::gateway::Limits;
use mptcpize_model::gateway_status::{Amounts, State, reason};
use mptcpize_model::net::IfName;

use crate::lan::{Gateway, Relay, SERVER_V4, SERVER_V6, content, outcome, send};
use crate::support::{Cmd, scratch, tool, wait};

const RATES: [&str; 2] = ["50mbit", "50mbit"];

impl Relay {
    /// Where its state is asked.
    fn told_at(&self) -> PathBuf {
        self.settings.with_file_name("state")
    }

    fn state(&self) -> State {
        ask(&self.told_at())
    }

    /// Its state once so many connections are open.
    fn with_open(&self, open: u32) -> State {
        self.once(|state| (state.all.open, state.connections) == (open, open))
    }

    /// Its state once this is the case: it counts a moment after the bytes have passed.
    pub(crate) fn once(&self, is_so: impl Fn(&State) -> bool) -> State {
        let mut state = self.state();
        wait::until("the relay to have counted", || {
            state = self.state();
            is_so(&state)
        });
        state
    }
}

fn ask(path: &Path) -> State {
    let mut text = String::new();
    UnixStream::connect(path).unwrap().read_to_string(&mut text).unwrap();
    let state: State = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
    state.check().unwrap()
}

fn client(state: &State, address: &str) -> Amounts {
    let found = state.clients.iter().find(|one| one.address.to_string() == address);
    found.unwrap_or_else(|| panic!("{address}: {state:?}")).amounts
}

/// Reads so many bytes.
fn take(from: &mut TcpStream, bytes: usize) {
    from.read_exact(&mut vec![0; bytes]).unwrap();
}

#[test]
fn bytes_are_told_by_client_and_by_the_uplinks_that_carried_them() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    for (number, (server, phone)) in
        [(SERVER_V4, "192.168.77.2"), (SERVER_V6, "fd77::2")].into_iter().enumerate()
    {
        let listener = gateway.serve(server);
        let before = relay.state();
        let links = gateway.by_link();
        let (mut near, mut far) = gateway.connect(&listener);
        let bytes = content(4_000_000);
        thread::scope(|scope| {
            scope.spawn(|| far.write_all(&bytes).unwrap());
            take(&mut near, bytes.len());
        });
        near.write_all(b"hello").unwrap();
        take(&mut far, 5);
        // Once while it is open, and once when it has ended.
        for open in [1, 0] {
            let state = relay.once(|state| {
                let amounts = client(state, phone);
                (amounts.open, state.connections, amounts.up_bytes) == (open, open, 5)
            });
            let amounts = client(&state, phone);
            let expected = Amounts {
                open,
                carried: 1,
                mptcp: 1,
                multipath: 1,
                up_bytes: 5,
                down_bytes: 4_000_000,
                multipath_bytes: 4_000_005,
            };
            assert_eq!(amounts, expected, "{state:?}");
            let number = u64::try_from(number).unwrap() + 1;
            assert_eq!((state.all.carried, state.all.multipath), (number, number));
            let shares = state.uplinks.iter().zip(&before.uplinks).zip(gateway.by_link());
            for (((now, then), after), link) in shares.zip(&links) {
                let told = now.down_bytes - then.down_bytes;
                let counted = after - link;
                // What a link counts has headers, and packets that were sent again.
                assert!(told > 1_000_000 && told < counted, "{told} of {counted}: {state:?}");
                assert!(told > counted * 8 / 10, "{told} of {counted}: {state:?}");
            }
            if open == 1 {
                near.shutdown(std::net::Shutdown::Both).unwrap();
                far.shutdown(std::net::Shutdown::Both).unwrap();
            }
        }
    }
}

#[test]
fn a_server_without_mptcp_has_its_bytes_on_one_uplink_and_is_remembered() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    let listener = gateway.serve_tcp(SERVER_V4);
    let (mut near, mut far) = gateway.connect(&listener);
    send(&mut near, &content(300_000));
    take(&mut far, 300_000);
    let state = relay.with_open(1);
    let by_link: Vec<u64> = state.uplinks.iter().map(|uplink| uplink.up_bytes).collect();
    assert!(by_link.contains(&300_000) && by_link.contains(&0), "{state:?}");
    assert_eq!(state.uplinks.iter().map(|uplink| uplink.open).sum::<u32>(), 1);
    assert_eq!((state.without_mptcp, state.all.mptcp, state.all.multipath), (1, 0, 0));
}

#[test]
fn what_is_not_carried_is_counted_by_its_reason() {
    let gateway = Gateway::new(&RATES);
    let mut settings = gateway.settings();
    settings.limits = Limits { per_client: 1, ..Limits::default() };
    let relay = Relay::start(gateway.router(), &settings);
    let listener = gateway.serve(SERVER_V4);
    let connect = |to: &str| {
        assert_eq!(outcome(&gateway.phone, to.parse().unwrap()), ErrorKind::ConnectionReset);
    };
    connect("192.168.77.1:2222");
    relay.with_open(0);
    let (gone, nobody) = gateway.serve_tcp(SERVER_V4);
    drop(gone);
    connect(&nobody.to_string());
    relay.with_open(0);
    let _held = gateway.connect(&listener);
    relay.with_open(1);
    connect(&listener.1.to_string());
    let state = relay.state();
    let expected = [reason::DESTINATION, reason::OWN, reason::PER_CLIENT].map(str::to_owned);
    for code in &expected {
        assert_eq!(state.refused.get(code), Some(&1), "{code}: {state:?}");
    }
    assert_eq!(state.refused.len(), expected.len(), "{state:?}");
    assert_eq!(state.lan, settings.lan);
}

#[test]
fn an_uplink_that_swallows_packets_is_said_to_be_tried_last() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    let listeners: Vec<(TcpListener, _)> = (0..4).map(|_| gateway.serve_tcp(SERVER_V4)).collect();
    let fine = relay.state();
    assert!(fine.uplinks.iter().all(|one| one.last_for_ms.is_none() && one.failures == 0));
    gateway.lab.router.command("nft").args(["-f", "-"]).input(
        "table inet swallow {\n chain forward {\n type filter hook forward priority 0\n iifname r1 drop\n }\n }",
    ).run().ok();
    for listener in &listeners {
        drop(gateway.connect(listener));
    }
    let state = relay.state();
    let standing = |name: &str| {
        let dev = IfName::new(name).unwrap();
        let uplink = state.uplinks.iter().find(|one| one.dev == dev).unwrap();
        (uplink.failures > 0, uplink.failing_ms.is_some())
    };
    assert_eq!((standing("w1"), standing("w2")), ((true, true), (false, false)), "{state:?}");
}

#[test]
fn no_amount_ever_falls_while_bytes_move_over_two_uplinks() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let (mut near, mut far) = gateway.connect(&listener);
    let bytes = content(12_000_000);
    let amounts = |state: &State| {
        let uplinks = state.uplinks.iter().flat_map(|one| [one.up_bytes, one.down_bytes]);
        uplinks.chain([state.all.down_bytes, state.all.multipath_bytes]).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        scope.spawn(|| send(&mut far, &bytes));
        let reader = scope.spawn(|| take(&mut near, bytes.len()));
        let mut before = amounts(&relay.state());
        let mut grew = 0;
        while !reader.is_finished() {
            let now = amounts(&relay.state());
            assert!(now.iter().zip(&before).all(|(now, then)| now >= then), "{before:?} {now:?}");
            grew += usize::from(now != before);
            before = now;
        }
        assert!(grew > 2, "a connection is told of while it is open: {before:?}");
    });
}

/// Says what becomes of an attempt to ask.
const ASK: &str = "
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
try:
    s.connect(sys.argv[1])
    print(len(s.recv(100)))
except OSError as error:
    print(type(error).__name__)
";

#[test]
fn another_user_is_told_nothing_even_where_the_mode_lets_him_in() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    let home = scratch("told");
    // A way to the socket that everybody may go.
    let open = home.join("open");
    std::fs::set_permissions(&home, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::hard_link(relay.told_at(), &open).unwrap();
    let ask = |user: &str| {
        let command = Cmd::line(&format!("setpriv --reuid={user} --regid={user} --clear-groups"));
        let command = command.args(["python3", "-c", ASK]).arg(&open);
        command.run().ok().stdout.trim().to_owned()
    };
    assert_eq!(ask("0"), "100");
    assert_eq!(ask("65534"), "PermissionError");
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o666)).unwrap();
    let said = ask("65534");
    assert!(["0", "ConnectionResetError"].contains(&said.as_str()), "{said}");
    assert_eq!(ask("0"), "100");
}

#[test]
fn whoever_asks_and_does_not_read_holds_up_nothing() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let idle: Vec<UnixStream> =
        (0..50).map(|_| UnixStream::connect(relay.told_at()).unwrap()).collect();
    let (mut near, mut far) = gateway.connect(&listener);
    near.write_all(b"here").unwrap();
    take(&mut far, 4);
    assert_eq!(relay.with_open(1).all.up_bytes, 4);
    drop(idle);
}

/// Makes a listening socket at its first argument, and executes the rest with it as standard input.
const HAND_OVER: &str = "
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
os.dup2(s.fileno(), 0)
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn a_socket_that_was_handed_over_is_used_and_left() {
    let gateway = Gateway::new(&RATES);
    let at = scratch("handed").join("asked");
    let command = Cmd::new("python3").args(["-c", HAND_OVER]).arg(&at).arg(tool::binary());
    let relay = Relay::start_by(command, gateway.router(), &gateway.settings());
    let state = ask(&at);
    assert_eq!(state.pid, relay.running.pid());
    assert!(!relay.told_at().exists());
    relay.stop();
    assert!(at.exists(), "it is for the next process");
}

#[test]
fn a_relay_takes_the_place_of_one_that_was_killed_and_of_one_that_ends_later() {
    let gateway = Gateway::new(&RATES);
    let mut relay = gateway.relay();
    relay.signal(rustix::process::Signal::KILL);
    wait::until("its end", || relay.running.ended());
    assert!(UnixStream::connect(relay.told_at()).is_err());
    // At the same place as the first.
    let again = |settings: &Path| {
        let command = Cmd::new(tool::binary()).args(["gateway", "--settings"]).arg(settings);
        command.within(gateway.router()).start()
    };
    let second = again(&relay.settings);
    wait::until("it to be asked", || UnixStream::connect(relay.told_at()).is_ok());
    assert_eq!(relay.state().pid, second.pid());
    let pid = rustix::process::Pid::from_raw(second.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    wait::until("the socket to go", || !relay.told_at().exists());
}
