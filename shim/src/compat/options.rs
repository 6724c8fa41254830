//! The options that MPTCP sockets accept and that a TCP socket can be given again.
//!
//! A bit of each descriptor's state says that the program set the option; the value stays in the
//! kernel and is read back only when the socket is replaced. Measured for each of them: read and
//! set again, both sockets give the same answer (tests/shim/compat.rs).

use core::ffi::c_int;

use super::table::{OPTION_BITS, OTHER};
use super::{buffer_size, hints};
use crate::sys::net;
use crate::sys::option_call::Set;

/// The levels, as they stand in [`LIST`].
const SOCKET: u8 = libc::SOL_SOCKET as u8;
const IP: u8 = libc::IPPROTO_IP as u8;
const TCP: u8 = libc::IPPROTO_TCP as u8;
const IPV6: u8 = libc::IPPROTO_IPV6 as u8;

/// Level and name, in the order in which they are set again: IP_TOS before SO_PRIORITY, which it
/// changes. Numbers and not names where libc has none: include/uapi/asm-generic/socket.h,
/// include/uapi/linux/{in,in6,tcp}.h.
const LIST: [(u8, u8); 50] = [
    (IP, 1),      // IP_TOS
    (IP, 15),     // IP_FREEBIND
    (IP, 19),     // IP_TRANSPARENT
    (IP, 24),     // IP_BIND_ADDRESS_NO_PORT
    (IP, 51),     // IP_LOCAL_PORT_RANGE
    (IPV6, 26),   // IPV6_V6ONLY
    (IPV6, 75),   // IPV6_TRANSPARENT
    (IPV6, 78),   // IPV6_FREEBIND
    (SOCKET, 2),  // SO_REUSEADDR
    (SOCKET, 5),  // SO_DONTROUTE
    (SOCKET, 6),  // SO_BROADCAST
    (SOCKET, 7),  // SO_SNDBUF
    (SOCKET, 8),  // SO_RCVBUF
    (SOCKET, 9),  // SO_KEEPALIVE
    (SOCKET, 12), // SO_PRIORITY
    (SOCKET, 13), // SO_LINGER
    (SOCKET, 15), // SO_REUSEPORT
    (SOCKET, 18), // SO_RCVLOWAT
    (SOCKET, 20), // SO_RCVTIMEO
    (SOCKET, 21), // SO_SNDTIMEO
    (SOCKET, 29), // SO_TIMESTAMP
    (SOCKET, 32), // SO_SNDBUFFORCE
    (SOCKET, 33), // SO_RCVBUFFORCE
    (SOCKET, 35), // SO_TIMESTAMPNS
    (SOCKET, 36), // SO_MARK
    (SOCKET, 37), // SO_TIMESTAMPING
    (SOCKET, 46), // SO_BUSY_POLL
    (SOCKET, 49), // SO_INCOMING_CPU
    (SOCKET, 62), // SO_BINDTOIFINDEX, SO_BINDTODEVICE
    (SOCKET, 63), // SO_TIMESTAMP_NEW
    (SOCKET, 64), // SO_TIMESTAMPNS_NEW
    (SOCKET, 65), // SO_TIMESTAMPING_NEW
    (SOCKET, 66), // SO_RCVTIMEO_NEW
    (SOCKET, 67), // SO_SNDTIMEO_NEW
    (SOCKET, 69), // SO_PREFER_BUSY_POLL
    (TCP, 1),     // TCP_NODELAY
    (TCP, 2),     // TCP_MAXSEG
    (TCP, 3),     // TCP_CORK
    (TCP, 4),     // TCP_KEEPIDLE
    (TCP, 5),     // TCP_KEEPINTVL
    (TCP, 6),     // TCP_KEEPCNT
    (TCP, 9),     // TCP_DEFER_ACCEPT
    (TCP, 13),    // TCP_CONGESTION
    (TCP, 23),    // TCP_FASTOPEN
    (TCP, 25),    // TCP_NOTSENT_LOWAT
    (TCP, 30),    // TCP_FASTOPEN_CONNECT
    (TCP, 33),    // TCP_FASTOPEN_KEY
    (TCP, 34),    // TCP_FASTOPEN_NO_COOKIE
    (TCP, 36),    // TCP_INQ
    (IPV6, 67),   // IPV6_TCLASS, where a kernel lets MPTCP set it
];

const _: () = assert!(LIST.len() <= OPTION_BITS as usize);

/// In [`PLACE`]: not in [`LIST`].
const NONE: u8 = u8::MAX;

/// The place in [`LIST`] by level and name ([`range`]): found without a search, because every
/// `setsockopt` that succeeds is looked up.
static PLACE: [u8; 238] = places();

/// Makes [`PLACE`] from [`LIST`].
const fn places() -> [u8; 238] {
    let mut places = [NONE; 238];
    let mut at = 0;
    while at < LIST.len() {
        let (level, name) = LIST[at];
        let (first, names) = range(level as c_int);
        assert!((name as usize) < names);
        places[first + name as usize] = at as u8;
        at += 1;
    }
    places
}

