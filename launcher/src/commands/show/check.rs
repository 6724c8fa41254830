//! `mptcpize check`: look at the host, try the peer, judge, and show.

use std::io::{IsTerminal, stderr};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::cli::check::{Check, Peer};
use crate::commands::setup::settings;
use crate::commands::show::{observe, selftest};
use crate::commands::units::judged;
use crate::daemon::published;
use crate::error::Exit;
use crate::host::apply::journal;
use crate::host::netlink::rtnl::Rtnl;
use crate::host::netns::identity;
use crate::host::observe::check;
use crate::host::observe::kernel_host::KernelHost;
use crate::host::probe::{self, Target};
use crate::host::process::resolve;
use crate::host::{Host, counters_baseline, netns};
use crate::locations::Locations;
use crate::output::{self, check as screen};
use mptcpize_model::checks::peer::Report;
use mptcpize_model::checks::{self, Observed, Severity, Socket};
use mptcpize_model::mptcp::Flags;
use mptcpize_model::net::Family;
use mptcpize_model::uplinks;

/// A wait shorter than this needs no word.
const QUIET: Duration = Duration::from_secs(1);

/// Prints the findings.
///
/// # Errors
/// The settings have a mistake (2), the namespace is not there (1), or a sandbox forbids to look (4).
pub fn check(arguments: &Check, locations: &Locations) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let until = start + Duration::from_secs(arguments.timeout.into());
    if let Some(name) = &arguments.netns {
        netns::enter(name)?;
    }
    let (run, id) = (locations.run(), identity::netns());
    let record = journal::look(&run, id)?;
    let config = settings::of_host(&record, locations)?;
    let state = KernelHost::open()?.observe(&record.entries)?;
    let user = rustix::process::geteuid();
    let kept = counters_baseline::read(&locations.own_run(user.as_raw()), id);
    let mut progress = Progress::new(start);
    progress.tell("looking at this host");
    let mut seen = check::observe(state, config, kept.as_ref(), locations, until);
    seen.daemon = published::running(&run, id).is_some_and(|daemon| daemon.status.healed.is_some());
    seen.stayed_tcp = judged::stayed(locations);
    // A mistake in the section is for `gateway` to tell.
    seen.lan = settings::gateway(None, locations).map(|asked| asked.lan).unwrap_or_default();
    if seen.socket == Socket::On {
        seen.shim = selftest::shim(locations, until);
        if let Some(peer) = arguments.peer.as_ref().filter(|_| !seen.suspended) {
            seen.peer = Some(trial(&seen, peer, until, &mut progress));
        }
    }
    // Judged all the same: what it waits for is named.
    if let (None, Some(peer)) = (&seen.peer, &arguments.peer) {
        seen.peer = Some(Report { name: peer.name.clone(), port: peer.port, ..Report::default() });
    }
    drop(progress);
    let findings = checks::run(&seen);
    let shown = screen::Screen {
        findings: &findings,
        sudo: !user.is_root(),
        netns: arguments.netns.as_deref(),
        peer: arguments.peer.as_ref().map(|peer| (peer.name.as_str(), peer.port)),
    };
    if arguments.json {
        output::line(&serde_json::to_string_pretty(&shown.json(&seen))?)?;
    } else {
        output::text(&shown.text(&observe::term(arguments.color)))?;
    }
    let attention = findings.iter().any(|finding| finding.severity >= Severity::Warning);
    Ok(if attention { Exit::Attention } else { Exit::Done })
}

/// Tries the peer over every path that could lead to it.
fn trial(seen: &Observed, peer: &Peer, until: Instant, progress: &mut Progress) -> Report {
    let mut report = Report { name: peer.name.clone(), port: peer.port, ..Report::default() };
    progress.tell(&format!("looking up {}", peer.name));
    match resolve::addresses(&peer.name, until) {
        Ok(addresses) => report.addresses = addresses,
        Err(why) => report.unknown_name = Some(why),
    }
    let mut targets = Vec::new();
    for family in Family::BOTH {
        let first = report.addresses.iter().find(|address| Family::of(**address) == family);
        if let Some(address) = first {
            targets.extend(targets_for(seen, SocketAddr::new(*address, peer.port)));
        }
    }
    let subflows = seen.host.limits.is_some_and(|limits| limits.subflows > 0);
    let joins: Vec<IpAddr> = seen
        .host
        .endpoints
        .iter()
        .filter(|endpoint| subflows && endpoint.flags.has(Flags::SUBFLOW))
        .map(|endpoint| endpoint.address)
        .filter(|address| targets.iter().any(|target| target.from == Some(*address)))
        .collect();
    probe::peer(&mut report, &targets, &joins, until, &mut |text| progress.tell(text));
    report
}

/// Every path of the family; or no path, where the route to the peer is none of them: to this host
/// itself, or through a tunnel.
fn targets_for(seen: &Observed, to: SocketAddr) -> Vec<Target> {
    let (all, _) = uplinks::find(&seen.host, &seen.asked);
    let route = Rtnl::open().and_then(|mut rtnl| rtnl.route_get(to.ip(), None, None)).ok();
    if let Some(route) = route.filter(|route| all.iter().all(|path| path.dev != route.dev)) {
        let here = seen.host.link(&route.dev).is_some_and(|link| link.loopback);
        let dev = Some(route.dev).filter(|_| !here);
        return vec![Target { dev, bound: false, from: None, to }];
    }
    all.into_iter()
        .filter(|path| path.family == Family::of(to.ip()))
        .map(|path| {
            let endpoint =
                seen.host.endpoints.iter().find(|endpoint| endpoint.address == path.address);
            Target {
                // As its subflows are.
                bound: endpoint.is_none_or(|endpoint| endpoint.dev.is_some()),
                dev: Some(path.dev),
                from: Some(path.address),
                to,
            }
        })
        .collect()
}

/// A line on standard error about what takes so long; for people, and gone when it is done.
struct Progress {
    start: Instant,
    terminal: bool,
    shown: String,
}

impl Progress {
    fn new(start: Instant) -> Self {
        Progress { start, terminal: stderr().is_terminal(), shown: String::new() }
    }

    fn tell(&mut self, doing: &str) {
        if self.terminal && self.start.elapsed() >= QUIET && self.shown != doing {
            output::progress(&format!("{doing} ..."));
            doing.clone_into(&mut self.shown);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if !self.shown.is_empty() {
            output::progress("");
        }
    }
}
