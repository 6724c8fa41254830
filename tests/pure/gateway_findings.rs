//! What `mptcpize check` says of a gateway, from observations that are data: faults that a test machine
//! cannot have, and that a host that is no gateway hears nothing of them.

use crate::support::observed::{laptop, name};
use mptcpize_model::checks::gateway::{Gateway, Relay, Rule};
use mptcpize_model::checks::{self, Finding, Observed, Severity};
use mptcpize_model::gateway::{Limits, Settings, Uplink};

/// The laptop as a gateway of a bridge, in order.
fn gateway() -> Observed {
    let mut seen = laptop(true);
    let mut bridge = seen.host.links[0].clone();
    (bridge.name, bridge.kind, bridge.loopback) = (name("br0"), Some("bridge".into()), false);
    seen.host.links.push(bridge);
    let uplink = |(dev, address): (&str, &str)| Uplink {
        dev: name(dev),
        addresses: vec![address.parse().expect("a literal address")],
        weight: 1,
        backup: false,
    };
    let uplinks = [("wlan0", "192.168.1.23"), ("wwan0", "10.64.9.2")].map(uplink);
    let settings = Settings {
        port: 8684,
        lan: vec![name("br0")],
        uplinks: uplinks.into(),
        limits: Limits::default(),
        drain_s: 1,
        log: false,
        relays: None,
    };
    seen.gateway = Some(Gateway {
        settings,
        relay: Relay::Answers,
        service: false,
        handed_over: Some(true),
        tproxy: None,
        proxies: vec![],
        drops: vec![],
        closed: vec![],
        clamps: false,
        unread: None,
        tracked: Some((10, 262_144)),
        mtus: [("br0", 1500), ("wlan0", 1500), ("wwan0", 1500)]
            .map(|(dev, mtu)| (name(dev), mtu))
            .into(),
    });
    seen
}

fn found(seen: &Observed) -> Vec<Finding> {
    checks::run(seen).into_iter().filter(|finding| finding.topic == "gateway").collect()
}

#[test]
fn each_observation_gives_its_finding() {
    type Row = (&'static str, fn(&mut Gateway), &'static [(&'static str, Severity)]);
    let table: &[Row] = &[
        ("all is well", |_| (), &[("gateway", Severity::Fine)]),
        (
            "few connections are left",
            |it| it.tracked = Some((9, 10)),
            &[("gateway.conntrack", Severity::Warning)],
        ),
        (
            "none is left",
            |it| it.tracked = Some((10, 10)),
            &[("gateway.conntrack", Severity::Problem)],
        ),
        (
            "no TPROXY",
            |it| (it.handed_over, it.tproxy) = (Some(false), Some("No such file".into())),
            &[("gateway.tproxy", Severity::Problem)],
        ),
        (
            "a relay that says nothing",
            |it| it.relay = Relay::Mute("it does not answer in a second".into()),
            &[("gateway.mute", Severity::Problem)],
        ),
        ("it ends", |it| it.relay = Relay::Drains, &[("gateway.draining", Severity::Warning)]),
        (
            "an LTE modem, and a rule for it",
            |it| {
                it.mtus.insert(name("wwan0"), 1420);
                it.clamps = true;
            },
            &[("gateway", Severity::Fine)],
        ),
        (
            "nobody may look",
            |it| {
                it.mtus.insert(name("wwan0"), 1420);
                (it.handed_over, it.unread) = (None, Some("only root may read them".into()));
                it.relay = Relay::Hidden;
            },
            &[("gateway.hidden", Severity::Unknown), ("gateway.unread", Severity::Unknown)],
        ),
        (
            "a proxy of iptables",
            |it| {
                let rule = |fix: &str| Rule {
                    lan: name("br0"),
                    uplinks: vec![name("wwan0")],
                    place: "a place".into(),
                    fix: vec![fix.into()],
                };
                it.proxies = vec![rule("iptables -t nat -D x")];
                it.drops = vec![rule("iptables -I FORWARD -i br0 -j ACCEPT")];
            },
            &[("gateway.proxy", Severity::Warning), ("gateway.forward", Severity::Problem)],
        ),
    ];
    for (what, make, expected) in table {
        let mut seen = gateway();
        make(seen.gateway.as_mut().expect("it is one"));
        let found = found(&seen);
        let told: Vec<_> = found.iter().map(|one| (one.code, one.severity)).collect();
        assert_eq!(told, *expected, "{what}: {found:#?}");
        // An observation is a test case: it reads back as it was written.
        let text = serde_json::to_string(&seen).expect("plain data");
        let again: Observed = serde_json::from_str(&text).expect("it was written so");
        assert_eq!(self::found(&again), found, "{what}");
    }
}

#[test]
fn a_host_that_is_no_gateway_or_has_not_its_lan_hears_nothing_of_it() {
    assert_eq!(found(&laptop(true)), []);
    let mut elsewhere = gateway();
    elsewhere.host.links.retain(|link| link.name != name("br0"));
    assert_eq!(found(&elsewhere), []);
}

#[test]
fn one_that_the_settings_name_and_nobody_started_is_noted() {
    let mut seen = gateway();
    seen.gateway = None;
    seen.lan = vec![name("br0")];
    let told: Vec<_> = found(&seen).iter().map(|one| (one.code, one.severity)).collect();
    assert_eq!(told, [("gateway.stopped", Severity::Note)]);
    seen.lan = vec![name("br7")];
    let told: Vec<_> = found(&seen).iter().map(|one| (one.code, one.severity)).collect();
    assert_eq!(told, [("gateway.no_link", Severity::Warning)]);
}

#[test]
fn only_what_is_up_is_said_to_carry_the_lan() {
    for (down, expected) in [
        (&["wlan0"][..], "TCP of br0 goes over wwan0"),
        (&["wlan0", "wwan0"], "no uplink of the gateway is up"),
        (&["br0"], "br0 of the LAN is down"),
    ] {
        let mut seen = gateway();
        for link in &mut seen.host.links {
            link.carrier &= !down.contains(&link.name.as_str());
        }
        let titles: Vec<String> = found(&seen).into_iter().map(|one| one.title).collect();
        assert_eq!(titles, [expected], "{down:?}");
    }
}
