//! The descriptors that wake the daemon, behind one epoll(7): the kernel's messages, signals, and
//! two timers. While nothing happens and nothing is waited for, nothing wakes it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use crate::daemon::probes::Probes;
use crate::host::netlink::KernelError;
use crate::host::netlink::changes::Changes;
use crate::host::netlink::events::{Events, News};
use crate::host::netlink::xfrm;
use crate::host::process::signal_fd::{Asked, Signals};
use crate::syscall::timespec;
use mptcpize_model::daemon::{Millis, Probe, Source};
use mptcpize_model::event::{Event, Kind};

/// What woke the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something may have changed.
    Changed(Source),
    /// Messages were lost.
    Lost(Source),
    /// The path manager's message.
    Told(Box<Event>),
    /// The time that was asked for has come.
    Deadline,
    /// The peer of a probe answered.
    Answered(Probe),
    /// A signal.
    Signal(Asked),
}

/// The marks of the descriptors.
const ROUTING: u64 = 0;
const PATH_MANAGER: u64 = 1;
const TIMER: u64 = 2;
const CLOCK: u64 = 3;
const SIGNALS: u64 = 4;
const POLICIES: u64 = 5;
/// Those of probes lie above.
const PROBES: u64 = 6;

/// A moment that does not come, for the timer that is there to be cancelled when the clock is set.
const NEVER: Duration = Duration::from_secs(1 << 40);

/// All of them.
pub struct Sources {
    epoll: OwnedFd,
    routing: Changes,
    /// None on a kernel without IPsec.
    policies: Option<xfrm::Changes>,
    path_manager: Events,
    timer: OwnedFd,
    clock: OwnedFd,
    signals: Signals,
    probes: Probes,
}

impl Sources {
    /// Opens all of them, in the network namespace of this thread.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`; `ENOENT` on a kernel whose path manager has no events
    /// (before 5.12).
    pub fn open() -> Result<Self, KernelError> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = |clock| timerfd_create(clock, flags).map_err(io::Error::from);
        let sources = Sources {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from)?,
            routing: Changes::open()?,
            policies: xfrm::Changes::open().ok(),
            path_manager: Events::open()?,
            timer: timer(TimerfdClockId::Boottime)?,
            clock: timer(TimerfdClockId::Realtime)?,
            signals: Signals::open()?,
            probes: Probes::default(),
        };
        // When the clock is set or the host resumes, the kernel ends this wait (timerfd_create(2)).
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        set(&sources.clock, flags, NEVER)?;
        for (descriptor, mark) in [
            (sources.routing.as_fd(), ROUTING),
            (sources.path_manager.as_fd(), PATH_MANAGER),
            (sources.timer.as_fd(), TIMER),
            (sources.clock.as_fd(), CLOCK),
            (sources.signals.as_fd(), SIGNALS),
        ] {
            let data = epoll::EventData::new_u64(mark);
            epoll::add(&sources.epoll, descriptor, data, epoll::EventFlags::IN)
                .map_err(io::Error::from)?;
        }
        if let Some(policies) = &sources.policies {
            let data = epoll::EventData::new_u64(POLICIES);
            epoll::add(&sources.epoll, policies.as_fd(), data, epoll::EventFlags::IN)
                .map_err(io::Error::from)?;
        }
        Ok(sources)
    }

    /// Waits for the next descriptor or this moment, and says what came. Each source is read to its
    /// end, so that a burst is one wake.
    ///
    /// # Errors
    /// A descriptor fails.
    pub fn wait(&mut self, deadline: Option<Millis>) -> Result<Vec<Wake>, KernelError> {
        // A time of zero would switch the timer off; one that has passed is due at once.
        let at = deadline.map_or(Duration::ZERO, |at| Duration::from_millis(at.0.max(1)));
        set(&self.timer, TimerfdTimerFlags::ABSTIME, at)?;
        let mut ready: Vec<epoll::Event> = Vec::with_capacity(6);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let mut wakes = Vec::new();
        for event in ready {
            let data = event.data;
            match data.u64() {
                ROUTING => self.routing(&mut wakes)?,
                POLICIES => {
                    let news = self.policies.as_mut().map_or(Ok(false), xfrm::Changes::drain)?;
                    wakes.extend(news.then_some(Wake::Changed(Source::Routing)));
                }
                PATH_MANAGER => self.path_manager(&mut wakes)?,
                TIMER => wakes.extend(expired(&self.timer).then_some(Wake::Deadline)),
                CLOCK => {
                    expired(&self.clock);
                    wakes.push(Wake::Changed(Source::Clock));
                }
                SIGNALS => {
                    let all = std::iter::from_fn(|| self.signals.next());
                    wakes.extend(all.map(Wake::Signal));
                }
                mark => wakes.extend(self.probes.ended(mark).map(Wake::Answered)),
            }
        }
        Ok(wakes)
    }

    /// Tries a connection, whose answer wakes.
    pub fn probe(&mut self, probe: Probe) {
        self.probes.begin(probe, &self.epoll, PROBES);
    }

    /// Is this the local end of a connection that is tried?
    pub fn is_probe(&self, local: SocketAddr) -> bool {
        self.probes.has(local)
    }

    fn routing(&mut self, wakes: &mut Vec<Wake>) -> Result<(), KernelError> {
        let news = self.routing.drain()?;
        wakes.extend(news.lost.then_some(Wake::Lost(Source::Routing)));
        wakes.extend(news.changed.then_some(Wake::Changed(Source::Routing)));
        wakes.extend(news.neighbours.then_some(Wake::Changed(Source::Neighbours)));
        Ok(())
    }

    /// The kernel tells of no endpoint that goes, but of its subflows, which it closes. What comes
    /// with every connection is no reason to look at the host.
    fn path_manager(&mut self, wakes: &mut Vec<Wake>) -> Result<(), KernelError> {
        let (mut changed, mut lost) = (false, false);
        while self.path_manager.wait(Duration::ZERO)? {
            match self.path_manager.read()? {
                News::Event(event) => {
                    changed |= event.kind == Kind::SubflowClosed;
                    wakes.push(Wake::Told(Box::new(event)));
                }
                News::Lost => lost = true,
            }
        }
        wakes.extend(lost.then_some(Wake::Lost(Source::PathManager)));
        wakes.extend(changed.then_some(Wake::Changed(Source::PathManager)));
        Ok(())
    }
}

fn set(timer: &OwnedFd, flags: TimerfdTimerFlags, at: Duration) -> io::Result<()> {
    let once = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(at) };
    timerfd_settime(timer, flags, &once)?;
    Ok(())
}

/// Takes the expiry of a timer, if it has one; false also where the clock was set.
fn expired(timer: &OwnedFd) -> bool {
    rustix::io::read(timer, &mut [0u8; 8]).is_ok()
}
