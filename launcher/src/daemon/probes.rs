//! Connections that are tried to see whether a path passes anything: a few a link, none of them waited
//! for. The kernel says when a peer has answered; what has no answer is closed when others begin.
//!
//! A refusal (RST) is an answer too. A connection that was made ends with RST, so that the server has
//! nothing to keep, and nothing was sent over it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use crate::host::probe::bind_to_link;
use mptcpize_model::daemon::Probe;

/// So many are under way over a link: an answer may take longer than the pause between two of them.
const MOST: usize = 4;

/// A connection that is under way.
struct UnderWay {
    probe: Probe,
    local: Option<SocketAddr>,
    socket: OwnedFd,
}

/// The connections that are under way.
#[derive(Default)]
pub struct Probes {
    /// By their marks in epoll(7), the oldest first.
    under_way: BTreeMap<u64, UnderWay>,
    last: u64,
}

impl Probes {
    /// Begins one, in place of the oldest where too many are under way over its link; `epoll` tells of it with a mark of
    /// `first` or above. What cannot even begin has no answer.
    pub fn begin(&mut self, probe: Probe, epoll: impl AsFd, first: u64) {
        let of_link = self.under_way.iter().filter(|(_, one)| one.probe.link == probe.link);
        let of_link: Vec<u64> = of_link.map(|(mark, _)| *mark).collect();
        if of_link.len() >= MOST {
            of_link.first().map(|oldest| self.under_way.remove(oldest));
        }
        let Ok(socket) = connect(&probe) else { return };
        self.last += 1;
        let mark = first + self.last;
        let flags = epoll::EventFlags::OUT | epoll::EventFlags::ONESHOT;
        if epoll::add(epoll, &socket, epoll::EventData::new_u64(mark), flags).is_ok() {
            let local = net::getsockname(&socket).ok().and_then(|end| end.try_into().ok());
            self.under_way.insert(mark, UnderWay { probe, local, socket });
        }
    }

    /// Is this the local end of one?
    pub fn has(&self, local: SocketAddr) -> bool {
        self.under_way.values().any(|one| one.local == Some(local))
    }

    /// The probe of this mark has ended; it is returned where its peer answered.
    pub fn ended(&mut self, mark: u64) -> Option<Probe> {
        let UnderWay { probe, socket, .. } = self.under_way.remove(&mark)?;
        let outcome = sockopt::socket_error(&socket);
        matches!(outcome, Ok(Ok(()) | Err(Errno::CONNREFUSED))).then_some(probe)
    }
}

/// A socket that connects, over that link alone.
fn connect(probe: &Probe) -> io::Result<OwnedFd> {
    let family = match probe.to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    match bind_to_link(&socket, probe.link.as_str()) {
        // Before Linux 5.7 it wants CAP_NET_RAW; the rule of the address decides then.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
        _ => {}
    }
    net::bind(&socket, &SocketAddr::new(probe.from, 0))?;
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    match net::connect(&socket, &probe.to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}
