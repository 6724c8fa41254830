//! SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST: where a connection was to go that NAT sent here, for
//! transparent proxies.
//!
//! The kernel tells it of a TCP socket, by its addresses, and no TCP socket can have those of a
//! connection that is there already. So connection tracking is asked itself, which answers only a
//! program with CAP_NET_ADMIN; others get MPTCP's refusal.

use core::ffi::c_int;

use crate::sys;
use crate::sys::conntrack;
use crate::sys::net;
use crate::sys::option_call::Get;

/// include/uapi/linux/netfilter_ipv4.h; the one of IPv6 has the same number.
const SO_ORIGINAL_DST: c_int = 80;

/// Does the program ask for the original destination?
pub(crate) fn is_asked(get: &Get) -> bool {
    matches!(get.level, libc::IPPROTO_IP | libc::IPPROTO_IPV6) && get.name == SO_ORIGINAL_DST
}

/// Answers it for an MPTCP connection, as netfilter does, which leaves the size of the buffer as it is:
/// 0, or -1 with errno (EINVAL, EFAULT, ENOENT). `None` where connection tracking gives no answer.
pub(crate) fn answer(get: &Get) -> Option<c_int> {
    let (local, peer) = (net::local(get.fd), net::peer(get.fd));
    let original = match conntrack::original(&local, &peer)? {
        Ok(original) => Some(original),
        Err(libc::ENOENT) => None,
        Err(_) => return None,
    };
    let (family, size) = match get.level {
        libc::IPPROTO_IPV6 => (libc::AF_INET6, 28),
        _ => (libc::AF_INET, 16),
    };
    let errno = match original {
        _ if get.room().is_some_and(|room| room < size) => libc::EINVAL,
        // A socket of IPv6 is asked by both names, and knows its connection by one.
        Some(original) if original.family() == family => match get.give(original.as_bytes()) {
            true => return Some(0),
            false => libc::EFAULT,
        },
        _ => libc::ENOENT,
    };
    sys::set_errno(errno);
    Some(-1)
}
