//! The server's life: how it starts, what it says of itself and to whom, and its end.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use mptcpize_model::relay::server::Settings;
use rustix::process::Signal;

use super::client::Tunnel;
use super::rented::{PORT, Rented, WEB_V4, settings, state, user};
use crate::support::{Cmd, kernel, mptcp, scratch, tool, wait};

fn works(near: &mut Tunnel, far: &mut TcpStream) {
    far.write_all(b"x").unwrap();
    near.read_exact(&mut [0]).unwrap();
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
}

#[test]
fn told_to_end_it_ends_with_its_last_connection_or_at_its_limit() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let mut relay = rented.relay(&settings);
    let listener = rented.serve(WEB_V4);
    let client = rented.client(&settings);
    let (mut near, mut far) = rented.connect(&client, &listener);
    relay.signal(Signal::TERM);
    relay.says("STOPPING=1");
    wait::until("no listener", || !kernel::is_listening(rented.host(), PORT));
    works(&mut near, &mut far);
    assert!(!relay.running.ended());
    drop((near, far));
    relay.running.finish().ok();
    let hurried = Settings { drain_s: 0, ..settings };
    let relay = rented.relay(&hurried);
    let (mut near, mut far) = rented.connect(&client, &listener);
    works(&mut near, &mut far);
    relay.signal(Signal::TERM);
    relay.running.finish().ok();
}

#[test]
fn without_mptcp_in_the_kernel_it_speaks_tcp_and_says_so() {
    let rented = Rented::new(&["1000mbit"]);
    rented.host().sysctl("net/mptcp/enabled", "0");
    let settings = settings();
    let relay = rented.relay(&settings);
    let listener = rented.serve(WEB_V4);
    let (mut near, mut far) = rented.connect(&rented.client(&settings), &listener);
    works(&mut near, &mut far);
    let said = state(&relay);
    assert_eq!((said.mptcp, said.all.carried, said.all.mptcp), (false, 1, 0));
    let log = relay.stop();
    assert!(log.contains("speaks TCP alone"), "{log}");
}

#[test]
fn other_settings_move_it_to_another_port() {
    let rented = Rented::new(&["1000mbit"]);
    let settings = settings();
    let mut relay = rented.relay(&settings);
    let listener = rented.serve(WEB_V4);
    let (mut near, mut far) = rented.connect(&rented.client(&settings), &listener);
    let other = Settings { port: PORT + 1, ..settings.clone() };
    relay.reload_as(&serde_json::to_string(&other).unwrap());
    assert!(kernel::is_listening(rented.host(), PORT + 1));
    wait::until("the old port to be free", || !kernel::is_listening(rented.host(), PORT));
    works(&mut near, &mut far);
    // A port that cannot be had leaves all as it is.
    let _taken = mptcp::listener(rented.host(), &format!("0.0.0.0:{PORT}"));
    relay.reload_as(&serde_json::to_string(&settings).unwrap());
    assert!(kernel::is_listening(rented.host(), PORT + 1));
    works(&mut near, &mut far);
}

/// Starts what follows with a listening socket, as systemd does (sd_listen_fds(3)).
const SYSTEMD: &str = "
import os, socket, sys
listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 262)
listener.bind(('::', 8686))
if sys.argv[1] == 'listens':
    listener.listen()
if listener.fileno() != 3:
    os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn a_listener_that_was_handed_over_is_used() {
    let rented = Rented::new(&["1000mbit"]);
    // The port of the settings does not matter then.
    let settings = Settings { port: 1, ..settings() };
    let command = Cmd::new("python3").args(["-c", SYSTEMD, "listens"]).arg(tool::binary());
    let relay = rented.relay_by(command, &settings);
    let listener = rented.serve(WEB_V4);
    let (mut near, mut far) = rented.connect(&rented.client(&settings), &listener);
    works(&mut near, &mut far);
    assert!(state(&relay).mptcp);
    assert!(!kernel::is_listening(rented.host(), 1));
}

/// Runs the server with these settings to its end.
fn fails(rented: &Rented, command: Cmd, settings: &str) -> (i32, String) {
    let file = scratch("settings").join("settings.json");
    fs::write(&file, settings).unwrap();
    let command = command.args(["server", "--settings"]).arg(&file);
    let ended = command.within(rented.host()).run();
    (ended.code(), ended.stderr)
}

#[test]
fn what_cannot_start_says_why_and_never_a_key() {
    let rented = Rented::new(&["1000mbit"]);
    let fails = |command: Cmd, text: &str| fails(&rented, command, text);
    let relay = || Cmd::new(tool::binary());
    let settings = Settings { users: vec![user("ann", 2)], ..settings() };
    let good = serde_json::to_string(&settings).unwrap();
    for (text, why) in [
        ("{".to_owned(), "EOF while parsing"),
        (good.replace("\"log\"", "\"lag\""), "unknown field `lag`"),
        (good.replace("2022-blake3-aes-128-gcm", "aes-128-gcm"), "unknown variant"),
        (good.replace("AQEBAQEBAQEBAQEBAQEBAQ==", "AQEBAQ=="), "the key has 4 bytes"),
        (good.replace("AgICAgICAgICAgICAgICAg==", "AQEBAQEBAQEBAQEBAQEBAQ=="), "not its own"),
        (good.replace("AgIC", "!"), "the key is no base64"),
    ] {
        let (code, said) = fails(relay(), &text);
        assert_eq!(code, 1, "{said}");
        assert!(said.starts_with("error: cannot use the settings in "), "{said}");
        assert!(said.contains(why), "{said}");
        assert!(!said.contains("AgIC") && !said.contains("AQEB"), "{said}");
    }
    let (code, said) =
        fails(Cmd::new("python3").args(["-c", SYSTEMD, "no"]).arg(tool::binary()), &good);
    assert_eq!((code, said.contains("it does not listen")), (1, true), "{said}");
    let taken = rented.relay(&settings);
    let (code, said) = fails(relay(), &good);
    let holder = format!("mptcpize-relay (process {}) listens there", taken.running.pid());
    assert_eq!((code, said.contains(&holder)), (1, true), "{said}");
    assert!(said.contains("error: cannot listen at port 8686\n  why: "), "{said}");
    assert!(said.contains("\n  fix: ss -tlnp sport = :8686"), "{said}");
    let low = good.replace("8686", "86");
    let home = scratch("low").join("settings.json");
    fs::write(&home, low).unwrap();
    let command = Cmd::new(tool::public_binary()).args(["server", "--settings"]).arg(&home);
    let ended = command.by_nobody().within(rented.host()).run();
    assert_eq!(ended.code(), 4, "{ended}");
    let ended = Cmd::new(tool::binary()).arg("server").run();
    assert_eq!((ended.code(), ended.stderr.lines().count()), (2, 2), "{ended}");
}

#[test]
fn its_state_is_told_to_root_and_to_nobody_else() {
    let rented = Rented::new(&["1000mbit"]);
    let relay = rented.relay(&settings());
    let path = relay.settings.with_file_name("state");
    // Whoever opened the socket's mode is still told nothing.
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let ask = "import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdout.write(s.recv(9).decode())";
    let command = Cmd::new("python3").args(["-c", ask]).arg(&path);
    assert_eq!(command.by_nobody().run().ok().stdout, "");
    let mut text = String::new();
    UnixStream::connect(&path).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.starts_with("{\"version\":1,") && !text.contains("AQEB"), "{text}");
}
