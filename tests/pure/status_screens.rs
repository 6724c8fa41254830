//! The screens of `mptcpize status` from fixed states, wide and narrow, with colour and in ASCII,
//! and its JSON: each is a file in tests/screens. `UPDATE=1 cargo test` writes them anew.
//!
//! Not here: real connections (show/status.rs).

use crate::support::recorded::same;
use crate::support::states::{absent, crowd, fresh, gateway, laptop, off, shared, told, troubled};
use mptcpize::output::status;
use mptcpize::output::term::Term;
use mptcpize_model::Manager;
use mptcpize_model::net::IfName;
use mptcpize_model::status::lan::{Heard, Silence};
use mptcpize_model::status::{Container, Elsewhere, Program, Report, Seen, report};

#[test]
fn every_screen_is_as_recorded() {
    let wide = Term { width: 120, ..Term::PLAIN };
    let narrow = Term { width: 60, ..Term::PLAIN };
    for (file, seen, term) in [
        ("status-laptop.txt", laptop(), wide),
        ("status-laptop-80.txt", laptop(), Term { width: 80, ..wide }),
        ("status-laptop-narrow.txt", laptop(), narrow),
        ("status-laptop-ascii.txt", laptop(), Term { utf8: false, ..wide }),
        ("status-laptop-colour.txt", laptop(), Term { colour: true, ..wide }),
        ("status-fresh.txt", fresh(), wide),
        ("status-troubled.txt", troubled(), wide),
        ("status-troubled-narrow.txt", troubled(), narrow),
        ("status-off.txt", off(), wide),
        ("status-absent.txt", absent(), wide),
        ("status-crowd.txt", crowd(), wide),
        ("status-shared.txt", shared(), wide),
        ("status-shared-narrow.txt", shared(), narrow),
        ("status-gateway.txt", gateway(), wide),
        ("status-gateway-80.txt", gateway(), Term { width: 80, utf8: false, ..wide }),
        ("status-gateway-narrow.txt", gateway(), narrow),
    ] {
        let screen = status::screen(&report(&seen, 20), &term);
        // What can be pasted is never cut, the rest keeps to the width.
        let too_long = screen.lines().find(|line| {
            !line.contains("fix: ") && !term.colour && line.chars().count() > term.width
        });
        assert_eq!(too_long, None, "{file}");
        assert!(term.utf8 || screen.is_ascii(), "{file}");
        same(file, &screen);
    }
}

/// A laptop with containers in its network, in one of their own, and a namespace without a container.
fn everywhere() -> Report {
    let [own, bridged] = [shared(), shared()].map(|seen| report(&seen, usize::MAX));
    let container = |name: Option<&str>| {
        Some(Container { id: "5be9c1b2d4e5".into(), name: name.map(str::to_owned) })
    };
    let mut bare = report(&laptop(), 1).connections;
    bare.truncate(1);
    let elsewhere = [
        Elsewhere {
            pid: 4711,
            container: container(Some("front")),
            connections: bridged.connections,
        },
        Elsewhere { pid: 4713, container: container(None), connections: bare.clone() },
        Elsewhere { pid: 4712, container: None, connections: bare },
    ];
    Report { elsewhere: Some(elsewhere.into()), ..own }
}

#[test]
fn all_namespaces_are_told_by_the_names_of_their_containers() {
    let report = everywhere();
    for (file, width) in [("status-everywhere.txt", 120), ("status-everywhere-narrow.txt", 60)] {
        let screen = status::screen(&report, &Term { width, ..Term::PLAIN });
        assert_eq!(screen.lines().find(|line| line.chars().count() > width), None, "{file}");
        same(file, &screen);
    }
    // Scripts of before there were names find the identifier where it was, and `null` where it was that.
    let value: serde_json::Value =
        serde_json::from_str(&status::json(&report)).expect("it is JSON");
    let [front, unknown, bare] = [0, 1, 2].map(|place| &value["elsewhere"][place]);
    assert_eq!(
        (&front["container"], &front["container_name"]),
        (&"5be9c1b2d4e5".into(), &"front".into())
    );
    assert_eq!(unknown["container"], "5be9c1b2d4e5");
    assert_eq!(unknown.get("container_name"), None);
    assert_eq!(bare.get("container"), Some(&serde_json::Value::Null));
    let program = &value["connections"][0]["program"];
    assert_eq!(
        (&program["container"], &program["container_name"]),
        (&"3fa9c1b2d4e5".into(), &"web".into())
    );
}

