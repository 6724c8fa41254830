//! The core against a host that is a model: its answers are given, and time is advanced to each
//! deadline in turn.

mod held;
mod slow;
mod time;
mod withdrawal;

use std::collections::VecDeque;
use std::net::IpAddr;

use super::*;
use crate::HostState;
use crate::mptcp::Limits;
use crate::net::{Address, Link as HostLink, MAIN, Route};
use crate::proposal::Proposal;

/// The core, a host that does what it is told, and what was reported.
struct Lab {
    daemon: Daemon,
    now: Millis,
    state: HostState,
    /// Looks that were made.
    looks: usize,
    said: Vec<String>,
    /// Answers every set-up with this refusal.
    refusal: Option<&'static str>,
    /// Somebody takes everything back at once.
    fought: bool,
}

fn name(name: &str) -> IfName {
    IfName::new(name).expect("a literal name")
}

impl Lab {
    fn new(links: usize) -> Lab {
        let limits = Some(Limits { subflows: 2, add_addr_accepted: 0 });
        let mut state = HostState { limits, ..HostState::default() };
        let rules = [(0, 255), (32_766, 254), (32_767, 253)].map(|(priority, table)| {
            format!(r#"{{"family":"inet","priority":{priority},"table":{table},"protocol":2}}"#)
        });
        let rules = format!("[{}]", rules.join(","));
        state.rules = serde_json::from_str(&rules).expect("rules as the kernel has them");
        let now = Millis(1_000);
        let daemon = Daemon::new(now, Config::default(), Asked::default());
        let mut lab =
            Lab { daemon, now, state, looks: 0, said: vec![], refusal: None, fought: false };
        (1..=links).for_each(|link| lab.plug(link));
        lab.event(Event::Woken(Source::Routing));
        lab
    }

    fn plug(&mut self, link: usize) {
        let dev = name(&format!("w{link}"));
        let link_json = format!(r#"{{"name":"{dev}"}}"#);
        self.state.links.push(serde_json::from_str::<HostLink>(&link_json).expect("a link"));
        let address = format!(r#"{{"dev":"{dev}","address":"10.{link}.0.1","length":24}}"#);
        self.state.addresses.push(serde_json::from_str::<Address>(&address).expect("an address"));
        let route = format!(
            r#"{{"table":{MAIN},"family":"inet","via":"10.{link}.0.254","dev":"{dev}",
                "metric":{link},"protocol":16}}"#
        );
        self.state.routes.push(serde_json::from_str::<Route>(&route).expect("a route"));
    }

    /// What the kernel does when a link goes: its addresses and routes go with it.
    fn unplug(&mut self, link: usize) {
        let dev = name(&format!("w{link}"));
        self.state.links.retain(|link| link.name != dev);
        self.state.addresses.retain(|address| address.dev != dev);
        self.state.routes.retain(|route| route.dev != dev);
    }

    /// Lets an event happen, and carries out what follows.
    fn event(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.daemon.handle(self.now, event) {
                match action {
                    Action::Probe(_) => {}
                    Action::Observe => {
                        self.looks += 1;
                        let (state, asked) = (self.state.clone(), Asked::default());
                        let observed = Observed { state, asked, glance: None, judged: None };
                        events.push_back(Event::Observed(Box::new(observed)));
                    }
                    Action::Apply(wish) => events.push_back(self.apply(&wish)),
                    Action::Report(report) => self.said.push(report.text),
                    Action::List => events.push_back(Event::Listed(vec![])),
                    Action::Sample => events.push_back(Event::Sampled(Box::default())),
                    Action::Join(_) | Action::Leave(_) | Action::Save(_) => {}
                    Action::GiveBack(change) => change.apply_to(&mut self.state),
                    Action::Exit => self.said.push("exit".to_owned()),
                }
            }
        }
    }

    fn apply(&mut self, wish: &Wish) -> Event {
        if let Some(why) = self.refusal {
            return Event::Refused(why.to_owned());
        }
        let steps = wish.proposal(&self.state).plan.steps;
        let before = self.state.clone();
        steps.iter().for_each(|step| step.change.apply_to(&mut self.state));
        let recorded: Vec<Change> = steps.iter().map(|step| step.change.clone()).collect();
        for uplink in crate::record::uplinks(&recorded) {
            if !self.state.recorded.contains(&uplink) {
                self.state.recorded.push(uplink);
            }
        }
        if self.fought {
            self.state = before;
        }
        Event::Applied(recorded)
    }

