//! `mptcpize setup`: look, plan, show, record, change, look again; and its undo.

pub mod confirm;
mod found;
pub mod session;
pub mod settings;
pub mod unbonded;
pub mod undo;

use std::time::{Duration, Instant};

use crate::cli::setup::{Setup, SetupCommand};
use crate::daemon::published::{self, Running};
use crate::error::{Error, Exit};
use crate::host::Host;
use crate::host::apply::journal;
use crate::host::apply::transaction::{self, Outcome};
use crate::host::netns::identity;
use crate::host::observe::kernel_host::KernelHost;
use crate::locations::Locations;
use crate::output::term::{Colour, Term};
use crate::output::{self, diff, judged};
use mptcpize_model::HostState;
use mptcpize_model::asked::Asked;
use mptcpize_model::change::Change;
use mptcpize_model::checks;
use mptcpize_model::config::Config;
use mptcpize_model::desired::{self, Refused};
use mptcpize_model::net::{Address, Family};
use mptcpize_model::phrase;
use mptcpize_model::plan::Plan;
use mptcpize_model::proposal::{self, Observation, Proposal};
use mptcpize_model::record::Record;
use mptcpize_model::unwanted;
use session::{enter, open_journal};

/// How long a link that was set up before may be without its address: a manager that configures it
/// anew takes 20 to 90 ms between taking and giving it.
const GAP: Duration = Duration::from_secs(2);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Carries out `setup` and the verbs below it.
///
/// # Errors
/// 2 for settings that do not fit this host, 4 without privilege, 5 without MPTCP, 1 when the
/// kernel refuses a change (the host is as it was), 6 when that could not be taken back.
pub fn setup(arguments: Setup, locations: &Locations) -> anyhow::Result<Exit> {
    match arguments.command {
        Some(SetupCommand::Undo { salvage, place }) => undo::undo(locations, &place, salvage),
        Some(SetupCommand::Confirm { place }) => {
            enter(&place)?;
            confirm::confirm(locations)?;
            Ok(Exit::Done)
        }
        Some(SetupCommand::Guard { seconds, place }) => {
            enter(&place)?;
            if confirm::wait(locations, seconds) {
                confirm::insist(locations, || {
                    // A set-up that is still at work holds the lock, and has perhaps changed nothing
                    // yet: only when it lets go is it known what there is to undo.
                    drop(open_journal(locations)?);
                    match confirm::is_armed(locations) {
                        true => undo::undo(locations, &place, false),
                        false => Ok(Exit::Done),
                    }
                });
            }
            Ok(Exit::Done)
        }
        None => {
            enter(&arguments.place)?;
            let terms = Terms::read(&arguments, locations)?;
            if arguments.dry_run {
                dry_run(&arguments, &terms)
            } else {
                apply(&arguments, &terms, locations)
            }
        }
    }
}

/// What a set-up is to go by.
struct Terms {
    /// The journal.
    record: Record,
    /// What earlier set-ups were asked and this one was not.
    before: Asked,
    /// What this one was asked.
    line: Asked,
    /// What holds from now on.
    asked: Asked,
    /// The file and the command line: what they name must be there.
    strict: Config,
    /// All of it.
    config: Config,
    /// Where the file is, as it is shown.
    file: String,
    /// The daemon that runs here, if one does.
    daemon: Option<Running>,
}

impl Terms {
    fn read(arguments: &Setup, locations: &Locations) -> Result<Self, Error> {
        let record = journal::look(&locations.run(), identity::netns())?;
        let line = arguments.settings.asked();
        let earlier = if arguments.forget { Asked::default() } else { record.asked.clone() };
        let before = earlier.clone().without(&line);
        let asked = earlier.then(line.clone());
        let named = arguments.settings.config.as_deref();
        let shown = settings::shown(named, locations);
        let file = settings::file(named, locations)?;
        let strict = line.over(file.clone());
        let stalled = settings::stalled(locations);
        let config = Config { stalled, ..settings::with_spent(asked.over(file), locations) };
        let daemon = published::running(&locations.run(), identity::netns());
        Ok(Terms { record, before, line, asked, strict, config, file: shown, daemon })
    }

    /// Can this host be set up so?
    fn check(&self, state: &HostState) -> Result<(), Error> {
        settings::check_kernel(state)?;
        settings::check(state, &self.strict, &self.line, &self.file)
    }

    /// The line that says what is asked from now on, where that is new.
    fn news(&self) -> Option<String> {
        let new = self.asked != self.record.asked && !self.line.is_empty();
        new.then(|| {
            format!(
                "kept until the next boot: {}    (mptcpize setup --forget returns to the file)",
                self.line
            )
        })
    }

    /// The line that says what is still asked, if anything is.
    fn reminder(&self) -> Option<String> {
        (!self.before.is_empty()).then(|| {
            format!("as before: {}    (mptcpize setup --forget returns to the file)", self.before)
        })
    }
}

