//! Each fault, from what was tried.

use super::*;
use crate::checks::peer::{Answer, Carried, Joint, Subflow, Try};
use crate::relay::probe::{Answer as Said, Direction};

const ON: Answer = Answer::Connected { rtt_us: 18_000, mptcp: true };
const TCP: Answer = Answer::Connected { rtt_us: 18_000, mptcp: false };
const SILENT: Answer = Answer::Silent { waited_ms: 1_000 };

fn address(link: u8) -> IpAddr {
    IpAddr::from([10, link, 0, 1])
}

fn tried(link: u8, tcp: Answer, mptcp: Answer) -> Try {
    Try {
        dev: IfName::new(&format!("w{link}")).ok(),
        from: Some(address(link)),
        to: ([198, 51, 100, 7], 8686).into(),
        tcp,
        mptcp,
        carried: Some(Carried { acked_bytes: Some(64), mptcp: true }),
    }
}

fn subflow(link: u8, established: bool) -> Subflow {
    Subflow {
        from: address(link),
        to: ([198, 51, 100, 7], 8686).into(),
        established,
        rtt_us: None,
        has_sent: None,
        acked_bytes: None,
    }
}

/// A relay that works over both paths.
fn works() -> Tested {
    let joint = Joint {
        mptcp: true,
        hung_up: false,
        subflows: vec![subflow(1, true), subflow(2, true)],
        waited_ms: 20,
    };
    let moved = |mptcp, bit_s| {
        let subflows = vec![(address(1), 1_000), (address(2), 1_000)];
        let subflows = if mptcp { subflows } else { vec![] };
        Moved { direction: Direction::Down, mptcp, bit_s, subflows }
    };
    Tested {
        name: "home".into(),
        address: "198.51.100.7:8686".into(),
        peer: Report {
            name: "198.51.100.7".into(),
            port: 8686,
            addresses: vec![[198, 51, 100, 7].into()],
            unknown_name: None,
            tries: vec![tried(1, TCP, ON), tried(2, TCP, ON)],
            joint: vec![joint],
        },
        joins: vec![address(1), address(2)],
        synchronised: Some(true),
        key: Some(Key { answer: Said::Taken, clock_s: Some(0) }),
        hinted_s: None,
        target: Some(Target { present: true, mptcp: Some(true) }),
        moved: vec![moved(true, 93_000_000), moved(false, 47_000_000)],
        failed: None,
    }
}

fn first(tested: &Tested) -> Verdict {
    tested.verdict().into_iter().next().expect("there is one")
}

#[test]
fn a_relay_that_works_is_praised_for_what_it_gains() {
    let verdict = first(&works());
    assert_eq!((verdict.code, verdict.attention), ("relay", false));
    assert!(verdict.title.contains("w1") && verdict.title.contains("2.0 ×"), "{verdict:?}");
    let stock =
        Tested { target: Some(Target { present: false, mptcp: None }), moved: vec![], ..works() };
    let codes: Vec<_> = stock.verdict().iter().map(|verdict| verdict.code).collect();
    assert_eq!(codes, ["relay", "relay.no_target"]);
}

