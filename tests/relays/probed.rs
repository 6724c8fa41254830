//! `mptcpize-relay probe`: whose clock is off, and relays that mean the one who asks no good.
//!
//! The clock of a machine cannot be set for one test, so the probe is told that this host's counts as ahead.

use std::fs;

use mptcpize_model::relay::agent::Relay;
use mptcpize_model::relay::key::{Key, Method};
use mptcpize_model::relay::probe::{Answer, Line, Settings};
use mptcpize_model::relay::server::{self, User};

use crate::lab::{PORT, RELAY_V4, Relays, relay_binary};
use crate::support::{Running, scratch, serve};

/// What a probe of `relay` says, by a host whose clock is ahead.
#[track_caller]
fn probe(relays: &Relays, relay: Relay, ahead_s: i64) -> Vec<Line> {
    probe_hinted(relays, relay, ahead_s, None)
}

/// The same where somebody said how far the relay's clock is from this host's.
#[track_caller]
fn probe_hinted(relays: &Relays, relay: Relay, ahead_s: i64, hinted_s: Option<i64>) -> Vec<Line> {
    let to = format!("{RELAY_V4}:{}", relay.port).parse().expect("an address");
    // A path as slow as a busy machine may be, and time for all that is tried where the clock is off.
    let (path, mptcp, rtt_us) = (None, true, 300_000);
    let millis = if ahead_s.abs() < 30 { 8_000 } else { 16_000 };
    let settings = Settings { relay, to, path, mptcp, rtt_us, millis, ahead_s, hinted_s };
    let text = serde_json::to_string(&settings).expect("plain data");
    let file = scratch::file(&scratch("probe").join("settings.json"), text, 0o600);
    let probe = relays.client().net.command(relay_binary()).args(["probe", "--settings"]);
    let said = probe.arg(file).run().silent().stdout;
    let line =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {said}"));
    said.lines().map(line).collect()
}

/// What the relay said to the key.
#[track_caller]
fn answer(lines: &[Line]) -> (Answer, Option<i64>) {
    let key = lines.iter().find_map(|line| match line {
        Line::Key(key) => Some((key.answer, key.clock_s)),
        _ => None,
    });
    key.unwrap_or_else(|| panic!("nothing of the key: {lines:?}"))
}

#[test]
fn a_clock_that_is_off_is_told_from_a_wrong_key_and_by_how_much() {
    let relays = Relays::new();
    let rented = relays.relay();
    let known = || rented.known("rented", RELAY_V4);
    for (ahead_s, close) in [(0, true), (25, true), (413, false), (-413, false), (7_200, false)] {
        let lines = probe(&relays, known(), ahead_s);
        let (answer, clock_s) = answer(&lines);
        let expected = if close { Answer::Taken } else { Answer::TakenAtOtherTime };
        assert_eq!(answer, expected, "{ahead_s}: {lines:?}");
        // A second may begin between the two looks at a clock.
        let apart = clock_s.map(|clock_s| clock_s + ahead_s);
        assert!(apart.is_some_and(|apart| apart.abs() <= 20), "{ahead_s}: {lines:?}");
        let moved = lines.iter().any(|line| matches!(line, Line::Moved(_)));
        assert_eq!(moved, close, "{ahead_s}: {lines:?}");
    }
    // What no trial meets is found by whoever knows about when to try, on days beside this one too.
    for (ahead_s, hinted_s, found) in [
        (1_234, Some(-1_220), Answer::TakenAtOtherTime),
        (86_400 - 1_234, Some(1_234), Answer::TakenAtOtherTime),
        (1_234, Some(1_234), Answer::Silent),
        (1_234, Some(i64::MIN), Answer::Silent),
    ] {
        let (answer, _) = answer(&probe_hinted(&relays, known(), ahead_s, hinted_s));
        assert_eq!(answer, found, "{ahead_s}, {hinted_s:?}");
    }
    // Days are not searched for.
    let (of_days, _) = answer(&probe(&relays, known(), 1_000_000));
    let wrong = Relay { keys: vec![Key::new(vec![0xA7; 16])], ..known() };
    let (of_key, _) = answer(&probe(&relays, wrong, 0));
    assert_eq!((of_days, of_key), (Answer::Silent, Answer::Silent));
}

