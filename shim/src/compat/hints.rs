//! Options that MPTCP refuses although a refusal changes nothing that the program could see:
//! they are answered as TCP would, and the value is remembered for `getsockopt`.
//!
//! The list is short on purpose. An option that carries meaning (a time limit, a key, a route) is
//! never answered here.

use core::ffi::c_int;

use super::table::IS_EPOLL;
use super::{buffer_size, table};
use crate::sys::net::{cookie, number, set_number};
use crate::sys::option_call::{Get, Set};
use crate::sys::own_fd::Own;

/// In which states a hint stands in for the option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Always: giving up MPTCP for it would cost the program more than the option is worth.
    Always,
    /// When the socket cannot become TCP any more.
    TooLate,
    /// When the socket is connected: before that, and on a listener, the option means something.
    Connected,
}

/// An option, and where its value is kept.
struct Hint {
    level: u8,
    name: u8,
    when: When,
    /// The lowest bit of the value in the note.
    shift: u8,
    /// How many bits the value has; the bit above them says that it is there. 0 where TCP does not tell
    /// the value either, so that none is kept.
    width: u8,
}

impl Hint {
    /// The option's value in this note; `None` where it was not set.
    fn value(&self, notes: u64) -> Option<c_int> {
        if self.width == 0 {
            return None;
        }
        let note = notes >> self.shift;
        (note & (1 << self.width) != 0).then_some((note & ((1 << self.width) - 1)) as c_int)
    }
}

/// An entry of [`LIST`].
const fn hint(level: c_int, name: c_int, when: When, shift: u8, width: u8) -> Hint {
    Hint { level: level as u8, name: name as u8, when, shift, width }
}

/// include/uapi/linux/tcp.h
const TCP_SAVE_SYN: c_int = 27;

/// The options, each with the reason why its refusal changes nothing.
static LIST: [Hint; 11] = [
    // When acknowledgements leave; the kernel itself takes it back at any time (tcp(7)).
    hint(libc::IPPROTO_TCP, libc::TCP_QUICKACK, When::Always, 0, 1),
    // How soon a nearly idle stream retransmits; MPTCP retransmits on its own timer as well.
    hint(libc::IPPROTO_TCP, libc::TCP_THIN_LINEAR_TIMEOUTS, When::Always, 2, 1),
    // TCP itself has ignored it since Linux 4.11.
    hint(libc::IPPROTO_TCP, libc::TCP_THIN_DUPACK, When::Always, 4, 1),
    // MPTCP always delivers urgent data inline: the option asks for what happens anyway.
    hint(libc::SOL_SOCKET, libc::SO_OOBINLINE, When::TooLate, 6, 1),
    // About SYNs to be sent: a connection has sent its own.
    hint(libc::IPPROTO_TCP, libc::TCP_SYNCNT, When::Connected, 8, 7),
    // About SYNs to come: none come to a connection.
    hint(libc::IPPROTO_TCP, TCP_SAVE_SYN, When::Connected, 16, 2),
    // About binds to come: a connection has its address.
    hint(libc::SOL_SOCKET, libc::SO_REUSEADDR, When::Connected, 19, 1),
    hint(libc::IPPROTO_IP, libc::IP_FREEBIND, When::Connected, 21, 1),
    hint(libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, When::Connected, 23, 1),
    // How routers may treat the packets, if any of them cares. No MPTCP socket can put it into
    // packets of IPv6; what IP_TOS gives the subflows counts for IPv4 alone, as on TCP.
    hint(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, When::Always, 25, 8),
    // How long the fragments of a packet are: TCP's packets are never longer than the path takes, and
    // its segments not shorter for it (bind9 asks for it on each listener).
    hint(libc::IPPROTO_IPV6, libc::IPV6_MTU, When::Always, 0, 0),
];

/// How many bits of a note are for the values of hints. Those between them and [`IS_EPOLL`] are the
/// lower bits of the socket's cookie: two sockets of one number have equal ones only if half a billion
/// sockets were made between them.
const BITS: u32 = 34;

