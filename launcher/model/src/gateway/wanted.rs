//! What the host of a gateway is to have beside links that are set up, and the changes that lead there.

use crate::HostState;
use crate::change::{Change, Item};
use crate::config::Config;
use crate::desired::sysctl_name;
use crate::gateway::asked::Asked;
use crate::gateway::filter::{Filter, MARK, can_name};
use crate::gateway::lan;
use crate::gateway::part::{LocalRoute, MarkRule, PRIORITY, Part};
use crate::gateway::{Settings, Uplink};
use crate::net::{Address, Family, IfName, MAIN, Prefix};
use crate::ours;
use crate::plan::{Plan, Step};
use crate::proposal::Proposal;
use crate::uplinks::Path;

/// A gateway on a host that was observed.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What it is asked.
    pub asked: &'a Asked,
    /// The uplinks, best first; one a family for each link.
    pub uplinks: &'a [Path],
    /// Where the relay listens.
    pub port: u16,
    /// For how long connections live on after the relay was told to end, in seconds.
    pub drain_s: u32,
}

/// The kernel parameters that a gateway on this host looks at.
pub fn sysctls(state: &HostState) -> Vec<String> {
    let mut keys =
        vec!["net.ipv6.conf.all.forwarding".to_owned(), "net.ipv6.conf.lo.disable_ipv6".to_owned()];
    keys.extend(BRIDGES.map(|(key, _)| key.to_owned()));
    for link in &state.links {
        let name = sysctl_name(&link.name);
        keys.push(format!("net.ipv4.conf.{name}.forwarding"));
        for word in ["forwarding", "force_forwarding", "accept_ra"] {
            keys.push(format!("net.ipv6.conf.{name}.{word}"));
        }
    }
    keys
}

/// A bridge whose packets pass the filter of IP, with the family: then they pass it before the bridge
/// gives them to the host, and lose the socket that they were given there (ip_rcv_core, skb_orphan).
const BRIDGES: [(&str, Family); 2] = [
    ("net.bridge.bridge-nf-call-iptables", Family::V4),
    ("net.bridge.bridge-nf-call-ip6tables", Family::V6),
];

