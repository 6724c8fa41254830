//! Samples are made by hand, and the clock is handed in.

use super::evidence::judge;
use super::*;
use crate::daemon::sample::{Flow, Silent};

const SERVER: &str = "10.99.0.1:8080";

fn name(link: usize) -> IfName {
    IfName::new(&format!("w{link}")).expect("a literal name")
}

fn end(text: &str) -> SocketAddr {
    text.parse().expect("a literal end")
}

/// A connection over a link of which something was heard a moment ago.
fn flow(link: usize, remote: &str) -> Flow {
    Flow {
        local: end(&format!("10.{link}.0.1:40000")),
        remote: end(remote),
        token: None,
        open: true,
        timeouts: 0,
        unconfirmed: 0,
        rto_us: 200_000,
        confirmed_ms: 10,
        sent_ms: 10,
        received_ms: 60_000,
        rtt_us: 20_000,
        min_rtt_us: 10_000,
        segments: 100,
        resent: 0,
        unsent: 0,
        confirmed: 100_000,
        received: 0,
    }
}

/// One that waits for an answer and has heard nothing for so long; its timer ran out once.
fn stuck(link: usize, remote: &str, silent_ms: u32) -> Flow {
    Flow {
        timeouts: 1,
        unconfirmed: 5,
        rto_us: 400_000,
        confirmed_ms: silent_ms,
        sent_ms: 100,
        ..flow(link, remote)
    }
}

fn of(token: u32, flow: Flow) -> Flow {
    Flow { token: Some(token), ..flow }
}

/// One that receives, and received last so long ago.
fn receives(link: usize, received_ms: u32) -> Flow {
    let flow = flow(link, SERVER);
    of(1, Flow { received: 1_000_000, received_ms, confirmed_ms: 60_000, ..flow })
}

fn sample(flows: Vec<Flow>) -> Sample {
    Sample { flows, ..Sample::default() }
}

fn places() -> BTreeMap<IfName, Place> {
    let place = |link: usize| Place {
        sources: [format!("10.{link}.0.1").parse().expect("a literal address")].into(),
        networks: vec![format!("10.{link}.0.0/24").parse().expect("a literal network")],
        gateways: [format!("10.{link}.0.254").parse().expect("a literal address")].into(),
    };
    [1, 2].map(|link| (name(link), place(link))).into()
}

fn stall() -> Stall {
    let links = [1, 2].map(|link| (name(link), State::default())).into();
    Stall { places: places(), links, ..Stall::default() }
}

fn texts(reports: Vec<Report>) -> Vec<String> {
    reports.into_iter().map(|report| report.text).collect()
}

/// A connection whose subflow over w1 waits, and that goes on over w2.
fn sibling_stuck() -> Vec<Flow> {
    vec![of(1, stuck(1, SERVER, 500)), of(1, flow(2, SERVER))]
}

#[test]
fn a_link_is_stalled_only_where_one_dead_server_cannot_be_the_cause() {
    let silent = |failed: bool| {
        let gateway = "10.1.0.254".parse().expect("a literal address");
        vec![Silent { dev: name(1), address: gateway, failed }]
    };
    let three = || vec!["198.51.100.1:443", "198.51.100.2:443", "198.51.100.3:443"];
    let all_stuck = || three().into_iter().map(|to| stuck(1, to, 500)).collect::<Vec<_>>();
    let heard = |mut flows: Vec<Flow>| {
        flows.push(flow(1, "203.0.113.9:22"));
        flows
    };
    let syn = Flow { open: false, ..stuck(1, "198.51.100.9:443", 60_000) };
    let stalled = |flows: Vec<Flow>| (flows, vec![]);
    let table = [
        (
            "a connection goes on over another link",
            stalled(sibling_stuck()),
            Some(Evidence::Sibling),
        ),
        ("nothing waits", stalled(vec![of(1, flow(1, SERVER)), of(1, flow(2, SERVER))]), None),
        ("one server is dead", stalled(vec![stuck(1, SERVER, 90_000)]), None),
        (
            "one server is dead, on all links",
            stalled(vec![of(1, stuck(1, SERVER, 900)), of(1, stuck(2, SERVER, 900))]),
            None,
        ),
        ("a SYN has no answer", stalled(vec![syn]), None),
        ("three peers stop at once", stalled(all_stuck()), Some(Evidence::Peers(3))),
        ("two peers stop at once", stalled(all_stuck()[..2].to_vec()), None),
        ("three do, and a fourth is heard", stalled(heard(all_stuck())), None),
        ("another peer is heard over the link", stalled(heard(sibling_stuck())), None),
        (
            "a timer ran out, and the answer may be on its way",
            stalled(vec![of(1, stuck(1, SERVER, 399)), of(1, flow(2, SERVER))]),
            None,
        ),
        (
            "the other subflow goes to another address of the server",
            stalled(vec![of(1, stuck(1, SERVER, 500)), of(1, flow(2, "10.98.0.1:8080"))]),
            None,
        ),
        (
            "the peers are on the link itself",
            stalled(
                (1..=3).map(|host| stuck(1, &format!("10.1.0.{}:22", host + 1), 500)).collect(),
            ),
            None,
        ),
        ("its gateway has failed", (vec![], silent(true)), Some(Evidence::Gateway)),
        ("its gateway is asked", (vec![], silent(false)), None),
    ];
    for (sentence, (flows, silent), expected) in table {
        let sample = Sample { silent, ..sample(flows) };
        let seen = judge(&places(), &BTreeMap::new(), &sample);
        assert_eq!(seen[&name(1)].stalled, expected, "{sentence}");
        assert_eq!(seen[&name(2)].stalled, None, "{sentence}");
    }
}