/// Where the names of a level begin, and how many of them there are.
const fn range(level: c_int) -> (usize, usize) {
    match level {
        libc::IPPROTO_IP => (0, 52),
        libc::SOL_SOCKET => (52, 70),
        libc::IPPROTO_TCP => (122, 37),
        libc::IPPROTO_IPV6 => (159, 79),
        _ => (0, 0),
    }
}

/// The bit of an option that was set: its own, or [`OTHER`].
#[inline]
pub(crate) fn bit(level: c_int, name: c_int) -> u64 {
    // SO_BINDTODEVICE and SO_BINDTOIFINDEX are one setting.
    let name = if level == libc::SOL_SOCKET && name == libc::SO_BINDTODEVICE { 62 } else { name };
    let (first, names) = range(level);
    if (name as usize) < names
        && let Some(&place) = PLACE.get(first + name as usize)
        && place != NONE
    {
        return 1 << place;
    }
    OTHER
}

/// Bits: the program has set a time limit for receiving, as SO_RCVTIMEO_OLD or SO_RCVTIMEO_NEW.
pub(crate) const RECEIVE_LIMIT: u64 = 1 << place(SOCKET, 20) | 1 << place(SOCKET, 66);

/// Bits: the program has set a receive buffer, as SO_RCVBUF or SO_RCVBUFFORCE.
pub(crate) const RECEIVE_BUFFER: u64 = 1 << place(SOCKET, 8) | 1 << place(SOCKET, 33);

/// The place of an option in [`LIST`].
const fn place(level: u8, name: u8) -> usize {
    let mut at = 0;
    while LIST[at].0 != level || LIST[at].1 != name {
        at += 1;
    }
    at
}

/// Options of which MPTCP keeps no value that could be read: their bit says "is on".
pub(crate) fn is_switch(level: c_int, name: c_int) -> bool {
    level == libc::SOL_SOCKET && matches!(name, libc::SO_DONTROUTE | libc::SO_BROADCAST)
}

/// Options that MPTCP takes whatever their value is and wherever it lies: because it ignores them,
/// or ignores what the subflow says, or has no subflow yet that could say it (net/mptcp/sockopt.c;
/// numbers from include/uapi/asm-generic/socket.h).
#[inline]
pub(crate) fn is_unread(set: &Set) -> bool {
    match set.level {
        libc::SOL_SOCKET => {
            matches!(set.name, 5 | 6 | 11 | 14 | 16 | 34 | 40 | 41 | 43 | 45 | 76 | 83)
        }
        libc::IPPROTO_TCP => match set.name {
            libc::TCP_DEFER_ACCEPT | libc::TCP_CONGESTION | libc::TCP_MAXSEG => true,
            // Set often: numbers that each of the three may have need not be tried on a TCP socket.
            libc::TCP_KEEPIDLE | libc::TCP_KEEPINTVL | libc::TCP_KEEPCNT => {
                !set.number().is_some_and(|number| (1..=127).contains(&number))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Sets on `to` what the bits say was set on `from`. False when something could not be read or
/// set, for instance without the privilege that the program had when it set it.
pub(crate) fn replay(from: c_int, to: c_int, bits: u64) -> bool {
    hints::repeat(from, to);
    LIST.iter().enumerate().all(|(place, &(level, name))| {
        bits & (1 << place) == 0 || replay_one(from, to, level.into(), name.into())
    })
}

/// Sets one option on `to` as it is on `from`; false with errno.
fn replay_one(from: c_int, to: c_int, level: c_int, name: c_int) -> bool {
    if is_switch(level, name) {
        return net::set_number(to, level, name, 1);
    }
    if level == libc::SOL_SOCKET && matches!(name, 7 | 8 | 32 | 33) {
        let read = if matches!(name, 7 | 32) { libc::SO_SNDBUF } else { libc::SO_RCVBUF };
        // The kernel doubles what is set (socket(7)).
        let set = if read == libc::SO_RCVBUF { buffer_size::shown(from) } else { None };
        return set
            .or_else(|| net::number(from, level, read))
            .is_some_and(|doubled| net::set_number(to, level, name, doubled / 2));
    }
    let mut value = [0; 32];
    net::read_option(from, level, name, &mut value).and_then(|size| value.get(..size)).is_some_and(
        |value| is_off(level, name, value) || net::write_option(to, level, name, value),
    )
}

/// Is it a kind of receive time stamps that was set and then gave way to another kind? Setting it to
/// off, as it reads, would turn the other kind off too.
fn is_off(level: c_int, name: c_int, value: &[u8]) -> bool {
    level == libc::SOL_SOCKET
        && matches!(name, 29 | 35 | 63 | 64)
        && value.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_has_a_bit_of_its_own_and_all_others_share_one() {
        let mut seen = 0;
        for (level, name) in LIST {
            let bit = bit(level.into(), name.into());
            assert!(bit.count_ones() == 1 && bit != OTHER && seen & bit == 0, "{level} {name}");
            seen |= bit;
        }
        for (level, name) in [(1, 17), (1, 79), (1, 80), (1, -1), (6, 18), (7, 1), (-1, 1)] {
            assert_eq!(bit(level, name), OTHER, "{level} {name}");
        }
        assert_eq!(bit(1, libc::SO_BINDTODEVICE), bit(1, 62));
    }
}