impl Wanted<'_> {
    /// The interfaces by which traffic of the LAN leaves: the uplinks, and whatever takes what this host
    /// itself leaves unbound (a VPN).
    fn out(&self, state: &HostState) -> Vec<IfName> {
        let uplinks = self.uplinks.iter().map(|path| &path.dev);
        let routes = state.routes.iter().filter(|route| route.to.is_none() && route.table == MAIN);
        let unbound = state.ways.iter().filter(|way| way.from.is_none() && way.oif.is_none());
        let ways = unbound.filter_map(|way| way.hop.as_ref()).map(|hop| &hop.dev);
        let mut all: Vec<IfName> = Vec::new();
        for dev in uplinks.chain(routes.map(|route| &route.dev)).chain(ways) {
            let loopback = state.link(dev).is_none_or(|link| link.loopback);
            if !loopback && !all.contains(dev) && !self.asked.lan.contains(dev) && can_name(dev) {
                all.push(dev.clone());
            }
        }
        // The order of uplinks changes with their routes, which changes nothing here.
        all.sort();
        all
    }

    /// What the relay is told.
    pub fn settings(&self, config: &Config) -> Settings {
        let mut uplinks: Vec<Uplink> = Vec::new();
        for path in self.uplinks {
            let known = uplinks.iter_mut().find(|uplink| uplink.dev == path.dev);
            match known {
                Some(uplink) => uplink.addresses.push(path.source()),
                None => uplinks.push(Uplink {
                    dev: path.dev.clone(),
                    addresses: vec![path.source()],
                    weight: self.asked.weights.get(&path.dev).copied().unwrap_or(1),
                    backup: config.backup.contains(&path.dev),
                }),
            }
        }
        Settings {
            port: self.port,
            lan: self.asked.lan.clone(),
            uplinks,
            limits: self.asked.limits,
            drain_s: self.drain_s,
            log: self.asked.log,
            relays: None,
        }
    }

    /// The changes from what is to what should be, in order: what others need before those.
    pub fn plan(&self, state: &HostState) -> Plan {
        let mut plan = Plan::default();
        let out = self.out(state);
        self.addresses(state, &mut plan);
        self.forwarding(state, &out, &mut plan);
        self.bridges(state, &mut plan);
        let disabled = state.sysctls.get("net.ipv6.conf.lo.disable_ipv6");
        let has_v6 = disabled.is_some_and(|value| value.trim() == "0");
        let families = Family::BOTH.into_iter().filter(|family| *family == Family::V4 || has_v6);
        let table = state.gateway.table;
        for family in families {
            let route = Part::Route(LocalRoute { family, table });
            let rule = MarkRule { family, priority: PRIORITY, mark: MARK, table };
            part(state, route, "marked packets are delivered here", &mut plan);
            part(state, Part::Rule(rule), "marked packets are delivered here", &mut plan);
        }
        let filter = Filter {
            lan: self.asked.lan.clone(),
            out,
            port: self.port,
            quic: self.asked.quic,
            bypass: self.asked.bypass(),
        };
        part(
            state,
            Part::Filter(filter),
            "TCP of the LAN is relayed, all else forwarded",
            &mut plan,
        );
        plan
    }

    /// Addresses that the LAN is given.
    fn addresses(&self, state: &HostState, plan: &mut Plan) {
        let Some(dev) = self.asked.lan.first() else { return };
        for Prefix { address, length } in &self.asked.lan_address {
            let there = |one: &Address| one.dev == *dev && one.address == *address;
            if state.addresses.iter().any(there) {
                continue;
            }
            let address = Address {
                dev: dev.clone(),
                address: *address,
                length: *length,
                peer: None,
                global: true,
                deprecated: false,
                tentative: false,
                temporary: false,
                secondary: false,
                protocol: ours::GATEWAY,
            };
            step(plan, Change::Add(Item::Address(address)), "the LAN's, as asked (--lan-address)");
        }
    }

    /// IPv4 is forwarded by interface, so that others than those of the gateway stay as they are; IPv6
    /// where the kernel can do that (`force_forwarding`, Linux 6.17), and for all elsewhere.
    fn forwarding(&self, state: &HostState, out: &[IfName], plan: &mut Plan) {
        let lan = &self.asked.lan;
        for dev in lan.iter().chain(out) {
            let key = format!("net.ipv4.conf.{}.forwarding", sysctl_name(dev));
            sysctl(state, plan, &key, "1", "what is not relayed is forwarded");
        }
        if !lan::has(state, lan, &self.asked.lan_address, Family::V6) {
            return;
        }
        let why = "IPv6 is forwarded";
        let all = "net.ipv6.conf.all.forwarding";
        let forced = |dev: &IfName| format!("net.ipv6.conf.{}.force_forwarding", sysctl_name(dev));
        let forwards = |value: &String| value.trim() != "0";
        if state.sysctls.get(all).is_some_and(forwards) {
            return;
        }
        if lan.iter().all(|dev| state.sysctls.contains_key(&forced(dev))) {
            for dev in lan.iter().chain(out) {
                sysctl(state, plan, &forced(dev), "1", why);
            }
            for dev in lan {
                // Its neighbour advertisements say that it is a router (RFC 4861 section 7.2.4).
                let key = format!("net.ipv6.conf.{}.forwarding", sysctl_name(dev));
                sysctl(state, plan, &key, "1", "clients take it for a router");
            }
            return;
        }
        for link in state.links.iter().filter(|link| !lan.contains(&link.name)) {
            let name = sysctl_name(&link.name);
            let accept = format!("net.ipv6.conf.{name}.accept_ra");
            if state.sysctls.get(&accept).is_some_and(|value| value.trim() == "1") {
                sysctl(state, plan, &accept, "2", "it keeps its IPv6 routes though it forwards");
            }
            // The switch for all switches each, also when it goes back.
            let own = format!("net.ipv6.conf.{name}.forwarding");
            if let Some(value) = state.sysctls.get(&own).filter(|value| forwards(value)) {
                let (from, to) = (value.trim().to_owned(), value.trim().to_owned());
                step(plan, Change::Sysctl { key: own, from, to }, "it forwarded before");
            }
        }
        sysctl(state, plan, all, "1", why);
    }

    fn bridges(&self, state: &HostState, plan: &mut Plan) {
        let is_bridge =
            |dev: &IfName| state.link(dev).is_some_and(|it| it.kind.as_deref() == Some("bridge"));
        let Some(bridge) = self.asked.lan.iter().find(|dev| is_bridge(dev)) else { return };
        for (key, _) in BRIDGES {
            let why = format!("packets over {bridge} keep the socket that TPROXY gives them");
            sysctl(state, plan, key, "0", &why);
        }
    }
}

