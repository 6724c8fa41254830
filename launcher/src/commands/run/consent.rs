//! May `run` set the host up although nobody asked for it? On the user's own desk yes, and it is said
//! once how that is turned off. Over the network it is asked first: a change of routes, rules and
//! endpoints may cut the connection that the user came by, and nobody is there to undo it.
//!
//! Where nobody can be asked, as in `ssh HOST mptcpize run CMD`, the answer is no: the program runs all the
//! same, and a line names the set-up that undoes itself unless it is confirmed. That guard is not put
//! behind a yes here: the program is about to own the terminal, and nobody could confirm at it.

use std::io::{IsTerminal, Write, stderr, stdin};

use crate::commands::setup;
use crate::host::consent::Sign;
use crate::host::process::login;
use crate::locations::Locations;
use crate::output;
use mptcpize_model::config::Config;
use mptcpize_model::phrase;
use mptcpize_model::proposal::Proposal;

/// How the host is set up by somebody who may be cut off by that.
const LATER: &str = "sudo mptcpize setup --confirm 60";

/// The longest answer that is read.
const LONGEST: usize = 256;

/// May the host be changed as proposed?
pub fn is_given(proposal: &Proposal, config: &Config, locations: &Locations) -> bool {
    match config.run_setup {
        Some(wanted) => wanted,
        None => !login::is_remote() || asked(proposal, locations),
    }
}

/// What is said after the first set-up that nobody asked for.
pub fn explain() {
    output::note(
        "run sets the host up where it may and that helps; to keep it from doing so: run --no-setup, \
         or run_setup = false in /etc/mptcpize.toml",
    );
}

/// Asks the user, if there is one; whoever said no hears no more of it, and who could not be asked is told once.
fn asked(proposal: &Proposal, locations: &Locations) -> bool {
    let there = is_someone_there();
    let sign = if there { Sign::Refused } else { Sign::Told };
    if sign.stands(locations) {
        return false;
    }
    let links = setup::links(proposal);
    let changes = phrase::count(proposal.plan.steps.len(), "change");
    if there {
        output::ask(&format!(
            "you are logged in over the network. Set up {links} with {changes}? [y/N] "
        ));
        if is_yes(&answer()) {
            return true;
        }
        output::note(&format!("not set up; in a way that undoes itself: {LATER}"));
    } else {
        output::note(&format!(
            "{links} are not set up, for this is a log-in over the network: {LATER}    # or run --setup"
        ));
    }
    sign.put(locations);
    false
}

/// Is there a terminal to ask at, and is it ours to read? One of a job in the background would stop it.
fn is_someone_there() -> bool {
    let terminals = stdin().is_terminal() && stderr().is_terminal();
    terminals
        && rustix::termios::tcgetpgrp(stdin())
            .is_ok_and(|group| group == rustix::process::getpgrp())
}

/// One line, and no byte more: what follows is the program's.
fn answer() -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LONGEST {
        match rustix::io::read(stdin(), &mut byte) {
            Ok(1) if byte[0] != b'\n' => line.push(byte[0]),
            Ok(1) => break,
            _ => {
                // The end of the file, or a signal: the cursor stands behind the question.
                let _ = writeln!(stderr().lock());
                break;
            }
        }
    }
    String::from_utf8_lossy(&line).into_owned()
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y", " Y ", "yes", "YES"].into_iter().all(is_yes));
        assert!(!["", "n", "yy", "j", "y n", "yes!"].into_iter().any(is_yes));
    }
}
