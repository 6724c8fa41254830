//! States of hosts made up for the screens: what a look would have found.

use std::net::IpAddr;

use mptcpize_model::checks::Socket;
use mptcpize_model::config::Config;
use mptcpize_model::connection::{Connection, Fallback, Phase, Subflow};
use mptcpize_model::daemon::Code;
use mptcpize_model::desired;
use mptcpize_model::gateway_status::{self, Amounts, Client, State, VERSION, reason};
use mptcpize_model::metrics::Metrics;
use mptcpize_model::mptcp::{Endpoint, Flags, Limits};
use mptcpize_model::net::Bytes;
use mptcpize_model::net::{Address, Family, IfName, Link, Route};
use mptcpize_model::plan::plan;
use mptcpize_model::status::daemon::{Daemon, Held, Told};
use mptcpize_model::status::lan::Heard;
use mptcpize_model::status::{Container, Program, Rates, Seen};
use mptcpize_model::{Flavour, Manager};

fn name(text: &str) -> IfName {
    IfName::new(text).expect("a literal name")
}

fn link(text: &str) -> Link {
    Link {
        name: name(text),
        up: true,
        carrier: true,
        loopback: text == "lo",
        point_to_point: false,
        kind: None,
        master: None,
        lower: None,
    }
}

fn address(dev: &str, text: &str, length: u8) -> Address {
    Address {
        dev: name(dev),
        address: text.parse().expect("a literal address"),
        length,
        peer: None,
        global: dev != "lo",
        deprecated: false,
        tentative: false,
        temporary: false,
        secondary: false,
        protocol: 0,
    }
}

fn default_route(dev: &str, via: &str, metric: u32) -> Route {
    Route {
        table: 254,
        family: Family::V4,
        to: None,
        from: None,
        via: via.parse().ok(),
        dev: name(dev),
        src: None,
        metric,
        protocol: 3,
        onlink: false,
        scope: None,
        metrics: Metrics::default(),
        encapsulated: false,
    }
}

fn endpoint(id: u8, dev: &str, text: &str, flags: Flags) -> Endpoint {
    let address = text.parse().expect("a literal address");
    Endpoint { id, address, port: None, dev: Some(name(dev)), flags }
}

pub fn subflow(local: &str, remote: &str, id: u8, rtt_ms: u32) -> Subflow {
    Subflow {
        local: local.parse().expect("a literal address"),
        remote: remote.parse().expect("a literal address"),
        bound: None,
        local_id: id,
        remote_id: 0,
        open: true,
        rtt_us: rtt_ms * 1_000,
        sent: 1_200_000,
        resent: 1_448,
        received: 432_000_000,
        idle_ms: 3,
        backup: false,
        stale: false,
    }
}

pub fn connection(inode: u32, subflows: Vec<Subflow>) -> Connection {
    Connection {
        token: Some(0x9f3a_0000 + inode),
        inode,
        uid: 1000,
        local: subflows[0].local,
        remote: subflows[0].remote,
        phase: Phase::Open,
        fallback: None,
        sent: 1_200_000,
        received: 432_000_000,
        subflows,
    }
}

/// A laptop at home: Wi-Fi, and a modem as the backup. It is set up, beside NetworkManager.
pub fn laptop() -> Seen {
    let mut seen = bare();
    let host = &mut seen.observed.host;
    let desired = desired::desired(host, &Config::default());
    for step in plan(host, &desired).steps {
        step.change.apply_to(host);
    }
    for (endpoint, id) in host.endpoints.iter_mut().zip(1..) {
        endpoint.id = id;
    }
    seen
}