#[test]
fn json_is_as_recorded() {
    for (file, seen) in [
        ("status-laptop.json", laptop()),
        ("status-absent.json", absent()),
        ("status-gateway.json", gateway()),
    ] {
        let text = status::json(&report(&seen, usize::MAX));
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(value["version"], 1);
        let pretty = serde_json::to_string_pretty(&value).expect("it was JSON");
        same(file, &format!("{pretty}\n"));
    }
}

#[test]
fn the_faults_that_want_attention_and_those_that_do_not() {
    for (what, seen, attention) in [
        ("a laptop as it should be", laptop(), false),
        ("two paths and no endpoint", fresh(), true),
        ("much is wrong", troubled(), true),
        ("switched off", off(), true),
        ("no MPTCP", absent(), true),
        ("many connections", crowd(), false),
        ("a gateway", gateway(), false),
        ("a gateway one of whose uplinks misses what others share", unused(30_000_000), true),
        ("one whose uplink no connection was placed on", unused(0), false),
        ("a gateway whose relay is gone", Seen { relay: silent("wlan0"), ..laptop() }, true),
        ("one of another namespace", Seen { relay: silent("br7"), ..laptop() }, false),
    ] {
        assert_eq!(report(&seen, 20).attention, attention, "{what}");
    }
    let mut foreign = laptop();
    foreign.path_manager = Some("userspace".into());
    foreign.observed.host.managers = vec![Manager::Mptcpd];
    foreign.observed.host.ours.clear();
    let parameter = ("net.mptcp.path_manager".to_owned(), "userspace".to_owned());
    foreign.observed.host.sysctls.extend([parameter]);
    foreign.observed.host.endpoints.clear();
    assert!(!report(&foreign, 20).attention, "a path manager in user space needs no endpoints");
}

/// All is well to look at, and only one uplink carries the LAN's bytes.
fn unused(missed_bytes: u64) -> Seen {
    let mut state = told(0, 0);
    let uplink = &mut state.uplinks[1];
    (uplink.up_bytes, uplink.down_bytes, uplink.failures) = (0, 900, 0);
    uplink.missed_bytes = missed_bytes;
    Seen { relay: Heard::State(Box::new(state)), ..laptop() }
}

/// A relay that should serve a link, and does not.
fn silent(link: &str) -> Heard {
    let link = IfName::new(link).expect("a short name");
    Heard::Silent(Silence {
        links: vec![link],
        why: "nobody listens at its socket".into(),
        gone: true,
        service: false,
    })
}

#[test]
fn a_relay_that_does_not_answer_is_told() {
    let seen = Seen { relay: silent("wlan0"), ..laptop() };
    let screen = status::screen(&report(&seen, 20), &Term::PLAIN);
    assert!(screen.contains("\ngateway     of wlan0: its relay does not answer\n"), "{screen}");
    assert!(screen.contains("why: nobody listens at its socket"), "{screen}");
    let hidden = Seen { relay: Heard::Hidden, ..laptop() };
    let screen = status::screen(&report(&hidden, 20), &Term::PLAIN);
    assert!(screen.contains("\ngateway     only root may ask its relay\n"), "{screen}");
}

#[test]
fn names_of_programs_cannot_write_to_the_terminal() {
    let mut seen = laptop();
    let evil = Program { pid: 1, name: "a\x1b]0;x\x07b".into(), container: None };
    seen.programs.insert(1, evil);
    let screen = status::screen(&report(&seen, 20), &Term::PLAIN);
    assert!(!screen.contains('\x1b') && screen.contains("a]0;xb"), "{screen}");
}
