//! What a check may observe, as data: a laptop with Wi-Fi and LTE, in order and in trouble, and a
//! server that it tries.

use std::fs;
use std::path::Path;

use mptcpize_model::checks::peer::{Answer, Carried, Joint, Report, Subflow, Try};
use mptcpize_model::checks::{Beyond, Hop, Observed, Service, Shim, SourceLookup};
use mptcpize_model::config::Config;
use mptcpize_model::counters::Counters;
use mptcpize_model::net::{Family, IfName};
use mptcpize_model::plan::plan;
use mptcpize_model::{HostState, desired, uplinks};

/// A laptop with Wi-Fi and LTE; as DHCP left it, or as `setup` did.
pub fn laptop(set_up: bool) -> Observed {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/two-subnets/host.json");
    let text = fs::read_to_string(case).expect("the case is in the repository");
    let mut host: HostState = serde_json::from_str(&text).expect("it is a state");
    let config = Config::default();
    if set_up {
        for step in plan(&host, &desired::desired(&host, &config)).steps {
            step.change.apply_to(&mut host);
        }
        for (endpoint, id) in host.endpoints.iter_mut().zip(1..) {
            endpoint.id = id;
        }
    }
    host.sysctls.insert("net.mptcp.scheduler".into(), "default".into());
    let library = "/usr/lib/x86_64-linux-gnu/mptcpize/libmptcpize.so".to_owned();
    let ways = ways(&host, if set_up { None } else { Some("wlan0") });
    Observed {
        host,
        ways,
        shim: Shim::Upgrades { library, program: "bash".into() },
        counters: Counters(vec![("MPCapableSYNTX".into(), 9)]),
        ..Observed::default()
    }
}

/// Every path's way out: by its own link, or all by one.
fn ways(host: &HostState, all_by: Option<&str>) -> Vec<SourceLookup> {
    let (paths, _) = uplinks::find(host, &Config::default());
    let best = paths.first().and_then(|path| path.gateway);
    let mut ways = Vec::new();
    for path in &paths {
        for oif in [None, Some(path.dev.clone())] {
            let other = all_by.filter(|_| oif.is_none());
            let dev = other.map_or(path.dev.clone(), name);
            let via = if dev == path.dev { path.gateway } else { best };
            let to = Beyond::default().of(path.family);
            let (from, hop) = (path.address, Some(Hop { dev, via }));
            ways.push(SourceLookup { from, to, oif, hop });
        }
    }
    ways
}

pub fn name(text: &str) -> IfName {
    IfName::new(text).expect("a literal name")
}

pub fn counted(seen: &mut Observed, list: &[(&str, u64)]) {
    seen.counters =
        Counters(list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect());
}

pub fn service(unit: &str, without: Vec<u32>, unreadable: usize) -> Service {
    Service { unit: unit.into(), processes: 1 - unreadable, without, unreadable }
}

/// A trial of both paths: the first as it should be, the join of the second unanswered.
pub fn peer(seen: &Observed) -> Report {
    let (paths, _) = uplinks::find(&seen.host, &seen.asked);
    let to = "203.0.113.9:443".parse().expect("a literal address");
    let answer = |rtt_us, mptcp| Answer::Connected { rtt_us, mptcp };
    let tries = paths
        .iter()
        .zip([18_200, 61_700])
        .map(|(path, rtt_us)| Try {
            dev: Some(path.dev.clone()),
            from: Some(path.address),
            to,
            tcp: answer(rtt_us, false),
            mptcp: answer(rtt_us, true),
            carried: Some(Carried { acked_bytes: Some(64), mptcp: true }),
        })
        .collect();
    let first = paths.iter().find(|path| path.family == Family::V4).expect("it has IPv4");
    let subflow = Subflow {
        from: first.address,
        to,
        established: true,
        rtt_us: Some(18_200),
        has_sent: Some(true),
        acked_bytes: Some(512),
    };
    let joint = Joint { mptcp: true, hung_up: false, subflows: vec![subflow], waited_ms: 2000 };
    Report {
        name: "www.example.org".into(),
        port: 443,
        addresses: vec![to.ip()],
        unknown_name: None,
        tries,
        joint: vec![joint],
    }
}

/// The laptop before its set-up, with all sorts of trouble, and a peer.
pub fn troubled() -> Observed {
    let mut seen = laptop(false);
    let wwan0 = seen.host.addresses[2].address;
    seen.host.endpoints.push(
        serde_json::from_value(serde_json::json!({
            "id": 2, "address": wwan0, "dev": "wwan0", "flags": "subflow backup",
        }))
        .expect("an endpoint"),
    );
    // Bound to its link, too, nothing leads to wwan0's gateway.
    for way in seen.ways.iter_mut().filter(|way| way.from == wwan0) {
        way.hop = Some(Hop { dev: name("wlan0"), via: "192.168.1.1".parse().ok() });
    }
    seen.firewall.unread = Some("only root may read them".into());
    counted(&mut seen, &[("MPCapableSYNTX", 9), ("MPCapableFallbackSYNACK", 7), ("Blackhole", 2)]);
    seen.peer = Some(peer(&seen));
    seen
}