fn dry_run(arguments: &Setup, terms: &Terms) -> anyhow::Result<Exit> {
    let state = KernelHost::open()?.observe(&terms.record.entries)?;
    terms.check(&state)?;
    let seen = Observation::of(state, &terms.config);
    // A host whose traffic a VPN takes is as it should be: its plan is empty, and a note says why.
    if seen.proposal.captured().is_none() {
        refuse(&seen, &terms.config)?;
    }
    let plan = &seen.proposal.plan;
    let found = found::look(terms, seen.state.clone());
    let place = found::place(arguments.place.netns.as_ref());
    if arguments.place.json {
        let shown = judged::json(diff::json(plan, &seen.state), &found, &place);
        output::line(&serde_json::to_string_pretty(&shown)?)?;
    } else {
        let reminder = terms.reminder().map(|line| format!("{line}\n")).unwrap_or_default();
        let width = Term::of_stdout(Colour::Never).width;
        let (notes, rest) = (judged::notes(&found, &place, width), judged::rest(&found, &place));
        output::text(&format!("{reminder}{}{notes}{rest}", preview(plan)))?;
    }
    Ok(if arguments.exit_code && !plan.is_empty() { Exit::Attention } else { Exit::Done })
}

/// Says no where a set-up would lead traffic around a VPN, has no place for its rules, or would
/// bond nothing.
///
/// # Errors
/// 1, with the reason and the way on.
pub fn refuse(seen: &Observation, config: &Config) -> Result<(), Error> {
    let Observation { state, proposal } = seen;
    if let Some(refused) = &proposal.desired.refused {
        return Err(refusal(refused, state, config));
    }
    let Some(blocked) = proposal.plan.blocked.first().filter(|_| proposal.is_blocked()) else {
        return Ok(());
    };
    // All of them: the first alone would bond two links of several.
    let mut fix: Vec<String> = proposal
        .plan
        .blocked
        .iter()
        .map(|blocked| format!("mptcpize endpoint delete id {}", blocked.endpoint.id))
        .collect();
    fix.push("mptcpize setup".to_owned());
    let mut why = blocked.to_string();
    // mptcpd neither removes its endpoints when it ends nor looks at addresses that are there when
    // it starts: its settings and a restart mend nothing by themselves.
    if state.managers.contains(&mptcpize_model::Manager::Mptcpd) {
        why.push_str(
            "; mptcpd makes such endpoints unless /etc/mptcpd/mptcpd.conf has addr-flags=subflow",
        );
    }
    let error = Error::new(Exit::Failed, "a set-up would bond nothing").why(why);
    Err(error.fix(fix.join(" && ")))
}

fn refusal(refused: &Refused, state: &HostState, config: &Config) -> Error {
    match refused {
        Refused::Captured(captured) if !state.ours.is_empty() => {
            let (around, fix) = match proposal::leak(state, config) {
                Some(leak) => (leak.what, leak.fix.join(" && sudo ")),
                None => {
                    let around = "what was set up before leads nothing around it";
                    (around.to_owned(), checks::BESIDE.to_owned())
                }
            };
            Error::new(Exit::Failed, captured.what())
                .why(format!("{}; {around}", captured.why()))
                .fix(format!("sudo {fix}"))
        }
        Refused::Captured(captured) => Error::new(Exit::Failed, captured.what())
            .why(format!(
                "{}; set up beside it, subflows would leave outside of {}",
                captured.why(),
                captured.by()
            ))
            .fix(format!("sudo {}", checks::BESIDE)),
        Refused::Rules(why) => {
            Error::new(Exit::Failed, desired::NO_PLACE).why(why).fix(desired::SHOW_RULES)
        }
    }
}

/// The screen of a dry run.
fn preview(plan: &Plan) -> String {
    let term = Term::of_stdout(Colour::Never);
    let lines = diff::plan(plan, &term);
    let count = plan.steps.len();
    if count == 0 {
        let said = output::paragraph("Nothing to change on this host.", term.width);
        return format!("{said}{}{lines}", gap(&lines));
    }
    let things = phrase::count(count, "thing");
    let said = format!("Would change {things} on this host (nothing was changed):");
    let (apply, undo) = ("Apply: sudo mptcpize setup", "Undo any time: sudo mptcpize setup undo");
    // Each is to be pasted, and stays whole.
    let between = if term.width < 72 { "\n" } else { "      " };
    format!("{}\n{lines}{apply}{between}{undo}\n", output::paragraph(&said, term.width))
}

fn gap(lines: &str) -> &'static str {
    if lines.is_empty() || lines.starts_with('\n') { "" } else { "\n" }
}

