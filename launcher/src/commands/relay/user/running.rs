//! Lets a relay that runs take its users anew.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::commands::relay::serve::{supervise, undo};
use crate::error::Error;
use crate::host::gateway::place::{self, SERVER};
use crate::host::served::counts;
use crate::locations::Locations;
use crate::output;
use mptcpize_model::relay::name::Name;
use mptcpize_model::relay::status::Server;
use mptcpize_model::status::served::Heard;

/// How long that may take: it reads a file, on a busy machine between connections.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// Tells the relay that runs here to read its users again, and waits until it has. Where none runs, that is
/// said.
///
/// # Errors
/// 5 for a user without a home.
pub fn reload(locations: &Locations, has: &Name, wanted: bool) -> Result<(), Error> {
    let directory = supervise::directory(locations)?;
    let holder = place::holder(&undo::held(&directory), SERVER);
    let process = holder.as_ref().and_then(|holder| holder.parse().ok()).and_then(Pid::from_raw);
    let Some(process) = process else {
        output::note("no relay runs here now: it counts from the next start on");
        return Ok(());
    };
    if let Err(error) = kill_process(process, Signal::HUP) {
        output::note(&format!(
            "the relay (process {}) was not told: {error}",
            process.as_raw_pid()
        ));
        return Ok(());
    }
    if !comes(&directory, |state| state.users.contains_key(has.as_str()) == wanted) {
        output::note("the relay does not say yet that it has read its users: mptcpize status");
    }
    Ok(())
}

/// Does its state become so in time?
fn comes(directory: &Path, is_so: impl Fn(&Server) -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if matches!(counts::ask(directory), Heard::State(state) if is_so(&state)) {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}
