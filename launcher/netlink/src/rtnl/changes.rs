//! Listening to the routing tables: what the kernel multicasts of links, addresses, routes, rules
//! and next-hop objects (rtnetlink(7), `RTNLGRP_*`).
//!
//! A message says that something happened, and not what is true: the tables may have changed again
//! since. It is a reason to ask [`Rtnl`](crate::rtnl::Rtnl), and no more is read from it than what
//! tells whether to ask.

use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt;

use crate::error::KernelError;
use crate::exchange::receive;
use crate::message::{attribute, messages};
use crate::rtnl::filter;
use crate::rtnl::header::{LinkHeader, RTM_DELNEXTHOP, RTM_NEWNEXTHOP};

/// The groups that are listened to, of both families (include/uapi/linux/rtnetlink.h). The last one
/// came with Linux 5.3.
const GROUPS: [u32; 9] = [
    libc::RTNLGRP_LINK,
    libc::RTNLGRP_IPV4_IFADDR,
    libc::RTNLGRP_IPV6_IFADDR,
    libc::RTNLGRP_IPV4_ROUTE,
    libc::RTNLGRP_IPV6_ROUTE,
    libc::RTNLGRP_IPV4_RULE,
    libc::RTNLGRP_IPV6_RULE,
    libc::RTNLGRP_NEIGH,
    NEXT_HOPS,
];

/// `RTNLGRP_NEXTHOP`, not in the libc crate.
const NEXT_HOPS: u32 = 32;

/// What the socket may queue. Messages take about 1 KiB of it each.
const QUEUE: usize = 1024 * 1024;

/// Room for one datagram: a message about one object.
const ROOM: usize = 32 * 1024;

/// What listening gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Something changed.
    Change(Change),
    /// Changes came faster than they were read, and some are lost.
    Lost,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A link came, went, or has another state or name.
    Link,
    /// A radio says how it is (`IFLA_WIRELESS`): a scan ended, a station was joined. The link itself
    /// is as it was.
    Radio,
    /// An address came, went, or has other lifetimes.
    Address,
    /// A route came or went.
    Route {
        /// The length of its destination's prefix; 0 for a default route.
        length: u8,
        /// Who made it (`rtm_protocol`).
        protocol: u8,
    },
    /// A rule came or went.
    Rule,
    /// A next-hop object came or went.
    NextHop,
    /// A neighbour answers, is asked, or does not answer.
    Neighbour,
    /// A message of a type that this crate does not know.
    Other(u16),
}