#[test]
fn a_stalled_link_is_asked_twice_a_second_and_taken_back_when_anything_is_heard() {
    let mut stall = stall();
    let told = stall.sampled(Millis(10_000), &sample(sibling_stuck()));
    assert_eq!(
        texts(told),
        ["w1 passes nothing: its subflows wait, and the others of them do not"]
    );
    assert_eq!(stall.links(), [name(1)].into());
    let (probes, _) = stall.probes(Millis(10_000));
    let [only] = &probes[..] else { panic!("{probes:?}") };
    assert_eq!((only.link.as_str(), only.to), ("w1", end(SERVER)));
    assert_eq!(stall.deadline(), Some(Millis(10_500)));
    let quiet = vec![of(1, stuck(1, SERVER, 1_500)), of(1, flow(2, SERVER))];
    assert_eq!(texts(stall.sampled(Millis(11_000), &sample(quiet))), [""; 0]);
    let heard = vec![of(1, flow(1, SERVER)), of(1, flow(2, SERVER))];
    let told = stall.sampled(Millis(17_000), &sample(heard));
    assert_eq!(texts(told), ["w1 passes again, after 7 s"]);
    assert_eq!((stall.links().len(), stall.deadline()), (0, None));
}

/// Whoever sends to this host has backed off, on each of the links that passed nothing at once.
#[test]
fn a_receiver_that_hears_nothing_on_any_link_has_its_subflow_made_anew_where_it_passes_again() {
    for (where_else, second, watched, expected) in [
        ("nothing anywhere", receives(2, 5_000), receives(2, 6_000), 1),
        ("it goes on over the other", receives(2, 10), receives(2, 10), 1),
        ("it begins again over the other", receives(2, 5_000), receives(2, 10), 1),
        ("the other sends and is confirmed", of(1, flow(2, SERVER)), of(1, flow(2, SERVER)), 0),
    ] {
        let mut stall = stall();
        stall.sampled(Millis(0), &sample(sibling_stuck()));
        stall.sampled(Millis(20_000), &sample(vec![receives(1, 20_000), second]));
        stall.answered(Millis(20_100), &name(1));
        stall.sampled(Millis(20_300), &sample(vec![receives(1, 20_300), watched]));
        assert_eq!(stall.take_back().len(), expected, "{where_else}");
        stall.sampled(Millis(20_500), &sample(vec![receives(1, 20_500), watched]));
        assert_eq!(stall.take_back().len(), 0, "{where_else}: once");
    }
}

#[test]
fn an_answer_to_a_question_takes_it_back_and_what_waits_in_a_long_pause_is_made_anew() {
    for (long, spare, expected) in [(true, true, 1), (false, true, 0), (true, false, 0)] {
        let mut stall = stall();
        stall.sampled(Millis(0), &sample(sibling_stuck()));
        let waits = Flow { sent_ms: 5_000, ..stuck(1, SERVER, 20_000) };
        let waits = if long { Flow { timeouts: 5, rto_us: 6_400_000, ..waits } } else { waits };
        let mut flows = vec![of(1, waits), of(1, flow(2, SERVER))];
        // One that fell back to TCP has nothing but this.
        flows.extend(
            (!spare).then(|| of(2, flow(1, SERVER))).map(|it| Flow { confirmed_ms: 60_000, ..it }),
        );
        stall.sampled(Millis(20_000), &sample(flows.clone()));
        let told = stall.answered(Millis(20_100), &name(1));
        assert_eq!(texts(told), ["w1 passes again, after 20 s"]);
        assert_eq!(stall.take_back().len(), expected, "{long} {spare}");
        assert!(stall.take_back().is_empty(), "once");
        // Its timer has not run out since.
        assert_eq!(texts(stall.sampled(Millis(20_700), &sample(flows))), [""; 0]);
    }
}

#[test]
fn the_last_link_that_passes_is_never_set_aside() {
    let mut stall = stall();
    stall.sampled(Millis(0), &sample(sibling_stuck()));
    let both = vec![of(1, stuck(1, SERVER, 900)), of(1, stuck(2, SERVER, 900))];
    let others = (1..=3).map(|host| stuck(2, &format!("198.51.100.{host}:443"), 900));
    let all: Vec<Flow> = both.into_iter().chain(others).collect();
    assert_eq!(texts(stall.sampled(Millis(500), &sample(all))), [""; 0]);
    assert_eq!(stall.links(), [name(1)].into());
}

