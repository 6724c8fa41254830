//! One verb, one file, in rooms by concern: programs ([`run`]), the host ([`setup`], [`daemon`],
//! [`gateway`], [`relay`]), services ([`units`]), every program ([`system`]), containers
//! ([`containers`]), the path manager by hand ([`pm`]), looking ([`show`]).

pub mod containers;
pub mod daemon;
pub mod gateway;
pub mod mistake;
pub mod pm;
pub mod relay;
pub mod run;
pub mod service;
pub mod settling;
pub mod setup;
pub mod shell;
pub mod show;
pub mod system;
pub mod units;
pub mod version;

use crate::cli::{Cli, Command};
use crate::error::Exit;
use crate::host::process::{signals, stdio};
use crate::locations::Locations;

/// Carries out what the command line asks.
///
/// # Errors
/// The verb's own; see each file.
pub fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    // A program under `run` inherits the signals, so before it they stay as they are.
    let is_run = matches!(cli.command, Some(Command::Run(_)));
    stdio::fill(is_run);
    if !is_run {
        signals::ignore_broken_pipes();
    }
    match cli.command {
        Some(Command::Run(arguments)) if arguments.explain => run::explain::explain(&arguments),
        Some(Command::Run(arguments)) => match run::run(arguments)? {},
        Some(Command::Setup(arguments)) => setup::setup(arguments, &locations()),
        Some(Command::Daemon(arguments)) => daemon::daemon(&arguments, &locations()),
        Some(Command::Gateway(arguments)) => gateway::gateway(arguments, &locations()),
        Some(Command::Relay(arguments)) => relay::relay(arguments, &locations()),
        #[cfg(feature = "enable")]
        Some(Command::Enable(arguments)) if arguments.system => {
            system::enable(&arguments, &locations())
        }
        #[cfg(feature = "enable")]
        Some(Command::Enable(arguments)) if arguments.containers => {
            containers::enable(&arguments, &locations())
        }
        #[cfg(feature = "enable")]
        Some(Command::Enable(arguments)) => units::enable::enable(&arguments, &locations()),
        #[cfg(feature = "enable")]
        Some(Command::Disable(arguments)) if arguments.system => {
            system::disable(&arguments, &locations())
        }
        #[cfg(feature = "enable")]
        Some(Command::Disable(arguments)) if arguments.containers => {
            containers::disable(&arguments, &locations())
        }
        #[cfg(feature = "enable")]
        Some(Command::Disable(arguments)) => units::disable::disable(&arguments, &locations()),
        #[cfg(feature = "enable")]
        Some(Command::List(arguments)) => units::list::list(&arguments, &locations()),
        Some(Command::Status(arguments)) => show::status::status(&arguments, &locations()),
        #[cfg(feature = "top")]
        Some(Command::Top(arguments)) => show::top::top(&arguments, &locations()),
        Some(Command::Endpoint(arguments)) => pm::endpoint::endpoint(arguments),
        Some(Command::Limits(arguments)) => pm::limits::limits(arguments),
        Some(Command::Subflow(arguments)) => pm::subflow::subflow(arguments),
        Some(Command::Check(arguments)) => show::check::check(&arguments, &locations()),
        Some(Command::Counters(arguments)) => show::counters::counters(&arguments, &locations()),
        Some(Command::Metrics(arguments)) => show::metrics::metrics(&arguments, &locations()),
        Some(Command::Monitor(arguments)) => pm::monitor::monitor(arguments, &locations()),
        #[cfg(feature = "manual")]
        Some(Command::Completions(arguments)) => shell::completions(&arguments),
        #[cfg(feature = "manual")]
        Some(Command::Man(arguments)) => shell::man(&arguments),
        #[cfg(feature = "manual")]
        Some(Command::Complete(arguments)) => shell::complete(&arguments, &locations()),
        #[cfg(feature = "enable")]
        Some(Command::ContainersSupervisor) => containers::supervise(&locations()),
        None => version::version(),
    }
}

fn locations() -> Locations {
    Locations::from_env(|name| std::env::var_os(name))
}