/// What is known of a gateway where it cannot be one, or of a proposal that is carried out.
pub fn proposal(plan: Plan) -> Proposal {
    Proposal { plan, withdraws: true, ..Proposal::default() }
}

fn part(state: &HostState, part: Part, reason: &str, plan: &mut Plan) {
    if !state.gateway.serves(&part) {
        step(plan, Change::Add(Item::Gateway(part)), reason);
    }
}

/// Sets a parameter that the kernel has and that is not so.
fn sysctl(state: &HostState, plan: &mut Plan, key: &str, to: &str, reason: &str) {
    let Some(now) = state.sysctls.get(key).map(|now| now.trim()).filter(|now| *now != to) else {
        return;
    };
    let (key, from, to) = (key.to_owned(), now.to_owned(), to.to_owned());
    step(plan, Change::Sysctl { key, from, to }, reason);
}

fn step(plan: &mut Plan, change: Change, reason: &str) {
    plan.steps.push(Step { change, reason: reason.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Link;

    fn name(text: &str) -> IfName {
        IfName::new(text).expect("a name")
    }

    /// A router with a bridge for the LAN, whose kernel has these parameters, all 0 but where it is said.
    fn router(parameters: &[(&str, &str)]) -> HostState {
        let link = |name: &str, kind: Option<&str>| Link {
            name: IfName::new(name).expect("a name"),
            up: true,
            carrier: true,
            loopback: name == "lo",
            point_to_point: false,
            kind: kind.map(str::to_owned),
            master: None,
            lower: None,
        };
        let address = |dev: &str, text: &str, length| Address {
            dev: name(dev),
            address: text.parse().expect("an address"),
            length,
            peer: None,
            global: true,
            deprecated: false,
            tentative: false,
            temporary: false,
            secondary: false,
            protocol: 0,
        };
        let mut state = HostState {
            links: vec![link("lo", None), link("br0", Some("bridge")), link("w1", None)],
            addresses: vec![
                address("br0", "192.168.77.1", 24),
                address("br0", "fd77::1", 64),
                address("w1", "10.1.0.1", 24),
            ],
            ..HostState::default()
        };
        state.gateway.table = crate::gateway::part::LAST_TABLE;
        for dev in ["lo", "br0", "w1"] {
            for key in ["ipv4.conf.IF.forwarding", "ipv6.conf.IF.forwarding"] {
                let key = format!("net.{}", key.replace("IF", dev));
                state.sysctls.insert(key, "0".to_owned());
            }
        }
        for (key, value) in parameters {
            state.sysctls.insert((*key).to_owned(), (*value).to_owned());
        }
        state
    }

    const OLDER: [(&str, &str); 5] = [
        ("net.ipv6.conf.all.forwarding", "0"),
        ("net.ipv6.conf.lo.disable_ipv6", "0"),
        ("net.ipv6.conf.w1.accept_ra", "1"),
        ("net.ipv6.conf.br0.accept_ra", "1"),
        ("net.bridge.bridge-nf-call-iptables", "1"),
    ];

    fn uplinks() -> Vec<Path> {
        vec![Path {
            dev: name("w1"),
            family: Family::V4,
            address: "10.1.0.1".parse().expect("an address"),
            own: None,
            others: vec![],
            networks: vec![],
            gateway: None,
            metric: 0,
            origin: crate::uplinks::Origin::Route,
            in_main: true,
            onlink: false,
            scope: None,
            metrics: crate::metrics::Metrics::default(),
        }]
    }

    /// The plan as lines; carried out it leaves nothing to do, and its undo the state as it was.
    fn lines(state: &HostState, asked: &Asked) -> Vec<String> {
        let uplinks = uplinks();
        let wanted = Wanted { asked, uplinks: &uplinks, port: 8684, drain_s: 1 };
        let plan = wanted.plan(state);
        let mut after = state.clone();
        plan.steps.iter().for_each(|step| step.change.apply_to(&mut after));
        assert!(wanted.plan(&after).is_empty(), "{:?}", wanted.plan(&after));
        for step in plan.steps.iter().rev() {
            let back = step.change.undone_in(&after).expect("it stands");
            back.apply_to(&mut after);
        }
        assert_eq!(after, *state);
        plan.steps.iter().map(|step| format!("{} {}", step.change.noun(), step.change)).collect()
    }

    fn asked() -> Asked {
        Asked { lan: vec![name("br0")], ..Asked::default() }
    }

    #[test]
    fn a_kernel_without_force_forwarding_keeps_the_routes_of_its_uplinks_and_then_forwards() {
        let lines = lines(&router(&OLDER), &asked());
        let place = |text: &str| {
            let found = lines.iter().position(|line| line == text);
            found.unwrap_or_else(|| panic!("{text}: {lines:#?}"))
        };
        let accept = place("sysctl net.ipv6.conf.w1.accept_ra 1 → 2");
        assert!(accept < place("sysctl net.ipv6.conf.all.forwarding 0 → 1"));
        place("sysctl net.ipv4.conf.br0.forwarding 0 → 1");
        place("sysctl net.bridge.bridge-nf-call-iptables 1 → 0");
        assert!(!lines.iter().any(|line| line.contains("br0.accept_ra")), "{lines:#?}");
        let last = lines.last().expect("there are some");
        let table = "nft table inet mptcpize: TCP from br0 to port 8684, masquerade on w1";
        assert_eq!(last, table);
    }

    #[test]
    fn a_later_kernel_forwards_by_interface() {
        let mut parameters = OLDER.to_vec();
        parameters.push(("net.ipv6.conf.br0.force_forwarding", "0"));
        parameters.push(("net.ipv6.conf.w1.force_forwarding", "0"));
        let lines = lines(&router(&parameters), &asked());
        assert!(!lines.iter().any(|line| line.contains(".all.") || line.contains("accept_ra")));
        for key in ["br0.force_forwarding", "w1.force_forwarding", "br0.forwarding"] {
            let line = format!("sysctl net.ipv6.conf.{key} 0 → 1");
            assert!(lines.contains(&line), "{line}: {lines:#?}");
        }
    }

    #[test]
    fn an_interface_that_forwarded_before_does_so_after_the_undo() {
        let mut parameters = OLDER.to_vec();
        parameters.push(("net.ipv6.conf.w1.forwarding", "1"));
        let lines = lines(&router(&parameters), &asked());
        assert!(
            lines.contains(&"sysctl net.ipv6.conf.w1.forwarding 1 → 1".to_owned()),
            "{lines:#?}"
        );
    }

    #[test]
    fn a_host_without_ipv6_gets_nothing_of_it() {
        let mut state = router(&[("net.ipv6.conf.lo.disable_ipv6", "1")]);
        state.addresses.retain(|address| address.address.is_ipv4());
        let lines = lines(&state, &asked());
        assert!(
            !lines.iter().any(|line| line.contains("ipv6") || line.contains("-6")),
            "{lines:#?}"
        );
    }
}
