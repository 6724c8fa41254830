//! One look at the host for the screens that show it: what `status` and `top` share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::cli::see::Colour;
use crate::commands::containers::state as containers;
use crate::commands::setup::settings;
use crate::commands::system::state as system;
use crate::commands::units::Site;
use crate::daemon::published;
use crate::error::Error;
use crate::host::Host;
use crate::host::apply::journal;
use crate::host::netlink::diag;
use crate::host::netlink::names::Names;
use crate::host::netns::identity;
use crate::host::observe::kernel_host::KernelHost;
use crate::host::observe::{check, kernel, traffic};
use crate::host::process::clock;
use crate::host::procfs::programs;
use crate::host::served::counts;
use crate::host::systemd::services;
use crate::host::{agents, private_file, relay};
use crate::locations::Locations;
use crate::output::term::{self, Term};
use crate::root::Root;
use crate::syscall::timespec;
use mptcpize_model::checks::{Firewall, Observed, Place};
use mptcpize_model::config::Config;
use mptcpize_model::connection::Connection;
use mptcpize_model::gateway_status::State;
use mptcpize_model::net::Bytes;
use mptcpize_model::net::IfName;
use mptcpize_model::status::daemon::Daemon;
use mptcpize_model::status::lan::Heard;
use mptcpize_model::status::served;
use mptcpize_model::status::{Rates, Seen};
use mptcpize_model::system::Standing;

/// How long rates are measured where nothing was looked at before: long enough for some hundred
/// packets on a slow link, short enough not to be waited for.
const MEASURE: Duration = Duration::from_millis(200);

/// More connections than this, and the search for their programs is bounded.
const MANY: usize = 1_000;

/// Where no subflow has moved data for so long, there is no rate to measure.
const STILL_MS: u32 = 1_000;

/// How long the tools of the packet filter may take.
const FILTER: Duration = Duration::from_secs(2);

/// The counters of the links at one moment.
pub(in crate::commands) struct Counted {
    at: Instant,
    bytes: BTreeMap<String, Bytes>,
}

impl Counted {
    /// The byte counters of all links at this moment.
    pub(in crate::commands) fn now() -> Self {
        Counted { at: Instant::now(), bytes: traffic::counters() }
    }

    /// The rates since `before`.
    pub(in crate::commands) fn since(&self, before: &Counted) -> Rates {
        let over = self.at.duration_since(before.at).as_millis();
        Rates::between(&before.bytes, &self.bytes, u64::try_from(over).unwrap_or(u64::MAX))
    }
}

/// What the packet filter does, and what there is of the switches for the whole host. Programs are run and files
/// read for it, so that whoever looks each second keeps it for a while.
#[derive(Clone, Debug, Default)]
pub(in crate::commands) struct Surroundings {
    firewall: Firewall,
    switches: Switches,
}

/// The switches for the whole host, as files have them.
#[derive(Clone, Debug, Default)]
pub(in crate::commands) struct Switches {
    /// What there is of `enable --system`.
    pub(in crate::commands) system: Option<Standing>,
    /// The devices of `enable --containers`.
    devices: Vec<String>,
    /// Its seccomp profile.
    profile: Option<&'static str>,
}

impl Switches {
    /// Reads the files.
    pub(in crate::commands) fn look(locations: &Locations) -> Self {
        let host = Root::host().ok();
        let site = Site::new(false, None, locations).ok();
        Switches {
            system: host.as_deref().and_then(system::standing),
            devices: host.as_deref().map(containers::devices).unwrap_or_default(),
            profile: site.as_ref().and_then(containers::profile),
        }
    }

    /// What containers may be given.
    pub(in crate::commands) fn containers(&self) -> Vec<String> {
        let profile = self.profile.map(|file| format!("seccomp={file}"));
        self.devices.iter().cloned().chain(profile).collect()
    }
}

impl Surroundings {
    /// Looks at them.
    pub(in crate::commands) fn look(locations: &Locations) -> Self {
        Surroundings {
            firewall: check::packet_filter(Instant::now() + FILTER),
            switches: Switches::look(locations),
        }
    }
}

