//! Changes of links, addresses, routes and rules, as far as a set-up may depend on them.

use std::os::fd::{AsFd, BorrowedFd};

use mptcp_netlink::KernelError;
use mptcp_netlink::rtnl::{Change, Changed, Changes as Kernel};
use mptcpize_model::ours;

/// What all messages that waited say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Something that matters changed.
    pub changed: bool,
    /// A neighbour answers, is asked, or does not answer.
    pub neighbours: bool,
    /// Messages were lost.
    pub lost: bool,
}

/// Listens to changes.
pub struct Changes(Kernel);

impl Changes {
    /// Begins to listen, in the network namespace of this thread.
    ///
    /// # Errors
    /// A sandbox forbids netlink.
    pub fn open() -> Result<Self, KernelError> {
        let mut kernel = Kernel::open()?;
        // Where the kernel does not filter, [`matters`] does, if the queue is long enough.
        let _ = kernel.leave_out_routes_but(WIDE, ours::PROTOCOL);
        Ok(Changes(kernel))
    }

    /// Reads all messages that wait; does not block.
    ///
    /// # Errors
    /// The socket fails.
    pub fn drain(&mut self) -> Result<News, KernelError> {
        let mut news = News::default();
        while let Some(next) = self.0.read()? {
            match next {
                Changed::Change(Change::Neighbour) => news.neighbours = true,
                Changed::Change(change) => news.changed |= matters(change),
                Changed::Lost => news.lost = true,
            }
        }
        Ok(news)
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The longest prefix of a route for a large part of the Internet, of which some lead a host's traffic
/// into a VPN: two halves (OpenVPN's `redirect-gateway def1`), or all but the private networks. The
/// routes that BGP brings are longer but for a dozen.
const WIDE: u8 = 8;

/// Of routes only wide ones and our own matter: a host that speaks BGP has a million others, which
/// come and go all day.
fn matters(change: Change) -> bool {
    match change {
        Change::Route { length, protocol } => length <= WIDE || ours::is_ours(protocol),
        Change::Radio | Change::Neighbour | Change::Other(_) => false,
        Change::Link | Change::Address | Change::Rule | Change::NextHop => true,
    }
}
