//! `mptcpize monitor`: events of the path manager as they come, as `ip mptcp monitor`, and the daemon's
//! decisions among them.
//!
//! It ends when the reader of its output does, also while nothing happens, and that is no failure.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::cli::pm::Monitor as Arguments;
use crate::cli::see::Colour;
use crate::commands::pm::session::Attempt;
use crate::commands::show::observe;
use crate::daemon::watch::{News as Decisions, Watch};
use crate::error::{Exit, reason};
use crate::host::netlink::diag;
use crate::host::netlink::events::{Events, News};
use crate::host::netns::identity;
use crate::host::observe::events::{self, Knowledge};
use crate::host::process::clock;
use crate::locations::Locations;
use crate::output;
use crate::output::decision::Line;
use crate::output::term::Term;
use mptcpize_model::event::Event;
use mptcpize_model::plain;

/// So many events are printed before decisions that wait: the events of a burst are mostly what is decided
/// about, and a burst without end must not hold decisions back for good.
const MOST_EVENTS: usize = 64;

/// Prints events and decisions until the reader goes away.
///
/// # Errors
/// 4 without `CAP_NET_ADMIN`, 5 when the kernel has no events, 1 when the output fails.
pub fn monitor(arguments: Arguments, locations: &Locations) -> anyhow::Result<Exit> {
    let common = arguments.common;
    let attempt = Attempt::new("cannot listen to MPTCP events".into(), &common, &["monitor"])?;
    let mut events = Events::open().map_err(|error| attempt.closed(&error))?;
    let mut watch = Watch::open(&locations.run(), identity::netns()).inspect_err(unwatched).ok();
    let mut printer = Printer {
        json: common.json,
        tell: arguments.tell,
        term: observe::term(Colour::Never),
        knowledge: Knowledge::default(),
        decided_ms: 0,
    };
    let mut printed = 0;
    while let Some(ready) = wait(&events, watch.as_ref())? {
        if ready.event && !(ready.decision && printed >= MOST_EVENTS) {
            printed += 1;
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
        } else if ready.decision {
            printed = 0;
            match watch.as_mut().map_or(Ok(Vec::new()), Watch::news) {
                Ok(news) => news.iter().try_for_each(|one| printer.decided(one))?,
                Err(error) => {
                    unwatched(&error);
                    watch = None;
                }
            }
        }
    }
    Ok(Exit::Done)
}

/// Says that only the kernel's events are shown.
fn unwatched(error: &io::Error) {
    output::note(&format!("decisions of the daemon are not shown: {}", reason(error)));
}

/// How events and decisions are printed.
struct Printer {
    json: bool,
    tell: bool,
    term: Term,
    knowledge: Knowledge,
    /// When the last decision was made.
    decided_ms: u64,
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

    fn decided(&mut self, news: &Decisions) -> anyhow::Result<()> {
        let now = clock::now_ms();
        let (line, time_ms) = match news {
            // It was made a moment ago; both clocks go on alike in between.
            Decisions::Decided(told) => (
                Line::Decided(told),
                now - clock::since_boot().0.saturating_sub(told.at.0).min(now),
            ),
            Decisions::Missed(count) => (Line::Missed(*count), now),
            Decisions::Ended => (Line::Ended, now),
        };
        // Each of the two clocks is read in whole milliseconds, a moment apart.
        let time_ms = time_ms.max(self.decided_ms);
        self.decided_ms = time_ms;
        if self.json {
            return output::line(&line.json(time_ms));
        }
        if self.tell {
            return output::line(&self.term.finish(line.sentence(&clock::wall(time_ms))));
        }
        output::line(&plain::words(&line.plain()))
    }
}

/// What is at hand.
struct Ready {
    event: bool,
    decision: bool,
}

/// Waits for an event or a decision; none when the reader of our output is gone.
fn wait(events: &Events, watch: Option<&Watch>) -> io::Result<Option<Ready>> {
    let stdout = io::stdout();
    // A pipe or a socket says unasked that nobody reads it any more, but for a peer that only shut
    // down its side.
    let mut all = vec![PollFd::new(events, PollFlags::IN), PollFd::new(&stdout, PollFlags::RDHUP)];
    all.extend(watch.map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)));
    // An event that was read already does not wake poll(2).
    let at_once = Timespec::default();
    let timeout = events.has_more().then_some(&at_once);
    loop {
        match poll(&mut all, timeout) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => break,
        }
    }
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::RDHUP | PollFlags::NVAL;
    if all[1].revents().intersects(gone) {
        return Ok(None);
    }
    let event = events.has_more() || !all[0].revents().is_empty();
    let decision = all.get(2).is_some_and(|watch| !watch.revents().is_empty());
    Ok(Some(Ready { event, decision }))
}
