//! The programs that a service starts, and whether a preload reaches each: looked up in the root
//! that the service has, and judged for the user who executes them.

use std::path::Path;

use crate::commands::units::plan::caller;
use crate::commands::units::plan::sandbox::Sandbox;
use crate::commands::units::plan::service::Service;
use crate::inject::reach::{Reach, Why};
use crate::inject::target::{Caller, Target};
use crate::root::Root;
use mptcpize_model::unit::dropin;

/// Where systemd looks for a program without a path (systemd.exec(5), `ExecSearchPath=`).
const PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What was found out about a service's programs.
pub(super) struct Programs {
    /// How the program of each command is reached, in the order of the commands.
    pub(super) reaches: Vec<Reach>,
    /// The programs that were not found, a sentence each.
    pub(super) notes: Vec<String>,
}

impl Programs {
    /// Looks at the programs of a service's commands. Nothing is executed.
    pub(super) fn of(service: Service<'_>, commands: &[&str]) -> Self {
        let mut notes = Vec::new();
        let reach = |command: &&str| {
            reach(service, command).unwrap_or_else(|missing| {
                notes.push(missing);
                Reach::Unknown
            })
        };
        let reaches = commands.iter().map(reach).collect();
        Programs { reaches, notes }
    }

    /// Why a preload does not reach the first program that it does not reach.
    pub(super) fn beyond(&self) -> Option<&Why> {
        self.reaches.iter().find_map(|reach| match reach {
            Reach::No(why) => Some(why),
            _ => None,
        })
    }

    /// Are all of them Go programs that know MPTCP themselves?
    pub(super) fn are_all_go(&self) -> bool {
        self.reaches.iter().all(|reach| matches!(reach, Reach::GoDebug(_)))
    }
}

/// Is one of these commands started by somebody who would gain the privilege of its file?
pub(super) fn gain_privilege(service: Service<'_>, commands: &[&str]) -> bool {
    let gains = |command: &&str| caller::of(service.text, service.site.user, command).may_gain();
    commands.iter().any(gains)
}

/// How the program of a command can be reached; the error is what to say of one that is not there.
fn reach(service: Service<'_>, command: &str) -> Result<Reach, String> {
    let Some(program) = dropin::program(command) else { return Ok(Reach::Unknown) };
    let caller = caller::of(service.text, service.site.user, command);
    let sandbox = Sandbox::of(service.text);
    if program.contains('%') || sandbox.has_image() {
        return Ok(Reach::Unknown);
    }
    let own_root = sandbox.own_root();
    let found = match own_root {
        None => find(service.site.root(), Path::new(&program), &caller),
        Some(own) => {
            let root = service.site.root().within(own).ok();
            root.and_then(|root| find(&root, Path::new(&program), &caller))
        }
    };
    let target = found.ok_or_else(|| format!("{program} is not there, or cannot be executed"))?;
    let elsewhere = own_root.is_some() || service.site.running().is_none();
    Ok(match target.reach() {
        // Its loader is in its own root, not in ours.
        Reach::No(Why::NoLoader(_)) if elsewhere => Reach::Preload,
        reach => reach,
    })
}

/// A program of the service, looked up in its root as systemd does.
fn find(root: &Root, program: &Path, caller: &Caller) -> Option<Target> {
    let directories: &[&str] = if program.is_absolute() { &["/"] } else { &PATH };
    let candidates = directories.iter().map(|directory| Path::new(directory).join(program));
    candidates.into_iter().find_map(|path| Target::within(root, &path, caller).ok())
}
