//! Listening to the path manager: connections and subflows as they come and go (generic netlink,
//! multicast group `mptcp_pm_events`, Linux 5.12).

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use crate::error::KernelError;
use crate::exchange::{Exchange, receive};
use crate::genl::{Header, Protocol};
use crate::message::{address, attributes, messages, number};
use crate::pm::event::{Event, EventKind};
use crate::pm::wire;

/// The multicast group.
const GROUP: &str = "mptcp_pm_events";

/// What the socket may queue. An event takes about 1 KiB of it, so this is good for a burst of
/// some thousand subflows between two looks.
const QUEUE: usize = 8 * 1024 * 1024;

/// Room for one datagram; an event has about 150 bytes.
const ROOM: usize = 32 * 1024;

/// What an event says (`enum mptcp_event_attr`, include/uapi/linux/mptcp_pm.h). Ports are in the
/// network's byte order, unlike an endpoint's.
const TOKEN: u16 = 1;
const LOCAL_ID: u16 = 3;
const REMOTE_ID: u16 = 4;
const LOCAL_V4: u16 = 5;
const LOCAL_V6: u16 = 6;
const REMOTE_V4: u16 = 7;
const REMOTE_V6: u16 = 8;
const LOCAL_PORT: u16 = 9;
const REMOTE_PORT: u16 = 10;
const BACKUP: u16 = 11;
const ERROR: u16 = 12;
const FLAGS: u16 = 13;
const TIMEOUT: u16 = 14;
const LINK: u16 = 15;
const RESET_REASON: u16 = 16;
const RESET_FLAGS: u16 = 17;
const SERVER_SIDE: u16 = 18;

/// `MPTCP_PM_EV_FLAG_SERVER_SIDE`: what Linux 6.18 says beside the attribute.
const FLAG_SERVER_SIDE: u16 = 1 << 1;

/// What listening gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An event.
    Event(Event),
    /// Events came faster than they were read, and some are lost: what there is now is to be
    /// asked of [`connections`](crate::sock_diag::connections).
    Lost,
}

/// Does the path manager of this kernel tell events? Everybody may ask.
pub fn has_events() -> bool {
    Exchange::open(NETLINK_GENERIC)
        .ok()
        .and_then(|mut exchange| Protocol::find(&mut exchange, wire::NAME).ok())
        .is_some_and(|protocol| protocol.groups.iter().any(|(name, _)| name == GROUP))
}

/// A subscription to events. Its descriptor ([`AsFd`]) is readable when [`Events::read`] would
/// not block; what was read already and not yet asked for is told by [`Events::has_more`].
///
/// ```
/// use std::time::Duration;
///
/// use mptcp_netlink::pm::{EventKind, Events, News};
///
/// # mptcp_netlink::namespace::enter_new()?;
/// let mut events = Events::open()?;
/// assert!(!events.wait(Some(Duration::ZERO))?, "nothing has happened here");
/// # use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
/// # use std::io::Error;
/// # let mptcp = std::num::NonZero::new(262).map(rustix::net::Protocol::from_raw);
/// # let listener = socket(AddressFamily::INET, SocketType::STREAM, mptcp).map_err(Error::from)?;
/// # let anywhere: std::net::SocketAddr = ([0, 0, 0, 0], 0).into();
/// # bind(&listener, &anywhere).map_err(Error::from)?;
/// # listen(&listener, 1).map_err(Error::from)?;
/// // Now a program listens with MPTCP.
/// let News::Event(event) = events.read()? else { panic!("one event is not too many") };
/// assert_eq!(event.kind, EventKind::ListenerCreated);
/// # Ok::<(), mptcp_netlink::KernelError>(())
/// ```
pub struct Events {
    socket: Socket,
    protocol: u16,
    buffer: Vec<u8>,
    waiting: VecDeque<Event>,
}