/// A subscription to changes. Its descriptor ([`AsFd`]) is readable when [`Changes::read`] has news.
///
/// ```
/// use mptcp_netlink::rtnl::{Change, Changed, Changes, Rtnl};
///
/// # mptcp_netlink::namespace::enter_new()?;
/// let mut changes = Changes::open()?;
/// assert_eq!(changes.read()?, None, "nothing has happened here");
/// let mut rtnl = Rtnl::open()?;
/// let lo = rtnl.links()?.into_iter().find(|link| link.is_loopback()).expect("each has one");
/// rtnl.set_up(lo.index, true)?;
/// assert_eq!(changes.read()?, Some(Changed::Change(Change::Link)));
/// # Ok::<(), mptcp_netlink::KernelError>(())
/// ```
pub struct Changes {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Changes {
    /// Begins to listen, in the network namespace of this thread. Everybody may.
    ///
    /// # Errors
    /// A sandbox forbids netlink.
    pub fn open() -> Result<Self, KernelError> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        // Beyond the administrator's limit where we may; else as far as it goes.
        if sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE).is_err() {
            let _ = socket.set_rx_buf_sz(QUEUE);
        }
        for group in GROUPS {
            match socket.add_membership(group) {
                // A kernel without next-hop objects does not know their group.
                Err(_) if group == NEXT_HOPS => {}
                joined => joined?,
            }
        }
        Ok(Changes { socket, buffer: vec![0; ROOM] })
    }

    /// From now on the kernel keeps routes to itself, but for those whose destination has no more than
    /// `longest` bits (0: default routes alone) and those that `protocol` (`rtm_protocol`) made; and
    /// neighbours, but for those that are asked whether they are still there (`NUD_PROBE`) and those that
    /// do not answer (`NUD_FAILED`). What waits already is read as before.
    ///
    /// # Errors
    /// The kernel or a sandbox refuses the filter (`SO_ATTACH_FILTER`, socket(7)): all are told.
    pub fn leave_out_routes_but(&mut self, longest: u8, protocol: u8) -> Result<(), KernelError> {
        Ok(filter::attach(self.socket.as_fd(), longest, protocol)?)
    }

    /// What is next, or nothing where nothing waits; does not block.
    ///
    /// # Errors
    /// The socket fails.
    pub fn read(&mut self) -> Result<Option<Changed>, KernelError> {
        loop {
            let length = match receive(&self.socket, &mut self.buffer) {
                Ok(length) => length,
                Err(error) if error.errno == libc::EAGAIN => return Ok(None),
                Err(error) if error.errno == libc::ENOBUFS => return Ok(Some(Changed::Lost)),
                // One that is longer than any that we know of: what it says is not known.
                Err(error) if error.errno == libc::EMSGSIZE => return Ok(Some(Changed::Lost)),
                Err(error) => return Err(error),
            };
            // The kernel multicasts one message in a datagram.
            let first = messages(&self.buffer[..length]).next();
            if let Some((header, payload)) = first {
                return Ok(Some(Changed::Change(decode(header.message_type, payload))));
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What a message is about.
pub(crate) fn decode(kind: u16, payload: &[u8]) -> Change {
    match kind {
        libc::RTM_NEWLINK | libc::RTM_DELLINK => {
            let attributes = payload.get(LinkHeader::LENGTH..).unwrap_or_default();
            let radio = attribute(attributes, libc::IFLA_WIRELESS).is_some();
            if radio { Change::Radio } else { Change::Link }
        }
        libc::RTM_NEWADDR | libc::RTM_DELADDR => Change::Address,
        // struct rtmsg: family, length of the destination, of the source, tos, table, protocol.
        libc::RTM_NEWROUTE | libc::RTM_DELROUTE => match payload {
            [_, length, _, _, _, protocol, ..] => {
                Change::Route { length: *length, protocol: *protocol }
            }
            _ => Change::Other(kind),
        },
        libc::RTM_NEWRULE | libc::RTM_DELRULE => Change::Rule,
        libc::RTM_NEWNEIGH | libc::RTM_DELNEIGH => Change::Neighbour,
        RTM_NEWNEXTHOP | RTM_DELNEXTHOP => Change::NextHop,
        other => Change::Other(other),
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::DefaultNla;

    use super::*;
    use crate::message::bytes;
    use crate::message::tests::mangled;

    #[test]
    fn a_message_of_a_radio_is_no_change_of_the_link() {
        let plain = vec![0; LinkHeader::LENGTH];
        let radio = [DefaultNla::new(libc::IFLA_WIRELESS, vec![0; 8])];
        let radio = [plain.clone(), bytes(&radio.as_slice())].concat();
        assert_eq!(decode(libc::RTM_NEWLINK, &plain), Change::Link);
        assert_eq!(decode(libc::RTM_NEWLINK, &radio), Change::Radio);
    }

    #[test]
    fn a_route_is_known_by_its_length_and_maker_and_a_mangled_message_is_no_reason_to_panic() {
        let route = [2, 24, 0, 0, 254, 86, 0, 1, 0, 0, 0, 0];
        let expected = Change::Route { length: 24, protocol: 86 };
        assert_eq!(decode(libc::RTM_NEWROUTE, &route), expected);
        for message in mangled(&route) {
            for kind in [libc::RTM_NEWLINK, libc::RTM_DELROUTE, libc::RTM_NEWADDR, 999] {
                decode(kind, &message);
            }
        }
        assert_eq!(decode(999, &route), Change::Other(999));
    }
}
