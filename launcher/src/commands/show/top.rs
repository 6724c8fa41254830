//! `mptcpize top`: paths, connections and events, live.
//!
//! The links' counters are read every second. A look at all connections costs more the more there
//! are, so it comes less often on a busy host: never more than a few hundredths of a processor.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, stdin};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use crate::cli::see::Top as Arguments;
use crate::commands::setup::settings;
use crate::commands::show::observe::{self, Counted, Surroundings};
use crate::error::{Error, Exit, reason};
use crate::host::netlink::diag;
use crate::host::netlink::events::{Events, News};
use crate::host::netns;
use crate::host::observe::events::{self, Knowledge};
use crate::host::observe::traffic;
use crate::host::process::terminal::{Look, Screen};
use crate::host::process::{clock, signals};
use crate::host::procfs::programs;
use crate::locations::Locations;
use crate::output::term::{Piece, Term, Tone, ascii};
use crate::output::{self, top as frame};
use crate::syscall::timespec;
use mptcpize_model::event::Event;
use mptcpize_model::status::{Program, Seen, report};
use mptcpize_model::top::{FOLLOWED, Tracker, View};

/// Between two readings of the counters.
const SECOND: Duration = Duration::from_secs(1);

/// The part of one processor that looks at the connections may take: one in so many.
const BUDGET: u32 = 33;

/// Connections whose programs are looked for.
const NAMED: usize = 50;

/// Looks after which a program that was not found is looked for again.
const AGAIN: u32 = 10;

/// Looks after which the packet filter, for which programs are run, is read again.
const AROUND: u32 = 10;

/// Columns where there is no terminal to ask.
const WIDTH: usize = 80;

/// Shows it until the user leaves.
///
/// # Errors
/// 2 standard output is no terminal or the settings have a mistake, 1 the kernel cannot be asked, 4 the namespace may not be
/// entered or the settings may not be read.
pub fn top(arguments: &Arguments, locations: &Locations) -> anyhow::Result<Exit> {
    if output::json::is_wanted() && !arguments.once {
        return Err(Error::new(Exit::Usage, "top is a screen, and no JSON")
            .why("-j goes with --once: one object")
            .fix("mptcpize top --once -j, or mptcpize status --watch -j for one object a second")
            .into());
    }
    let interactive = io::stdout().is_terminal() && stdin().is_terminal();
    if !arguments.once && !interactive {
        return Err(Error::new(Exit::Usage, "cannot show top")
            .why("standard input and output must be a terminal")
            .fix("mptcpize top --once, or mptcpize status --watch")
            .into());
    }
    if !arguments.once && !output::term::can_move_cursor() {
        return Err(Error::new(Exit::Usage, "cannot show top on this terminal")
            .why("TERM is dumb or not set: nothing is known of how to draw on it")
            .fix("mptcpize top --once, or: TERM=xterm mptcpize top    # where it is one")
            .into());
    }
    if let Some(name) = &arguments.netns {
        netns::enter(name)?;
    }
    // As `status` does; what becomes wrong while the screen is up is a line of it.
    settings::file(None, locations)?;
    let mut live = Live::new(locations, arguments.netns.clone());
    if arguments.once {
        return once(&mut live, arguments);
    }
    live.count();
    live.look()?;
    signals::note_endings();
    signals::wake_by_size();
    let gone =
        |error: io::Error| Error::new(Exit::Failed, "cannot use this terminal").why(reason(&error));
    let term = observe::term(arguments.color);
    let mut screen = Screen::open().map_err(gone)?;
    let outcome = run(&mut live, &mut screen, &term);
    drop(screen);
    if let Some(signal) = signals::ending() {
        signals::end_by(signal);
    }
    outcome.map(|()| Exit::Done)
}

/// Prints one frame, with rates of a moment.
fn once(live: &mut Live<'_>, arguments: &Arguments) -> anyhow::Result<Exit> {
    if output::json::is_wanted() {
        // Of one look there is nothing that `status` does not tell as well.
        let now = Counted::now();
        let around = Surroundings::look(live.locations);
        let mut seen = observe::look(live.locations, usize::MAX, usize::MAX, around)?;
        seen.place.netns.clone_from(&live.netns);
        seen.rates = observe::rates(&seen, &now);
        let report = report(&seen, usize::MAX);
        output::line(&output::status::json(&report))?;
        return Ok(super::status::exit(&report));
    }
    let mut term = observe::term(arguments.color);
    if term.width == usize::MAX {
        term.width = WIDTH;
    }
    live.count();
    live.look()?;
    observe::wait(Duration::from_millis(200));
    live.count();
    live.look()?;
    let snapshot = live.tracker.snapshot(&View::default(), live.clock(), live.now_ms(), 1);
    output::text(&frame::once(&snapshot, &term))?;
    let attention = snapshot.findings.iter().any(|finding| finding.attention);
    Ok(super::status::code(snapshot.mptcp, attention))
}

fn run(live: &mut Live<'_>, screen: &mut Screen, term: &Term) -> anyhow::Result<()> {
    let mut view = View::default();
    let mut snapshot = None;
    let mut tick = Instant::now() + SECOND;
    loop {
        if !view.paused || snapshot.is_none() {
            let every = live.pause.as_secs().max(1);
            snapshot = Some(live.tracker.snapshot(&view, live.clock(), live.now_ms(), every));
        }
        if let Some(snapshot) = &mut snapshot {
            if view.paused {
                let most = snapshot.connections.len().saturating_sub(1);
                snapshot.view = View { selected: view.selected.min(most), ..view.clone() };
            }
            view.selected = snapshot.view.selected;
            let (width, height) = screen.size()?;
            screen.draw(&looks(frame::render(snapshot, width, height), term))?;
        }
        wait(live, tick)?;
        if signals::ending().is_some() {
            return Ok(());
        }
        for key in screen.keys()? {
            view.press(key);
        }
        if view.quit {
            return Ok(());
        }
        live.listen();
        if Instant::now() >= tick {
            tick = Instant::now() + SECOND;
            live.count();
            if Instant::now() >= live.next_look {
                live.look()?;
            }
        }
    }
}

