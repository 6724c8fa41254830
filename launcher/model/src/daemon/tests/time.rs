//! Clocks that jump and storms of messages. The core's clock counts suspended time and is never set;
//! what comes with a jump is a message, and times far apart.

use super::*;

const HOURS: u64 = 8 * 3_600_000;

#[test]
fn a_host_that_resumes_is_looked_at_and_what_waited_is_over() {
    let mut lab = Lab::new(3);
    flap(&mut lab, 2, 6);
    lab.unplug(3);
    lab.happens();
    assert!(!lab.daemon.status().held.is_empty(), "{:?}", lab.said);
    // Nothing calls it while the host sleeps: no deadline is met on its way.
    lab.now = Millis(lab.now.0 + HOURS);
    lab.plug(3);
    lab.event(Event::Woken(Source::Clock));
    lab.pass(50);
    assert_eq!((lab.daemon.status().held, lab.endpoints().len()), (vec![], 3), "{:?}", lab.said);
    assert_eq!(lab.daemon.deadline(), None);
}

#[test]
fn a_clock_that_is_set_is_one_look_and_changes_nothing() {
    let mut lab = Lab::new(2);
    lab.happens();
    let (looks, said) = (lab.looks, lab.said.clone());
    for _ in 0..3 {
        lab.event(Event::Woken(Source::Clock));
    }
    lab.pass(60_000);
    assert_eq!((lab.looks, &lab.said), (looks + 1, &said));
}

/// A recording may be glued from two boots: its times go back. What waited for later waits on, but no
/// longer than it did.
#[test]
fn times_that_go_back_are_no_reason_to_panic_or_to_run_without_end() {
    let mut lab = Lab::new(3);
    let mut seed = 86_u64;
    let mut random = |below: u64| {
        // The constants of Knuth's MMIX.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..3_000 {
        lab.now = Millis(random(2 * HOURS));
        let link = usize::try_from(random(3)).expect("it is small") + 1;
        match random(5) {
            0 => lab.unplug(link),
            1 if !lab.state.links.iter().any(|it| it.name == name(&format!("w{link}"))) => {
                lab.plug(link);
            }
            2 => lab.event(Event::Lost(Source::Routing)),
            3 => lab.event(Event::Deadline),
            _ => lab.event(Event::Woken(Source::Routing)),
        }
    }
    lab.now = Millis(3 * HOURS);
    lab.event(Event::Woken(Source::Clock));
    lab.pass(HOURS);
    assert_eq!(lab.daemon.deadline(), None, "it comes to rest");
}

#[test]
fn ten_minutes_of_a_thousand_events_a_minute_fill_no_memory() {
    let mut lab = Lab::new(2);
    let (begin, looks) = (lab.now, lab.looks);
    let size = |lab: &Lab| serde_json::to_string(&lab.daemon).expect("plain data").len();
    let mut most = 0;
    for round in 0..5_000 {
        let link = 3 + round % 250;
        lab.plug(link);
        lab.event(Event::Woken(Source::Routing));
        lab.pass(60);
        lab.unplug(link);
        lab.event(Event::Woken(Source::Routing));
        lab.pass(60);
        most = most.max(size(&lab));
    }
    assert_eq!(lab.now.0 - begin.0, 600_000);
    assert!(most < 32 * 1024, "{most} bytes of state");
    // A host that has to be mended more than 30 times a minute is left alone for a while.
    assert!(lab.looks - looks < 3_000, "{} looks", lab.looks - looks);
    lab.pass(1_200_000);
    assert!(size(&lab) < 4 * 1024, "{} bytes of state when it is over", size(&lab));
}
