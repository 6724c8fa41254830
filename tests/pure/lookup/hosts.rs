//! Random hosts: uplinks and what else has an address, default and special routes in main and in
//! tables of others, rules of every kind. VPNs are in `vpns`.

use std::net::IpAddr;

use mptcpize_model::config::{Config, Role};
use mptcpize_model::metrics::Metrics;
use mptcpize_model::mptcp::{Endpoint, Flags, Limits};
use mptcpize_model::net::{Action, Address, Family, IfName, Link, MAIN, Prefix, Route, Rule};

use super::fib::{DEFAULT, Fib, FibRule, Kind, LOCAL, Refusal, plain};
use crate::support::random::Random;

/// A host, and what its administrator asked of the set-up.
#[derive(Clone, Debug)]
pub struct Host {
    pub fib: Fib,
    pub config: Config,
    /// The links that are nobody's tunnel.
    pub uplinks: Vec<IfName>,
}

pub fn name(text: &str) -> IfName {
    IfName::new(text).expect("a name of ours")
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address of ours")
}

pub fn net(text: &str) -> Prefix {
    text.parse().expect("a network of ours")
}

pub fn link(text: &str, kind: Option<&str>) -> Link {
    Link {
        name: name(text),
        up: true,
        carrier: true,
        loopback: text == "lo",
        point_to_point: matches!(kind, Some("ppp" | "tun" | "wireguard")),
        kind: kind.map(str::to_owned),
        master: None,
        lower: None,
    }
}

pub fn route(
    table: u32,
    to: Option<Prefix>,
    via: Option<IpAddr>,
    dev: &str,
    family: Family,
) -> Route {
    Route {
        table,
        family,
        to,
        from: None,
        via,
        dev: name(dev),
        src: None,
        metric: if family == Family::V6 { 1024 } else { 0 },
        protocol: 3,
        onlink: false,
        scope: None,
        metrics: Metrics::default(),
        encapsulated: false,
    }
}

pub fn rule(family: Family, table: u32) -> FibRule {
    plain(Rule {
        priority: 0,
        family,
        from: None,
        local: false,
        action: Action::Lookup,
        table,
        suppress: None,
        protocol: 0,
        conditional: false,
    })
}

/// An address with its connected route.
pub fn address(fib: &mut Fib, dev: &str, text: &str, length: u8, peer: Option<&str>) {
    let address = Address {
        dev: name(dev),
        address: ip(text),
        length,
        peer: peer.map(ip),
        global: dev != "lo",
        deprecated: false,
        tentative: false,
        temporary: false,
        secondary: false,
        protocol: 0,
    };
    let network = address.network();
    let family = Family::of(address.address);
    fib.add_address(address);
    let up = fib.link(&name(dev)).is_some_and(|link| link.up);
    if dev != "lo" && up && network.length < family.bits() + u8::from(peer.is_some()) {
        let metric = if family == Family::V6 { 256 } else { 0 };
        let connected = route(MAIN, Some(network), None, dev, family);
        fib.add_route(Route { metric, protocol: 2, ..connected }, Kind::Unicast);
    }
}

/// One uplink of the generator.
struct Uplink {
    name: String,
    up: bool,
    /// The gateways; none where a family is missing, none inside on point-to-point links.
    v4: Option<Option<IpAddr>>,
    v6: Option<Option<IpAddr>>,
}

impl Uplink {
    fn ways(&self) -> impl Iterator<Item = (Family, Option<IpAddr>)> {
        let v4 = self.v4.map(|via| (Family::V4, via));
        v4.into_iter().chain(self.v6.map(|via| (Family::V6, via)))
    }
}

