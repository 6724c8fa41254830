//! `mptcpize monitor`: events of the path manager as they come, as `ip mptcp monitor`.
//!
//! It ends when the reader of its output does, also while nothing happens, and that is no failure.

use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::cli::pm::Monitor as Arguments;
use crate::cli::see::Colour;
use crate::commands::pm::session::Attempt;
use crate::commands::show::observe;
use crate::error::Exit;
use crate::host::netlink::diag;
use crate::host::netlink::events::{Events, News};
use crate::host::observe::events::{self, Knowledge};
use crate::host::process::clock;
use crate::output;
use crate::output::term::Term;
use mptcpize_model::event::Event;

/// Prints events until the reader goes away.
///
/// # Errors
/// 4 without `CAP_NET_ADMIN`, 5 when the kernel has no events, 1 when the output fails.
pub fn monitor(arguments: Arguments) -> anyhow::Result<Exit> {
    let common = arguments.common;
    let attempt = Attempt::new("cannot listen to MPTCP events".into(), &common, &["monitor"])?;
    let mut events = Events::open().map_err(|error| attempt.closed(&error))?;
    let mut printer = Printer {
        json: common.json,
        tell: arguments.tell,
        term: observe::term(Colour::Never),
        knowledge: Knowledge::default(),
    };
    while wait(&events)? {
        match events.read().map_err(|error| attempt.refused(&error, ""))? {
            News::Event(event) => printer.print(event, !events.has_more())?,
            News::Lost => {
                output::note("events were lost: they came faster than they were read");
                if common.json {
                    output::line(output::pm::LOST_JSON)?;
                }
                let all = diag::connections().map_err(|error| attempt.refused(&error, ""))?;
                for event in events::present(&all) {
                    printer.print(event, false)?;
                }
            }
        }
    }
    Ok(Exit::Done)
}

/// How events are printed.
struct Printer {
    json: bool,
    tell: bool,
    term: Term,
    knowledge: Knowledge,
}

impl Printer {
    fn print(&mut self, event: Event, in_time: bool) -> anyhow::Result<()> {
        if !self.json && !self.tell {
            return output::line(&output::pm::event(&event));
        }
        let told = self.knowledge.tell(event, in_time);
        if self.json {
            return output::line(&output::pm::event_json(&told));
        }
        let line = output::monitor::line(&told, &clock::wall(told.time_ms));
        output::line(&self.term.finish(line))
    }
}

/// Waits for an event; false when the reader of our output is gone.
fn wait(events: &Events) -> io::Result<bool> {
    let stdout = io::stdout();
    // A pipe or a socket says unasked that nobody reads it any more, but for a peer that only shut
    // down its side.
    let mut both = [PollFd::new(events, PollFlags::IN), PollFd::new(&stdout, PollFlags::RDHUP)];
    // An event that was read already does not wake poll(2).
    let at_once = Timespec::default();
    let timeout = events.has_more().then_some(&at_once);
    loop {
        match poll(&mut both, timeout) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => break,
        }
    }
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::RDHUP | PollFlags::NVAL;
    Ok(!both[1].revents().intersects(gone))
}
