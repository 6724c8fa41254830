//! A set-up while the host moves: whatever happens to links, addresses and routes between set-ups,
//! `setup undo` succeeds, nothing of ours remains, and what was there before is there again as far
//! as nobody else took it away.
//!
//! Judged against a twin: a host of the same kind to which the same happens, without mptcpize.
//! Random sequences print their seed: `EVENTS_SEED=N` tries that one alone.
//!
//! Not here: that traffic uses the links (failover.rs), interrupted set-ups (crash.rs).

use crate::support::random::Random;
use crate::support::uplinks::{Station, difference};

/// So many random sequences, of so many steps at most.
const SEQUENCES: u64 = 24;
const MOST_STEPS: usize = 7;

/// A host with two or three links; the far ends are in its own namespace, where nothing answers.
struct Host(Station);

impl Host {
    fn new(links: usize) -> Host {
        let host = Host(Station::new());
        (1..=links).for_each(|link| host.plug(link));
        host
    }

    fn ip(&self, line: &str) {
        self.0.net.ip(line);
    }

    /// What may fail, because an event before it took its object away.
    fn try_ip(&self, line: &str) {
        let _ = self.0.net.command("ip").args(line.split_whitespace()).quiet().run();
    }

    fn plug(&self, link: usize) {
        // The same link-local addresses on every host.
        let (near, far) = (format!("02:00:00:00:01:0{link}"), format!("02:00:00:00:02:0{link}"));
        self.try_ip(&format!(
            "link add w{link} address {near} type veth peer name p{link} address {far}"
        ));
        self.ip(&format!("link set p{link} up"));
        self.number(link);
    }

    /// Addresses and default routes, as DHCP and router advertisements give them.
    fn number(&self, link: usize) {
        self.ip(&format!("link set w{link} up"));
        self.try_ip(&format!("address add 10.{link}.0.1/24 dev w{link}"));
        self.try_ip(&format!("address add 2001:db8:{link}::1/64 dev w{link} nodad"));
        self.route(link, 254);
    }

    fn route(&self, link: usize, gateway: usize) {
        self.try_ip(&format!("route flush default dev w{link} table main"));
        self.try_ip(&format!("-6 route flush default dev w{link} table main"));
        // Without asking how the gateway is reached, which routes of ours might answer.
        let metric = format!("dev w{link} onlink metric {link}00");
        self.try_ip(&format!("route add default via 10.{link}.0.{gateway} {metric}"));
        self.try_ip(&format!("route add default via 2001:db8:{link}::{gateway} {metric}"));
    }

    /// Lets one event happen. None is about what a set-up made.
    fn happen(&self, event: Event, link: usize) {
        match event {
            Event::Down => self.ip(&format!("link set w{link} down")),
            Event::Up => self.number(link),
            Event::Replug => {
                self.ip(&format!("link delete w{link}"));
                self.plug(link);
            }
            Event::Unplug => self.ip(&format!("link delete w{link}")),
            Event::AddressLost => {
                self.try_ip(&format!("address delete 10.{link}.0.1/24 dev w{link}"))
            }
            Event::AddressAdded => {
                self.try_ip(&format!("address add 10.{link}.0.7/24 dev w{link}"))
            }
            Event::AddressChanged => {
                self.try_ip(&format!("-4 address flush dev w{link} scope global"));
                self.try_ip(&format!("address add 10.{link}.0.9/24 dev w{link}"));
                self.route(link, 254);
            }
            Event::GatewayChanged => self.route(link, 253),
            Event::DefaultLost => {
                self.try_ip(&format!("route flush default dev w{link} table main"))
            }
            Event::Renumbered => {
                self.try_ip(&format!("-6 address flush dev w{link} scope global"));
                self.try_ip(&format!("address add 2001:db8:{link}:1::1/64 dev w{link} nodad"));
                let via = format!("2001:db8:{link}:1::254 dev w{link} onlink metric {link}00");
                self.try_ip(&format!("-6 route replace default via {via}"));
            }
            Event::Renamed => {
                self.ip(&format!("link set w{link} down"));
                self.ip(&format!("link set w{link} name v{link}"));
                self.ip(&format!("link set v{link} up"));
            }
            Event::RulesFlushed => {
                for family in ["-4", "-6"] {
                    self.try_ip(&format!("{family} rule flush protocol 86"));
                }
            }
            Event::EndpointDeleted => self.try_ip("mptcp endpoint flush"),
            Event::EndpointMade => {
                self.try_ip(&format!("mptcp endpoint add 10.{link}.0.77 id 4{link} signal"));
            }
            Event::LimitsSet => self.ip("mptcp limits set subflows 5 add_addr_accepted 3"),
            Event::SysctlSet => {
                let key = format!("net/ipv4/conf/w{link}/ignore_routes_with_linkdown");
                self.0.net.sysctl(&key, "0");
            }
        }
    }

    fn has(&self, link: usize) -> bool {
        self.0.net.proc_net("dev").contains(&format!("w{link}:"))
    }

