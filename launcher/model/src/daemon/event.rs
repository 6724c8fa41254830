//! What the daemon's core takes in and gives out. Everything is data with a serial form: a line
//! of a recording is one [`Event`] and its time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::join::{Join, Leave, Listed};
use super::probe::Probe;
use super::renew;
use super::sample::Sample;
use super::usage::Usage;
use super::verdict::Judgement;
use super::{manager, withdrawal};
use crate::HostState;
use crate::asked::Asked;
use crate::change::{Change, Item};
use crate::checks::Glance;
use crate::config::Config;
use crate::net::IfName;
use crate::plan::Step;
use crate::proposal::{Observation, Proposal};

/// A moment: milliseconds of CLOCK_BOOTTIME, which counts suspended time and is never set
/// (clock_gettime(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Add<Duration> for Millis {
    type Output = Millis;

    /// Saturates at the end of time.
    fn add(self, period: Duration) -> Millis {
        let millis = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        Millis(self.0.saturating_add(millis))
    }
}

/// What woke the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Links, addresses, routes, rules (rtnetlink(7)), and IPsec policies (ip-xfrm(8)).
    Routing,
    /// The path manager's events (generic netlink, `mptcp_pm_events`).
    PathManager,
    /// Neighbours of a link (`RTNLGRP_NEIGH`).
    Neighbours,
    /// The clock was set, or the host was suspended (`TFD_TIMER_CANCEL_ON_SET`).
    Clock,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Routing => "links and routes",
            Source::PathManager => "the path manager",
            Source::Neighbours => "neighbours",
            Source::Clock => "the clock",
        })
    }
}

/// Links that pass nothing, and how that is known.
pub type Dead = BTreeMap<IfName, String>;

/// A look at the host, and what the set-ups of this boot were asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The host.
    pub state: HostState,
    /// From the journal.
    #[serde(default)]
    pub asked: Asked,
    /// What the judge goes by beside that; older recordings have none, and nothing is judged then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glance: Option<Box<Glance>>,
    /// What the judge said of it, by which settings and with which dead paths, where it was asked already
    /// ([`super::Daemon::judge`]).
    #[serde(skip)]
    pub judged: Option<Box<(Config, Dead, Judgement)>>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Something may have changed.
    Woken(Source),
    /// The answer to [`Action::Observe`].
    Observed(Box<Observed>),
    /// More messages came than the socket holds (`ENOBUFS`): what they said is not known.
    Lost(Source),
    /// The answer to [`Action::Apply`]: what was changed, perhaps nothing.
    Applied(Vec<Change>),
    /// The answer to either where it failed, as a clause. The host is as it was.
    Refused(String),
    /// A message of the path manager.
    Mptcp(Box<crate::event::Event>),
    /// The answer to [`Action::List`].
    Listed(Vec<Listed>),
    /// The answer to [`Action::Sample`].
    Sampled(Box<Sample>),
    /// A probe has an answer, be it a refusal.
    Answered(Probe),
    /// What an earlier daemon counted of links with a budget.
    Remembered(Box<Usage>),
    /// The kernel did not begin a subflow of [`Action::Join`], for this errno(3).
    NotJoined(Join, i32),
    /// The time that [`Daemon::deadline`](super::Daemon::deadline) named has come.
    Deadline,
    /// The settings file was read again, or why it cannot be used, as a clause.
    Reload(Result<Box<Config>, String>),
    /// The daemon is to end.
    Stop,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Look at the host, and answer with [`Event::Observed`] or [`Event::Refused`].
    Observe,
    /// Set the host up, and answer with [`Event::Applied`] or [`Event::Refused`].
    Apply(Box<Wish>),
    /// List the connections that this host began, and answer with [`Event::Listed`].
    List,
    /// Look at how connections get on, and answer with [`Event::Sampled`].
    Sample,
    /// Try connections, and answer with [`Event::Answered`] when a peer does.
    Probe(Vec<Probe>),
    /// Open subflows, and answer for each that is refused with [`Event::NotJoined`].
    Join(Vec<Join>),
    /// Close subflows. One that is gone already needs no answer.
    Leave(Vec<Leave>),
    /// Keep what was counted of links with a budget, also over a boot.
    Save(Box<Usage>),
    /// Make a change that needs no record, for it takes back one that has its own.
    GiveBack(Change),
    /// Tell a decision.
    Report(Report),
    /// End, and leave the host as it is.
    Exit,
}

/// What a set-up is to go by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wish {
    /// All settings, with the links that are held back among those left out.
    pub config: Config,
    /// What is recorded with the set-up.
    pub asked: Asked,
    /// Addresses that are away for a moment. Their endpoints stay, for the subflows of an address
    /// that comes back go on by themselves, and those of a deleted endpoint are closed.
    pub keep: BTreeSet<IpAddr>,
    /// Addresses whose endpoints are deleted and added again. The kernel opens a subflow from an
    /// endpoint once, so this is how it makes those anew that wait in a long pause for a path that
    /// passes again.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub renew: BTreeSet<IpAddr>,
}