/// The same before it is set up.
fn bare() -> Seen {
    let mut seen = Seen::default();
    seen.observed.host.kernel.release = "6.18.0".into();
    let wifi = |port: u16| format!("192.168.1.23:{port}");
    seen.observed.host.links = ["lo", "wlan0", "wwan0"].map(link).into();
    seen.observed.host.addresses = vec![
        address("lo", "127.0.0.1", 8),
        address("wlan0", "192.168.1.23", 24),
        address("wwan0", "10.64.9.2", 30),
    ];
    seen.observed.host.routes =
        vec![default_route("wlan0", "192.168.1.1", 600), default_route("wwan0", "10.64.9.1", 700)];
    seen.observed.host.endpoints = vec![
        endpoint(1, "wlan0", "192.168.1.23", Flags::SUBFLOW),
        endpoint(2, "wwan0", "10.64.9.2", Flags::SUBFLOW.with(Flags::BACKUP)),
    ];
    seen.observed.host.limits = Some(Limits { subflows: 8, add_addr_accepted: 8 });
    seen.observed.host.sysctls.insert("net.mptcp.enabled".into(), "1".into());
    seen.observed.host.managers = vec![Manager::NetworkManager];
    seen.observed.host.ours = vec!["192.168.1.23".parse().expect("a literal address")];
    let backup = Subflow {
        backup: true,
        idle_ms: 600_000,
        ..subflow("10.64.9.2:40001", "203.0.113.9:443", 2, 61)
    };
    let plain = subflow(&wifi(40003), "192.0.2.80:80", 0, 31);
    seen.connections = Some(vec![
        connection(1, vec![subflow(&wifi(40000), "203.0.113.9:443", 0, 18), backup]),
        connection(2, vec![subflow(&wifi(40002), "198.51.100.4:22", 0, 24)]),
        Connection { fallback: Some(Fallback::PeerWithout), ..connection(3, vec![plain]) },
    ]);
    for (inode, pid, text) in [(1, 4711, "curl"), (2, 4802, "ssh"), (3, 5120, "firefox")] {
        seen.programs.insert(inode, Program { pid, name: text.into(), container: None });
    }
    let moved = |received, sent| Bytes { received, sent };
    seen.rates = Some(Rates {
        over_ms: 200,
        moved: [("wlan0".into(), moved(1_030_000, 52_500)), ("wwan0".into(), moved(7_500, 2_500))]
            .into(),
    });
    seen.services = vec!["nginx.service".into()];
    seen.set_up_s = Some(7_300);
    seen.scheduler = Some("default".into());
    seen.path_manager = Some("kernel".into());
    seen
}

/// The laptop whose programs run in containers that share its network, one of which no engine here knows.
pub fn shared() -> Seen {
    let mut seen = laptop();
    for (inode, id, name) in
        [(1, "3fa9c1b2d4e5", Some("web")), (2, "0c1d2e3f4a5b", Some("a-name-with-no-end-to-it"))]
    {
        let program = seen.programs.get_mut(&inode).expect("a program of the laptop");
        program.container = Some(Container { id: id.into(), name: name.map(str::to_owned) });
    }
    let program = seen.programs.get_mut(&3).expect("a program of the laptop");
    program.container = Some(Container { id: "77ab01cd23ef".into(), name: None });
    seen
}

/// What the relay of a gateway says after two hours, and so many bytes to its first client.
pub fn told(running_ms: u64, down_bytes: u64) -> State {
    let amounts = |open, carried, down_bytes, up_bytes, part: u64| Amounts {
        open,
        carried,
        mptcp: carried,
        multipath: carried * part / 100,
        up_bytes,
        down_bytes,
        multipath_bytes: (up_bytes + down_bytes) / 100 * part,
    };
    let client = |address: &str, amounts| Client {
        address: address.parse().expect("a literal address"),
        amounts,
    };
    let uplink = |dev: &str, open, down_bytes, failures| gateway_status::Uplink {
        dev: IfName::new(dev).expect("a short name"),
        weight: 1,
        backup: false,
        open,
        carried: 400,
        up_bytes: down_bytes / 40,
        down_bytes,
        failures,
        failing_ms: (failures > 0).then_some(125_000),
        missed_bytes: 0,
        last_for_ms: (failures > 0).then_some(11_200),
    };
    let refused = [(reason::PER_CLIENT, 12), (reason::DESTINATION, 1_204)];
    State {
        version: VERSION,
        pid: 911,
        netns: 1,
        running_ms: 7_300_000 + running_ms,
        lan: vec![IfName::new("br0").expect("a short name")],
        connections: 17,
        most_connections: 16_384,
        all: Amounts {
            mptcp: 3_000,
            ..amounts(15, 4_211, 1_400_000_000 + down_bytes, 33_000_000, 93)
        },
        clients_all: 3,
        clients: vec![
            client("192.168.77.2", amounts(12, 4_000, 1_300_000_000 + down_bytes, 30_000_000, 97)),
            client("fd77::a9c2:1bff:fe00:3", amounts(3, 200, 100_000_000, 3_000_000, 0)),
            client("192.168.77.9", amounts(0, 11, 0, 0, 0)),
        ],
        uplinks: vec![
            uplink("wlan0", 9, 800_000_000 + down_bytes / 2, 0),
            uplink("wwan0", 6, 600_000_000 + down_bytes / 2, 3),
        ],
        beside: Amounts { carried: 2, ..Amounts::default() },
        refused: refused.map(|(code, number)| (code.to_owned(), number)).into(),
        without_mptcp: 31,
        ..State::default()
    }
}

