//! Events of the path manager, in the words of [`mptcpize_model::event`].

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use mptcp_netlink::{KernelError, pm};
use mptcpize_model::event::Event;

use crate::host::netlink::from_kernel;

/// What listening gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An event.
    Event(Event),
    /// Events came faster than they were read, and some are lost.
    Lost,
}

/// Does the path manager of this kernel tell events? Everybody may ask.
pub fn are_there() -> bool {
    pm::has_events()
}

/// Listens to events.
pub struct Events(pm::Events);

impl Events {
    /// Begins to listen, in the network namespace of this thread.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`; `ENOENT`: the kernel has no MPTCP, or none with events
    /// (before 5.12).
    pub fn open() -> Result<Self, KernelError> {
        pm::Events::open().map(Events)
    }

    /// Is an event at hand that poll(2) does not know of?
    pub fn has_more(&self) -> bool {
        self.0.has_more()
    }

    /// Waits until an event is at hand; false when the time is over.
    ///
    /// # Errors
    /// The socket cannot be waited for.
    pub fn wait(&self, time: Duration) -> Result<bool, KernelError> {
        self.0.wait(Some(time))
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// The socket fails.
    pub fn read(&mut self) -> Result<News, KernelError> {
        Ok(match self.0.read()? {
            pm::News::Event(event) => News::Event(from_kernel::event(&event)),
            pm::News::Lost => News::Lost,
        })
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
