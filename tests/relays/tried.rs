//! `mptcpize relay test`: each fault of a relay is made for real, on the rented server, on the router or on
//! a link, and is named with the path where it is. What is measured is held against the byte counters of
//! the links.

use mptcpize_model::relay::key::Key;
use serde_json::Value;

use crate::lab::{PORT, Relays, used_all};
use crate::support::{Cmd, Outcome, kernel, wait};

/// What `relay test URL` is asked, in a time that one core is enough for.
fn test(relays: &Relays, url: &str) -> Cmd {
    relays.client().tool("relay test --json").arg(url)
}

/// What it said; its exit code must fit.
#[track_caller]
fn read(outcome: &Outcome) -> Value {
    let value: Value =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome}"));
    assert_eq!(outcome.code(), if value["attention"] == true { 3 } else { 0 }, "{outcome}");
    assert_eq!(outcome.stderr, "", "{outcome}");
    value
}

/// The first of the verdict, and its title.
#[track_caller]
fn verdict(relays: &Relays, url: &str) -> (String, String) {
    let said = read(&test(relays, url).run());
    let text = |key: &str| said["verdict"][0][key].as_str().unwrap_or_default().to_owned();
    let known = said["verdict"][0]["fix"].is_string() || said["attention"] == false;
    assert!(known, "nothing mends it: {said}");
    (text("code"), text("title"))
}

#[test]
fn a_relay_that_works_is_measured_over_all_paths_and_over_the_best_one() {
    let relays = Relays::new();
    relays.bond();
    let rented = relays.relay();
    let mut said = Value::Null;
    let moved = relays.moved(|| said = read(&test(&relays, &rented.url()).run()));
    used_all(&moved);
    assert_eq!(said["verdict"][0]["code"], "relay", "{said}");
    assert_eq!(said["key"]["answer"], "taken");
    // A second may begin between the two looks at a clock.
    let clock_s = said["key"]["clock_s"].as_i64();
    assert!(clock_s.is_some_and(|clock_s| clock_s.abs() <= 20), "{said}");
    assert_eq!(said["target"]["mptcp"], true);
    let joins: Vec<_> =
        said["paths"].as_array().expect("a list").iter().map(|it| &it["join"]).collect();
    assert!(joins.contains(&&"first".into()) && joins.contains(&&"joined".into()), "{said}");
    let rate = |direction: &str, mptcp: bool| {
        let all = said["moved"].as_array().expect("a list");
        let found = all.iter().find(|it| it["direction"] == direction && it["mptcp"] == mptcp);
        found.and_then(|it| it["bit_s"].as_u64()).unwrap_or_else(|| panic!("{said}"))
    };
    for direction in ["down", "up"] {
        let (all, best) = (rate(direction, true), rate(direction, false));
        // How fast is the machine's matter, and not faster than the links, of which the best is one.
        assert!((1..15_000_000).contains(&best), "{direction}: {said}");
        assert!((1..30_000_000).contains(&all), "{direction}: {said}");
    }
}

#[test]
fn each_fault_of_a_relay_is_made_and_named() {
    let relays = Relays::new();
    relays.bond();
    let rented = relays.relay();
    let router = &relays.lab.router;
    let port = format!("tcp dport {PORT}");
    for (link, rule, code, part) in [
        ("r2", format!("{port} drop"), "relay.path_blocked", "over w2"),
        ("{r1,r2}", format!("{port} drop"), "relay.unreachable", "over any path"),
        ("r2", "reset tcp option mptcp".to_owned(), "relay.stripped", "over w2"),
        ("r2", "tcp option mptcp subtype 1 drop".to_owned(), "relay.join_dropped", "over w2"),
    ] {
        router.filter(link, &rule);
        let (found, title) = verdict(&relays, &rented.url());
        assert_eq!(found, code, "{rule}: {title}");
        assert!(title.contains(part), "{rule}: {title}");
        router.command("nft").args(["flush", "ruleset"]).run().silent();
    }
    let server = &relays.lab.server.net;
    server.ip("mptcp limits set subflows 0");
    assert_eq!(verdict(&relays, &rented.url()).0, "relay.join_refused");
    server.ip("mptcp limits set subflows 8");
    let other = rented.url().replace(PORT.to_string().as_str(), "9");
    assert_eq!(verdict(&relays, &other).0, "relay.refused");
    let nowhere = rented.url().replace("198.51.100.7", "nowhere.example");
    assert_eq!(verdict(&relays, &nowhere).0, "relay.name");
    let mut wrong = rented.known("rented", "198.51.100.7");
    wrong.keys = vec![Key::new(vec![0xA7; 16])];
    let (code, _) = verdict(&relays, &mptcpize_model::relay::url::write(&wrong));
    assert_eq!(code, "relay.key");
}

#[test]
fn a_relay_whose_kernel_has_no_mptcp_speaks_tcp_alone() {
    let relays = Relays::new();
    relays.bond();
    relays.lab.server.net.sysctl("net/mptcp/enabled", "0");
    let rented = relays.relay();
    let said = read(&test(&relays, &rented.url()).run());
    assert_eq!(said["verdict"][0]["code"], "relay.no_mptcp", "{said}");
    let measured = said["moved"].as_array().expect("a list");
    assert!(measured.len() == 2 && measured.iter().all(|it| it["mptcp"] == false), "{said}");
}

/// The attacker here is whoever looks at the processes of this host, and whoever takes the probe over.
#[test]
fn the_probe_has_no_privilege_and_the_key_is_in_no_command_line() {
    let relays = Relays::new();
    let rented = relays.relay();
    let test = relays.client().tool("relay test").arg(rented.url()).start();
    let mut probe = String::new();
    wait::until("a probe", || {
        let children = format!("/proc/{0}/task/{0}/children", test.pid());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        probe = children.split_whitespace().next().unwrap_or_default().to_owned();
        let line = std::fs::read_to_string(format!("/proc/{probe}/cmdline")).unwrap_or_default();
        line.contains("mptcpize-relay\0probe")
    });
    let of =
        |file: &str| std::fs::read_to_string(format!("/proc/{probe}/{file}")).expect("it runs");
    let (status, line, environment) = (of("status"), of("cmdline"), of("environ"));
    assert!(!status.contains("\nUid:\t0\t"), "{status}");
    assert!(status.contains("\nCapEff:\t0000000000000000\n"), "{status}");
    assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    assert_eq!(environment, "");
    assert!(line.ends_with("mptcpize-relay\0probe\0--settings\0-\0"), "{line}");
    test.finish();
}

#[test]
fn the_screen_has_the_paths_and_the_verdict_and_never_the_key() {
    let relays = Relays::new();
    relays.bond();
    let rented = relays.relay();
    let outcome = relays.client().tool("relay test --seconds 5").arg(rented.url()).run().ok();
    let screen = &outcome.stdout;
    for part in ["rented  198.51.100.7:8686\n", "\nw1 ", "\nw2 ", "\nkey         taken", "\n✓ "] {
        let part = part.replace('✓', "");
        assert!(screen.contains(part.trim_end()), "{part:?}: {outcome}");
    }
    let key = rented.settings.key.base64();
    assert!(!screen.contains(&key) && !outcome.stderr.contains(&key), "{outcome}");
    assert!(kernel::counter(&relays.lab.server.net, "MPTcpExt", "MPJoinAckRx") > 0);
}