    /// What a set-up may have left, sorted, for the order of what was made again is another.
    fn state(&self) -> String {
        let state = self.0.state();
        let mut lines: Vec<&str> = state.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    /// The tool ran, and either did it or said why not.
    #[track_caller]
    fn tool(&self, arguments: &str, told: &str) {
        let outcome = self.0.tool(arguments).run();
        let said = outcome.code() == 0 || outcome.stderr.contains("error: ");
        assert!(said && outcome.code() != 6 && outcome.code() < 100, "{told}: {outcome}");
    }

    /// Undo exits with 0, leaves nothing of ours, and the twin's state.
    ///
    /// Left out is what the kernel keeps by the name of a link that has another one now.
    #[track_caller]
    fn undo_leaves(&self, twin: &Host, told: &str) {
        let outcome = self.0.tool("setup undo").run();
        assert_eq!(outcome.code(), 0, "{told}: {outcome}");
        let state = self.state();
        assert!(!state.contains("proto 86"), "{told}: {state}");
        assert_eq!(self.0.journal(), None, "{told}");
        let tables = self.0.net.command("nft").args(["list", "tables"]).run().ok().stdout;
        assert!(!tables.contains("mptcpize"), "{told}: {tables}");
        let differs = difference(&twin.state(), &state);
        let renamed = |line: &&str| line.contains("/conf/v2/ignore_routes_with_linkdown");
        let differs: Vec<&str> = differs.lines().filter(|line| !renamed(line)).collect();
        assert!(differs.is_empty(), "{told}: {differs:#?}: - without mptcpize, + after its undo");
    }
}

/// What happens to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Down,
    Up,
    Replug,
    Unplug,
    AddressLost,
    AddressAdded,
    AddressChanged,
    GatewayChanged,
    DefaultLost,
    Renumbered,
    Renamed,
    /// As systemd-networkd does at a reconfigure.
    RulesFlushed,
    EndpointDeleted,
    EndpointMade,
    LimitsSet,
    /// Back to what the kernel starts with.
    SysctlSet,
}

/// Those of the random sequences, in which a link keeps its name.
const EVENTS: [Event; 15] = [
    Event::Down,
    Event::Up,
    Event::Replug,
    Event::Unplug,
    Event::AddressLost,
    Event::AddressAdded,
    Event::AddressChanged,
    Event::GatewayChanged,
    Event::DefaultLost,
    Event::Renumbered,
    Event::RulesFlushed,
    Event::EndpointDeleted,
    Event::EndpointMade,
    Event::LimitsSet,
    Event::SysctlSet,
];

#[test]
fn undo_gives_the_host_back_whatever_happened_between() {
    let asked = std::env::var("EVENTS_SEED").ok();
    let asked = asked.map(|text| text.parse().expect("EVENTS_SEED is a number"));
    let seeds = asked.map_or(0..SEQUENCES, |seed: u64| seed..seed + 1);
    let (mut set_up, mut events) = (0, 0);
    for seed in seeds.clone() {
        let mut random = Random(seed);
        let links = 2 + random.below(2);
        let (host, twin) = (Host::new(links), Host::new(links));
        let mut history: Vec<String> = Vec::new();
        for step in 0..=random.below(MOST_STEPS) {
            if step == 0 || random.chance(40) {
                let how =
                    *random.pick(&["setup", "setup --backup w2", "setup --exclude w2", "run true"]);
                history.push(how.to_owned());
                host.tool(how, &format!("seed {seed}, {history:?}"));
                set_up += usize::from(host.0.journal().is_some());
                continue;
            }
            let (event, link) = (*random.pick(&EVENTS), 1 + random.below(links));
            let gone = !host.has(link);
            if gone && !matches!(event, Event::Replug | Event::Up) {
                continue;
            }
            history.push(format!("{event:?} {link}"));
            for it in [&host, &twin] {
                match event {
                    _ if gone => it.plug(link),
                    event => it.happen(event, link),
                }
            }
            events += 1;
        }
        host.undo_leaves(&twin, &format!("seed {seed}, {links} links, {history:?}"));
    }
    let many = seeds.count() > 1;
    assert!(!many || set_up > 20 && events > 20, "{set_up} set-ups, {events} events");
}

#[test]
fn undo_gives_the_host_back_after_what_people_reported() {
    let table: [(&str, &[(Event, usize)]); 7] = [
        ("a replug", &[(Event::Replug, 2)]),
        (
            "a gateway change, then the address lost",
            &[(Event::GatewayChanged, 2), (Event::AddressLost, 2)],
        ),
        ("IPv6 renumbering", &[(Event::Renumbered, 1), (Event::Renumbered, 2)]),
        ("another name", &[(Event::Renamed, 2)]),
        (
            "a manager that deletes foreign rules",
            &[(Event::RulesFlushed, 1), (Event::EndpointDeleted, 1)],
        ),
        ("down", &[(Event::Down, 2)]),
        ("down and up", &[(Event::Down, 1), (Event::Up, 1)]),
    ];
    for (name, events) in table {
        for again in [true, false] {
            let (host, twin) = (Host::new(3), Host::new(3));
            host.0.setup("");
            for (event, link) in events {
                host.happen(*event, *link);
                twin.happen(*event, *link);
                if again {
                    host.tool("setup", name);
                }
            }
            host.undo_leaves(&twin, &format!("{name}, set up again between: {again}"));
        }
    }
}