/// Makes one.
pub fn host(random: &mut Random) -> Host {
    let mut fib = Fib { limits: Limits { subflows: 2, add_addr_accepted: 0 }, ..Fib::default() };
    fib.links.push(link("lo", None));
    for family in Family::BOTH {
        fib.add_rule(rule(family, LOCAL), Some(0));
        fib.add_rule(rule(family, MAIN), Some(32766));
        if family == Family::V4 {
            fib.add_rule(rule(family, DEFAULT), Some(32767));
        }
    }
    address(&mut fib, "lo", "127.0.0.1", 8, None);
    address(&mut fib, "lo", "::1", 128, None);
    let uplinks = uplinks(&mut fib, random);
    for uplink in &uplinks {
        defaults(&mut fib, random, uplink);
    }
    others(&mut fib, random, &uplinks);
    for _ in 0..random.below(4) {
        special(&mut fib, random, &uplinks);
    }
    for _ in 0..[0, 0, 0, 1, 1, 2, 3][random.below(7)] {
        foreign_rule(&mut fib, random, &uplinks);
    }
    for link in &fib.links {
        for (family, key) in [("ipv4", "arp_ignore"), ("ipv4", LINKDOWN), ("ipv6", LINKDOWN)] {
            fib.sysctls.insert(format!("net.{family}.conf.{}.{key}", link.name), "0".into());
        }
    }
    fib.sysctls.insert("net.mptcp.enabled".into(), "1".into());
    if random.chance(10) {
        let (address, flags) =
            (fib.addresses[random.below(fib.addresses.len())].address, Flags::SUBFLOW);
        fib.endpoints.push(Endpoint { id: 9, address, port: None, dev: None, flags });
    }
    let mut config = Config::default();
    let some = name(&random.pick(&uplinks).name);
    match random.below(20) {
        0 => config.exclude = vec![some],
        1 => config.backup = vec![some],
        2 => config.role = Role::Server,
        3 => config.only = uplinks.iter().take(2).map(|it| name(&it.name)).collect(),
        _ => {}
    }
    let tunnel = |kind: &Option<String>| matches!(kind.as_deref(), Some("tun" | "wireguard"));
    let uplinks = fib.links.iter().filter(|it| !tunnel(&it.kind)).map(|it| it.name.clone());
    Host { uplinks: uplinks.collect(), fib, config }
}

const LINKDOWN: &str = "ignore_routes_with_linkdown";

/// One to four uplinks with their addresses.
fn uplinks(fib: &mut Fib, random: &mut Random) -> Vec<Uplink> {
    let count = *random.pick(&[1, 2, 2, 2, 3, 3, 4]);
    // Networks of their own, one for all, or the same address on each.
    let layout = *random.pick(&["apart", "apart", "apart", "shared", "twins"]);
    let mut uplinks = Vec::new();
    for number in 1..=count {
        let kind = *random.pick(&[None, None, Some("veth"), Some("bridge"), Some("ppp")]);
        let dev = format!("e{number}");
        let mut made = link(&dev, kind);
        made.up = !random.chance(4);
        made.carrier = made.up && !random.chance(5);
        let up = made.up;
        fib.links.push(made);
        let mut uplink = Uplink { name: dev.clone(), up, v4: None, v6: None };
        if random.chance(90) {
            let own = |text: &str| text.replace('N', &number.to_string());
            let (text, via) = match (kind, layout) {
                (Some("ppp"), _) => (own("10.64.N.1"), None),
                (_, "shared") => (own("192.168.0.1N"), Some("192.168.0.1".to_owned())),
                (_, "twins") => ("192.168.8.100".to_owned(), Some("192.168.8.1".to_owned())),
                _ => (own("10.N.0.2"), Some(own("10.N.0.1"))),
            };
            let peer = own("10.64.N.254");
            match kind {
                Some("ppp") => address(fib, &dev, &text, 32, Some(&peer)),
                _ => address(fib, &dev, &text, 24, None),
            }
            if random.chance(15) {
                address(fib, &dev, &own("192.168.10N.2"), 24, None);
            }
            uplink.v4 = Some(via.as_deref().map(ip));
        }
        if random.chance(45) {
            address(fib, &dev, &format!("2001:db8:{number}::2"), 64, None);
            if random.chance(25) {
                address(fib, &dev, &format!("2001:db8:{number}::77"), 64, None);
                let last = fib.addresses.last_mut().expect("it was added");
                (last.temporary, last.deprecated) = (random.chance(50), random.chance(30));
            }
            let via = *random.pick(&["fe80::1", "G"]);
            uplink.v6 = Some(Some(ip(&via.replace('G', &format!("2001:db8:{number}::1")))));
        }
        uplinks.push(uplink);
    }
    uplinks
}