/// A laptop that is a gateway for others.
pub fn gateway() -> Seen {
    let mut seen = laptop();
    seen.relay_before = Some(Box::new(told(0, 0)));
    seen.relay = Heard::State(Box::new(told(200, 1_030_000)));
    seen
}

/// One link only, nothing set up, no connection, an ordinary user.
pub fn fresh() -> Seen {
    let mut seen = bare();
    seen.observed.host.endpoints.clear();
    seen.observed.host.managers.clear();
    seen.observed.host.limits = Some(Limits { subflows: 0, add_addr_accepted: 0 });
    seen.connections = Some(Vec::new());
    seen.programs.clear();
    seen.rates = None;
    seen.services.clear();
    seen.set_up_s = None;
    seen
}

/// Everything that can be wrong at a glance.
pub fn troubled() -> Seen {
    let mut seen = laptop();
    let gone = endpoint(3, "eth7", "198.18.0.1", Flags::SUBFLOW);
    let modem: IpAddr = "10.64.9.2".parse().expect("a literal address");
    seen.observed.host.endpoints.retain(|endpoint| endpoint.address != modem);
    seen.observed.host.endpoints.push(gone);
    seen.observed.host.links[2].carrier = false;
    seen.programs.clear();
    seen.programs_hidden = Some("programs of other users are hidden: sudo mptcpize status");
    let connections = seen.connections.as_mut().expect("a laptop has some");
    connections[0].subflows[1].stale = true;
    connections[2].fallback = Some(Fallback::OnTheWay);
    connections[1].phase = Phase::Connecting;
    let odd = Connection {
        token: None,
        fallback: Some(Fallback::AskedWithout),
        ..connection(
            9,
            vec![subflow("[2001:db8::1]:443", "[2001:db8:ffff:ffff::1234]:55555", 0, 1)],
        )
    };
    connections.push(odd);
    seen.daemon = Some(flapping());
    seen
}

/// A daemon that has run for two hours, on a host whose modem comes and goes.
fn flapping() -> Daemon {
    let told = |ago_s, kind, text: &str| Told { ago_s, kind, text: text.to_owned() };
    let why = "it came and went more than 5 times within a minute".to_owned();
    Daemon {
        pid: 712,
        running_s: 7_300,
        standing: "only one path, wlan0: nothing to set up; held back: wwan0".to_owned(),
        judged: None,
        behind: false,
        look_again: None,
        budgets: vec![],
        healed: Some(3),
        held: vec![Held { link: name("wwan0"), for_s: Some(95), why }],
        events: vec![
            told(7_300, Code::SetUp, "set up wlan0 and wwan0 with 15 changes"),
            told(31, Code::LinkGone, "wwan0 is no path any more: it has no carrier"),
            told(25, Code::Held, "wwan0 is held back for 120 s: it came and went too often"),
        ],
    }
}

pub fn off() -> Seen {
    let mut seen = fresh();
    seen.observed.host.sysctls.insert("net.mptcp.enabled".into(), "0".into());
    seen.observed.socket = Socket::Off;
    seen
}

pub fn absent() -> Seen {
    let mut seen = fresh();
    seen.observed.host.kernel.mptcp = Flavour::Absent;
    seen.observed.host.limits = None;
    seen.connections = None;
    seen.scheduler = None;
    seen.path_manager = None;
    seen
}

pub fn crowd() -> Seen {
    let mut seen = laptop();
    let one = |number: u32| {
        let local = format!("192.168.1.23:{}", 10_000 + number);
        let second = format!("10.64.9.2:{}", 10_000 + number);
        let remote = "203.0.113.9:443";
        connection(number, vec![subflow(&local, remote, 0, 18), subflow(&second, remote, 2, 61)])
    };
    seen.connections = Some((1..=10_000).map(one).collect());
    seen
}
