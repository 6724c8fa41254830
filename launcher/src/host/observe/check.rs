//! Observing what the judge goes by, beyond what a plan needs: at a glance for every verb, and all of it for
//! `check`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::error::reason;
use crate::host::apply::sysctl;
use crate::host::netlink::rtnl::Rtnl;
use crate::host::observe::kernel::MptcpSocket;
use crate::host::observe::{firewall, gateway, lacks};
use crate::host::probe;
use crate::host::procfs::network::Netstat;
use crate::host::systemd::enabled;
use crate::locations::Locations;
use mptcpize_model::HostState;
use mptcpize_model::checks::{
    Beyond, Covered, Firewall, Hop, Observed, Shim, Socket, SourceLookup, conf_key,
};
use mptcpize_model::config::Config;
use mptcpize_model::counters::Kept;
use mptcpize_model::net::{Family, IfName, MAIN, Route};
use mptcpize_model::uplinks::{self, Path};

/// More static routes of a link than this are not asked about: a table may hold all routes of the Internet.
const MOST_STATIC: usize = 64;

/// How long another program may take to list its rules.
const PATIENCE: Duration = Duration::from_secs(2);

/// Observes what is judged at a glance: the kernel's answers, and the packet filter as it was read. No connection
/// is made for it, not even within the host: the kernel would count it.
pub fn glance(mut host: HostState, asked: Config, firewall: Firewall) -> Observed {
    let (paths, _) = uplinks::find(&host, &asked);
    more_sysctls(&mut host, &paths);
    let mut observed = Observed { socket: socket(), firewall, host, asked, ..Observed::default() };
    if let Ok(rtnl) = Rtnl::open() {
        look_up_sources(rtnl, &paths, &mut observed);
    }
    observed
}

/// Reads the packet filter for a look that is to be quick: its tools are run only where it has a table, and
/// never waited for longer than a moment.
pub fn packet_filter(until: Instant) -> Firewall {
    match firewall::is_empty() {
        true => Firewall::default(),
        false => firewall::read(until.min(Instant::now() + PATIENCE)),
    }
}

/// Observes everything but the preload library and a peer.
pub fn observe(
    mut host: HostState,
    asked: Config,
    kept: Option<&Kept>,
    places: &Locations,
    until: Instant,
) -> Observed {
    let gateway = gateway::observe(&mut host, places, until.min(Instant::now() + PATIENCE));
    let firewall = firewall::read(until.min(Instant::now() + PATIENCE));
    let observed = glance(host, asked, firewall);
    let netstat = Netstat::read().unwrap_or_default();
    let counters = netstat.mptcp();
    Observed {
        suspended: counters.get("Blackhole") > 0 && probe::is_suspended(until),
        lacks: lacks::look(&observed.host.kernel),
        reverse_path_drops: netstat
            .reverse_path()
            .saturating_sub(kept.map_or(0, |kept| kept.reverse_path)),
        counters: kept.map_or_else(|| counters.clone(), |kept| counters.since(&kept.counters)),
        services: enabled::set_up(&places.units()),
        gateway,
        shim: Shim::Untried,
        ..observed
    }
}

fn socket() -> Socket {
    match MptcpSocket::probe() {
        MptcpSocket::On => Socket::On,
        MptcpSocket::Off => Socket::Off,
        MptcpSocket::Absent => Socket::Absent,
        MptcpSocket::Refused(errno) => {
            Socket::Refused(reason(&std::io::Error::from_raw_os_error(errno)))
        }
    }
}

/// The parameters that only a check looks at.
fn more_sysctls(host: &mut HostState, paths: &[Path]) {
    let names = ["scheduler", "allow_join_initial_addr_port", "blackhole_timeout"];
    let mut keys: Vec<String> = names.iter().map(|name| format!("net.mptcp.{name}")).collect();
    for name in ["rp_filter", "arp_filter", "arp_ignore", "arp_announce"] {
        keys.push(format!("net.ipv4.conf.all.{name}"));
        keys.extend(paths.iter().map(|path| conf_key(&path.dev, name)));
    }
    for key in keys {
        if let Some(value) = sysctl::read(&key) {
            host.sysctls.insert(key, value);
        }
    }
}

/// Asks the kernel where packets leave, for each address and destination that the checks judge.
fn look_up_sources(mut rtnl: Rtnl, paths: &[Path], observed: &mut Observed) {
    observed.beyond = Beyond::choose(|to| {
        let family = Family::of(to);
        let from = paths.iter().filter(|path| path.family == family).map(|path| path.address);
        from.map(|from| covered(&mut rtnl, to, from)).max().unwrap_or(Covered::ByDefault)
    });
    let mut wanted = Vec::new();
    let conf = |observed: &Observed, dev: &IfName, name: &str| {
        let all = observed.host.sysctl(&format!("net.ipv4.conf.all.{name}"));
        all.max(observed.host.sysctl(&conf_key(dev, name)))
    };
    for path in paths {
        for oif in [None, Some(path.dev.clone())] {
            wanted.push((path.source(), observed.beyond.of(path.family), oif));
        }
        let v4 = path.family == Family::V4;
        if let Some(gateway) =
            path.gateway.filter(|_| v4 && conf(observed, &path.dev, "arp_filter") > 0)
        {
            wanted.push((path.source(), gateway, None));
        }
    }
    let strict: Vec<&Path> = paths
        .iter()
        .filter(|path| path.family == Family::V4 && conf(observed, &path.dev, "rp_filter") == 1)
        .collect();
    if !strict.is_empty() {
        let links: Vec<&IfName> = paths.iter().map(|path| &path.dev).collect();
        observed.static_routes = static_routes(&mut rtnl, &links);
    }
    for path in strict {
        for to in observed.static_routes.iter().filter_map(|route| route.to) {
            wanted.push((path.source(), to.address, None));
        }
    }
    for (from, to, oif) in wanted {
        let hop = rtnl.route_get(to, Some(from), oif.as_ref()).ok();
        let hop = hop.map(|route| Hop { dev: route.dev, via: route.via });
        observed.ways.push(SourceLookup { from, to, oif, hop });
    }
}

/// How packets from an address to a destination are routed.
fn covered(rtnl: &mut Rtnl, to: IpAddr, from: IpAddr) -> Covered {
    match rtnl.route_match(to, Some(from)) {
        Ok(route) if route.to.is_none() => Covered::ByDefault,
        Ok(_) => Covered::ByOther,
        Err(error) if error.errno == libc::ENETUNREACH => Covered::ByDefault,
        Err(_) => Covered::Refused,
    }
}

/// Routes through a gateway of one of the links, other than the default.
fn static_routes(rtnl: &mut Rtnl, links: &[&IfName]) -> Vec<Route> {
    let mut found: Vec<Route> = Vec::new();
    for link in links {
        // A link of both families is named twice.
        if !found.iter().any(|route| route.dev == **link) {
            let through = rtnl.routes_through((MAIN, link), Family::V4, MOST_STATIC);
            found.extend(through.unwrap_or_default());
        }
    }
    found
}
