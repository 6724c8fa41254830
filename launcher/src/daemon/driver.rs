//! The loop: waits for a source, asks the core, and carries out what it says with the same
//! transaction as `mptcpize setup`. The journal is opened for each transaction and closed after it,
//! so that `setup undo` never waits for a daemon that idles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::daemon::published::Published;
use crate::daemon::sources::{Sources, Wake};
use crate::daemon::usage;
use crate::error::{Error, Exit, reason};
use crate::host::Host;
use crate::host::apply::journal::{self, Journal};
use crate::host::apply::transaction;
use crate::host::netlink::pm::Pm;
use crate::host::netlink::{KernelError, diag};
use crate::host::observe::kernel_host::KernelHost;
use crate::host::observe::{check, traffic};
use crate::host::process::clock;
use crate::host::process::signal_fd::Asked;
use crate::host::systemd::notify::Notify;
use mptcpize_model::change::Change;
use mptcpize_model::checks::{Firewall, Glance};
use mptcpize_model::config::Config;
use mptcpize_model::connection::Phase;
use mptcpize_model::daemon::{
    Action, Code, Daemon, Event, Join, Leave, Listed, ListedSubflow, Millis, Observed, Report,
    Sample, Usage, Wish,
};
use mptcpize_model::mptcp::{Endpoint, Flags};
use mptcpize_model::net::IfName;

/// How long another mptcpize that changes the host is waited for. Then the core tries again later:
/// signals and the watchdog must not wait for a `setup` that hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the daemon is given by its caller.
pub struct Surroundings<'a> {
    /// The run directory.
    pub directory: PathBuf,
    /// The file of what links with a budget have carried.
    pub usage: PathBuf,
    /// The network namespace, which this thread is in.
    pub netns: u64,
    /// Reads the settings file; the error is a clause.
    pub settings: &'a dyn Fn() -> Result<Config, String>,
    /// Is told every decision.
    pub tell: &'a dyn Fn(&Report),
    /// Is told every change after it was made.
    pub change: &'a dyn Fn(&Change),
    /// Gets every event with its time, one JSON object a line.
    pub record: Option<File>,
}

/// A line of a recording.
#[derive(Serialize)]
struct Line<'a> {
    now: Millis,
    event: &'a Event,
}

/// The daemon at work.
pub struct Driver<'a> {
    core: Daemon,
    host: KernelHost,
    sources: Sources,
    path_manager: Pm,
    published: Published,
    notify: Notify,
    given: Surroundings<'a>,
    ready: bool,
    /// When the watchdog is told next.
    watchdog: Option<Millis>,
}

impl<'a> Driver<'a> {
    /// Opens what it needs; nothing is looked at yet.
    ///
    /// # Errors
    /// 1 where another daemon runs here, 4 without privilege, 5 on a kernel without events of the
    /// path manager.
    pub fn open(core: Daemon, given: Surroundings<'a>) -> Result<Self, Error> {
        let published = Published::take(&given.directory, given.netns)?;
        let sources = Sources::open().map_err(|error| unheard(&error))?;
        let notify = Notify::from_env();
        let watchdog = notify.watchdog().map(|period| clock::since_boot() + period);
        let host = KernelHost::open()?;
        let path_manager = Pm::open().map_err(|error| unheard(&error))?;
        Ok(Driver {
            core,
            host,
            sources,
            path_manager,
            published,
            notify,
            given,
            ready: false,
            watchdog,
        })
    }

    /// Works until it is told to end.
    ///
    /// # Errors
    /// A source fails for good.
    pub fn run(mut self) -> Result<(), Error> {
        // Whatever the first event is, it makes the core look.
        let kept = usage::load(&self.given.usage).map(Box::new);
        let mut more = self.feed(kept.map_or(Event::Deadline, Event::Remembered));
        while more {
            let status = self.core.status();
            self.published.publish(&status);
            self.notify.status(&status.standing);
            if !self.ready && self.core.is_settled() {
                self.ready = true;
                self.notify.ready();
            }
            let deadline = self.core.deadline().into_iter().chain(self.watchdog).min();
            let wakes = self.sources.wait(deadline).map_err(|error| unheard(&error))?;
            for wake in wakes {
                more = more && self.take(wake);
            }
            self.tell_watchdog();
        }
        Ok(())
    }

