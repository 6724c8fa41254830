//! The process beside a program that goes through a relay: makes what brings the program's connections to
//! an agent, starts the agent again when it ends, and takes all away when the program and all that it
//! started have ended.
//!
//! Not here: what the launcher does meanwhile (the head of this folder).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, getrlimit, pidfd_open, setrlimit};

use super::way::{self, Way};
use super::{ENTER, ENTERED, FAILED, Wanted};
use crate::commands::gateway::revival::Revival;
use crate::commands::relay::terms;
use crate::commands::settling::Settling;
use crate::host::agent::namespace::Own;
use crate::host::agent::place::Place;
use crate::host::agent::process::{Agent, Told, unnamed_state};
use crate::host::gateway::user;
use crate::host::netlink::changes::Changes;
use crate::syscall::{fork, message, timespec};
use mptcpize_model::relay::agent::Settings;

/// How long an agent may take to be ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked at which ports the host listens.
const LOOK: Duration = Duration::from_secs(1);

/// The life of the supervisor, in a process of its own.
pub(super) fn run(control: OwnedFd, wanted: &Wanted) {
    // What the program's standard error is, as long as the program runs.
    let voice = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3).ok();
    let kept = voice.iter().map(AsRawFd::as_raw_fd).collect();
    let Ok(control) = fork::detach(control, kept) else { return };
    fork::set_name(c"mptcpize-relay");
    // A URL of a relay holds its key.
    fork::forget_arguments();
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let made = match Supervisor::make(wanted, voice) {
        Ok(made) => made,
        Err(why) => {
            let _ = message::send_word(control.as_fd(), FAILED)
                .and_then(|()| message::send_text(control.as_fd(), &why));
            return;
        }
    };
    if made.let_in(control.as_fd()).is_ok() {
        drop(control);
        made.watch(wanted);
    }
    fork::reap(BURIAL);
}

/// All that belongs to one program.
struct Supervisor {
    way: Way,
    told: Told,
    place: Option<Place>,
    agent: Option<Agent>,
    revival: Revival,
    /// Where the agent's words come from, and the end that agents get.
    words: File,
    voice_of_agent: OwnedFd,
    voice: Option<File>,
    /// The program, until it has ended.
    program: Option<OwnedFd>,
    /// What tells that links, addresses or routes of the host have changed.
    changes: Option<Changes>,
    settling: Settling,
    settings: Settings,
}