fn apply(arguments: &Setup, terms: &Terms, locations: &Locations) -> anyhow::Result<Exit> {
    let mut host = KernelHost::open()?;
    // Settings are checked before anything is written.
    let state = settled(&mut host, terms)?;
    terms.check(&state)?;
    let seen = Observation::of(state, &terms.config);
    refuse(&seen, &terms.config)?;
    if seen.proposal.plan.is_empty() {
        if terms.asked != terms.record.asked {
            open_journal(locations)?.ask(&terms.asked)?;
        }
        return finish(arguments, terms, &Outcome { now: seen, plan: Plan::default() });
    }
    let mut journal = open_journal(locations)?;
    let known = &terms.record.entries;
    let seen = transaction::up_to_date(seen, known, &mut host, &journal, &terms.config)?;
    // Whoever had the lock before us may have done it all; then there is nothing to guard.
    let guard = arguments.confirm.filter(|_| !seen.proposal.plan.is_empty());
    if let Some(seconds) = guard {
        confirm::arm(locations, seconds, arguments.place.netns.as_deref())?;
    }
    let verbose = arguments.place.verbose;
    let before = journal.asked().clone();
    journal.ask(&terms.asked)?;
    let each = |change: &Change| {
        if verbose {
            output::note(&diff::change_line(change));
        }
    };
    let done = transaction::set_up(seen, &mut host, &mut journal, &terms.config, each);
    if done.is_err() {
        // The error that is on its way says more than one about the journal.
        let _ = journal.ask(&before);
    }
    drop(journal);
    let done = done.inspect_err(|_| {
        if guard.is_some() {
            confirm::disarm(locations);
        }
    })?;
    finish(arguments, terms, &done)
}

/// Looks at the host; where links that were set up before are missing, until they are back or a
/// moment has passed. One that is left out is not missed.
fn settled(host: &mut KernelHost, terms: &Terms) -> Result<HostState, Error> {
    let mut deadline = None;
    loop {
        let state = host.observe(&terms.record.entries)?;
        let mut recorded = state.recorded.iter();
        let missing = recorded.any(|recorded| {
            let alive = state.link(&recorded.dev).is_some_and(|link| link.up && link.carrier);
            let usable = |address: &Address| {
                address.dev == recorded.dev
                    && address.global
                    && Family::of(address.address) == recorded.family
            };
            let wanted = !unwanted::is_left_out(&terms.config, &recorded.dev);
            wanted && alive && !state.addresses.iter().any(usable)
        });
        if !missing || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(state);
        }
        // From the first look that misses one, however long that look took.
        deadline.get_or_insert_with(|| Instant::now() + GAP);
        std::thread::sleep(LOOK);
    }
}

fn finish(arguments: &Setup, terms: &Terms, outcome: &Outcome) -> anyhow::Result<Exit> {
    let Outcome { now: Observation { state, proposal }, plan: done } = outcome;
    if arguments.place.json {
        let found = found::look(terms, state.clone());
        let place = found::place(arguments.place.netns.as_ref());
        let shown = judged::json(diff::json(done, state), &found, &place);
        output::line(&serde_json::to_string_pretty(&shown)?)?;
        return Ok(Exit::Done);
    }
    for line in terms.reminder().into_iter().chain(terms.news()) {
        output::line(&line)?;
    }
    let count = done.steps.len();
    let links = links(proposal);
    let summary = match (count, proposal.desired.bonds) {
        (0, false) => unbonded::idle(proposal, state),
        (_, false) => unbonded::taken_away(proposal, count),
        (0, true) => format!("already set up: {links}"),
        (_, true) => done_line(&links, count),
    };
    output::line(&summary)?;
    for blocked in &proposal.plan.blocked {
        output::line(&blocked.to_string())?;
    }
    if let Some(kept) = done.kept_sysctls.as_ref().or(proposal.plan.kept_sysctls.as_ref()) {
        output::line(kept)?;
    }
    if proposal.desired.bonds && terms.config.beside_vpn {
        let mut beside = proposal.desired.notes.iter().filter(|note| note.starts_with("beside "));
        beside.try_for_each(|note| output::line(note))?;
    }
    if proposal.desired.bonds {
        let rest = found::rest(terms, state, arguments.place.netns.as_ref());
        if !rest.is_empty() {
            output::text(&rest)?;
        }
    }
    if let Some(seconds) = arguments.confirm.filter(|_| count > 0) {
        output::line(&format!(
            "to be undone in {seconds} s unless you keep it: sudo mptcpize setup confirm"
        ))?;
    }
    Ok(Exit::Done)
}

/// What was done, and how it is undone.
pub fn done_line(links: &str, count: usize) -> String {
    format!("set up {links} with {} (undo: mptcpize setup undo)", phrase::count(count, "change"))
}

/// `wlan0 and wwan0`: the links that are bonded, best first.
pub fn links(proposal: &Proposal) -> String {
    phrase::list(&proposal.links())
}
