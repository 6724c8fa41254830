//! Carrying out a plan whole or not at all: record, change, look again, and take it back when the
//! host did not come out as planned.

use std::fmt;

use crate::error::{Error, Exit};
use crate::host::journal::Journal;
use crate::host::{Host, Refused, privilege};
use crate::model::HostState;
use crate::model::change::Change;
use crate::model::config::Config;
use crate::model::plan::{Plan, Step, plan};
use crate::model::policy;

/// What a set-up did.
#[derive(Debug)]
pub struct Outcome {
    /// The host as it is now.
    pub state: HostState,
    /// What was planned and, unless it was empty, done.
    pub plan: Plan,
}

/// How often a host may change under our hands before we give up: an address that becomes usable
/// or a route that a router announces between two looks is no reason to take everything back.
const MOST_LOOKS: usize = 4;

/// Makes the host what `config` wants. `each` is told of every change after it was made.
///
/// # Errors
/// A change that the kernel refused, or a host that does not match afterwards: everything was
/// taken back (exit 1, or 4 without privilege), or some of it could not be (exit 6).
pub fn set_up(
    host: &mut dyn Host,
    journal: &mut Journal,
    config: &Config,
    mut each: impl FnMut(&Change),
) -> Result<Outcome, Error> {
    let start = journal.entries().len();
    let mut done: Vec<Step> = Vec::new();
    for _ in 0..=MOST_LOOKS {
        let state = match host.observe(journal.entries()) {
            Ok(state) => state,
            Err(error) => return Err(roll_back(host, journal, start, error)),
        };
        let mut todo = plan(&state, &policy::desired(&state, config));
        if todo.is_empty() {
            todo.steps = done;
            return Ok(Outcome { state, plan: todo });
        }
        if let Some(step) = todo.steps.iter().find(|step| done.contains(step)) {
            let error = unplanned(&step.change);
            return Err(roll_back(host, journal, start, error));
        }
        for step in todo.steps {
            journal.append(&step.change)?;
            if let Err(refused) = host.apply(&step.change) {
                let error = refusal(&step.change, &refused);
                // It was not made, so nothing that looks like it is ours.
                journal.truncate(journal.entries().len() - 1)?;
                return Err(roll_back(host, journal, start, error));
            }
            each(&step.change);
            done.push(step);
        }
    }
    let last = done.last().map(|step| unplanned(&step.change));
    let error = last.unwrap_or_else(|| Error::new(Exit::Failed, "the host does not come to rest"));
    Err(roll_back(host, journal, start, error))
}

fn unplanned(change: &Change) -> Error {
    Error::new(Exit::Failed, "the host did not come out as planned")
        .why(format!(
            "{} {change} is still to do: something else changes this host at the same time",
            change.noun()
        ))
        .fix("mptcpize setup --dry-run    (shows what is missing)")
}

/// What an undo did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Changes taken back, newest first.
    pub done: Vec<Change>,
    /// Changes whose object was gone, or changed by somebody else since.
    pub gone: usize,
}

/// Takes back every change of `journal`, newest first, as far as it still makes sense.
///
/// # Errors
/// The kernel refused one (exit 6): those before it stay in the journal.
pub fn undo(
    host: &mut dyn Host,
    journal: &mut Journal,
    mut each: impl FnMut(&Change),
) -> Result<Undone, Error> {
    let mut state = host.observe(journal.entries())?;
    let mut undone = Undone::default();
    while let Some(change) = journal.entries().last() {
        let inverse = change.inverse();
        if inverse.makes_sense(&state) {
            host.apply(&inverse).map_err(|refused| partial(refusal(&inverse, &refused)))?;
            inverse.apply_to(&mut state);
            each(&inverse);
            undone.done.push(inverse);
        } else {
            undone.gone += 1;
        }
        let rest = journal.entries().len() - 1;
        journal.truncate(rest)?;
    }
    Ok(undone)
}

/// Takes back what was done since `start`; the error says whether that worked.
fn roll_back(host: &mut dyn Host, journal: &mut Journal, start: usize, error: Error) -> Error {
    let Ok(mut state) = host.observe(journal.entries()) else { return partial(error) };
    for change in journal.entries()[start..].to_vec().iter().rev() {
        let inverse = change.inverse();
        if inverse.makes_sense(&state) {
            if host.apply(&inverse).is_err() {
                return partial(error);
            }
            inverse.apply_to(&mut state);
        }
    }
    match journal.truncate(start) {
        Ok(()) => error,
        Err(_) => partial(error),
    }
}

fn partial(error: Error) -> Error {
    error.with_exit(Exit::Partial).fix("sudo mptcpize setup undo")
}

/// What to do about a link that was there when the plan was made.
const GONE: &str = "the link or its address went away meanwhile: run mptcpize setup again";

/// The error for a change that the kernel refused, in iproute2's words and the kernel's own.
pub fn refusal(change: &Change, refused: &Refused) -> Error {
    let verb = match change {
        Change::Add(_) => "add",
        Change::Remove(_) => "remove",
        Change::Limits { .. } | Change::Sysctl { .. } => "set",
    };
    let what = format!("cannot {verb} the {} {change}", change.noun());
    let error = Error::new(Exit::Failed, what).why(refused);
    // A sysctl of a link goes with the link.
    let sysctl = matches!(change, Change::Sysctl { .. });
    match refused.errno {
        libc::EPERM | libc::EACCES => error.with_exit(Exit::NotPermitted).fix(privilege::advice()),
        libc::ENOENT if sysctl => error.fix(GONE),
        // A gateway is out of reach (ENETUNREACH) when the network of its link has gone.
        libc::ENODEV | libc::ENETDOWN | libc::ENETUNREACH | libc::EADDRNOTAVAIL => error.fix(GONE),
        _ => error.fix("mptcpize setup --dry-run    (shows the whole plan)"),
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = std::io::Error::from_raw_os_error(self.errno);
        match &self.text {
            Some(text) => write!(f, "{text} ({})", crate::error::reason(&known)),
            None => f.write_str(&crate::error::reason(&known)),
        }
    }
}
