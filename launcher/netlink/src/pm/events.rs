//! What the path manager tells whoever listens: connections and subflows as they come and go
//! (generic netlink, group `mptcp_pm_events`; include/uapi/linux/mptcp_pm.h has the numbers, in
//! `mptcp_event_type` and `mptcp_event_attr`).

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_generic::GenlHeader;
use netlink_packet_generic::constants::GENL_HDRLEN;
use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt;

use crate::host::netlink::genl::Protocol;
use crate::host::netlink::message::{address, attributes, messages, number};
use crate::host::netlink::pm;
use crate::host::netlink::{Connection, KernelError, receive};
use mptcpize_model::event::{Event, Kind};

/// The multicast group.
const GROUP: &str = "mptcp_pm_events";

/// What the socket may queue. An event takes about 1 KiB of it, so this is good for a burst of
/// some thousand subflows between two looks.
const QUEUE: usize = 8 * 1024 * 1024;

/// Room for one datagram; an event has about 150 bytes.
const ROOM: usize = 32 * 1024;

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
    Connection::open(NETLINK_GENERIC)
        .ok()
        .and_then(|mut connection| Protocol::find(&mut connection, pm::NAME).ok())
        .is_some_and(|protocol| protocol.groups.iter().any(|(name, _)| name == GROUP))
}

/// Listens to events.
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
        let mut connection = Connection::open(NETLINK_GENERIC)?;
        let protocol = Protocol::find(&mut connection, pm::NAME)?;
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

    /// Waits for the next event.
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

pub(in crate::host) fn decode(message: &[u8]) -> Option<Event> {
    let header = GenlHeader::parse(message).ok()?;
    let mut event = Event::new(Kind::of(header.cmd));
    for (kind, value) in attributes(message.get(GENL_HDRLEN..)?) {
        let byte = value.first().copied();
        let pair = || <[u8; 2]>::try_from(value).ok();
        match kind {
            1 => event.token = number(value),
            3 => event.local_id = byte,
            4 => event.remote_id = byte,
            5 | 6 => event.local = address(value),
            7 | 8 => event.remote = address(value),
            // In the network's byte order, unlike an endpoint's.
            9 => event.local_port = pair().map(u16::from_be_bytes),
            10 => event.remote_port = pair().map(u16::from_be_bytes),
            11 => event.backup = byte,
            12 => event.error = byte,
            13 => event.flags = pair().map(u16::from_ne_bytes),
            14 => event.timeout = number(value),
            15 => event.link = number(value),
            16 => event.reset_reason = number(value),
            17 => event.reset_flags = number(value),
            18 => event.server_side = byte.map(|byte| byte != 0),
            _ => {}
        }
    }
    // Linux 6.18 says it by a flag too (`MPTCP_PM_EV_FLAG_SERVER_SIDE`).
    if event.flags.is_some_and(|flags| flags & 2 != 0) {
        event.server_side = Some(true);
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::DefaultNla;

    use super::*;
    use crate::host::netlink::message::Body;
    use crate::host::netlink::message::tests::{bytes, mangled};

    #[test]
    fn events_and_attributes_that_are_not_known_are_no_reason_to_stop() {
        let part = |kind, value: &[u8]| DefaultNla::new(kind, value.to_vec());
        let parts = vec![
            part(1, &0x0f3a_01c2u32.to_ne_bytes()),
            part(5, &[10, 0, 0, 1]),
            part(8, &[0x20; 16]),
            part(9, &443u16.to_be_bytes()),
            part(13, &2u16.to_ne_bytes()),
            part(99, &[1, 2, 3]),
        ];
        let whole = bytes(&Body(GenlHeader { cmd: 77, version: 1 }, parts));
        let event = decode(&whole).expect("a whole message");
        assert_eq!(event.kind, Kind::Other(77));
        assert_eq!((event.token, event.local_port), (Some(0x0f3a_01c2), Some(443)));
        assert_eq!(event.server_side, Some(true));
        for message in mangled(&whole) {
            let _ = decode(&message);
        }
    }
}