/// The hint for this option, if it is one.
fn find(level: c_int, name: c_int) -> Option<&'static Hint> {
    LIST.iter().find(|hint| c_int::from(hint.level) == level && c_int::from(hint.name) == name)
}

/// Is it an option that is answered even where the socket could become TCP?
pub(crate) fn comes_first(set: &Set) -> bool {
    find(set.level, set.name).is_some_and(|hint| hint.when == When::Always)
}

/// Answers a refused `setsockopt` with the result of the same call on a TCP socket (0, or -1 with TCP's
/// errno), and remembers the value. `None` when the option is no hint in this state, or there is no
/// descriptor for that socket.
pub(crate) fn set(set: &Set, connected: bool) -> Option<c_int> {
    let hint = find(set.level, set.name)?;
    if hint.when == When::Connected && !connected {
        return None;
    }
    let scratch = Own::like(set.fd)?;
    let result = set.on(scratch.fd());
    if result != 0 {
        return Some(result);
    }
    if hint.width == 0 {
        return Some(0);
    }
    let value = number(scratch.fd(), set.level, set.name)?.cast_unsigned();
    let cookie = short_cookie(set.fd);
    let kept = known(set.fd, cookie);
    let field = ((1 << hint.width) - 1) | (1 << hint.width);
    let now = u64::from(value) & ((1 << hint.width) - 1) | (1 << hint.width);
    let note = (kept & !(field << hint.shift)) | (now << hint.shift);
    table::set_note(set.fd, (cookie << BITS) | note);
    Some(0)
}

/// When a socket becomes TCP: sets on the new socket, `to`, what was a hint on the old one, `from`.
pub(super) fn repeat(from: c_int, to: c_int) {
    let kept = known(from, short_cookie(from));
    // The others are remembered only of sockets for which it is too late.
    for hint in LIST.iter().filter(|hint| hint.when == When::Always) {
        if let Some(value) = hint.value(kept) {
            set_number(to, hint.level.into(), hint.name.into(), value);
        }
    }
}

/// Sets a remembered IPV6_TCLASS. A connection that has fallen back to TCP takes it, where MPTCP refuses
/// it still; the answer does not matter.
#[cold]
#[inline(never)]
pub(super) fn carry(fd: c_int) {
    if let Some(hint) = find(libc::IPPROTO_IPV6, libc::IPV6_TCLASS)
        && let Some(value) = hint.value(known(fd, short_cookie(fd)))
    {
        set_number(fd, hint.level.into(), hint.name.into(), value);
    }
}

/// The value that the program is to read in place of the kernel's, if one is remembered.
pub(crate) fn remembered(get: &Get) -> Option<c_int> {
    if (get.level, get.name) == (libc::SOL_SOCKET, libc::SO_RCVBUF) {
        return buffer_size::shown(get.fd);
    }
    find(get.level, get.name)?.value(known(get.fd, short_cookie(get.fd)))
}

/// The note of a descriptor, if it is of the socket with this [`short_cookie`] and not of an earlier one.
fn known(fd: c_int, cookie: u64) -> u64 {
    let note = table::note(fd);
    if note & IS_EPOLL == 0 && note >> BITS == cookie { note & ((1 << BITS) - 1) } else { 0 }
}

/// As many bits of the socket's cookie as a note has room for.
fn short_cookie(fd: c_int) -> u64 {
    u64::from(cookie(fd)) & ((IS_EPOLL >> BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_hints_do_not_overlap() {
        let mut seen = 0u64;
        for hint in LIST.iter().filter(|hint| hint.width > 0) {
            let field = ((1u64 << (hint.width + 1)) - 1) << hint.shift;
            assert_eq!(seen & field, 0, "{} {}", hint.level, hint.name);
            seen |= field;
        }
        assert!(seen < 1 << BITS);
    }
}
