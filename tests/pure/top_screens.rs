//! Frames of `mptcpize top` from fixed states, at several sizes: each is a file in tests/screens.
//! `UPDATE=1 cargo test` writes them anew.
//!
//! Not here: a real terminal (show/top.rs).

use std::collections::BTreeMap;

use crate::support::recorded::same;
use crate::support::states::{crowd, fresh, gateway, laptop, shared, troubled};
use mptcpize::output::term::{Piece, Term};
use mptcpize::output::top;
use mptcpize_model::net::Bytes;
use mptcpize_model::relay::name::Name;
use mptcpize_model::relay::status::{Agent, Amounts, Connection, Relay, Relays, VERSION, Via};
use mptcpize_model::status::Seen;
use mptcpize_model::status::relays::{Asked, Heard};
use mptcpize_model::top::{Key, Snapshot, Sort, Tracker, View};

/// Counters of both links after so many seconds at 40 and 0.3 Mbit/s.
fn counters(second: u64) -> BTreeMap<String, Bytes> {
    let wavy = |second: u64| 5_000_000 * second + 400_000 * (second % 3);
    [
        ("lo".into(), Bytes::default()),
        ("wlan0".into(), Bytes { received: wavy(second), sent: 270_000 * second }),
        ("wwan0".into(), Bytes { received: 37_500 * second, sent: 12_500 * second }),
    ]
    .into()
}

/// The state some seconds later: every subflow of `seen` has moved on.
fn later(seen: &Seen, second: u64) -> Seen {
    let mut seen = seen.clone();
    if !seen.agents.is_empty() {
        seen.agents = relayed(5_000_000 * second).agents;
    }
    for connection in seen.connections.iter_mut().flatten() {
        let number = u64::from(connection.inode);
        connection.received += 1_000_000 * second / number;
        for subflow in &mut connection.subflows {
            subflow.received += 1_000_000 * second / number;
            subflow.sent += 10_000 * second;
            subflow.resent += 40 * second;
        }
    }
    seen
}

/// A laptop whose connections go through a relay, with another one that is away, after so many bytes down
/// through it.
fn relayed(down_bytes: u64) -> Seen {
    let relay = |name: &str, rtt_us, fault: &str, down_bytes| Relay {
        name: name.parse().expect("a name"),
        address: format!("{name}.example:8686"),
        rtt_us,
        fault: fault.to_owned(),
        mptcp: rtt_us.map(|_| true),
        amounts: Amounts { open: 2, down_bytes, ..Default::default() },
    };
    let connection = |to: &str, via, down_bytes| Connection {
        from: ([127, 0, 0, 1], 40_000).into(),
        to: to.to_owned(),
        via,
        open_ms: 120_000,
        up_bytes: down_bytes / 50,
        down_bytes,
    };
    let home: Name = "home".parse().expect("a name");
    let told = Relays {
        relays: vec![
            relay("home", Some(18_000), "", 600_000_000 + down_bytes),
            relay("spare", None, "no answer in 2 s", 0),
        ],
        chosen: Some(home.clone()),
        connections: vec![
            connection("203.0.113.80:443", Via::Relay(home), 400_000_000),
            connection("files.example:443", Via::Multipath, 90_000_000 + down_bytes),
        ],
        ..Relays::default()
    };
    let agent = Agent { version: VERSION, pid: 77, relays: told, ..Agent::default() };
    let asked = Asked { agent: "host".into(), heard: Heard::State(Box::new(agent)) };
    Seen { agents: vec![asked], ..laptop() }
}

/// What `top` shows of a state after twenty seconds.
fn watched(seen: &Seen, view: &View) -> Snapshot {
    let mut tracker = Tracker::default();
    for second in 0..=20 {
        tracker.count(counters(second), second * 1_000);
        tracker.look(later(seen, second), second * 1_000);
    }
    tracker.event("12:04:29  wwan0     subflow up            10.64.9.2:40001 → 203.0.113.9:443  token 9f3a0001".into());
    tracker.snapshot(view, "12:04:31".into(), 20_000, 1)
}

fn frame(seen: &Seen, keys: &[Key], width: usize, utf8: bool) -> String {
    let mut view = View::default();
    keys.iter().for_each(|key| view.press(*key));
    let term = Term { width, utf8, ..Term::PLAIN };
    top::text(&watched(seen, &view), &term, 24)
}

#[test]
fn every_frame_is_as_recorded() {
    for (file, seen, keys, width, utf8) in [
        ("top-laptop.txt", laptop(), &[][..], 100, true),
        ("top-laptop-80.txt", laptop(), &[], 80, true),
        ("top-laptop-narrow.txt", laptop(), &[], 60, true),
        ("top-laptop-ascii.txt", laptop(), &[], 80, false),
        ("top-details.txt", laptop(), &[Key::Enter], 80, true),
        (
            "top-filter.txt",
            laptop(),
            &[Key::Letter('/'), Key::Letter('s'), Key::Letter('s')],
            80,
            true,
        ),
        ("top-help.txt", laptop(), &[Key::Letter('?')], 80, true),
        ("top-fresh.txt", fresh(), &[], 80, true),
        ("top-troubled.txt", troubled(), &[Key::Enter], 100, true),
        ("top-shared.txt", shared(), &[], 100, true),
        (
            "top-shared-filter.txt",
            shared(),
            &[Key::Letter('/'), Key::Letter('w'), Key::Letter('e')],
            60,
            true,
        ),
        ("top-gateway.txt", gateway(), &[], 100, true),
        ("top-gateway-narrow.txt", gateway(), &[], 60, false),
        ("top-relays.txt", relayed(0), &[], 80, true),
        ("top-relays-narrow.txt", relayed(0), &[], 60, false),
        ("top-crowd.txt", crowd(), &[Key::Down, Key::Down], 80, true),
    ] {
        let text = frame(&seen, keys, width, utf8);
        let too_long = text.lines().find(|line| line.chars().count() > width);
        assert_eq!(too_long, None, "{file}");
        assert!(text.lines().count() <= 24 && (utf8 || text.is_ascii()), "{file}");
        same(file, &text);
    }
}

