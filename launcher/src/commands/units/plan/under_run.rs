//! A service whose commands are put under `mptcpize run`: where a preload does not reach its
//! programs, or the variables of a drop-in do not reach it.

use std::iter;

use crate::commands::units::plan::choice::Choice;
use crate::commands::units::plan::sandbox::Sandbox;
use crate::commands::units::plan::service::Service;
use crate::error::Error;
use mptcpize_model::unit::dropin::{self, Mechanism};

/// How `mptcpize run` is told to reach the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// By a seccomp filter, which wants no library.
    Filter,
    /// By the library, in an environment that `mptcpize run` makes itself.
    Preload,
}

impl Means {
    fn options(self) -> [&'static str; 2] {
        match self {
            Means::Filter => ["--via", "seccomp"],
            Means::Preload => ["--via", "preload"],
        }
    }
}

/// Puts every command of the service under `mptcpize run`, for the reason `why`, a clause.
///
/// # Errors
/// 5: its sandbox or one of its commands does not allow it, or there is no place for our files.
pub(super) fn choose(service: Service<'_>, means: Means, why: String) -> Result<Choice, Error> {
    let sandbox = Sandbox::of(service.text);
    if let Some(obstacle) = sandbox.obstacle(means == Means::Filter) {
        let fix = match means {
            Means::Filter => format!(
                "take that setting away in a drop-in of your own: systemctl edit {}",
                service.name
            ),
            Means::Preload => "put the variable into Environment= instead".to_owned(),
        };
        return Err(service.out_of_reach(&format!("{why}; {obstacle}"), &fix));
    }
    let placing = service.site.placing();
    let binary = sandbox.need(placing.binary()?);
    let library = match means {
        Means::Filter => None,
        Means::Preload => Some(sandbox.need(placing.library()?)),
    };
    let line = |command| dropin::under_run(command, &binary.inside, &means.options());
    let lines: Result<Vec<String>, String> = service.commands().into_iter().map(line).collect();
    let lines = lines.map_err(|obstacle| {
        service.out_of_reach(&format!("{why}; {obstacle}"), "change its ExecStart=")
    })?;
    let needs = iter::once(binary).chain(library).collect();
    let mechanism = Mechanism::Run { lines, why: why.clone() };
    Ok(Choice { mechanism, why, notes: Vec::new(), needs })
}

/// Why these commands cannot be put under a filter, as a clause.
pub(super) fn no_filter(service: Service<'_>, commands: &[&str]) -> Option<String> {
    let renamed = commands.iter().any(|command| dropin::prefix(command).0.contains('@'));
    let renamed = renamed.then(|| "its ExecStart= gives the program another name (@)".into());
    Sandbox::of(service.text).obstacle(true).or(renamed)
}