/// Looks at everything; programs of the first `shown` connections, among `bound` descriptors where
/// there are very many connections.
///
/// # Errors
/// The kernel cannot be asked at all.
pub(in crate::commands) fn look(
    locations: &Locations,
    shown: usize,
    bound: usize,
    around: Surroundings,
) -> Result<Seen, Error> {
    let record = journal::look(&locations.run(), identity::netns()).unwrap_or_default();
    let state = KernelHost::open()?.observe(&record.entries)?;
    let (config, wrong_settings) = match settings::of_host(&record, locations) {
        Ok(config) => (config, None),
        Err(error) => (record.asked.over(Config::default()), Some(error.clause())),
    };
    let connections = diag::connections().ok();
    let daemon = published::running(&locations.run(), identity::netns());
    let config = settings::under(config, daemon.as_ref());
    let observed = Observed {
        daemon: daemon.as_ref().is_some_and(|daemon| daemon.status.healed.is_some()),
        followed: daemon.is_some(),
        stalled: published::stalled(daemon.as_ref()),
        held: published::held(daemon.as_ref()),
        system: around.switches.system,
        ..check::glance(state, config, around.firewall)
    };
    let mut seen = Seen {
        observed,
        wrong_settings,
        place: Place { sudo: !rustix::process::geteuid().is_root(), netns: None },
        containers: around.switches.devices,
        seccomp_profile: around.switches.profile,
        links: bound_links(connections.as_deref().unwrap_or_default()),
        connections,
        services: services::services_on(&locations.units()),
        set_up_s: (!record.entries.is_empty())
            .then(|| journal::age(&locations.run(), identity::netns()))
            .flatten()
            .map(|age| age.as_secs()),
        scheduler: kernel::scheduler(),
        path_manager: kernel::path_manager(),
        daemon: daemon.map(|running| Daemon::of(running.pid, &running.status, clock::since_boot())),
        relay: relay::ask(&locations.run(), identity::netns()),
        agents: agents::ask(locations, identity::netns()),
        served: served(locations),
        ..Seen::default()
    };
    name_programs(&mut seen, shown, bound);
    Ok(seen)
}

/// Asks the relay that this host is, of this user or of root.
fn served(locations: &Locations) -> served::Heard {
    let all = [private_file::user(), 0].into_iter().filter_map(|user| locations.served_run(user));
    let mut said = all.map(|run| counts::ask(&run));
    said.find(|said| *said != served::Heard::Nothing).unwrap_or_default()
}

/// Looks at the connections alone, with their links and programs.
///
/// # Errors
/// The kernel cannot be asked.
pub(super) fn connections(shown: usize, bound: usize) -> Result<Seen, Error> {
    let state = KernelHost::open()?.observe(&[])?;
    let connections = diag::connections().ok();
    let links = bound_links(connections.as_deref().unwrap_or_default());
    let observed = Observed { host: state, ..Observed::default() };
    let mut seen = Seen { observed, connections, links, ..Seen::default() };
    name_programs(&mut seen, shown, bound);
    Ok(seen)
}

fn bound_links(connections: &[Connection]) -> BTreeMap<u32, IfName> {
    let subflows = connections.iter().flat_map(|connection| &connection.subflows);
    let bound: BTreeSet<u32> = subflows.filter_map(|subflow| subflow.bound).collect();
    let mut names = Names::default();
    bound.into_iter().filter_map(|index| Some((index, names.name(index)?))).collect()
}

fn name_programs(seen: &mut Seen, shown: usize, bound: usize) {
    let all = seen.connections.as_deref().unwrap_or_default();
    let inodes = all.iter().take(shown).map(|connection| connection.inode).collect();
    // A desktop's few connections are worth a walk through all that its processes have open.
    let bound = if all.len() > MANY { bound } else { usize::MAX };
    let found = programs::find(&inodes, bound);
    seen.programs_hidden = if found.denied {
        Some("programs of other users are hidden: sudo mptcpize status")
    } else if found.bounded {
        Some("too many open files to find every program: mptcpize status --all")
    } else {
        None
    };
    seen.programs = found.programs;
}

/// Has any subflow moved data a moment ago?
pub(in crate::commands) fn is_busy(seen: &Seen) -> bool {
    let mut idle = seen.connections.iter().flatten().filter_map(Connection::idle_ms);
    idle.any(|idle| idle < STILL_MS)
}

/// Rates since the look began, over [`MEASURE`] at least, if anything moves.
pub(in crate::commands) fn rates(seen: &Seen, before: &Counted) -> Option<Rates> {
    if !is_busy(seen) {
        return None;
    }
    wait(MEASURE.saturating_sub(before.at.elapsed()));
    Some(Counted::now().since(before))
}

/// What the relay of a gateway carries: from what it said `before`, or else over [`MEASURE`] where it
/// has connections.
pub(in crate::commands) fn relay_rates(
    seen: &mut Seen,
    locations: &Locations,
    before: Option<Box<State>>,
) {
    let Heard::State(now) = &seen.relay else { return };
    if before.is_some() || now.all.open == 0 {
        seen.relay_before = before;
        return;
    }
    wait(MEASURE);
    if let Heard::State(later) = relay::ask(&locations.run(), identity::netns()) {
        seen.relay_before = Some(now.clone());
        seen.relay = Heard::State(later);
    }
}

/// Waits, and says false as soon as the reader of our output is gone.
pub(in crate::commands) fn wait(time: Duration) -> bool {
    let end = Instant::now() + time;
    let stdout = std::io::stdout();
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::RDHUP | PollFlags::NVAL;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = timespec(left);
        let mut reader = [PollFd::new(&stdout, PollFlags::RDHUP)];
        match poll(&mut reader, Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            _ => return !reader[0].revents().intersects(gone),
        }
    }
}

/// How standard output shows things.
pub(in crate::commands) fn term(colour: Colour) -> Term {
    let wanted = match colour {
        Colour::Auto => term::Colour::Auto,
        Colour::Always => term::Colour::Always,
        Colour::Never => term::Colour::Never,
    };
    Term::of_stdout(wanted)
}