    /// Lets this much time pass, and calls the core whenever it wants to be called.
    fn pass(&mut self, millis: u64) {
        let end = Millis(self.now.0 + millis);
        let mut calls = 0;
        while let Some(deadline) = self.daemon.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.event(Event::Deadline);
            calls += 1;
            assert!(calls < 10_000, "it never comes to rest: {:?}", self.daemon);
        }
        self.now = end;
    }

    /// A change, and the time until the look that it causes.
    fn happens(&mut self) {
        self.event(Event::Woken(Source::Routing));
        self.pass(50);
    }

    fn endpoints(&self) -> Vec<String> {
        self.state.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    }
}

#[test]
fn a_host_with_two_links_is_set_up_at_once_and_then_left_alone() {
    let mut lab = Lab::new(2);
    assert_eq!(lab.endpoints(), ["10.1.0.1", "10.2.0.1"]);
    assert_eq!(lab.said.len(), 1, "{:?}", lab.said);
    assert!(lab.said[0].starts_with("set up w1 and w2 with "), "{:?}", lab.said);
    assert!(lab.daemon.is_settled());
    assert_eq!(lab.daemon.deadline(), None, "nothing wakes an idle daemon");
    lab.happens();
    assert_eq!((lab.said.len(), lab.looks), (1, 2), "{:?}", lab.said);
}

#[test]
fn a_burst_of_messages_is_one_look_after_50_ms_of_quiet_and_after_500_ms_at_the_latest() {
    let mut lab = Lab::new(2);
    let looks = lab.looks;
    for _ in 0..5 {
        lab.event(Event::Woken(Source::Routing));
        lab.pass(40);
    }
    assert_eq!(lab.looks, looks, "they are 40 ms apart");
    lab.pass(10);
    assert_eq!(lab.looks, looks + 1);
    for _ in 0..25 {
        lab.event(Event::Woken(Source::Routing));
        lab.pass(40);
    }
    lab.pass(10);
    assert_eq!(lab.looks, looks + 3, "a second of them");
}

#[test]
fn one_path_is_waited_out_and_the_second_is_joined_when_it_comes() {
    let mut lab = Lab::new(1);
    assert_eq!(lab.said, ["only one path, w1: nothing to set up"]);
    lab.plug(2);
    lab.happens();
    assert_eq!(lab.said[1], "w2 is a path now");
    assert!(lab.said[2].starts_with("set up w1 and w2 with "), "{:?}", lab.said);
}

#[test]
fn a_replugged_link_is_told_and_mended() {
    let mut lab = Lab::new(2);
    lab.unplug(2);
    lab.happens();
    lab.plug(2);
    lab.happens();
    let told = ["w2 is no path any more: it is gone", "only one path, w1: nothing to set up"];
    assert_eq!(lab.said[1..3], told);
    assert_eq!(lab.said[3], "w2 is a path again");
    assert!(lab.said[4].starts_with("set up w1 and w2 with "), "{:?}", lab.said);
}

#[test]
fn the_endpoint_of_an_address_that_is_away_for_a_moment_stays() {
    let mut lab = Lab::new(3);
    lab.unplug(3);
    lab.happens();
    assert!(lab.endpoints().contains(&"10.3.0.1".to_owned()), "{:?}", lab.endpoints());
    lab.plug(3);
    lab.happens();
    lab.unplug(3);
    lab.happens();
    lab.pass(9_900);
    assert!(lab.endpoints().contains(&"10.3.0.1".to_owned()), "{:?}", lab.endpoints());
    lab.pass(100);
    assert!(!lab.endpoints().contains(&"10.3.0.1".to_owned()), "{:?}", lab.endpoints());
    assert_eq!(lab.daemon.deadline(), None);
}

#[test]
fn another_address_on_the_link_takes_the_place_of_the_old_one_at_once() {
    let mut lab = Lab::new(3);
    // What the set-up made wakes the daemon, which then knows the endpoints for its own.
    lab.happens();
    let new: IpAddr = "10.3.0.77".parse().expect("a literal address");
    let old: IpAddr = "10.3.0.1".parse().expect("a literal address");
    let address = lab.state.addresses.iter_mut().find(|it| it.address == old);
    address.expect("the third link has it").address = new;
    lab.happens();
    assert_eq!(lab.endpoints().len(), 3);
    assert!(lab.endpoints().contains(&new.to_string()), "{:?}", lab.endpoints());
}

/// Lets a link come and go so often.
fn flap(lab: &mut Lab, link: usize, times: usize) {
    for _ in 0..times {
        lab.unplug(link);
        lab.happens();
        lab.plug(link);
        lab.happens();
    }
}

