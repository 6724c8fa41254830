//! The daemon's decisions: when to look at the host, what to change, what to tell. Pure: the clock
//! and everything that was observed are handed in, so a file of `(now, event)` lines is a test.
//!
//! A message of the kernel only wakes. What is true is observed again, and a set-up follows from
//! that observation alone ([`crate::proposal`]); nothing is concluded from the message itself.
//!
//! Not here: descriptors, the journal, the kernel. Those are the launcher's (`daemon/driver.rs`).

mod absence;
mod answers;
mod blocking;
mod budgets;
mod debounce;
mod event;
mod heal;
mod interest;
mod join;
mod judgement;
mod links;
mod log;
mod lossy;
mod manager;
mod opening;
mod pace;
mod probe;
mod renew;
mod resets;
mod retry;
mod returns;
mod sample;
mod sampled;
mod sampling;
mod silence;
mod stall;
mod standing;
mod status;
mod terms;
mod usage;
mod verdict;
mod withdrawal;

use serde::Serialize;

use crate::asked::Asked;
use crate::change::Change;
use crate::config::Config;
use crate::net::IfName;
use crate::phrase;
use crate::vpn::Captured;
use absence::Absences;
use blocking::Blocking;
use budgets::Budgets;
use debounce::Debounce;
use heal::Heal;
use links::Links;
use log::Log;
use lossy::Lossy;
use pace::Pace;
use resets::Resets;
use retry::Retry;
use returns::Returns;
use sampling::Sampling;
use silence::Silence;
use stall::Stall;

pub use budgets::{Budgeted, share, spent};
pub use event::{Action, Code, Dead, Event, Millis, Observed, Report, Source, Wish};
pub use join::{Join, Leave, Listed, ListedSubflow};
pub use probe::Probe;
pub use sample::{Flow, Sample, Silent};
pub use status::{Held, Status, Told};
pub use usage::{Usage, Used};
pub use verdict::{Fault, Judgement, UNHEARD};

/// A host on which more set-ups than this are needed in a minute has somebody else at work on it.
const MOST_REPAIRS: usize = 30;

/// What the daemon knows and waits for. Every method is total, and none reads a clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Daemon {
    /// When it started.
    since: Millis,
    /// The settings file, as it was last read without a mistake.
    file: Config,
    /// What the daemon's own command line asked.
    line: Asked,
    /// Messages of the kernel that no look has answered yet.
    debounce: Debounce,
    /// When the host was last looked at.
    silence: Silence,
    /// An [`Action::Observe`] or [`Action::Apply`] has not been answered yet.
    busy: bool,
    /// An overflow has been told, and no look has been made since.
    lost: bool,
    /// After a refusal: how many there were in a row, and when to try again.
    retry: Option<Retry>,
    /// Set-ups that were needed, for [`MOST_REPAIRS`].
    repairs: Pace,
    /// Every link that has been a path.
    links: Links,
    /// Endpoints of ours whose address is away.
    absences: Absences,
    /// Endpoints of ours whose address is back after a long time.
    returns: Returns,
    /// Endpoints of ours that lost their subflows to the network.
    resets: Resets,
    /// The connections of this host.
    heal: Heal,
    /// Paths that are up and pass nothing.
    stall: Stall,
    /// Paths that hold connections back.
    blocking: Blocking,
    /// What the host was last to be set up by.
    last: Option<Box<Wish>>,
    /// Links that may carry so much in a period.
    budgets: Budgets,
    /// Links whose congestion control follows from what they lose.
    lossy: Lossy,
    /// When to ask how connections get on.
    sampling: Sampling,
    /// What gives the path manager back to the kernel.
    taken: Option<Change>,
    /// Settings that have no effect here, as a clause.
    unheeded: Option<String>,
    /// The links that the last proposal joins.
    joined: Vec<IfName>,
    /// What takes the host's traffic, as a clause, where the set-up is withdrawn for that.
    captured: Option<String>,
    /// What the judge said at the last look.
    judgement: Option<Judgement>,
    /// What is the case, in a line.
    standing: String,
    /// What was told.
    log: Log,
}

impl Daemon {
    /// A daemon that has not looked yet: its first event, whatever it is, makes it look.
    ///
    /// `file` are the settings of /etc/mptcpize.toml, `line` what the command line asked.
    pub fn new(now: Millis, file: Config, line: Asked) -> Self {
        let mut budgets = Budgets::default();
        budgets.set(&file.budget);
        Daemon {
            since: now,
            file,
            line,
            debounce: Debounce::due(now),
            silence: Silence::default(),
            busy: false,
            lost: false,
            retry: None,
            repairs: Pace::default(),
            links: Links::default(),
            absences: Absences::default(),
            returns: Returns::default(),
            resets: Resets::default(),
            heal: Heal::default(),
            stall: Stall::default(),
            blocking: Blocking::default(),
            last: None,
            budgets,
            lossy: Lossy::default(),
            sampling: Sampling::default(),
            taken: None,
            unheeded: None,
            joined: Vec::new(),
            captured: None,
            judgement: None,
            standing: String::new(),
            log: Log::default(),
        }
    }