/// The default routes of an uplink: in main, in a table that a rule gives to its addresses, or
/// nowhere.
fn defaults(fib: &mut Fib, random: &mut Random, uplink: &Uplink) {
    let dev = &uplink.name;
    if !uplink.up {
        return;
    }
    for (family, via) in uplink.ways() {
        let metric =
            *random.pick(&[0, 100, 200, 300, 600]) + u32::try_from(fib.entries.len()).expect("few");
        let src = fib
            .addresses
            .iter()
            .find(|it| it.dev.as_str() == dev && Family::of(it.address) == family);
        let src = src.map(|it| it.address).filter(|_| random.chance(20));
        if random.chance(80) {
            let mut best = Route { metric, src, ..route(MAIN, None, via, dev, family) };
            if family == Family::V6 && random.chance(10) {
                best.from = src.map(|it| Prefix::network(it, 64));
            }
            fib.add_route(best, Kind::Unicast);
            if random.chance(8) {
                let second = via.map(neighbour);
                let second =
                    Route { metric: metric + 1000, ..route(MAIN, None, second, dev, family) };
                fib.add_route(second, Kind::Unicast);
            }
        }
        if random.chance(20) {
            let table = 200 + u32::try_from(random.below(4)).expect("few");
            fib.add_route(Route { metric, ..route(table, None, via, dev, family) }, Kind::Unicast);
            let from = fib
                .addresses
                .iter()
                .find(|it| it.dev.as_str() == dev && Family::of(it.address) == family);
            let from = from.map(|it| {
                Prefix::network(it.address, *random.pick(&[24, 32, 64, 128]).min(&family.bits()))
            });
            let mut given = rule(family, table);
            given.rule.from = from;
            let priority = *random.pick(&[
                Some(1000),
                Some(32000),
                Some(32764),
                Some(32765),
                None,
                Some(33000),
            ]);
            fib.add_rule(given, priority);
        }
    }
}

/// Another router of the same network.
fn neighbour(via: IpAddr) -> IpAddr {
    match via {
        IpAddr::V4(via) => IpAddr::V4((u32::from(via) + 252).into()),
        IpAddr::V6(via) => IpAddr::V6((u128::from(via) + 252).into()),
    }
}

/// Links that are no uplinks: faces of one, a bridge of containers, a dummy.
fn others(fib: &mut Fib, random: &mut Random, uplinks: &[Uplink]) {
    let lower = random.pick(uplinks);
    if random.chance(15) {
        let kind = *random.pick(&["macvlan", "vlan", "ipvlan"]);
        let mut face = link("face0", Some(kind));
        face.lower = Some(name(&lower.name));
        fib.links.push(face);
        let (text, via) = *random.pick(&[("10.1.0.77", "10.1.0.1"), ("10.77.0.2", "10.77.0.1")]);
        address(fib, "face0", text, 24, None);
        if random.chance(60) {
            let best = route(MAIN, None, Some(ip(via)), "face0", Family::V4);
            fib.add_route(Route { metric: 900, ..best }, Kind::Unicast);
        }
    }
    if random.chance(35) {
        fib.links.push(link("docker0", Some("bridge")));
        let mut port = link("port0", Some("veth"));
        port.master = Some(name("docker0"));
        fib.links.push(port);
        address(fib, "docker0", "172.17.0.1", 16, None);
        if random.chance(20) {
            let table = 210;
            fib.add_route(
                route(table, None, Some(ip("172.17.0.2")), "docker0", Family::V4),
                Kind::Unicast,
            );
            let mut marked = rule(Family::V4, table);
            marked.mark = Some(210);
            fib.add_rule(marked, Some(110));
        }
    }
    if random.chance(20) {
        fib.links.push(link("dummy0", Some("dummy")));
        address(fib, "dummy0", "198.51.100.7", 32, None);
        address(fib, "dummy0", "2001:db8:d::7", 128, None);
    }
}

