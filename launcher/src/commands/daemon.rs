//! `mptcpize daemon`: the set-up that is made again whenever links, addresses or routes change.

use std::fs::File;

use crate::cli::daemon::Daemon as Arguments;
use crate::commands::setup::settings;
use crate::daemon::driver::{Driver, Surroundings};
use crate::error::{Error, Exit, reason};
use crate::host::Host;
use crate::host::netns;
use crate::host::netns::identity;
use crate::host::observe::kernel_host::KernelHost;
use crate::host::process::clock;
use crate::host::systemd::journal_socket::JournalSocket;
use crate::locations::Locations;
use crate::output::{self, diff};
use mptcpize_model::change::Change;
use mptcpize_model::daemon::{Daemon, Report};

/// Follows the links of this host until SIGTERM; what was set up stays.
///
/// # Errors
/// 1 where another daemon runs here, 2 for a settings file with a mistake, 4 without privilege, 5
/// without MPTCP.
pub fn daemon(arguments: &Arguments, locations: &Locations) -> anyhow::Result<Exit> {
    if let Some(name) = &arguments.netns {
        netns::enter(name)?;
    }
    settings::check_kernel(&KernelHost::open()?.observe(&[])?)?;
    let named = arguments.settings.config.as_deref();
    let read = || {
        let file = settings::file(named, locations)?;
        settings::check_congestion(&file)?;
        Ok::<_, Error>(file)
    };
    let file = read()?;
    settings::check_congestion(&arguments.settings.asked().over(file.clone()))?;
    let core = Daemon::new(clock::since_boot(), file, arguments.settings.asked());
    let journal = JournalSocket::of_stderr();
    let record = arguments.record.as_ref().map(|path| {
        File::create(path).map_err(|error| {
            Error::new(Exit::Usage, format!("cannot write {}", path.display())).why(reason(&error))
        })
    });
    let given = Surroundings {
        directory: locations.run(),
        usage: locations.usage(),
        netns: identity::netns(),
        settings: &|| read().map_err(|error| error.clause()),
        tell: &|report| tell(journal.as_ref(), report),
        change: &|change| {
            if arguments.verbose {
                say_change(journal.as_ref(), change);
            }
        },
        record: record.transpose()?,
    };
    Driver::open(core, given)?.run()?;
    Ok(Exit::Done)
}

/// A line for a decision: with fields to systemd's journal where that reads, else to standard error.
fn tell(journal: Option<&JournalSocket>, report: &Report) {
    let mut fields = vec![("MPTCPIZE_DECISION", report.code.word())];
    if let Some(link) = &report.link {
        fields.push(("MPTCPIZE_LINK", link.as_str()));
    }
    let warning = report.code.is_warning();
    if !journal.is_some_and(|journal| journal.line(&report.text, warning, &fields)) {
        output::note(&report.text);
    }
}

fn say_change(journal: Option<&JournalSocket>, change: &Change) {
    let line = diff::change_line(change);
    if !journal.is_some_and(|journal| journal.line(&line, false, &[])) {
        output::note(&line);
    }
}