#[test]
fn a_link_that_flaps_is_held_back_with_growing_pauses_and_the_others_are_followed() {
    let mut lab = Lab::new(3);
    flap(&mut lab, 3, 5);
    assert_eq!(lab.daemon.status().held, []);
    flap(&mut lab, 3, 1);
    let held = lab.daemon.status().held;
    assert_eq!((held.len(), held[0].link.as_str()), (1, "w3"), "{:?}", lab.said);
    assert_eq!(lab.daemon.status().left_out, [held[0].link.clone()].into());
    assert!(!lab.endpoints().contains(&"10.3.0.1".to_owned()), "{:?}", lab.endpoints());
    let text = "w3 is held back for 30 s: it came and went more than 5 times within a minute";
    assert!(lab.said.iter().any(|line| line == text), "{:?}", lab.said);
    flap(&mut lab, 3, 1);
    let said = lab.said.len();
    flap(&mut lab, 3, 3);
    assert_eq!(lab.said.len(), said, "{:?}", lab.said);
    lab.unplug(2);
    lab.happens();
    assert_eq!(lab.said[said], "w2 is no path any more: it is gone");
    lab.plug(2);
    lab.happens();
    lab.pass(30_000);
    assert_eq!(lab.daemon.status().held, []);
    assert!(lab.endpoints().contains(&"10.3.0.1".to_owned()), "{:?}", lab.said);
    flap(&mut lab, 3, 6);
    assert!(lab.said.iter().any(|line| line.starts_with("w3 is held back for 60 s")));
    lab.pass(60_000 + 600_000);
    flap(&mut lab, 3, 6);
    let first = |line: &&String| line.starts_with("w3 is held back for 30 s");
    assert_eq!(lab.said.iter().filter(first).count(), 2, "calm for ten minutes: the first again");
}

#[test]
fn the_endpoint_of_a_link_that_is_back_after_a_while_is_made_anew_unless_it_is_held_back() {
    let mut lab = Lab::new(3);
    let goes_and_comes = |lab: &mut Lab| {
        lab.unplug(3);
        lab.happens();
        lab.pass(600);
        lab.plug(3);
        lab.happens();
        let address: IpAddr = "10.3.0.1".parse().expect("a literal address");
        lab.state.endpoints.iter().find(|it| it.address == address).map(|it| it.id)
    };
    lab.happens();
    let first = goes_and_comes(&mut lab);
    let second = goes_and_comes(&mut lab);
    assert_ne!(first, second, "another id");
    flap(&mut lab, 3, 4);
    assert_eq!(lab.daemon.status().held.len(), 1);
    let held = goes_and_comes(&mut lab);
    assert_eq!(goes_and_comes(&mut lab), held);
}

#[test]
fn a_thousand_flaps_a_minute_cost_few_set_ups_and_little_memory() {
    let mut lab = Lab::new(2);
    let said = lab.said.len();
    flap(&mut lab, 2, 5_000);
    assert!(lab.said.len() - said < 150, "{}", lab.said.len());
    assert_eq!(lab.daemon.status().events.len(), 5);
    for link in 3..250 {
        lab.plug(link);
        lab.happens();
        lab.unplug(link);
        lab.happens();
    }
    assert!(lab.daemon.links.0.len() <= 64);
}

#[test]
fn a_refusal_is_told_once_and_tried_again_with_growing_pauses() {
    let mut lab = Lab::new(1);
    lab.refusal = Some("cannot add the rule: no");
    lab.plug(2);
    lab.happens();
    let looks = lab.looks;
    // What was refused is taken back, which wakes like any change.
    lab.event(Event::Woken(Source::Routing));
    lab.pass(199);
    assert_eq!(lab.looks, looks);
    lab.pass(1);
    assert_eq!(lab.looks, looks + 1);
    lab.pass(60_000);
    assert!(lab.looks < looks + 12, "{}", lab.looks);
    assert_eq!(lab.said.iter().filter(|line| line.contains("the rule")).count(), 1);
    lab.refusal = None;
    lab.pass(60_000);
    assert!(lab.said.last().expect("it said so").starts_with("set up w1 and w2"));
    assert_eq!(lab.daemon.deadline(), None);
}

#[test]
fn whoever_undoes_it_again_and_again_is_waited_out() {
    let mut lab = Lab::new(2);
    lab.fought = true;
    lab.unplug(2);
    lab.happens();
    lab.plug(2);
    for _ in 0..100 {
        lab.happens();
    }
    let fights = lab.said.iter().filter(|line| line.starts_with("something else changes")).count();
    assert_eq!(fights, 1, "{:?}", lab.said);
    assert!(lab.looks < 50, "{}", lab.looks);
}