/// Waits for a key, an event, a signal or the next tick.
fn wait(live: &Live<'_>, tick: Instant) -> anyhow::Result<()> {
    if live.events.as_ref().is_some_and(Events::has_more) {
        return Ok(());
    }
    let left = tick.saturating_duration_since(Instant::now());
    let left = timespec(left);
    let input = stdin();
    let mut all = vec![PollFd::new(&input, PollFlags::IN)];
    all.extend(live.events.as_ref().map(|events| PollFd::new(events, PollFlags::IN)));
    match poll(&mut all, Some(&left)) {
        Err(rustix::io::Errno::INTR) | Ok(_) => Ok(()),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Pieces as the terminal shows them.
fn looks(lines: Vec<Vec<Piece>>, term: &Term) -> Vec<Vec<(String, Look)>> {
    let piece = |(text, tone): Piece| {
        let look = match tone {
            Some(Tone::Strong) => Look::Bold,
            Some(Tone::Quiet) => Look::Dim,
            Some(_) if term.colour => Look::Green,
            _ => Look::Plain,
        };
        let text = if term.utf8 { text } else { text.chars().map(ascii).collect() };
        (text, look)
    };
    lines.into_iter().map(|line| line.into_iter().map(piece).collect()).collect()
}

/// What goes on beside the screen.
struct Live<'a> {
    locations: &'a Locations,
    tracker: Tracker,
    began: Instant,
    next_look: Instant,
    /// How long to wait between two looks.
    pause: Duration,
    events: Option<Events>,
    knowledge: Knowledge,
    around: Surroundings,
    netns: Option<String>,
    /// Programs by inode, and when one that is missing is worth another look.
    programs: BTreeMap<u32, (Option<Program>, u32)>,
    looks: u32,
}

impl<'a> Live<'a> {
    fn new(locations: &'a Locations, netns: Option<String>) -> Self {
        let mut tracker = Tracker::default();
        let events = Events::open();
        if events.is_err() {
            tracker.event("events are for root: sudo mptcpize top".into());
        }
        let now = Instant::now();
        Live {
            locations,
            tracker,
            began: now,
            next_look: now,
            pause: SECOND,
            events: events.ok(),
            knowledge: Knowledge::default(),
            around: Surroundings::default(),
            netns,
            programs: BTreeMap::new(),
            looks: 0,
        }
    }

    /// A time that only grows.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn clock(&self) -> String {
        clock::wall(clock::now_ms())
    }

    fn count(&mut self) {
        let counters = traffic::counters();
        self.tracker.count(counters, self.now_ms());
    }

    /// Looks at everything, and decides by what it cost when to look again.
    fn look(&mut self) -> Result<(), Error> {
        let before = processor_time();
        if self.looks.is_multiple_of(AROUND) {
            self.around = Surroundings::look(self.locations);
        }
        let mut seen = observe::look(self.locations, 0, 0, self.around.clone())?;
        seen.place.netns.clone_from(&self.netns);
        self.name(&mut seen);
        self.tracker.look(seen, self.now_ms());
        let cost = processor_time().saturating_sub(before);
        self.pause = SECOND.max(cost * BUDGET);
        self.next_look = Instant::now() + self.pause;
        Ok(())
    }

    /// Programs of the busiest connections, those that are known from memory.
    fn name(&mut self, seen: &mut Seen) {
        self.looks = self.looks.wrapping_add(1);
        let all = seen.connections.as_deref().unwrap_or_default();
        let shown = || all.iter().take(NAMED).map(|connection| connection.inode);
        let followed: BTreeSet<u32> = all.iter().take(FOLLOWED).map(|one| one.inode).collect();
        self.programs.retain(|inode, _| followed.contains(inode));
        let wanted: BTreeSet<u32> = shown()
            .filter(|inode| match self.programs.get(inode) {
                None => true,
                Some((program, looked)) => program.is_none() && self.looks - looked >= AGAIN,
            })
            .collect();
        if !wanted.is_empty() {
            let mut found = programs::find(&wanted, programs::BOUND).programs;
            for inode in wanted {
                self.programs.insert(inode, (found.remove(&inode), self.looks));
            }
        }
        seen.programs = self
            .programs
            .iter()
            .filter_map(|(inode, (program, _))| Some((*inode, program.clone()?)))
            .collect();
    }

    /// Takes up what the path manager told meanwhile.
    fn listen(&mut self) {
        loop {
            let Some(events) = &mut self.events else { return };
            let mut ready = [PollFd::new(&*events, PollFlags::IN)];
            let at_once = Timespec::default();
            if !events.has_more() && !matches!(poll(&mut ready, Some(&at_once)), Ok(1..)) {
                return;
            }
            match events.read() {
                Ok(News::Event(event)) => self.tell(event),
                Ok(News::Lost) => {
                    self.tracker.event("events were lost: they came too fast".into());
                    let last = diag::connections().unwrap_or_default();
                    let present: Vec<Event> = events::present(&last).take(5).collect();
                    present.into_iter().for_each(|event| self.tell(event));
                }
                Err(_) => self.events = None,
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let told = self.knowledge.tell(event, false);
        let line = output::monitor::line(&told, &clock::wall(told.time_ms));
        self.tracker.event(line);
    }
}

/// What this process has used so far.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(used.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(used.tv_nsec).unwrap_or_default())
}
