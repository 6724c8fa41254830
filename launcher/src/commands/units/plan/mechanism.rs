//! Which mechanism reaches the programs of a service: the environment where it arrives and the
//! programs heed it, else `mptcpize run` in front of each command.

use crate::cli::unit::Via;
use crate::commands::units::c_tool;
use crate::commands::units::plan::choice::Choice;
use crate::commands::units::plan::programs::{Programs, gain_privilege};
use crate::commands::units::plan::service::Service;
use crate::commands::units::plan::under_run::{self, Means, no_filter};
use crate::commands::units::plan::usable::no_program;
use crate::commands::units::plan::{by_environment, dispatcher, environment, seen_lost};
use crate::error::{Error, Exit};
use crate::inject::reach::Why;
use mptcpize_model::shell;

/// Chooses the mechanism for a service; `asked` is the one of the command line.
///
/// # Errors
/// 2: it has no programs, or the one that was asked is not for units; 5: nothing reaches it.
pub(super) fn choose(service: Service<'_>, asked: Via) -> Result<Choice, Error> {
    let commands = service.commands();
    if commands.is_empty() {
        return Err(no_program(service.name, "SERVICE"));
    }
    dispatcher::refuse(service.site, service.name, &commands)?;
    let programs = Programs::of(service, &commands);
    let mut choice = by_reach(service, asked, &commands, &programs)?;
    let mut notes = programs.notes;
    notes.extend(of_the_c_tool(service));
    notes.append(&mut choice.notes);
    Ok(Choice { notes, ..choice })
}

fn by_reach(
    service: Service<'_>,
    asked: Via,
    commands: &[&str],
    programs: &Programs,
) -> Result<Choice, Error> {
    match (asked, programs.beyond()) {
        (Via::Environment, _) => Err(Error::new(Exit::Usage, "--via environment is for --system")
            .fix(format!("sudo mptcpize enable {}", shell::operand(service.name)))),
        (Via::Seccomp, _) => under_run::choose(service, Means::Filter, "--via seccomp".into()),
        (Via::Auto, Some(why @ (Why::Machine(_) | Why::NoLoader(_)))) => {
            Err(service.out_of_reach(&why.to_string(), "correct its ExecStart="))
        }
        (Via::Auto, Some(why @ Why::Privilege(_))) if gain_privilege(service, commands) => {
            // Without CAP_SYS_ADMIN a filter wants no_new_privs, and that takes it away again.
            Err(service.out_of_reach(
                &format!(
                    "{why}; and a filter would take that privilege away, as User= is not root"
                ),
                &format!(
                    "give it the privilege by AmbientCapabilities= instead; or, where it does \
                     without: sudo mptcpize enable --via seccomp {}",
                    shell::operand(service.name)
                ),
            ))
        }
        (Via::Auto, Some(why)) => under_run::choose(service, Means::Filter, why.to_string()),
        (Via::Preload, beyond) => {
            let note = beyond.map(|why| format!("it stays on TCP: {why}"));
            by_variables(service, programs, note)
        }
        (Via::Auto, None) => match seen_lost::seen(service.site, service.facts) {
            None => by_variables(service, programs, None),
            Some(why) => match no_filter(service, commands) {
                None => under_run::choose(service, Means::Filter, why),
                Some(obstacle) => {
                    let note = format!("{why}; no filter either: {obstacle}");
                    by_variables(service, programs, Some(note))
                }
            },
        },
    }
}

/// By the environment; by `mptcpize run`, which makes it itself, where a drop-in's does not arrive.
fn by_variables(
    service: Service<'_>,
    programs: &Programs,
    note: Option<String>,
) -> Result<Choice, Error> {
    let mut choice = match environment::is_lost(service.site, service.facts, service.text)? {
        Some(why) => under_run::choose(service, Means::Preload, why)?,
        None => by_environment::choose(service, programs)?,
    };
    choice.notes.extend(note);
    Ok(choice)
}

/// What to say of a service that the C mptcpize edited.
fn of_the_c_tool(service: Service<'_>) -> Option<String> {
    let set = service.text.environment("LD_PRELOAD")?;
    set.value.contains(c_tool::LIBRARY).then(|| c_tool::note(set.file))
}
