//! `mptcpize check`: look at the host, try the peer, judge, and show.

use std::time::{Duration, Instant};

use crate::cli::check::Check;
use crate::commands::setup::settings;
use crate::commands::show::observe::Switches;
use crate::commands::show::progress::Progress;
use crate::commands::show::{observe, selftest, trial};
use crate::commands::units::judged;
use crate::daemon::published;
use crate::error::Exit;
use crate::host::apply::journal;
use crate::host::netns::identity;
use crate::host::observe::check;
use crate::host::observe::container;
use crate::host::observe::kernel_host::KernelHost;
use crate::host::{Host, agents, counters_baseline, netns, relay};
use crate::locations::Locations;
use crate::output::{self, check as screen};
use mptcpize_model::checks::peer::Report;
use mptcpize_model::checks::{self, Place, Scope, Socket, Verdict};
use mptcpize_model::status::relays::bounded;

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
    let daemon = published::running(&run, id);
    let config = settings::under(settings::of_host(&record, locations)?, daemon.as_ref());
    let state = KernelHost::open()?.observe(&record.entries)?;
    let user = rustix::process::geteuid();
    let kept = counters_baseline::read(
        &[locations.counters(user.as_raw()), vec![locations.run()]].concat(),
        id,
    );
    let mut progress = Progress::new(start);
    progress.tell("looking at this host");
    let mut seen = check::observe(state, config, kept.as_ref(), locations, until);
    seen.followed = daemon.is_some();
    seen.stalled = published::stalled(daemon.as_ref());
    seen.held = published::held(daemon.as_ref());
    seen.daemon = daemon.is_some_and(|daemon| daemon.status.healed.is_some());
    seen.container = container::look();
    let switches = Switches::look(locations);
    seen.containers = switches.containers();
    seen.system = switches.system;
    seen.stayed_tcp = judged::stayed(locations);
    // A mistake in the section is for `gateway` to tell.
    seen.lan = settings::gateway(None, locations).map(|asked| asked.lan).unwrap_or_default();
    seen.agents = agents::ask(locations, id);
    let gateway = relay::ask(&run, id);
    seen.gateway_relays = gateway.state().and_then(|state| state.relays.clone()).map(bounded);
    if seen.socket == Socket::On {
        seen.shim = selftest::shim(locations, until);
        if let Some(peer) = arguments.peer.as_ref().filter(|_| !seen.suspended) {
            let (name, port) = (&peer.name, peer.port);
            let mut tell = |text: &str| progress.tell(text);
            seen.peer = Some(trial::trial(&seen.host, &seen.asked, (name, port), until, &mut tell));
        }
    }
    // Judged all the same: what it waits for is named.
    if let (None, Some(peer)) = (&seen.peer, &arguments.peer) {
        seen.peer = Some(Report { name: peer.name.clone(), port: peer.port, ..Report::default() });
    }
    drop(progress);
    let judged = checks::judge(&seen, Scope::Whole);
    let shown = screen::Screen {
        judged: &judged,
        place: Place { sudo: !user.is_root(), netns: arguments.netns.clone() },
        peer: arguments.peer.as_ref().map(|peer| (peer.name.as_str(), peer.port)),
    };
    if arguments.json {
        output::line(&serde_json::to_string_pretty(&shown.json(&seen))?)?;
    } else {
        output::text(&shown.text(&observe::term(arguments.color)))?;
    }
    Ok(if judged.verdict() > Verdict::Fine { Exit::Attention } else { Exit::Done })
}
