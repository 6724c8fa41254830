//! The service behind `enable --containers --via seccomp`: takes the listeners of containers' filters from
//! runtimes (crun, runc) and starts a supervisor for each.
//!
//! A listener that nobody holds makes every socket() of its container fail. So none is dropped: where no
//! supervisor can be had its calls are let through here, and are TCP. Supervisors live on without this
//! process; what it holds itself it leaves to systemd's store when it is killed, and to a process of
//! its own when it is told to end.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::commands::containers::handover::Handover;
use crate::commands::containers::sender::Sender;
use crate::error::{Error, Exit, reason};
use crate::host::observe::selinux;
use crate::host::process::privilege;
use crate::host::process::signal_fd::Signals;
use crate::host::runtime_socket;
use crate::host::systemd::notify::Notify;
use crate::host::systemd::stored;
use crate::inject::seccomp;
use crate::inject::seccomp::container::{self, Container, Pass};
use crate::inject::seccomp::refused::Refused;
use crate::locations::Locations;
use crate::output;
use crate::syscall::fork::{self, detach};
use crate::syscall::timespec;
use mptcpize_model::plain;

/// Runtimes that may be in the middle of a message. More wait in the socket's queue.
const MOST_SENDERS: usize = 32;
/// How long a message may take. A runtime sends it at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to take nobody up when no descriptor was left for one.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes listeners until it is told to end.
///
/// # Errors
/// 1 somebody listens there already; 4 not permitted; 5 no seccomp notifications here.
pub fn supervise(locations: &Locations) -> anyhow::Result<Exit> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::new(Exit::NotPermitted, "cannot supervise containers")
            .why("only root may enter their network namespaces")
            .fix(privilege::advice())
            .into());
    }
    // Rehearsed in a child of its own: an answer must not be what tells that the kernel is too old.
    seccomp::probe().map_err(|why| {
        Error::new(Exit::Missing, "containers cannot be supervised here").why(why)
    })?;
    let failed = |what: &'static str| {
        move |error: io::Error| Error::new(Exit::Failed, what).why(reason(&error))
    };
    let mut given = stored::take();
    let listening = match given.iter().position(|one| !container::is_listener(one.as_fd())) {
        Some(place) => given.swap_remove(place),
        None => runtime_socket::listen_at(&locations.runtimes())?,
    };
    let mut service = Service {
        signals: Signals::open().map_err(failed("cannot wait for signals"))?,
        pass: Pass::new().map_err(failed("cannot get memory"))?,
        refused: Refused::ask(),
        notify: Notify::from_env(),
        listening,
        senders: Vec::new(),
        passed: given,
        pause: None,
    };
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    service.notify.keep(service.listening.as_fd());
    service.notify.ready();
    service.live();
    service.leave();
    Ok(Exit::Done)
}

struct Service {
    signals: Signals,
    pass: Pass,
    refused: Refused,
    notify: Notify,
    listening: OwnedFd,
    senders: Vec<Sender>,
    /// The listeners whose calls are let through here.
    passed: Vec<OwnedFd>,
    /// When somebody is taken up again.
    pause: Option<Instant>,
}

/// What a descriptor is there for.
#[derive(Clone, Copy)]
enum Part {
    Signals,
    Listening,
    Sender(usize),
    Passed(usize),
}

impl Service {
    /// Until a signal asks for the end.
    fn live(&mut self) {
        loop {
            let events = self.wait();
            // The last first: a place that goes moves those behind it.
            for (part, found) in events.into_iter().rev() {
                match part {
                    Part::Signals if self.signals.next().is_some() => return,
                    Part::Signals => {}
                    Part::Listening => self.accept(),
                    Part::Sender(place) => self.hear(place),
                    Part::Passed(place) => self.let_pass(place, found),
                }
            }
            let late: Vec<_> = (0..self.senders.len())
                .rev()
                .filter(|place| self.senders[*place].age() > PATIENCE)
                .collect();
            for place in late {
                self.give_up(place, "it was not sent in time");
            }
        }
    }

