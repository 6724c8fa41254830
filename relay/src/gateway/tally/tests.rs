//! Which uplink an address is of, and what uplinks carried and missed.

use super::*;

#[test]
fn uplinks_in_one_network_are_told_apart_by_whole_addresses() {
    let uplinks: Vec<Uplink> = serde_json::from_str(
        r#"[{"dev": "w1", "addresses": ["10.0.0.1", "fd01::1"]},
            {"dev": "w2", "addresses": ["10.0.0.2", "fd01::2", "fd02::2"]}]"#,
    )
    .expect("uplinks");
    for (address, expected) in [
        ("10.0.0.2", Some("w2")),
        ("10.0.0.3", None),
        ("fd01::1", Some("w1")),
        ("fd01::2", Some("w2")),
        ("fd01::3", None),
        ("fd02::3", Some("w2")),
        ("fd03::3", None),
    ] {
        let found = of_source(&uplinks, address.parse().expect("an address"));
        assert_eq!(found.map(IfName::as_str), expected, "{address}");
    }
}

/// A connection from the first of three uplinks, which began when the first `known` of them were
/// there, and whose subflows on the first two carried so much.
fn live(uplinks: &[Uplink], known: usize, moved: [u64; 2]) -> Live {
    let text = r#"{"port": 1, "lan": ["br0"], "uplinks": []}"#;
    let settings: Settings = serde_json::from_str(text).expect("settings");
    let subflow =
        |(uplink, down): (&Uplink, u64)| Subflow { local: uplink.addresses[0], up: 0, down };
    Live {
        client: IpAddr::from([192, 168, 77, 2]),
        source: Some(uplinks[0].addresses[0]),
        mptcp: true,
        began: Arc::new(Settings { uplinks: uplinks[..known].to_vec(), ..settings }),
        up: AtomicU64::new(0),
        down: AtomicU64::new(moved.iter().sum()),
        far: Weak::new(),
        tick: Arc::default(),
        looked: AtomicU32::new(0),
        subflows: Mutex::new(uplinks.iter().zip(moved).map(subflow).collect()),
    }
}

#[test]
fn an_uplink_misses_what_others_shared_while_it_was_there() {
    let uplinks: Vec<Uplink> = serde_json::from_str(
        r#"[{"dev": "w1", "addresses": ["10.0.0.1"]}, {"dev": "w2", "addresses": ["10.0.0.2"]},
            {"dev": "w3", "addresses": ["10.0.0.3"]}]"#,
    )
    .expect("uplinks");
    for (known, moved, carriers, expected) in [
        (3, [5_000, 5_000], &["w1", "w2"][..], Some(10_000)),
        (2, [5_000, 5_000], &["w1", "w2"], None),
        (3, [10_000, 10], &["w1"], None),
        (3, [0, 0], &["w1"], None),
    ] {
        let live = live(&uplinks, known, moved);
        let names: Vec<_> = live.carriers(&uplinks).into_iter().map(IfName::as_str).collect();
        assert_eq!(names, carriers);
        let mut missed = HashMap::new();
        Looked::known(&live).miss(&live, &uplinks, &mut missed);
        let missed: Vec<_> = missed.iter().map(|(dev, sum)| (dev.as_str(), *sum)).collect();
        let expected: Vec<_> = expected.map(|sum| ("w3", sum)).into_iter().collect();
        assert_eq!(missed, expected, "{known} known, {moved:?}");
    }
}