/// A route to somewhere special, in main.
fn special(fib: &mut Fib, random: &mut Random, uplinks: &[Uplink]) {
    let uplink = random.pick(uplinks);
    let to = *random.pick(&[
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "203.0.113.0/24",
        "10.200.0.0/16",
        "240.0.0.0/4",
        "2001:db8:aa::/48",
        "fd00::/8",
    ]);
    let to = net(to);
    let family = Family::of(to.address);
    if random.chance(40) {
        let kind = *random.pick(&[Refusal::Blackhole, Refusal::Unreachable, Refusal::Prohibit]);
        // The kernel's own last resort of IPv6, and what people add for IPv4.
        let (to, metric) = if random.chance(25) { (None, u32::MAX) } else { (Some(to), 5) };
        let refused = Route { metric, ..route(MAIN, to, None, "lo", family) };
        fib.add_route(refused, Kind::Refuse(kind));
    } else if let Some((_, via)) = uplink.ways().find(|it| it.0 == family).filter(|_| uplink.up) {
        fib.add_route(route(MAIN, Some(to), via, &uplink.name, family), Kind::Unicast);
    }
}

/// A rule of somebody else, of any kind, and what its table holds.
fn foreign_rule(fib: &mut Fib, random: &mut Random, uplinks: &[Uplink]) {
    let uplink = random.pick(uplinks);
    let Some((family, via)) = uplink.ways().next().filter(|_| uplink.up) else { return };
    let table = *random.pick(&[100, 300, 8684, 8685]);
    let mut made = rule(family, table);
    let mut priority = *random.pick(&[
        None,
        Some(50),
        Some(1000),
        Some(20000),
        Some(32764),
        Some(32765),
        Some(32766),
        Some(32800),
        Some(40000),
    ]);
    match random.below(12) {
        0 | 1 => made.mark = Some(7),
        2 => {
            made.to =
                Some(net(if family == Family::V4 { "203.0.113.0/24" } else { "2001:db8:aa::/48" }))
        }
        3 => made.iif = Some(name("docker0")),
        4 => {
            made.rule.from =
                Some(net(if family == Family::V4 { "172.17.0.0/16" } else { "fd00::/8" }))
        }
        5 => (made.mark, made.invert) = (Some(7), true),
        6 => {
            made.mark = Some(7);
            made.rule.action =
                *random.pick(&[Action::Unreachable, Action::Blackhole, Action::Prohibit]);
        }
        7 => {
            // Beside a mark, so that the rest of the host is an ordinary one.
            made.mark = random.chance(80).then_some(7);
            // One that leads nowhere is passed over until somebody adds its target.
            let of_family = fib.rules.iter().filter(|it| it.rule.family == family);
            let known: Vec<u32> = of_family.map(|it| it.rule.priority).collect();
            // Backwards the kernel lets none lead, so its place is known first.
            let before = priority.unwrap_or(50);
            priority = Some(before);
            let later: Vec<u32> = known.into_iter().filter(|it| *it > before).collect();
            if later.is_empty() {
                return;
            }
            made.rule.action = Action::Goto(*random.pick(&later));
        }
        8 => (made.rule.table, made.rule.suppress, priority) = (MAIN, Some(0), Some(900)),
        9 => {
            // As on hosts with VRFs.
            let first = |it: &FibRule| it.rule.family == family && it.rule.table == LOCAL;
            if let Some(at) = fib.rules.iter().position(first) {
                let local = fib.rules.remove(at);
                fib.add_rule(local, Some(32765));
            }
            return;
        }
        10 => {
            made.rule.action = *random.pick(&[Action::Unreachable, Action::Nop]);
            priority = Some(*random.pick(&[32767, 32900, 40000]));
        }
        _ => {}
    }
    let lookup = made.rule.action == Action::Lookup;
    if !lookup {
        made.rule.table = 0;
    }
    fib.add_rule(made, priority);
    if !lookup || table == MAIN {
        return;
    }
    let to = random
        .chance(50)
        .then(|| net(if family == Family::V4 { "10.200.0.0/16" } else { "fd00:2::/32" }));
    match random.below(4) {
        0 => fib.add_route(route(table, to, None, "lo", family), Kind::Throw),
        1 => {
            fib.add_route(route(table, to, None, "lo", family), Kind::Refuse(Refusal::Unreachable))
        }
        _ => fib.add_route(route(table, to, via, &uplink.name, family), Kind::Unicast),
    }
}