    /// Takes a wake into account; false when the daemon is to end.
    fn take(&mut self, wake: Wake) -> bool {
        match wake {
            Wake::Changed(source) => self.feed(Event::Woken(source)),
            Wake::Lost(source) => self.feed(Event::Lost(source)),
            Wake::Told(event) => self.feed(Event::Mptcp(event)),
            Wake::Answered(probe) => self.feed(Event::Answered(probe)),
            Wake::Deadline => self.feed(Event::Deadline),
            Wake::Signal(Asked::Stop) => {
                self.notify.stopping();
                // What was carried since the last look may be lost with the boot.
                if let Some(sampled) = self.core.counts().then(|| self.sample()).flatten() {
                    self.feed(sampled);
                }
                self.feed(Event::Stop)
            }
            Wake::Signal(Asked::Reload) => {
                self.notify.reloading();
                let more = self.feed(Event::Reload((self.given.settings)().map(Box::new)));
                self.notify.ready();
                more
            }
        }
    }

    /// Hands an event to the core and carries out its actions, and those that follow from their
    /// answers; false when the daemon is to end.
    fn feed(&mut self, event: Event) -> bool {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = clock::since_boot();
            self.record(now, &event);
            for action in self.core.handle(now, event) {
                match action {
                    Action::Observe => events.push_back(self.observe()),
                    Action::Apply(wish) => events.push_back(self.apply(&wish)),
                    Action::List => events.extend(list()),
                    Action::Sample => events.extend(self.sample()),
                    Action::Probe(probes) => {
                        probes.into_iter().for_each(|probe| self.sources.probe(probe));
                    }
                    Action::Join(joins) => events.extend(self.join(joins)),
                    Action::Leave(leaves) => leaves.iter().for_each(|leave| self.leave(leave)),
                    Action::Save(usage) => self.save(&usage),
                    // The record of the set-up knows it, and `setup undo` takes it back if this
                    // does not.
                    Action::GiveBack(change) => drop(self.host.apply(&change)),
                    Action::Report(report) => (self.given.tell)(&report),
                    Action::Exit => return false,
                }
            }
        }
        true
    }

    fn observe(&mut self) -> Event {
        let seen = journal::look(&self.given.directory, self.given.netns).and_then(|record| {
            // A burst of changes interrupts a look again and again; another one is often behind it.
            let entries = &record.entries;
            let state = self.host.observe(entries).or_else(|_| self.host.observe(entries))?;
            let settings = self.core.settings(&record.asked);
            // The packet filter is not read: a program would be waited for, and no message tells of a change.
            let seen = check::glance(state, settings, Firewall::default());
            let (state, glance) = Glance::of(seen);
            let glance = Some(Box::new(glance));
            let mut seen = Observed { state, asked: record.asked, glance, judged: None };
            // What is found in the midst of a change is true of neither side.
            if self.core.judge(&mut seen) && !self.host.is_still(&seen.state, &record.entries) {
                // A message is on its way, and with it the next look.
                (seen.glance, seen.judged) = (None, None);
            }
            Ok(seen)
        });
        match seen {
            Ok(seen) => Event::Observed(Box::new(seen)),
            Err(error) => Event::Refused(error.clause()),
        }
    }

    fn apply(&mut self, wish: &Wish) -> Event {
        match self.transaction(wish) {
            Ok(changes) => Event::Applied(changes),
            Err(error) => Event::Refused(error.clause()),
        }
    }

    fn transaction(&mut self, wish: &Wish) -> Result<Vec<Change>, Error> {
        let Surroundings { directory, netns, change, .. } = &self.given;
        let mut journal = Journal::open_within(directory, *netns, PATIENCE, |_| {})?;
        let before = journal.asked().clone();
        journal.ask(&wish.asked)?;
        let host = &mut self.host;
        let done = host.observe(journal.entries()).and_then(|state| {
            // What is made anew is made so once.
            let rest = Wish { renew: BTreeSet::new(), ..wish.clone() };
            let propose = |state| rest.observation(state);
            let seen = wish.observation(state);
            transaction::carry_out(seen, host, &mut journal, propose, change)
        });
        match done {
            Ok(outcome) => Ok(outcome.plan.steps.into_iter().map(|step| step.change).collect()),
            Err(error) => {
                // The error that is on its way says more than one about the journal.
                let _ = journal.ask(&before);
                Err(error)
            }
        }
    }

    /// How connections get on, and what each link has carried. Where the kernel does not say nothing is
    /// learned.
    fn sample(&mut self) -> Option<Event> {
        let mut flows = diag::flows().ok()?;
        flows.retain(|flow| !self.sources.is_probe(flow.local));
        let named = |(name, bytes): (String, _)| Some((IfName::new(&name).ok()?, bytes));
        // Samples come up to twenty times a second, and budgets alone need these.
        let counters = if self.core.counts() { traffic::counters() } else { BTreeMap::new() };
        let links = counters.into_iter().filter_map(named).collect();
        let silent = self.host.silent();
        let queues = diag::receive_queues(self.core.suspects()).unwrap_or_default();
        let local_s = clock::local_s();
        Some(Event::Sampled(Box::new(Sample { flows, silent, local_s, links, queues })))
    }

    /// Opens subflows; what the kernel refuses is an event each.
    fn join(&mut self, joins: Vec<Join>) -> Vec<Event> {
        let mut refused = Vec::new();
        for join in joins {
            let asked = self.path_manager.create(join.token, &opened_from(&join), join.remote);
            if let Err(error) = asked {
                refused.push(Event::NotJoined(join, error.errno));
            }
        }
        refused
    }

    /// Closes a subflow. That of a socket of IPv6 with a peer of IPv4 has the addresses of IPv6 that
    /// stand for those of IPv4 (RFC 4291 section 2.5.5.2); the core knows but one form. One that is gone
    /// meanwhile, or that the kernel's own path manager has, is no subject any more.
    fn leave(&mut self, Leave { token, local, remote }: &Leave) {
        let closed = self.path_manager.destroy(*token, *local, *remote);
        if closed.is_err_and(|error| error.errno == libc::ESRCH) {
            let (local, remote) = (mapped(*local), mapped(*remote));
            let _ = self.path_manager.destroy(*token, local, remote);
        }
    }

    /// What cannot be written now is written later: the count goes on.
    fn save(&self, usage: &Usage) {
        if let Err(error) = usage::save(&self.given.usage, usage) {
            let file = self.given.usage.display();
            let text = format!("cannot write {file}: {}", reason(&error));
            (self.given.tell)(&Report::new(Code::Refused, text));
        }
    }

    fn record(&mut self, now: Millis, event: &Event) {
        if let Some(file) = &mut self.given.record {
            let line = serde_json::to_string(&Line { now, event }).unwrap_or_default();
            // A recording that cannot be written is no reason to leave the host alone.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }

    fn tell_watchdog(&mut self) {
        let now = clock::since_boot();
        if self.watchdog.is_some_and(|at| at <= now) {
            self.notify.alive();
            // Also for what is looked at whenever something else wakes the daemon.
            self.feed(Event::Deadline);
            self.watchdog = self.notify.watchdog().map(|period| now + period);
        }
    }
}

/// Connections that this host began. Where the kernel cannot list them nothing is learned: those that
/// are known stay, and those that begin from now on are known from its messages.
fn list() -> Option<Event> {
    let all = diag::begun_here().ok()?.into_iter();
    let listed = all.filter_map(|connection| {
        let subflows = connection.subflows.iter().map(|subflow| ListedSubflow {
            local: subflow.local,
            remote: subflow.remote,
            id: subflow.local_id,
        });
        let multipath = connection.fallback.is_none() && connection.phase == Phase::Open;
        let token = connection.token.filter(|_| multipath)?;
        Some(Listed { token, remote: connection.remote, subflows: subflows.collect() })
    });
    Some(Event::Listed(listed.collect()))
}

/// The endpoint with the one flag that means something for a single subflow.
fn opened_from(join: &Join) -> Endpoint {
    let backup = join.local.flags.has(Flags::BACKUP);
    let flags = if backup { Flags::SUBFLOW.with(Flags::BACKUP) } else { Flags::SUBFLOW };
    Endpoint { flags, ..join.local.clone() }
}

fn mapped(end: SocketAddr) -> SocketAddr {
    let address = match end.ip() {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        address @ IpAddr::V6(_) => address,
    };
    SocketAddr::new(address, end.port())
}

/// Why nothing can be listened to.
fn unheard(error: &KernelError) -> Error {
    let what = "cannot listen to the kernel";
    if error.is_denied() {
        return Error::new(Exit::NotPermitted, what)
            .why(error)
            .fix(crate::host::process::privilege::advice());
    }
    match error.errno {
        libc::ENOENT => Error::new(Exit::Missing, what)
            .why("this kernel's path manager has no events: Linux 5.12 or later is needed")
            .fix("mptcpize setup    # once, without a daemon"),
        _ => Error::new(Exit::Failed, what).why(error),
    }
}
