//! Samples of one connection over two links, every 200 ms, as `ss -tiM` showed them on Linux 6.18.

use super::*;
use crate::net::Family;
use crate::uplinks::Origin;

/// The token of the connection.
const TOKEN: u32 = 7;

fn name(link: usize) -> IfName {
    IfName::new(&format!("w{link}")).expect("a literal name")
}

fn path(link: usize) -> Path {
    Path {
        dev: name(link),
        family: Family::V4,
        address: format!("10.{link}.0.1").parse().expect("a literal address"),
        own: None,
        others: Vec::new(),
        networks: Vec::new(),
        gateway: None,
        metric: 0,
        origin: Origin::Route,
        in_main: true,
        onlink: false,
        scope: None,
        metrics: Default::default(),
    }
}

/// A second of one link: tenths of Mbit/s both ways, and bytes that wait to be sent.
type Second = (u64, u32);

/// A connection that is sampled.
struct Connection {
    blocking: Blocking,
    now: Millis,
    bytes: [u64; 2],
    /// The memory at the receiver.
    queued: u32,
    /// What was told.
    said: Vec<String>,
}

impl Connection {
    fn new() -> Self {
        let mut blocking = Blocking::default();
        blocking.set(&[path(1), path(2)], &[], false);
        Connection { blocking, now: Millis(1_000), bytes: [0; 2], queued: 0, said: Vec::new() }
    }

    /// So many seconds in which both links carry so much.
    fn carries(mut self, seconds: u64, links: [Second; 2]) -> Self {
        for _ in 0..seconds * 5 {
            self.now = self.now + Duration::from_millis(200);
            let mut flows = Vec::new();
            for (at, (tenths, unsent)) in links.iter().enumerate() {
                self.bytes[at] += tenths * 12_500 / 5;
                // Less than 1.5 Mbit/s comes in bursts, but for what fills a link.
                let silent_ms = match tenths {
                    0 => 2_000,
                    1..15 if !tenths.is_multiple_of(5) => 100,
                    _ => 10,
                };
                let local = format!("10.{}.0.1:40000", at + 1);
                flows.push(Flow {
                    token: Some(TOKEN),
                    unsent: *unsent,
                    received: self.bytes[at],
                    received_ms: silent_ms,
                    confirmed_ms: 60_000,
                    ..Flow::between(&local, "10.9.0.1:443")
                });
            }
            let asked = self.blocking.suspects().map(|token| (token, self.queued)).collect();
            let sample = Sample { flows, queues: asked, ..Sample::default() };
            let reports = self.blocking.sampled(self.now, &sample, &BTreeSet::new());
            self.said.extend(reports.into_iter().map(|report| report.text));
        }
        self
    }

    fn queues(mut self, bytes: u32) -> Self {
        self.queued = bytes;
        self
    }

    /// The links that were made backups, in order.
    fn held(&self) -> Vec<&str> {
        let held = self.said.iter().filter(|text| text.contains("became slow"));
        held.filter_map(|text| text.split(' ').next()).collect()
    }
}

const FULL: [Second; 2] = [(188, 0), (94, 0)];
const BLOCKED: [Second; 2] = [(35, 0), (19, 0)];

#[test]
fn a_link_that_becomes_slow_and_takes_the_others_down_is_a_backup_for_a_while() {
    let table: [(&str, Connection, &[&str]); 11] = [
        (
            "received, and much waits for it",
            Connection::new().carries(5, FULL).queues(900_000).carries(2, BLOCKED),
            &["w2"],
        ),
        (
            "sent, and much waits on it",
            Connection::new().carries(5, FULL).carries(2, [(35, 0), (19, 40_000)]),
            &["w2"],
        ),
        (
            "the faster one stands still meanwhile",
            Connection::new()
                .carries(5, [(188, 0), (188, 0)])
                .queues(900_000)
                .carries(2, [(8, 0), (10, 0)]),
            &["w2"],
        ),
        (
            "the slow one falls first, and the other a moment later to a little more",
            Connection::new()
                .carries(5, [(188, 0), (188, 0)])
                .queues(900_000)
                .carries(1, [(100, 0), (10, 0)])
                .carries(1, [(30, 0), (10, 0)]),
            &["w2"],
        ),
        (
            "the first link is the slow one",
            Connection::new()
                .carries(5, [(188, 0), (194, 0)])
                .queues(900_000)
                .carries(2, [(19, 0), (50, 0)]),
            &["w1"],
        ),
        ("the server sends less", Connection::new().carries(5, FULL).carries(2, BLOCKED), &[]),
        (
            "the other goes on",
            Connection::new().carries(5, FULL).queues(900_000).carries(2, [(188, 0), (19, 0)]),
            &[],
        ),
        (
            "it always was slow, and the other falls",
            Connection::new()
                .carries(9, [(188, 0), (19, 0)])
                .queues(900_000)
                .carries(3, [(60, 0), (19, 0)]),
            &[],
        ),
        (
            "the other passes nothing, for a second",
            Connection::new().carries(5, FULL).queues(900_000).carries(1, [(0, 0), (30, 0)]),
            &[],
        ),
        (
            "both carry nothing",
            Connection::new().carries(5, FULL).queues(900_000).carries(5, [(0, 0), (0, 0)]),
            &[],
        ),
        (
            "a program that sends little",
            Connection::new()
                .carries(5, [(5, 0), (4, 0)])
                .queues(900_000)
                .carries(3, [(1, 0), (0, 0)]),
            &[],
        ),
    ];
    for (what, connection, expected) in table {
        assert_eq!(connection.held(), expected, "{what}: {:?}", connection.said);
    }
}

#[test]
fn it_is_used_again_after_three_seconds_and_after_twice_as_long_where_it_blocks_at_once_again() {
    let mut blocked = Connection::new().carries(5, FULL).queues(900_000).carries(1, BLOCKED);
    assert_eq!(blocked.blocking.links().collect::<Vec<_>>(), [&name(2)]);
    assert_eq!(blocked.blocking.take().len(), 1, "its endpoint is made anew");
    assert!(blocked.blocking.shown().all(|held| held.until == blocked.blocking.deadline()));
    let mut again = blocked.carries(4, [(188, 0), (0, 0)]);
    assert_eq!(again.blocking.links().count(), 0);
    assert_eq!(again.blocking.take().len(), 1, "the peer is told by a new subflow");
    again = again.carries(1, [(188, 0), (94, 0)]).carries(2, BLOCKED);
    let expected = ["backup for 3 s", "used again", "backup for 6 s"];
    assert_eq!(again.said.len(), expected.len(), "{:?}", again.said);
    for (said, expected) in again.said.iter().zip(expected) {
        assert!(said.ends_with(expected), "{said}");
    }
}

#[test]
fn links_that_are_backups_anyway_and_subflows_of_the_daemon_are_not_judged() {
    for (backup, heals) in [(vec![name(2)], false), (vec![], true)] {
        let mut connection = Connection::new();
        connection.blocking.set(&[path(1), path(2)], &backup, heals);
        let connection = connection.carries(5, FULL).queues(900_000).carries(2, BLOCKED);
        assert_eq!(connection.said, [""; 0], "{backup:?} {heals}");
    }
}