#[test]
fn users_and_all_methods_are_probed_alike() {
    let relays = Relays::new();
    let user = User {
        name: "alice".parse().expect("a name"),
        key: Key::new(vec![0x77; 16]),
        limits: Default::default(),
    };
    for (port, method) in (PORT..).zip(Method::ALL) {
        let users = if method == Method::Aes128 { vec![user.clone()] } else { vec![] };
        let key = Key::new(vec![0x5a; method.key_length()]);
        let keys = std::iter::once(&key).chain(users.iter().map(|it| &it.key)).cloned().collect();
        let settings = server::Settings { port, method, key, users, ..relays.relay_settings() };
        let rented = relays.relay_with(settings);
        let known = Relay { keys, ..rented.known("rented", RELAY_V4) };
        let (taken, clock_s) = answer(&probe(&relays, known.clone(), 0));
        assert_eq!(taken, Answer::Taken, "{method}");
        assert!(clock_s.is_some_and(|clock_s| clock_s.abs() <= 20), "{method}: {clock_s:?}");
        let (later, _) = answer(&probe(&relays, known, -120));
        assert_eq!(later, Answer::TakenAtOtherTime, "{method}");
    }
}

/// A relay of an attacker: what it does with each connection is its first argument.
const HOSTILE: &str = "
import os, socket, sys, threading, time
how, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('0.0.0.0', port)); s.listen(128)
def serve(c):
    try:
        if how == 'end': return
        first = c.recv(65536)
        if how == 'echo': c.sendall(first * 2)
        if how == 'noise': c.sendall(os.urandom(3000))
        if how == 'endless':
            while True: c.sendall(os.urandom(65536))
        if how == 'http': c.sendall(b'HTTP/1.1 400 Bad Request\\r\\n\\r\\n')
        if how == 'byte': c.sendall(b'x')
        while how != 'http' and c.recv(65536): pass
    except OSError: pass
    finally: c.close()
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
";

fn hostile(relays: &Relays, how: &str) -> Running {
    let program = scratch("hostile").join("relay.py");
    fs::write(&program, HOSTILE).expect("a scratch file");
    let net = &relays.lab.server.net;
    let server = net.command("python3").arg(program).args([how, &PORT.to_string()]);
    serve::listening(net, server.quiet(), PORT)
}

#[test]
fn a_relay_that_answers_anything_else_measures_nothing_and_is_named() {
    let relays = Relays::new();
    for (how, expected) in [
        ("end", Answer::Ended),
        ("echo", Answer::Foreign),
        ("noise", Answer::Foreign),
        ("endless", Answer::Foreign),
        ("http", Answer::Foreign),
        ("byte", Answer::Foreign),
        ("silent", Answer::Silent),
    ] {
        let _hostile = hostile(&relays, how);
        let relay = Relay {
            name: "hostile".parse().expect("a name"),
            host: RELAY_V4.to_owned(),
            port: PORT,
            method: Method::Aes128,
            keys: vec![Key::new(vec![0x5a; 16])],
        };
        let lines = probe(&relays, relay, 0);
        assert_eq!(answer(&lines).0, expected, "{how}: {lines:?}");
        assert!(!lines.iter().any(|line| matches!(line, Line::Moved(_))), "{how}: {lines:?}");
    }
}

#[test]
fn settings_with_a_mistake_are_told_without_what_stands_in_them() {
    let directory = scratch("settings");
    for (text, why) in [
        (r#"{"relay": {"keys": ["AAECAwQFBgcICQoLDA0ODw=="]"#, "line 1"),
        (r#"{"relay": "AAECAwQFBgcICQoLDA0ODw=="}"#, "line 1"),
    ] {
        let file = scratch::file(&directory.join("settings.json"), text, 0o600);
        let probe = crate::support::Cmd::new(relay_binary()).args(["probe", "--settings"]);
        let outcome = probe.arg(file).run();
        assert_eq!(outcome.code(), 1, "{outcome}");
        assert!(outcome.stderr.contains(why), "{outcome}");
        assert!(!outcome.stderr.contains("AAECAw"), "{outcome}");
    }
}