    /// Takes an event into account and says what to do, in this order.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Woken(Source::Neighbours) => self.stall.wake(),
            Event::Woken(_) => {
                self.budgets.wake();
                self.debounce.wake(now);
            }
            Event::Lost(source) => self.overflowed(now, source, &mut actions),
            Event::Observed(observation) => self.observed(now, &observation, &mut actions),
            Event::Applied(changes) => self.applied(now, &changes, &mut actions),
            Event::Refused(why) => self.refused(now, why, &mut actions),
            Event::Mptcp(event) => {
                self.stall.wake();
                self.budgets.wake();
                if self.silence.is_long(now, event.kind) {
                    self.debounce.wake(now);
                }
                if !self.heal.is_on() {
                    self.resets.told(now, &event);
                }
                self.heal.told(now, &event);
            }
            Event::Listed(all) => self.heal.listed(now, all),
            Event::Sampled(sample) => self.sampled(now, &sample, &mut actions),
            Event::Answered(probe) => {
                let reports = self.stall.answered(now, &probe.link);
                self.judged(now, reports, &mut actions);
            }
            Event::Remembered(usage) => self.budgets.remember(*usage),
            Event::NotJoined(join, errno) => self.heal.refused(now, &join, errno),
            Event::Deadline => {}
            Event::Reload(settings) => self.reloaded(now, settings, &mut actions),
            Event::Stop => {
                let text = "stopping: what was set up stays (undo: mptcpize setup undo)";
                self.tell(now, Report::new(Code::Stopping, text), &mut actions);
                let last = self.last.take();
                let last = last.and_then(|it| it.without_set_aside(self.blocking.links()));
                actions.extend(last.map(Action::Apply));
                actions.extend(self.taken.take().map(Action::GiveBack));
                self.save(now, true, &mut actions);
                actions.push(Action::Exit);
                return actions;
            }
        }
        let leaves = self.heal.leaves(now);
        if !leaves.is_empty() {
            actions.push(Action::Leave(leaves));
        }
        let joins = self.heal.joins(now);
        if !joins.is_empty() {
            actions.push(Action::Join(joins));
        }
        let back = self.heal.take_back(now);
        if back > 0 {
            let text = format!("{} came back", phrase::count(back, "lost subflow"));
            self.tell(now, Report::new(Code::Healed, text), &mut actions);
        }
        let (probes, mut reports) = self.stall.probes(now);
        reports.extend(self.blocking.end(now));
        self.judged(now, reports, &mut actions);
        if !probes.is_empty() {
            actions.push(Action::Probe(probes));
        }
        let period = self.sample_period(now);
        if self.sampling.is_due(now, period) | self.resets.is_due(now) {
            actions.push(Action::Sample);
        }
        if !self.busy && self.next_look().is_some_and(|at| at <= now) {
            self.busy = true;
            self.debounce.clear();
            actions.push(Action::Observe);
        }
        actions
    }

    /// When [`Event::Deadline`] is due; never while nothing is waited for.
    pub fn deadline(&self) -> Option<Millis> {
        let look = if self.busy { None } else { self.next_look() };
        let samples = [self.sampling.deadline(), self.resets.deadline(), self.blocking.deadline()];
        let others = [self.heal.deadline(), self.stall.deadline()].into_iter().chain(samples);
        look.into_iter().chain(others.flatten()).min()
    }

    /// Has everything that is known been acted on? True after the first look and its changes.
    pub fn is_settled(&self) -> bool {
        !self.busy && !self.standing.is_empty()
    }

    /// Does it count what links carry?
    pub fn counts(&self) -> bool {
        !self.budgets.shown().is_empty()
    }

    /// The tokens of connections whose receive queues the next sample is to have.
    pub fn suspects(&self) -> impl Iterator<Item = u32> {
        self.blocking.suspects()
    }

    /// What `mptcpize status` shows.
    pub fn status(&self) -> Status {
        Status {
            since: self.since,
            standing: self.standing.clone(),
            judged: self.judgement.clone(),
            held: self.held(),
            left_out: self.links.held(),
            stalled: self.stall.reasons(),
            healed: self.heal.is_on().then(|| self.heal.healed()),
            budgets: self.budgets.shown(),
            decisions: self.log.counts().clone(),
            events: self.log.last(),
        }
    }

    /// The links that are not used, or not as others are.
    fn held(&self) -> Vec<Held> {
        let by_links = self.links.shown().into_iter().chain(self.stall.shown());
        by_links.chain(self.blocking.shown()).collect()
    }

    /// The moment of the next look. While a refusal or somebody else's repairs are waited out,
    /// messages wait too: what was refused is taken back, which the kernel tells like any change.
    fn next_look(&self) -> Option<Millis> {
        let pause = self.retry.as_ref().and_then(Retry::deadline).or(self.repairs.until());
        if pause.is_some() {
            return pause;
        }
        let due = [self.links.deadline(), self.debounce.deadline(), self.absences.deadline()];
        due.into_iter().flatten().min()
    }

    fn overflowed(&mut self, now: Millis, source: Source, actions: &mut Vec<Action>) {
        self.debounce.wake(now);
        if source == Source::PathManager && self.heal.is_on() {
            actions.push(Action::List);
        }
        if !self.lost {
            self.lost = true;
            let text = format!("messages of {source} were lost: looking at everything again");
            self.tell(now, Report::new(Code::Lost, text), actions);
        }
    }

    fn observed(&mut self, now: Millis, seen: &Observed, actions: &mut Vec<Action>) {
        self.busy = false;
        self.lost = false;
        self.silence.end(now);
        if let Some(retry) = &mut self.retry {
            retry.begin();
        }
        self.repairs.end(now);
        let asked = self.line.clone().then(seen.asked.clone());
        let config = asked.over(self.file.clone());
        let first = self.standing.is_empty();
        let usable = standing::usable(&seen.state, &config);
        for report in self.links.follow(now, &usable, first) {
            self.tell(now, report, actions);
        }
        self.absences.look(now, &seen.state);
        let mut config = self.without_held(config);
        config.stalled = Some(self.stall.links());
        let (keep, mut renew) = (self.absences.kept(now), self.stall.take_back());
        renew.extend(self.resets.take());
        renew.extend(self.blocking.take());
        self.lossy.settle(&seen.state, &mut config);
        let is_path = |dev: &IfName| {
            !config.exclude.contains(dev) && usable.get(dev).is_some_and(Result::is_ok)
        };
        self.returns.look(now, &seen.state, is_path);
        if let Some(judgement) = self.judgement_of(seen, &config) {
            self.judgement = Some(judgement);
        }
        if self.heal.is_on() {
            self.returns.add(&mut renew);
        } else {
            renew.extend(self.returns.due());
        }
        let wish = Wish { config, asked, keep, renew };
        let proposal = wish.proposal(&seen.state);
        self.last = Some(Box::new(wish.clone()));
        let paths = proposal.desired.paths.as_slice();
        let ours = proposal.desired.refused.is_none();
        let paths = if ours { paths } else { &[] };
        self.stall.set(now, paths, wish.config.probe);
        self.blocking.set(paths, &wish.config.backup, self.heal.is_on());
        let bonds = proposal.desired.bonds;
        self.joined = proposal.links().into_iter().filter(|_| bonds).cloned().collect();
        self.captured = proposal.captured().map(Captured::what);
        self.heal(now, &seen.state, &wish.config, &proposal, actions);
        let due = !proposal.plan.is_empty() && !proposal.is_blocked();
        if due || wish.asked != seen.asked {
            self.busy = true;
            actions.push(Action::Apply(Box::new(wish)));
            return;
        }
        self.retry = None;
        self.heal.replace(&self.returns.take());
        let said = standing::say(&proposal, &self.links.held(), &self.lossy.links());
        // A link that comes and goes would be told each time; that it is held back is said already.
        let calm = self.judgement.as_ref().filter(|_| self.links.held().is_empty());
        let wrong = calm.map(Judgement::tail).unwrap_or_default();
        self.stand(now, said + &wrong, actions);
    }

    fn without_held(&self, mut config: Config) -> Config {
        config.hold(self.links.held());
        config.backup.extend(self.budgets.spent().iter().cloned());
        config.backup.extend(self.blocking.links().cloned());
        config
    }

    fn reloaded(
        &mut self,
        now: Millis,
        settings: Result<Box<Config>, String>,
        actions: &mut Vec<Action>,
    ) {
        let report = match settings {
            Ok(config) => {
                self.file = *config;
                self.budgets.set(&self.file.budget);
                self.retry = None;
                self.debounce = Debounce::due(now);
                Report::new(Code::Reloaded, "the settings were read again")
            }
            Err(why) => {
                Report::new(Code::WrongSettings, format!("the settings stay as they were: {why}"))
            }
        };
        self.tell(now, report, actions);
    }

    fn stand(&mut self, now: Millis, standing: String, actions: &mut Vec<Action>) {
        if self.standing != standing {
            self.standing.clone_from(&standing);
            self.tell(now, Report::new(Code::Standing, standing), actions);
        }
    }

    fn tell(&mut self, now: Millis, report: Report, actions: &mut Vec<Action>) {
        self.log.add(now, &report);
        actions.push(Action::Report(report));
    }
}

#[cfg(test)]
mod tests;