#[test]
fn each_fault_is_told_from_the_others_and_says_what_mends_it() {
    type Break = fn(&mut Tested);
    let refused = Answer::Failed("connection refused".into());
    let table: [(&str, &str, Break); 16] = [
        ("relay.name", "198.51.100.7 has no", |it| it.peer.unknown_name = Some("no".into())),
        ("relay.refused", "nothing listens", |it| {
            for tried in &mut it.peer.tries {
                tried.tcp = Answer::Failed("connection refused".into());
            }
        }),
        ("relay.unreachable", "over any path", |it| {
            it.peer.tries.iter_mut().for_each(|tried| tried.tcp = SILENT);
        }),
        ("relay.clock", "2 h ahead of", |it| {
            it.key = Some(Key { answer: Said::TakenAtOtherTime, clock_s: Some(-7_200) });
        }),
        ("relay.clock", "7 min behind", |it| {
            it.key = Some(Key { answer: Said::TakenAtOtherTime, clock_s: Some(413) });
        }),
        ("relay.key", "does not take the key", |it| {
            it.key = Some(Key { answer: Said::Silent, clock_s: None });
        }),
        ("relay.key", "does not take the key", |it| {
            it.key = Some(Key { answer: Said::Ended, clock_s: None });
        }),
        ("relay.foreign", "no relay", |it| {
            it.key = Some(Key { answer: Said::Foreign, clock_s: None });
        }),
        ("relay.path_blocked", "over w2", |it| {
            it.peer.tries[1] = tried(2, SILENT, Answer::Untried)
        }),
        ("relay.no_mptcp", "TCP alone", |it| {
            it.peer.tries.iter_mut().for_each(|tried| tried.mptcp = TCP);
        }),
        ("relay.stripped", "over w2", |it| it.peer.tries[1].mptcp = TCP),
        ("relay.stripped", "over w1", |it| it.peer.tries[0].mptcp = SILENT),
        ("relay.carries_nothing", "over w2", |it| {
            it.peer.tries[1].carried = Some(Carried { acked_bytes: Some(0), mptcp: true });
        }),
        ("relay.join_dropped", "over w2", |it| {
            it.peer.joint[0].subflows[1].established = false;
            it.moved.clear();
        }),
        ("relay.join_refused", "over w2", |it| {
            it.peer.joint[0].subflows.pop();
            it.moved.clear();
        }),
        ("relay.no_endpoint", "over w2", |it| {
            it.peer.joint[0].subflows.pop();
            it.moved.clear();
            it.joins.clear();
        }),
    ];
    for (code, part, damage) in table {
        let mut tested = works();
        damage(&mut tested);
        let verdict = first(&tested);
        assert_eq!((verdict.code, verdict.attention), (code, true), "{verdict:?}");
        assert!(verdict.title.contains(part), "{verdict:?}");
        assert!(verdict.why.is_some() && verdict.fix.is_some(), "{verdict:?}");
    }
    assert_eq!(rows::row(&works(), &tried(1, refused, Answer::Untried)).reach, Reach::Refused);
}

#[test]
fn a_family_that_is_dead_is_worth_a_note_while_the_other_one_works() {
    let mut tested = works();
    let to = "[2001:db8:99::1]:8686".parse().expect("an address");
    tested.peer.tries.push(Try { to, ..tried(1, SILENT, Answer::Untried) });
    let codes: Vec<_> = tested.verdict().iter().map(|verdict| verdict.code).collect();
    assert_eq!(codes, ["relay", "relay.family"]);
}

#[test]
fn the_clock_that_is_wrong_is_the_one_that_nobody_keeps() {
    let fix = |synchronised| {
        let key = Some(Key { answer: Said::TakenAtOtherTime, clock_s: Some(3_600) });
        first(&Tested { key, synchronised, ..works() }).fix.unwrap_or_default()
    };
    assert_eq!(fix(Some(true)), "on the relay: sudo timedatectl set-ntp true");
    assert_eq!(fix(Some(false)), "sudo timedatectl set-ntp true");
    let key = Some(Key { answer: Said::Taken, clock_s: Some(25) });
    let soon = Tested { key, ..works() }.verdict();
    assert!(soon.iter().any(|verdict| verdict.code == "relay.clock" && !verdict.attention));
}

#[test]
fn what_is_known_of_the_clocks_is_said_beside_a_key_that_is_not_taken() {
    let why = |hinted_s, synchronised| {
        let key = Some(Key { answer: Said::Silent, clock_s: None });
        first(&Tested { key, synchronised, hinted_s, ..works() }).why.unwrap_or_default()
    };
    let nothing = why(Some(0), Some(true));
    assert!(nothing.ends_with("at a limit"), "{nothing}");
    for (hinted_s, synchronised, said) in [
        (Some(-3), Some(false), "off by whole days"),
        (Some(1_234), Some(true), "tells another time than this one"),
        (None, Some(true), "the relay's clock is off by more than a quarter of an hour"),
        (None, None, "this host's is not known to be right"),
    ] {
        let why = why(hinted_s, synchronised);
        assert!(why.contains(said), "{said}: {why}");
    }
}

#[test]
fn of_a_relay_that_cannot_be_reached_nothing_else_is_said() {
    let mut tested = works();
    tested.peer.tries.iter_mut().for_each(|tried| tried.tcp = SILENT);
    tested.key = None;
    assert_eq!(tested.verdict().len(), 1);
}
