//! Carrying out a plan whole or not at all: record, change, observe again, and take it back when the
//! host did not come out as planned.

use crate::error::{Error, Exit};
use crate::host::Host;
use crate::host::apply::journal::Journal;
use crate::host::apply::sysctl;
use crate::host::netlink::KernelError;
use crate::host::process::privilege;
use mptcpize_model::HostState;
use mptcpize_model::change::{Change, Item, same_thing};
use mptcpize_model::config::Config;
use mptcpize_model::net::IfName;
use mptcpize_model::ours;
use mptcpize_model::plan::{Plan, Step, is_optional};
use mptcpize_model::proposal::Observation;

/// What a set-up did.
#[derive(Debug)]
pub struct Outcome {
    /// The host as it is now, and what follows from that.
    pub now: Observation,
    /// What was planned and, unless it was empty, done.
    pub plan: Plan,
}

/// Makes one change of the host and records it: what makes something ours before it is made, a
/// removal after it.
fn make(host: &mut dyn Host, journal: &mut Journal, change: &Change) -> Result<(), Failed> {
    if let Change::Remove(_) = change {
        host.apply(change).map_err(Failed::Refused)?;
        forget(journal, change);
        return Ok(());
    }
    journal.append(change).map_err(Failed::Unrecorded)?;
    host.apply(change).map_err(|refused| {
        // It was not made, so nothing that looks like it is ours.
        match journal.append(&change.inverse()) {
            Ok(()) => Failed::Refused(refused),
            Err(error) => Failed::Unrecorded(error),
        }
    })
}

/// Records that something is no longer there. Where that cannot be written, on a full disk, the journal
/// names something that is gone, as it does after a crash; an undo looks before it acts. So nothing
/// that must go stays for want of room.
fn forget(journal: &mut Journal, change: &Change) {
    let _ = journal.append(change);
}

/// Why a change was not made.
enum Failed {
    /// The kernel refuses it.
    Refused(KernelError),
    /// The journal cannot be written.
    Unrecorded(Error),
}

impl Failed {
    fn explain(self, change: &Change) -> Error {
        match self {
            Failed::Refused(refused) => refusal(change, &refused),
            Failed::Unrecorded(error) => error,
        }
    }
}

/// How often a host may change under our hands before we give up: an address that becomes usable
/// or a route that a router announces between two looks is no reason to take everything back.
const MOST_LOOKS: usize = 4;

/// The host as it was observed before the journal was opened, with its entries as `known` then;
/// observed anew where another run held or changed the journal since.
///
/// # Errors
/// The kernel cannot be asked.
pub fn up_to_date(
    seen: Observation,
    known: &[Change],
    host: &mut dyn Host,
    journal: &Journal,
    config: &Config,
) -> Result<Observation, Error> {
    if !journal.was_held() && journal.entries() == known {
        return Ok(seen);
    }
    Ok(Observation::of(host.observe(journal.entries())?, config))
}

/// Makes the host what `config` wants, beginning with what is proposed for it as it was `seen`. It
/// is observed again after the changes, until nothing is left to do. `each` is told of every change
/// after it was made.
///
/// # Errors
/// A change that the kernel refused, or a host that does not match afterwards: everything was
/// taken back (exit 1, or 4 without privilege), or some of it could not be (exit 6).
pub fn set_up(
    seen: Observation,
    host: &mut dyn Host,
    journal: &mut Journal,
    config: &Config,
    each: impl FnMut(&Change),
) -> Result<Outcome, Error> {
    carry_out(seen, host, journal, |state| Observation::of(state, config), each)
}

