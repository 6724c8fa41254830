//! `mptcpize counters`: what the kernel counted of MPTCP in this network namespace, in words.

use crate::cli::check::Counters as Arguments;
use crate::error::{Error, Exit, reason};
use crate::host::netns::identity;
use crate::host::procfs::network;
use crate::host::procfs::network::Netstat;
use crate::host::{counters_baseline, netns};
use crate::locations::Locations;
use crate::output::term::{Colour, Term};
use crate::output::{self, counters::Screen};

/// Prints them. With `--since-last` also keeps them, for the next time; where that fails, it is said once they
/// are printed.
///
/// # Errors
/// 5 on a kernel without MPTCP, 4 or 1 where the last values cannot be kept, 1 for a namespace that is
/// not there.
pub fn counters(arguments: &Arguments, locations: &Locations) -> anyhow::Result<Exit> {
    if let Some(name) = &arguments.netns {
        netns::enter(name)?;
    }
    let netstat = Netstat::read().map_err(|error| {
        Error::new(Exit::Failed, "cannot read the counters").why(reason(&error))
    })?;
    let mut counters = netstat.mptcp();
    if counters.0.is_empty() {
        return Err(Error::new(Exit::Missing, "this kernel counts nothing of MPTCP")
            .why("/proc/net/netstat has no line MPTcpExt")
            .fix("boot a kernel 5.6 or newer built with CONFIG_MPTCP")
            .into());
    }
    let (mut since_s, mut kept) = (None, Ok(()));
    if arguments.since_last {
        let user = rustix::process::geteuid().as_raw();
        let (directories, netns) = (locations.counters(user), identity::netns());
        let before = counters_baseline::read(&directories, netns);
        let now = counters_baseline::now(counters.clone(), netstat.reverse_path());
        kept = counters_baseline::write(&directories, netns, &now);
        match before {
            Some(before) => {
                counters = counters.since(&before.counters);
                since_s = Some(now.at_s.saturating_sub(before.at_s));
            }
            None => output::note("the first look: these count from the start of the namespace"),
        }
    }
    let screen = Screen {
        counters: &counters,
        explain: arguments.explain,
        all: arguments.all || (arguments.json && !arguments.since_last),
        since_s,
        up_s: network::uptime_s(),
    };
    if arguments.json {
        output::line(&serde_json::to_string_pretty(&screen.json())?)?;
    } else {
        output::text(&screen.text(Term::of_stdout(Colour::Never).width))?;
    }
    kept?;
    Ok(Exit::Done)
}