impl Supervisor {
    fn make(wanted: &Wanted, voice: Option<OwnedFd>) -> Result<Self, String> {
        let said = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
        let pid = Pid::from_raw(wanted.program.cast_signed()).ok_or("there is no program")?;
        let program = pidfd_open(pid, PidfdFlags::empty())
            .map_err(|error| format!("the program: {error}"))?;
        let named = wanted.directory.as_ref().and_then(|all| {
            // Without a directory the agent is asked nothing.
            Place::make(all, &Place::of_program(wanted.program)).ok()
        });
        let (place, state) = match named {
            Some((place, state)) => (Some(place), state),
            None => (None, unnamed_state().map_err(said("a socket"))?),
        };
        let own = Own { all: wanted.addresses.clone(), first: wanted.sources.clone() };
        let remains = place.as_ref().map(|place| place.path().to_owned());
        let made = way::make(wanted, &own, remains.as_deref());
        let (way, sockets) = match made {
            Ok(made) => made,
            Err(why) => {
                place.iter().for_each(Place::clear);
                return Err(why);
            }
        };
        let user = wanted.root.then(user::free).flatten();
        let told = Told::new(wanted.relay.clone(), sockets, state, user, &wanted.settings)
            .map_err(said("the settings"))?;
        let (words, voice_of_agent) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|error| format!("a pipe: {error}"))?;
        let mut made = Supervisor {
            way,
            told,
            place,
            agent: None,
            revival: Revival::default(),
            words: words.into(),
            voice_of_agent,
            voice: voice.map(File::from),
            program: Some(program),
            changes: Changes::open().ok(),
            settling: Settling::default(),
            settings: wanted.settings.clone(),
        };
        let started = made.start().map_err(said("mptcpize-relay"));
        let ready = started.and_then(|()| match &made.agent {
            Some(agent) if agent.await_ready(&made.told, PATIENCE) => Ok(()),
            _ => Err("mptcpize-relay does not start; what it said stands above".to_owned()),
        });
        if let Err(why) = ready {
            made.pass_words();
            made.clear();
            return Err(why);
        }
        Ok(made)
    }

    fn start(&mut self) -> io::Result<()> {
        self.agent = Some(Agent::start(&self.told, Some(self.voice_of_agent.as_fd()))?);
        self.revival.started(Instant::now());
        Ok(())
    }

    /// Lets the program in.
    fn let_in(&self, control: BorrowedFd<'_>) -> io::Result<()> {
        let places = self.way.places();
        if places.is_empty() {
            return message::send_word(control, ENTERED);
        }
        message::send_word(control, ENTER)?;
        message::send_descriptors(control, &places)?;
        // It is inside, or has ended.
        message::receive_word(control).map(drop)
    }

    /// Waits until the program and all that it started have ended.
    fn watch(mut self, wanted: &Wanted) {
        let mut looked = Instant::now();
        while self.way.is_alive() {
            let now = Instant::now();
            if self.revival.is_due(now) && self.start().is_err() {
                self.revival.ended(now);
            }
            if self.way.needs_ports() && now.saturating_duration_since(looked) >= LOOK {
                looked = now;
                self.way.tell_ports();
            }
            self.wait();
            self.way.mend();
            if self.settling.is_due(Instant::now()) {
                self.tell_agent(wanted);
            }
        }
        self.clear();
    }

    /// Tells the agent which uplinks there are now: what leaves by another link is not for a relay.
    fn tell_agent(&mut self, wanted: &Wanted) {
        // What cannot be seen now stays as it was seen before.
        let Ok(seen) = terms::look(&wanted.locations) else { return };
        let settings = Settings { uplinks: seen.uplinks, ..self.settings.clone() };
        if settings != self.settings && self.told.write(&settings).is_ok() {
            self.settings = settings;
            self.agent.iter().for_each(Agent::reload);
        }
    }

    fn wait(&mut self) {
        let due = self.revival.next().map(|at| at.saturating_duration_since(Instant::now()));
        let look = self.way.needs_ports().then_some(LOOK);
        let rest = self.settling.next().map(|at| at.saturating_duration_since(Instant::now()));
        let left = due.into_iter().chain(look).chain(rest).min().map(timespec);
        let mut all = vec![PollFd::new(&self.words, PollFlags::IN)];
        all.extend(self.program.iter().map(|program| PollFd::new(program, PollFlags::IN)));
        let after = all.len();
        all.extend(self.agent.iter().map(|agent| PollFd::new(agent, PollFlags::IN)));
        all.extend(self.way.signs());
        all.extend(self.changes.iter().map(|changes| PollFd::new(changes, PollFlags::IN)));
        let _ = poll(&mut all, left.as_ref());
        let words = !all[0].revents().is_empty();
        let program = self.program.is_some() && !all[1].revents().is_empty();
        let agent = self.agent.is_some() && !all[after].revents().is_empty();
        drop(all);
        if words {
            self.pass_words();
        }
        match self.changes.as_mut().map(Changes::drain) {
            Some(Ok(news)) if news.changed || news.lost => self.settling.changed(Instant::now()),
            Some(Err(_)) => self.changes = None,
            _ => {}
        }
        if program {
            // Whoever waits for the end of its standard error waits for no other process.
            (self.program, self.voice) = (None, None);
        }
        if agent && self.agent.take().is_some_and(|mut agent| agent.ended().is_some()) {
            self.revival.ended(Instant::now());
        }
    }

    /// Hands on what the agent said.
    fn pass_words(&mut self) {
        let mut bytes = [0; 4096];
        let mut wait = [PollFd::new(&self.words, PollFlags::IN)];
        if !poll(&mut wait, Some(&timespec(Duration::ZERO))).is_ok_and(|count| count > 0) {
            return;
        }
        if let Ok(length) = self.words.read(&mut bytes)
            && let Some(voice) = &mut self.voice
        {
            let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
            // That the agent was told something is nothing to tell.
            let told = |line: &&str| !line.starts_with("mptcpize: read /proc/self/fd/");
            let rest: String = text.split_inclusive('\n').filter(told).collect();
            let _ = voice.write_all(rest.as_bytes());
        }
    }

    fn clear(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.stop();
        }
        self.way.clear();
        self.place.iter().for_each(Place::clear);
    }
}

/// How long to wait at the end for processes of our own.
const BURIAL: Duration = Duration::from_secs(2);