#[test]
fn a_link_over_which_a_download_stops_is_asked_and_set_aside_without_two_answers() {
    let mut stall = stall();
    let stops = || sample(vec![receives(1, 600), receives(2, 5)]);
    stall.sampled(Millis(0), &stops());
    assert_eq!(stall.probes(Millis(0)).0.len(), 1);
    assert_eq!(stall.deadline(), Some(Millis(250)));
    stall.sampled(Millis(200), &stops());
    assert_eq!(stall.probes(Millis(250)).0.len(), 1);
    let (probes, told) = stall.probes(Millis(500));
    assert_eq!(texts(told), ["w1 passes nothing: a peer answers over another link alone"]);
    assert_eq!(probes.len(), 1, "it is asked on");
}

#[test]
fn an_answer_lays_a_suspicion_to_rest_until_something_is_heard_again() {
    let mut stall = stall();
    stall.sampled(Millis(0), &sample(vec![receives(1, 600), receives(2, 5)]));
    assert_eq!(stall.probes(Millis(0)).0.len(), 1);
    assert_eq!(texts(stall.answered(Millis(30), &name(1))), [""; 0]);
    for now in [200, 2_000, 5_000] {
        let since = u32::try_from(now).expect("a small number");
        let flows = vec![receives(1, 600 + since), receives(2, 5)];
        stall.sampled(Millis(now), &sample(flows));
        assert_eq!(stall.probes(Millis(now)), (vec![], vec![]), "{now}");
    }
    stall.sampled(Millis(8_000), &sample(vec![receives(1, 500), receives(2, 5)]));
    assert_eq!(stall.probes(Millis(8_000)).0.len(), 1, "it received, and stopped again");
}

#[test]
fn a_link_that_comes_and_goes_is_set_aside_for_a_while() {
    let mut stall = stall();
    for round in 0..6 {
        let now = Millis(round * 2_000);
        stall.sampled(now, &sample(sibling_stuck()));
        let back = stall.answered(now + Duration::from_secs(1), &name(1));
        assert_eq!(back.len(), usize::from(round < 5), "{round}");
    }
    assert_eq!(stall.shown()[0].until, Some(Millis(40_000)));
    assert!(stall.answered(Millis(39_000), &name(1)).is_empty());
    assert_eq!(stall.answered(Millis(40_000), &name(1)).len(), 1);
}

#[test]
fn a_gateway_that_is_known_again_takes_the_link_back() {
    let mut stall = stall();
    let gateway = "10.1.0.254".parse().expect("a literal address");
    let silent = |failed| Sample {
        silent: vec![Silent { dev: name(1), address: gateway, failed }],
        ..Sample::default()
    };
    let told = stall.sampled(Millis(0), &silent(true));
    assert_eq!(texts(told), ["w1 passes nothing: its gateway does not answer"]);
    assert_eq!(stall.probes(Millis(0)).0[0].to, end("10.1.0.254:9"));
    assert!(stall.sampled(Millis(500), &silent(false)).is_empty(), "it is asked again");
    assert_eq!(stall.sampled(Millis(1_000), &Sample::default()).len(), 1);
}

#[test]
fn a_probe_of_the_settings_is_made_over_each_path_and_two_without_an_answer_tell() {
    let mut stall = stall();
    stall.probe = Some(end("192.0.2.1:443"));
    stall.links.values_mut().for_each(|state| state.ask = Some(Millis(0)));
    let mut told = Vec::new();
    for round in 0..3 {
        let now = Millis(round * 10_000);
        let (probes, _) = stall.probes(now);
        assert_eq!(probes.len(), 2, "{round}");
        told.extend(stall.answered(now, &name(2)));
    }
    assert_eq!(texts(told), ["w1 passes nothing: a peer answers over another link alone"]);
}

#[test]
fn samples_are_taken_while_something_moves_and_ever_less_often_while_nothing_does() {
    let mut stall = stall();
    assert_eq!(stall.period(), None, "nothing is known of any connection");
    stall.wake();
    let take = |stall: &mut Stall, flows: Vec<Flow>| {
        stall.sampled(Millis(0), &sample(flows));
        stall.period().map(|period| period.as_millis())
    };
    assert_eq!(take(&mut stall, vec![flow(1, SERVER)]), Some(200));
    let idle = || Flow { confirmed_ms: 90_000, ..flow(1, SERVER) };
    let periods: Vec<_> = (0..6).filter_map(|_| take(&mut stall, vec![idle()])).collect();
    assert_eq!(periods, [400, 800, 1_600, 3_200, 5_000, 5_000]);
    let quiet = Flow { unconfirmed: 5, confirmed_ms: 150, ..flow(1, SERVER) };
    assert_eq!(take(&mut stall, vec![quiet]), Some(50), "a timer is about to run out");
    let dead = stuck(1, SERVER, 5_000);
    assert_eq!(take(&mut stall, vec![dead]), Some(200), "a server is dead");
    assert_eq!(take(&mut stall, vec![flow(1, SERVER); 10_000]), Some(1_000));
    assert_eq!(take(&mut stall, vec![]), None, "nothing wakes an idle host");
}