impl Events {
    /// Begins to listen, in the network namespace of this thread.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`; `ENOENT`: the kernel has no MPTCP, or none with events
    /// (before 5.12).
    pub fn open() -> Result<Self, KernelError> {
        let mut exchange = Exchange::open(NETLINK_GENERIC)?;
        let protocol = Protocol::find(&mut exchange, wire::NAME)?;
        let group = protocol.groups.iter().find(|(name, _)| name == GROUP);
        let group = group.ok_or_else(|| {
            KernelError::new(libc::ENOENT, "this kernel's path manager has no events")
        })?;
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        // Beyond the administrator's limit where we may; else as far as it goes.
        if sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE).is_err() {
            let _ = socket.set_rx_buf_sz(QUEUE);
        }
        socket.add_membership(group.1)?;
        Ok(Events {
            socket,
            protocol: protocol.id,
            buffer: vec![0; ROOM],
            waiting: VecDeque::new(),
        })
    }

    /// Is an event at hand that poll(2) does not know of?
    pub fn has_more(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits until [`Events::read`] would not block, and says whether it would not; without a
    /// timeout for as long as it takes.
    ///
    /// # Errors
    /// The descriptor cannot be waited for.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool, KernelError> {
        if self.has_more() {
            return Ok(true);
        }
        // A time that is too long to be counted has no end.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut [PollFd::new(self, PollFlags::IN)], left.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
                Ok(count) => return Ok(count > 0),
            }
        }
    }

    /// The next event; blocks until there is one.
    ///
    /// # Errors
    /// The socket fails.
    pub fn read(&mut self) -> Result<News, KernelError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(News::Event(event));
            }
            match receive(&self.socket, &mut self.buffer) {
                Ok(length) => {
                    let ours = messages(&self.buffer[..length])
                        .filter(|(header, _)| header.message_type == self.protocol);
                    self.waiting.extend(ours.filter_map(|(_, message)| decode(message)));
                }
                Err(error) if error.errno == libc::ENOBUFS => return Ok(News::Lost),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An event, from a message.
pub(crate) fn decode(message: &[u8]) -> Option<Event> {
    let header = Header::read(message)?;
    let mut event = Event::new(EventKind::from_number(header.command));
    for (kind, value) in attributes(message.get(Header::LENGTH..)?) {
        let byte = value.first().copied();
        let pair = || <[u8; 2]>::try_from(value).ok();
        match kind {
            TOKEN => event.token = number(value),
            LOCAL_ID => event.local_id = byte,
            REMOTE_ID => event.remote_id = byte,
            LOCAL_V4 | LOCAL_V6 => event.local = address(value),
            REMOTE_V4 | REMOTE_V6 => event.remote = address(value),
            LOCAL_PORT => event.local_port = pair().map(u16::from_be_bytes),
            REMOTE_PORT => event.remote_port = pair().map(u16::from_be_bytes),
            BACKUP => event.backup = byte,
            ERROR => event.error = byte,
            FLAGS => event.flags = pair().map(u16::from_ne_bytes),
            TIMEOUT => event.timeout = number(value),
            LINK => event.link = number(value),
            RESET_REASON => event.reset_reason = number(value),
            RESET_FLAGS => event.reset_flags = number(value),
            SERVER_SIDE => event.server_side = byte.map(|byte| byte != 0),
            _ => {}
        }
    }
    if event.flags.is_some_and(|flags| flags & FLAG_SERVER_SIDE != 0) {
        event.server_side = Some(true);
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::DefaultNla;

    use super::*;
    use crate::message::tests::mangled;
    use crate::message::{Body, bytes};

    #[test]
    fn events_and_attributes_that_are_not_known_are_no_reason_to_stop() {
        let part = |kind, value: &[u8]| DefaultNla::new(kind, value.to_vec());
        let parts = vec![
            part(TOKEN, &0x0f3a_01c2u32.to_ne_bytes()),
            part(LOCAL_V4, &[10, 0, 0, 1]),
            part(REMOTE_V6, &[0x20; 16]),
            part(LOCAL_PORT, &443u16.to_be_bytes()),
            part(FLAGS, &2u16.to_ne_bytes()),
            part(99, &[1, 2, 3]),
        ];
        let whole = bytes(&Body(Header { command: 77, version: 1 }, parts));
        let event = decode(&whole).expect("a whole message");
        assert_eq!(event.kind, EventKind::Other(77));
        assert_eq!((event.token, event.local_port), (Some(0x0f3a_01c2), Some(443)));
        assert_eq!(event.server_side, Some(true));
        for message in mangled(&whole) {
            let _ = decode(&message);
        }
    }
}