impl Wish {
    /// An observation of the host, and what is proposed for it.
    pub fn observation(&self, state: HostState) -> Observation {
        let proposal = self.proposal(&state);
        Observation { state, proposal }
    }

    /// What takes back that links are set aside, or backups for a while (`blocking`), where any is: no
    /// daemon would use them again.
    pub(super) fn without_set_aside<'a>(
        self: Box<Self>,
        blocking: impl Iterator<Item = &'a IfName>,
    ) -> Option<Box<Wish>> {
        let mut any = self.config.stalled.as_ref().is_some_and(|links| !links.is_empty());
        let mut wish = *self;
        wish.config.stalled = Some(BTreeSet::new());
        wish.renew.clear();
        for dev in blocking {
            // The last mention: it may be one by the settings too.
            if let Some(at) = wish.config.backup.iter().rposition(|it| it == dev) {
                wish.config.backup.remove(at);
                any = true;
            }
        }
        any.then(|| Box::new(wish))
    }

    /// What is proposed for the host in this state.
    pub fn proposal(&self, state: &HostState) -> Proposal {
        let mut proposal = Proposal::of(state, &self.config);
        let takes = manager::takes(state, &self.config, &proposal.desired);
        proposal
            .plan
            .steps
            .extend(takes.map(|change| Step { change, reason: manager::WHY.into() }));
        proposal.plan.steps.retain(|step| match &step.change {
            // Where nothing is bonded, all that goes is that of links that somebody left out.
            Change::Remove(Item::Endpoint(endpoint)) if proposal.desired.bonds => {
                !self.keep.contains(&endpoint.address)
            }
            _ => true,
        });
        renew::renew(state, &self.renew, &mut proposal);
        withdrawal::add(&mut proposal, state, &self.config);
        proposal
    }
}

/// A decision, told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Which kind.
    pub code: Code,
    /// The line that a person reads.
    pub text: String,
    /// The link that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<IfName>,
}

impl Report {
    /// One about the host.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Report { code, text: text.into(), link: None }
    }

    /// One about a link.
    pub fn about(code: Code, link: &IfName, text: String) -> Self {
        Report { code, text, link: Some(link.clone()) }
    }
}

/// The kinds of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// What is the case, without a change of ours.
    Standing,
    /// The host was set up or mended.
    SetUp,
    /// What would lead around a VPN was taken away.
    Withdrawn,
    /// A link stopped being a path.
    LinkGone,
    /// A link became a path.
    LinkBack,
    /// A link comes and goes too often and is not used for a while.
    Held,
    /// That while is over.
    Released,
    /// Messages of the kernel were lost.
    Lost,
    /// A change or a look failed.
    Refused,
    /// Somebody else undoes what is set up.
    Fought,
    /// The settings were read.
    Reloaded,
    /// The settings file has a mistake.
    WrongSettings,
    /// Subflows that were lost are back.
    Healed,
    /// A path is up and passes nothing.
    Stalled,
    /// It passes again.
    PassesAgain,
    /// A path became slow and held its connections back.
    Blocks,
    /// It is used again.
    Unblocked,
    /// A link has used its budget.
    Spent,
    /// It has a new one.
    Unspent,
    /// A link loses packets without a queue.
    Lossy,
    /// It does not any more.
    Clean,
    /// The daemon ends.
    Stopping,
}

impl Code {
    /// Every kind.
    pub const ALL: &[Code] = &[
        Code::Standing,
        Code::SetUp,
        Code::Withdrawn,
        Code::LinkGone,
        Code::LinkBack,
        Code::Held,
        Code::Released,
        Code::Lost,
        Code::Refused,
        Code::Fought,
        Code::Reloaded,
        Code::WrongSettings,
        Code::Healed,
        Code::Stalled,
        Code::PassesAgain,
        Code::Blocks,
        Code::Unblocked,
        Code::Spent,
        Code::Unspent,
        Code::Lossy,
        Code::Clean,
        Code::Stopping,
    ];

    /// The kind as one word, as in the serial form: `set_up`.
    pub fn word(self) -> &'static str {
        match self {
            Code::Standing => "standing",
            Code::SetUp => "set_up",
            Code::Withdrawn => "withdrawn",
            Code::LinkGone => "link_gone",
            Code::LinkBack => "link_back",
            Code::Held => "held",
            Code::Released => "released",
            Code::Lost => "lost",
            Code::Refused => "refused",
            Code::Fought => "fought",
            Code::Reloaded => "reloaded",
            Code::WrongSettings => "wrong_settings",
            Code::Healed => "healed",
            Code::Stalled => "stalled",
            Code::PassesAgain => "passes_again",
            Code::Blocks => "blocks",
            Code::Unblocked => "unblocked",
            Code::Spent => "spent",
            Code::Unspent => "unspent",
            Code::Lossy => "lossy",
            Code::Clean => "clean",
            Code::Stopping => "stopping",
        }
    }

    /// Is it for somebody to look at?
    pub fn is_warning(self) -> bool {
        matches!(
            self,
            Code::Held
                | Code::Stalled
                | Code::Lost
                | Code::Refused
                | Code::Fought
                | Code::WrongSettings
        )
    }
}