/// Makes the host what is proposed for it as it was `seen`, and after the changes what `propose`
/// derives from each further observation.
///
/// # Errors
/// As [`set_up`].
pub fn carry_out(
    seen: Observation,
    host: &mut dyn Host,
    journal: &mut Journal,
    propose: impl Fn(HostState) -> Observation,
    mut each: impl FnMut(&Change),
) -> Result<Outcome, Error> {
    let mut done: Vec<Step> = Vec::new();
    let mut impossible: Vec<Change> = Vec::new();
    let mut links: Vec<IfName> = Vec::new();
    // One that bonds nothing from the start takes away what is left out.
    let bonds = seen.proposal.desired.bonds;
    let mut first = Some(seen);
    for _ in 0..=MOST_LOOKS {
        let now = match first.take() {
            Some(seen) => seen,
            None => match host.observe(journal.entries()) {
                Ok(state) => propose(state),
                Err(error) => return Err(roll_back(host, journal, &done, error)),
            },
        };
        let proposal = &now.proposal;
        let mut todo = proposal.plan.clone();
        todo.steps.retain(|step| !impossible.contains(&step.change));
        if links.is_empty() {
            links = proposal.desired.paths.iter().map(|path| path.dev.clone()).collect();
        }
        let settled = !bonds || proposal.desired.bonds || proposal.withdraws;
        if todo.is_empty() && !done.is_empty() && !settled {
            links.retain(|dev| proposal.desired.paths.iter().all(|path| path.dev != *dev));
            links.dedup();
            let gone: Vec<&str> = links.iter().map(IfName::as_str).collect();
            let error = Error::new(Exit::Failed, format!("cannot set up {}", gone.join(" and ")))
                .why(proposal.desired.notes.join("; "))
                .fix(GONE);
            return Err(roll_back(host, journal, &done, error));
        }
        if todo.is_empty() {
            todo.steps = done;
            if let Some(change) = impossible.first() {
                let more = match impossible.len() - 1 {
                    0 => String::new(),
                    more => format!(" (and {more} more)"),
                };
                todo.kept_sysctls = Some(format!("not permitted here, and left: {change}{more}"));
            }
            return Ok(Outcome { now, plan: todo });
        }
        if let Some(step) = todo.steps.iter().find(|step| done.contains(step)) {
            let error = unplanned(&step.change);
            return Err(roll_back(host, journal, &done, error));
        }
        for step in todo.steps {
            match make(host, journal, &step.change) {
                Ok(()) => {
                    each(&step.change);
                    done.push(step);
                }
                Err(Failed::Refused(refused))
                    if is_optional(&step.change) && NOT_OURS_TO_SET.contains(&refused.errno) =>
                {
                    impossible.push(step.change);
                }
                Err(failed) => {
                    let error = failed.explain(&step.change);
                    return Err(roll_back(host, journal, &done, error));
                }
            }
        }
    }
    let last = done.last().map(|step| unplanned(&step.change));
    let error = last.unwrap_or_else(|| Error::new(Exit::Failed, "the host does not come to rest"));
    Err(roll_back(host, journal, &done, error))
}

/// How a kernel parameter answers that somebody else decides about it: a read-only /proc/sys, a
/// user namespace, a parameter that went with its link.
const NOT_OURS_TO_SET: [i32; 4] = [libc::EROFS, libc::EACCES, libc::EPERM, libc::ENOENT];

fn unplanned(change: &Change) -> Error {
    Error::new(Exit::Failed, "the host did not come out as planned")
        .why(format!(
            "{} {change} is still to do: something else changes this host at the same time",
            change.noun()
        ))
        .fix("mptcpize setup --dry-run    # shows what is missing")
}

/// What an undo did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Changes taken back, newest first.
    pub done: Vec<Change>,
    /// Changes whose object was gone, or changed by somebody else since.
    pub gone: usize,
}

/// Takes back all that stands in `journal`, newest first, as far as its object is still as we made
/// it, and whatever else carries our mark. A removal that the kernel refuses keeps nothing else
/// from being taken back.
///
/// # Errors
/// The kernel refused one (exit 6): it stays in the journal.
pub fn undo(
    host: &mut dyn Host,
    journal: &mut Journal,
    each: impl FnMut(&Change),
) -> Result<Undone, Error> {
    undo_with(host, journal, marked, each)
}

