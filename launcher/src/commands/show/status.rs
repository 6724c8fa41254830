//! `mptcpize status`: is MPTCP in use, over which links, and if not, why not.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use crate::cli::see::Status as Arguments;
use crate::commands::setup::settings;
use crate::commands::show::elsewhere;
use crate::commands::show::observe::{self, Counted, Surroundings};
use crate::commands::units::judged;
use crate::error::{Error, Exit};
use crate::host::netns;
use crate::host::process::clock;
use crate::host::procfs::programs;
use crate::locations::Locations;
use crate::output::{self, status};
use mptcpize_model::gateway_status::State;
use mptcpize_model::status::{Availability, Report, report};
use mptcpize_model::unit::judge::{Judgement, Verdict};

/// Why namespaces may be missing.
const HIDDEN: &str = "namespaces of other users are hidden: sudo mptcpize status --all-netns";

/// Connections that are shown without `--all`.
const SHOWN: usize = 20;

/// Prints the screen, once or again and again.
///
/// # Errors
/// 1 there is no such namespace, or the kernel cannot be asked; 4 it may not be entered.
pub fn status(arguments: &Arguments, locations: &Locations) -> anyhow::Result<Exit> {
    if let Some(name) = &arguments.netns {
        netns::enter(name)?;
    }
    let mut before = Counted::now();
    let mut relay = None;
    let mut report = look(arguments, locations, None, &before, &mut relay)?;
    show(arguments, &report, false)?;
    while let Some(seconds) = arguments.watch {
        if !observe::wait(Duration::from_secs(seconds.into())) {
            break;
        }
        let now = Counted::now();
        report = look(arguments, locations, Some(&before), &now, &mut relay)?;
        before = now;
        show(arguments, &report, true)?;
    }
    Ok(exit(&report))
}

/// How a verb ends that has shown this.
pub(super) fn exit(report: &Report) -> Exit {
    code(report.mptcp, report.attention)
}

/// How a verb ends that has shown a host with or without MPTCP, where something wants attention or nothing does.
pub(super) fn code(mptcp: Availability, attention: bool) -> Exit {
    match (mptcp, attention) {
        (Availability::Absent | Availability::OutOfTree, _) => Exit::Missing,
        (_, true) => Exit::Attention,
        (_, false) => Exit::Done,
    }
}

/// One look, with the rates since `before` and since what the `relay` said, or else those of a moment.
fn look(
    arguments: &Arguments,
    locations: &Locations,
    before: Option<&Counted>,
    now: &Counted,
    relay: &mut Option<Box<State>>,
) -> Result<Report, Error> {
    let everything = arguments.all || arguments.json;
    let (shown, bound) = match everything {
        true => (usize::MAX, usize::MAX),
        false => (SHOWN, programs::BOUND),
    };
    // Every verb that goes by the settings says what is wrong with them.
    settings::file(None, locations)?;
    let mut seen = observe::look(locations, shown, bound, Surroundings::look(locations))?;
    seen.place.netns.clone_from(&arguments.netns);
    seen.services_tcp = services(locations);
    seen.rates = match before {
        Some(before) => Some(now.since(before)),
        None => observe::rates(&seen, now),
    };
    observe::relay_rates(&mut seen, locations, relay.take());
    *relay = seen.relay.state().cloned().map(Box::new);
    let mut report = report(&seen, shown);
    if arguments.all_netns {
        let (all, denied) = elsewhere::look(shown, bound);
        report.elsewhere = Some(all);
        if denied {
            report.programs_hidden = Some(HIDDEN);
        }
    }
    Ok(report)
}

/// The units that are on and not wholly MPTCP.
fn services(locations: &Locations) -> BTreeMap<String, String> {
    let some = |judgement: &Judgement| matches!(judgement.verdict, Verdict::Partly | Verdict::No);
    let all = judged::all(locations).into_iter().filter(|(_, judgement)| some(judgement));
    all.map(|(unit, judgement)| {
        let sockets = output::services::sockets(&judgement);
        (unit, format!("{} ({sockets})", judgement.verdict.word()))
    })
    .collect()
}

/// Shows a look; `again`: it is not the first.
fn show(arguments: &Arguments, report: &Report, again: bool) -> anyhow::Result<()> {
    if arguments.json {
        return output::line(&status::json(report));
    }
    let screen = status::screen(report, &observe::term(arguments.color));
    let clear = arguments.watch.is_some()
        && std::io::stdout().is_terminal()
        && output::term::can_move_cursor();
    if clear {
        output::clear()?;
    } else if again {
        // Where nothing can be cleared one screen follows another: a line says where the next begins.
        output::line(&format!("\n──────── {}", clock::wall(clock::now_ms())))?;
    }
    output::text(&screen)
}