#[test]
fn what_is_printed_once_has_no_keys_and_no_blank_lines_and_cuts_no_remedy() {
    for (name, seen) in [
        ("laptop", laptop()),
        ("troubled", troubled()),
        ("gateway", gateway()),
        ("relays", relayed(0)),
    ] {
        for (width, utf8) in [(20, true), (40, true), (40, false), (80, true), (84, true)] {
            let term = Term { width, utf8, ..Term::PLAIN };
            let text = top::once(&watched(&seen, &View::default()), &term);
            assert!(text.lines().all(|line| !line.trim().is_empty()), "{width}: {text}");
            assert!(!text.contains("quit") && !text.contains("details"), "{width}: {text}");
            assert!(utf8 || text.is_ascii(), "{width}: {text}");
            let is_fix = |line: &str| line.contains("fix: ") || line.contains("more: mptcpize");
            let long = text.lines().find(|line| line.chars().count() > width && !is_fix(line));
            assert_eq!(long, None, "{width}: {text}");
            if name == "troubled" {
                let fix = "   fix: sudo mptcpize endpoint delete id 3\n";
                assert!(text.contains(fix) && text.contains("no carrier\n"), "{width}: {text}");
            }
            if width != 84 {
                let letters = if utf8 { "" } else { "-ascii" };
                same(&format!("top-once-{name}-{width}{letters}.txt"), &text);
            }
        }
    }
}

#[test]
fn a_frame_fits_every_terminal() {
    for seen in [laptop(), fresh(), crowd(), gateway(), relayed(0)] {
        let view = View { details: true, selected: 400, ..View::default() };
        let snapshot = watched(&seen, &view);
        for width in [0, 1, 20, 59, 60, 80, 200] {
            for height in [0, 1, 2, 5, 10, 24, 70] {
                let lines = top::render(&snapshot, width, height);
                assert_eq!(lines.len(), height, "{width} by {height}");
                let length = |line: &Vec<Piece>| {
                    line.iter().map(|(text, _)| text.chars().count()).sum::<usize>()
                };
                assert!(lines.iter().all(|line| length(line) <= width), "{width} by {height}");
            }
        }
    }
}

#[test]
fn what_is_selected_is_always_on_the_screen() {
    let seen = crowd();
    for selected in [0, 5, 13, 14, 100, 499, 10_000] {
        let view = View { selected, ..View::default() };
        let text = top::text(&watched(&seen, &view), &Term { width: 80, ..Term::PLAIN }, 24);
        assert!(text.contains('▸'), "{selected}: {text}");
    }
}

#[test]
fn connections_that_were_there_before_are_told_from_new_ones() {
    let mut tracker = Tracker::default();
    let mut seen = laptop();
    let all = seen.connections.take().expect("a laptop has some");
    seen.connections = Some(all[..1].to_vec());
    tracker.look(seen.clone(), 0);
    seen.connections = Some(all[..2].to_vec());
    tracker.look(seen, 5_000);
    let view = View { sort: Sort::Bytes, ..View::default() };
    let snapshot = tracker.snapshot(&view, String::new(), 65_000, 1);
    let ages: Vec<(u64, bool)> =
        snapshot.connections.iter().map(|line| (line.age_s, line.older)).collect();
    assert_eq!(ages, [(65, true), (60, false)]);
}

#[test]
fn the_filter_and_the_order_are_as_chosen() {
    let names = |view: &View| -> Vec<String> {
        let lines = watched(&laptop(), view).connections;
        lines.into_iter().filter_map(|line| Some(line.row.program?.name)).collect()
    };
    let mut view = View::default();
    assert_eq!(names(&view), ["curl", "ssh", "firefox"]);
    view.sort = Sort::Program;
    assert_eq!(names(&view), ["curl", "firefox", "ssh"]);
    for (filter, expected) in [
        ("FIRE", &["firefox"][..]),
        ("198.51.100.4", &["ssh"]),
        ("wwan0", &["curl"]),
        ("9f3a0002", &["ssh"]),
        ("nothing", &[]),
    ] {
        view.filter = filter.into();
        assert_eq!(names(&view), expected, "{filter}");
    }
}

#[test]
fn many_connections_are_counted_and_the_busiest_followed() {
    let snapshot = watched(&crowd(), &View::default());
    assert_eq!((snapshot.connections_all, snapshot.connections.len()), (10_000, 500));
    assert!(snapshot.connections[0].rate_bit_s > snapshot.connections[499].rate_bit_s);
    let none = Tracker::default().snapshot(&View::default(), String::new(), 0, 1);
    assert_eq!(none.connections, []);
}