#[test]
fn lost_messages_are_told_once_for_each_look() {
    let mut lab = Lab::new(2);
    let looks = lab.looks;
    for _ in 0..3 {
        lab.event(Event::Lost(Source::Routing));
    }
    lab.pass(50);
    assert_eq!(lab.looks, looks + 1);
    let told = "messages of links and routes were lost: looking at everything again";
    assert_eq!(lab.said[1..], [told]);
}

#[test]
fn a_wrong_file_keeps_the_settings_and_a_right_one_counts_at_once() {
    let mut lab = Lab::new(3);
    lab.event(Event::Reload(Err("line 2: no".to_owned())));
    assert_eq!(lab.said[1], "the settings stay as they were: line 2: no");
    assert_eq!(lab.endpoints().len(), 3);
    let exclude = Config { exclude: vec![name("w3")], ..Config::default() };
    lab.event(Event::Reload(Ok(Box::new(exclude))));
    assert_eq!(lab.endpoints().len(), 2, "{:?}", lab.said);
}

#[test]
fn the_state_and_every_event_have_a_serial_form() {
    let mut lab = Lab::new(2);
    lab.event(Event::Stop);
    assert_eq!(lab.said.last().map(String::as_str), Some("exit"));
    assert!(serde_json::to_string(&lab.daemon).expect("plain data").contains("\"since\":1000"));
    let (state, asked) = (lab.state.clone(), Asked::default());
    let observed = Observed { state, asked, glance: None, judged: None };
    for event in [
        Event::Woken(Source::Clock),
        Event::Observed(Box::new(observed)),
        Event::Applied(vec![]),
        Event::Refused("no".to_owned()),
        Event::Reload(Ok(Box::default())),
        Event::Reload(Err("no".to_owned())),
        Event::Stop,
    ] {
        let text = serde_json::to_string(&event).expect("plain data");
        assert_eq!(serde_json::from_str::<Event>(&text).expect(&text), event);
    }
}

/// A sample in which a connection waits over the first link and goes on over the second.
const STALLED: &str = r#"{"flows":[
    {"local":"10.1.0.1:4000","remote":"10.99.0.1:80","token":1,"open":true,"timeouts":1,
     "unconfirmed":9,"rto_us":400000,"confirmed_ms":500,"sent_ms":100,"received_ms":900,"rtt_us":1,
     "min_rtt_us":1,"segments":9,"resent":1,"confirmed":1,"received":1},
    {"local":"10.2.0.1:4001","remote":"10.99.0.1:80","token":1,"open":true,"timeouts":0,
     "unconfirmed":9,"rto_us":200000,"confirmed_ms":5,"sent_ms":5,"received_ms":900,"rtt_us":1,
     "min_rtt_us":1,"segments":9,"resent":0,"confirmed":9,"received":1}],"links":{}}"#;

#[test]
fn a_stalled_link_is_a_backup_that_new_connections_pass_by_until_it_passes_or_the_daemon_ends() {
    for ends in [false, true] {
        let mut lab = Lab::new(2);
        let before = lab.state.clone();
        let sample: Sample = serde_json::from_str(STALLED).expect("a sample");
        lab.event(Event::Sampled(Box::new(sample)));
        let endpoints: Vec<String> =
            lab.state.endpoints.iter().map(|it| format!("{} {}", it.address, it.flags)).collect();
        assert_eq!(endpoints, ["10.1.0.1 subflow backup", "10.2.0.1 subflow"]);
        let rules: Vec<String> = lab.state.rules.iter().map(ToString::to_string).collect();
        let at = rules.iter().position(|rule| rule == "from all iif lo lookup 8685 pref 32765");
        let at = at.expect("new connections leave by w2");
        assert_eq!(rules[at - 1], "from all iif lo lookup main suppress_prefixlength 0 pref 32765");
        assert_eq!(rules[at - 2], "from 10.2.0.1 lookup 8685 pref 32765");
        assert_eq!(rules[at + 1], "from all lookup main pref 32766");
        let held = lab.daemon.status().held;
        assert_eq!((held.len(), held[0].link.as_str()), (1, "w1"));
        // Whoever looks without knowing of it finds nothing to mend.
        assert!(Proposal::of(&lab.state, &Config::default()).plan.is_empty());
        if ends {
            lab.event(Event::Stop);
        } else {
            let (from, to) = ("10.1.0.1".parse(), "10.99.0.1:80".parse());
            let (from, to) = (from.expect("a literal"), to.expect("a literal"));
            lab.event(Event::Answered(Probe { link: name("w1"), from, to }));
        }
        assert_eq!(lab.state, before, "{ends}");
        assert!(lab.said.iter().any(|said| said.starts_with("w1 passes nothing: ")));
    }
}