    fn wait(&mut self) -> Vec<(Part, PollFlags)> {
        let now = Instant::now();
        self.pause = self.pause.filter(|until| *until > now);
        let mut all: Vec<(Part, BorrowedFd<'_>)> = vec![(Part::Signals, self.signals.as_fd())];
        if self.pause.is_none() && self.senders.len() < MOST_SENDERS {
            all.push((Part::Listening, self.listening.as_fd()));
        }
        let senders = self.senders.iter().enumerate();
        all.extend(senders.map(|(place, sender)| (Part::Sender(place), sender.as_fd())));
        let passed = self.passed.iter().enumerate();
        all.extend(passed.map(|(place, listener)| (Part::Passed(place), listener.as_fd())));
        let patience = (!self.senders.is_empty()).then_some(PATIENCE);
        let pause = self.pause.map(|until| until - now);
        let wait = patience.into_iter().chain(pause).min().map(timespec);
        let mut polled: Vec<_> =
            all.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        // Signals come by a descriptor; anything else that went wrong is asked again.
        let _ = poll(&mut polled, wait.as_ref());
        let found = all.iter().zip(&polled).map(|((part, _), polled)| (*part, polled.revents()));
        found.filter(|(_, found)| !found.is_empty()).collect()
    }

    fn accept(&mut self) {
        match runtime_socket::accept(self.listening.as_fd()) {
            Ok(Some(line)) => self.senders.push(Sender::new(line)),
            Ok(None) => {}
            Err(error) => {
                output::note(&format!("cannot take a runtime up: {}", reason(&error)));
                self.pause = Some(Instant::now() + PAUSE);
            }
        }
    }

    fn hear(&mut self, place: usize) {
        let Some(sender) = self.senders.get_mut(place) else { return };
        let more = sender.hear();
        if let Some(handover) = sender.handover() {
            let descriptors = self.senders.swap_remove(place).descriptors();
            self.take(&handover, descriptors);
        } else if let Err(why) = more {
            self.give_up(place, why);
        }
    }

    /// What came with a message that is none.
    fn give_up(&mut self, place: usize, why: &str) {
        let sender = self.senders.swap_remove(place);
        // Who says nothing looks whether somebody listens.
        if !sender.is_silent() {
            output::note(&format!("a message of no container: {why}"));
        }
        let descriptors = sender.descriptors();
        for descriptor in descriptors {
            self.keep(descriptor);
        }
    }

    fn take(&mut self, handover: &Handover, descriptors: Vec<OwnedFd>) {
        for (place, descriptor) in descriptors.into_iter().enumerate() {
            if place != handover.place || !container::is_listener(descriptor.as_fd()) {
                self.keep(descriptor);
                continue;
            }
            let started = match handover.process {
                _ if selinux::is_on() => Err(io::Error::other("SELinux is on here")),
                None => Err(io::Error::other("the runtime names no process of it")),
                Some(process) => Container::of(process.get()).and_then(|container| {
                    container::supervise(descriptor.as_fd(), container, &self.refused)
                }),
            };
            let name: String = handover.container.chars().take(12).collect();
            let name = plain::words(&name).into_owned();
            match started {
                Ok(()) => output::note(&format!("container {name} is supervised")),
                Err(error) => {
                    let why = reason(&error);
                    output::note(&format!("container {name} stays with TCP: {why}"));
                    self.keep(descriptor);
                }
            }
        }
    }

    /// A listener is answered here; what is none is nothing to us.
    fn keep(&mut self, descriptor: OwnedFd) {
        if container::is_listener(descriptor.as_fd()) {
            self.notify.keep(descriptor.as_fd());
            self.passed.push(descriptor);
        }
    }

    fn let_pass(&mut self, place: usize, found: PollFlags) {
        let Some(listener) = self.passed.get(place) else { return };
        if found.contains(PollFlags::IN) {
            self.pass.let_go_on(listener.as_fd());
        } else {
            // Its last process has ended.
            self.passed.swap_remove(place);
        }
    }

    /// Those that were not heard to the end, and those that nobody has taken up.
    fn finish(&mut self) {
        while let Ok(Some(line)) = runtime_socket::accept(self.listening.as_fd()) {
            self.senders.push(Sender::new(line));
        }
        for place in (0..self.senders.len()).rev() {
            self.hear(place);
        }
        for place in (0..self.senders.len()).rev() {
            self.give_up(place, "the service ends");
        }
    }

    /// Leaves the listeners that are answered here to a process that ends with the last of them.
    fn leave(mut self) {
        self.notify.stopping();
        self.finish();
        if self.passed.is_empty() || !matches!(fork::fork(), Ok(None)) {
            return;
        }
        let kept = self.passed.iter().map(AsRawFd::as_raw_fd).collect();
        let Some(first) = self.passed.pop() else { return };
        if let Ok(first) = detach(first, kept) {
            self.passed.push(first);
        }
        fork::set_name(c"mptcpize-pass");
        while !self.passed.is_empty() {
            let mut polled: Vec<_> = self
                .passed
                .iter()
                .map(|listener| PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN))
                .collect();
            let _ = poll(&mut polled, None);
            let found: Vec<_> = polled.iter().map(PollFd::revents).collect();
            for (place, found) in found.into_iter().enumerate().rev() {
                if !found.is_empty() {
                    self.let_pass(place, found);
                }
            }
        }
        fork::exit(0)
    }
}