/// Takes back what stands in `journal`, and of what `found` knows to be ours whatever is in no journal.
///
/// # Errors
/// As [`undo`].
pub fn undo_with(
    host: &mut dyn Host,
    journal: &mut Journal,
    found: impl Fn(&HostState) -> Vec<Change>,
    mut each: impl FnMut(&Change),
) -> Result<Undone, Error> {
    let mut state = host.observe(journal.entries())?;
    let mut undone = Undone::default();
    let mut failed: Option<Error> = None;
    let recorded = |change: &Change| match change {
        Change::Add(item) => journal
            .entries()
            .iter()
            .any(|entry| matches!(entry, Change::Add(own) if same_thing(own, item))),
        _ => false,
    };
    let mut entries = found(&state);
    entries.retain(|change| !recorded(change));
    entries.extend(journal.entries().iter().cloned());
    for change in entries.iter().rev() {
        let Some(inverse) = change.undone_in(&state) else {
            forget(journal, &change.inverse());
            undone.gone += 1;
            continue;
        };
        if let Err(refused) = host.apply(&inverse) {
            if !is_gone(&refused) {
                failed.get_or_insert(refusal(&inverse, &refused));
                continue;
            }
            forget(journal, &change.inverse());
            undone.gone += 1;
            continue;
        }
        forget(journal, &change.inverse());
        inverse.apply_to(&mut state);
        each(&inverse);
        undone.done.push(inverse);
    }
    match failed {
        Some(error) => Err(partial(error)),
        None => Ok(undone),
    }
}

/// Did the object go between the look and the change?
fn is_gone(refused: &KernelError) -> bool {
    let gone = [libc::ENODEV, libc::ESRCH, libc::ENOENT, libc::EADDRNOTAVAIL];
    gone.contains(&refused.errno)
}

/// Does anything on this host carry our mark?
pub fn is_marked(state: &HostState) -> bool {
    !marked(state).is_empty()
}

/// What carries our mark, which may be in no journal: of a link that got another name since.
fn marked(state: &HostState) -> Vec<Change> {
    let addresses = state.addresses.iter().filter(|it| ours::is_ours(it.protocol));
    let routes = state.routes.iter().filter(|it| ours::is_ours(it.protocol));
    let rules = state.rules.iter().filter(|it| ours::is_ours(it.protocol));
    let items = addresses.cloned().map(Item::Address);
    let items = items.chain(routes.cloned().map(Item::Route));
    let items = items.chain(rules.cloned().map(Item::Rule));
    let items = items.chain(state.nat.rules.iter().cloned().map(Item::Nat));
    items.map(Change::Add).collect()
}

/// Takes back what was done, newest first; the error says whether that worked.
fn roll_back(host: &mut dyn Host, journal: &mut Journal, done: &[Step], error: Error) -> Error {
    let Ok(mut state) = host.observe(journal.entries()) else { return partial(error) };
    for step in done.iter().rev() {
        let Some(inverse) = step.change.undone_in(&state) else {
            forget(journal, &step.change.inverse());
            continue;
        };
        if make(host, journal, &inverse).is_err() {
            return partial(error);
        }
        inverse.apply_to(&mut state);
    }
    error
}

fn partial(error: Error) -> Error {
    let again = "sudo mptcpize setup undo";
    error.with_exit(Exit::Partial).fix(match sysctl::are_read_only() {
        // As container engines mount it: trying again would fail again.
        true => format!("sudo mount -o remount,rw /proc/sys && {again}"),
        false => again.to_owned(),
    })
}

/// What to do about a link that was there when the plan was made.
const GONE: &str = "the link or its address went away meanwhile: run mptcpize setup again";

/// The error for a change that the kernel refused, in iproute2's words and the kernel's own.
pub fn refusal(change: &Change, refused: &KernelError) -> Error {
    let verb = match change {
        Change::Add(_) => "add",
        Change::Remove(_) => "remove",
        Change::Flags { .. } | Change::Limits { .. } | Change::Sysctl { .. } => "set",
    };
    let what = format!("cannot {verb} the {} {change}", change.noun());
    let error = Error::new(Exit::Failed, what).why(whole(refused));
    // A sysctl of a link goes with the link.
    let sysctl = matches!(change, Change::Sysctl { .. });
    match refused.errno {
        libc::EPERM | libc::EACCES => error.with_exit(Exit::NotPermitted).fix(privilege::advice()),
        libc::ENOENT if sysctl => error.fix(GONE),
        // A gateway is out of reach (ENETUNREACH) when the network of its link has gone.
        libc::ENODEV | libc::ENETDOWN | libc::ENETUNREACH | libc::EADDRNOTAVAIL => error.fix(GONE),
        _ => error.fix("mptcpize setup --dry-run    # shows the whole plan"),
    }
}

/// The kernel's explanation with the text of its error number.
fn whole(refused: &KernelError) -> String {
    let number = KernelError::from_errno(refused.errno);
    match &refused.text {
        Some(text) => format!("{text} ({number})"),
        None => number.to_string(),
    }
}
