//! What the kernel's connection tracking knows of a connection: where it was to go before NAT sent it
//! elsewhere. Over netlink, which answers those with CAP_NET_ADMIN in the network's namespace.
//!
//! One question and its one answer: include/uapi/linux/netfilter/nfnetlink.h,
//! nfnetlink_conntrack.h, include/uapi/linux/netlink.h.

#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::ptr;

use super::net::Address;
use super::own_fd::Own;
use super::syscall;

/// Bytes of a message's header (`struct nlmsghdr`).
const HEADER: usize = 16;
/// Bytes of netfilter's header behind it (`struct nfgenmsg`).
const FAMILY: usize = 4;

const NETLINK_NETFILTER: c_int = 12;
/// NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
const GET: u16 = 1 << 8 | 1;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;

const NESTED: u16 = 1 << 15;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
/// CTA_IP_V4_SRC, CTA_IP_V4_DST; those of IPv6 are two higher.
const SOURCE: u16 = 1;
const DESTINATION: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;

/// Where the TCP connection between these two addresses was to go before NAT; `Err` with the kernel's
/// errno (ENOENT for a connection that it does not know); `None` where there is no answer.
pub(crate) fn original(local: &Address, peer: &Address) -> Option<Result<Address, c_int>> {
    let (from, to) = (local.plain(), peer.plain());
    let (family, version) = match (from.len(), to.len()) {
        (4, 4) => (libc::AF_INET, 0),
        (16, 16) => (libc::AF_INET6, 2),
        _ => return None,
    };
    let mut message = Message { bytes: [0; 256], used: HEADER };
    message.put(&[family as u8, 0, 0, 0]);
    // The tuple of the replies: their source and destination are what the local socket shows.
    let tuple = message.open(CTA_TUPLE_REPLY);
    let ip = message.open(CTA_TUPLE_IP);
    message.attribute(SOURCE + version, from);
    message.attribute(DESTINATION + version, to);
    message.close(ip);
    let protocol = message.open(CTA_TUPLE_PROTO);
    message.attribute(CTA_PROTO_NUM, &[libc::IPPROTO_TCP as u8]);
    message.attribute(CTA_PROTO_SRC_PORT, &local.port().to_be_bytes());
    message.attribute(CTA_PROTO_DST_PORT, &peer.port().to_be_bytes());
    message.close(protocol);
    message.close(tuple);
    message.write(0, &(message.used as u32).to_ne_bytes());
    message.write(4, &GET.to_ne_bytes());
    message.write(6, &NLM_F_REQUEST.to_ne_bytes());

    let socket = Own::netlink(NETLINK_NETFILTER)?;
    let mut answer = [0u8; 1024];
    let nothing = ptr::null_mut::<c_void>();
    // SAFETY: the pointers and the lengths are those of arrays. The kernel has answered before
    // sendto(2) is over, so nothing waits.
    let got = unsafe {
        let (at, length) = (message.bytes.as_ptr(), message.used);
        syscall(libc::SYS_sendto, socket.fd(), at, length, 0, nothing, 0);
        let (at, length) = (answer.as_mut_ptr(), answer.len());
        let flags = libc::MSG_DONTWAIT;
        syscall(libc::SYS_recvfrom, socket.fd(), at, length, flags, nothing, nothing)
    };
    let answer = answer.get(..usize::try_from(got).ok()?)?;
    let rest = answer.get(HEADER..)?;
    if answer.get(4..6)? == NLMSG_ERROR.to_ne_bytes() {
        let error = c_int::from_ne_bytes(rest.first_chunk().copied()?);
        return Some(Err(error.wrapping_neg()));
    }
    let tuple = find(rest.get(FAMILY..)?, CTA_TUPLE_ORIG)?;
    let ip = find(find(tuple, CTA_TUPLE_IP)?, DESTINATION + version)?;
    let port = find(find(tuple, CTA_TUPLE_PROTO)?, CTA_PROTO_DST_PORT)?;
    Some(Ok(Address::new(family, ip, port)))
}

/// The content of the first attribute of this kind.
fn find(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let size = usize::from(u16::from_ne_bytes(attributes.first_chunk().copied()?));
        let this = u16::from_ne_bytes(attributes.get(2..)?.first_chunk().copied()?);
        if this & !NESTED == kind {
            return attributes.get(4..size);
        }
        // Attributes begin at multiples of four bytes. At least the header is passed, or a length of 0
        // would repeat for ever.
        attributes = attributes.get(size.max(4).next_multiple_of(4)..)?;
    }
}

/// A message under construction. What does not fit is left out, and the kernel then refuses it.
struct Message {
    bytes: [u8; 256],
    used: usize,
}

impl Message {
    /// Overwrites what is at this place.
    #[inline(never)]
    fn write(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
            place.copy_from_slice(bytes);
        }
    }

    /// Appends bytes, padded to a multiple of four.
    #[inline(never)]
    fn put(&mut self, bytes: &[u8]) {
        self.write(self.used, bytes);
        self.used = (self.used + bytes.len().next_multiple_of(4)).min(self.bytes.len());
    }

    /// Appends an attribute.
    #[inline(never)]
    fn attribute(&mut self, kind: u16, content: &[u8]) {
        self.put(&(4 + content.len() as u16).to_ne_bytes());
        self.write(self.used - 2, &kind.to_ne_bytes());
        self.put(content);
    }

    /// Begins an attribute that holds others; [`Message::close`] ends it.
    fn open(&mut self, kind: u16) -> usize {
        let at = self.used;
        self.attribute(kind | NESTED, &[]);
        at
    }

    /// Ends the attribute that began at this place: writes its length.
    fn close(&mut self, at: usize) {
        self.write(at, &((self.used - at) as u16).to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_and_broken_ones_end_the_search() {
        let all = [5, 0, 1, 0, 7, 0, 0, 0, 6, 0, 2, 0x80, 8, 9, 0, 0];
        assert_eq!(find(&all, 1), Some(&[7][..]));
        assert_eq!(find(&all, 2), Some(&[8, 9][..]));
        assert_eq!(find(&all, 3), None);
        for size in [0, 1, 3, 17, 200] {
            assert_eq!(find(&[size, 0, 2, 0, 0, 0, 0, 0], 1), None, "{size}");
            assert_eq!(find(&[size, 0, 1, 0], 1), None, "{size}");
        }
        assert_eq!(find(&[4, 0, 1], 1), None);
        assert_eq!(find(&[], 1), None);
    }

    #[test]
    fn a_message_is_never_written_beyond_its_end() {
        let mut message = Message { bytes: [0; 256], used: HEADER };
        for _ in 0..100 {
            message.attribute(1, &[1; 16]);
        }
        assert_eq!(message.used, 256);
    }
}
