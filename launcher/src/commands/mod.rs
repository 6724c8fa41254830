//! One verb, one file.

mod attempt;
pub mod before_run;
pub mod bring_up;
pub mod c_tool;
pub mod came_up;
pub mod check;
mod confined;
pub mod counters;
pub mod disable;
pub mod dispatcher;
pub mod enable;
pub mod endpoint;
pub mod explain;
mod foreseen;
pub mod guard;
pub mod judged;
pub mod limits;
pub mod list;
pub mod monitor;
pub mod passed_over;
pub mod policy;
pub mod run;
mod see;
pub mod seen_lost;
mod selftest;
pub mod settings;
pub mod setup;
pub mod shell;
pub mod socket_row;
pub mod status;
pub mod stays_up;
pub mod subflow;
pub mod system;
mod system_files;
mod system_leftovers;
mod system_roots;
mod system_state;
mod system_trial;
mod told;
#[cfg(feature = "top")]
pub mod top;
pub mod undo;
pub mod unit_caller;
pub mod unit_environment;
pub mod unit_job;
pub mod unit_plan;
pub mod unit_socket;
pub mod unit_usable;
pub mod units;
pub mod version;
pub mod way;
mod words;

use crate::cli::{Cli, Command};
use crate::error::Exit;
use crate::host::signals;
use crate::paths::Paths;

/// Carries out what the command line asks.
///
/// # Errors
/// The verb's own; see each file.
pub fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    // A program under `run` inherits the signals, so before it they stay as they are.
    if !matches!(cli.command, Some(Command::Run(_))) {
        signals::ignore_broken_pipes();
    }
    match cli.command {
        Some(Command::Run(arguments)) if arguments.explain => explain::explain(&arguments),
        Some(Command::Run(arguments)) => match run::run(arguments)? {},
        Some(Command::Setup(arguments)) => setup::setup(arguments, &paths()),
        Some(Command::Enable(arguments)) if arguments.system => {
            system::enable(&arguments, &paths())
        }
        Some(Command::Enable(arguments)) => enable::enable(&arguments, &paths()),
        Some(Command::Disable(arguments)) if arguments.system => {
            system::disable(&arguments, &paths())
        }
        Some(Command::Disable(arguments)) => disable::disable(&arguments, &paths()),
        Some(Command::List(arguments)) => list::list(&arguments, &paths()),
        Some(Command::Status(arguments)) => status::status(&arguments, &paths()),
        #[cfg(feature = "top")]
        Some(Command::Top(arguments)) => top::top(&arguments, &paths()),
        Some(Command::Endpoint(arguments)) => endpoint::endpoint(arguments),
        Some(Command::Limits(arguments)) => limits::limits(arguments),
        Some(Command::Subflow(arguments)) => subflow::subflow(arguments),
        Some(Command::Check(arguments)) => check::check(&arguments, &paths()),
        Some(Command::Counters(arguments)) => counters::counters(&arguments, &paths()),
        Some(Command::Monitor(arguments)) => monitor::monitor(arguments),
        Some(Command::Completions(arguments)) => shell::completions(&arguments),
        Some(Command::Man(arguments)) => shell::man(&arguments),
        Some(Command::Complete(arguments)) => shell::complete(&arguments),
        None => version::version(),
    }
}

fn paths() -> Paths {
    Paths::from_env(|name| std::env::var_os(name))
}
