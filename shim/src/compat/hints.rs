//! Options that MPTCP refuses although a refusal changes nothing that the program could see:
//! they are answered as TCP would, and the value is remembered for `getsockopt`.
//!
//! The list is short on purpose. An option that carries meaning (a time limit, a key, a route) is
//! never answered here.

use core::ffi::c_int;

use super::{buffer, table};
use crate::sys::net::{Get, Own, Set, number};

/// In which states a hint stands in for the option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Always: giving up MPTCP for it would cost the program more than the option is worth.
    Always,
    /// When the socket cannot become TCP any more.
    TooLate,
    /// The same, and only on a connection: on a listener it means something.
    Connected,
}

struct Hint {
    level: u8,
    name: u8,
    when: When,
    /// Where the value is in the note, and how many bits it has; one more says that it is there.
    shift: u8,
    width: u8,
}

const fn hint(level: c_int, name: c_int, when: When, shift: u8, width: u8) -> Hint {
    Hint { level: level as u8, name: name as u8, when, shift, width }
}

/// include/uapi/linux/tcp.h
const TCP_SAVE_SYN: c_int = 27;

static LIST: [Hint; 9] = [
    // When acknowledgements leave; the kernel itself takes it back at any time (tcp(7)).
    hint(libc::IPPROTO_TCP, libc::TCP_QUICKACK, When::Always, 0, 1),
    // How soon a nearly idle stream retransmits; MPTCP retransmits on its own timer as well.
    hint(libc::IPPROTO_TCP, libc::TCP_THIN_LINEAR_TIMEOUTS, When::Always, 2, 1),
    // TCP itself has ignored it since Linux 4.11.
    hint(libc::IPPROTO_TCP, libc::TCP_THIN_DUPACK, When::Always, 4, 1),
    // MPTCP always delivers urgent data inline: the option asks for what happens anyway.
    hint(libc::SOL_SOCKET, libc::SO_OOBINLINE, When::TooLate, 6, 1),
    // About SYNs, and those of a connection have been sent.
    hint(libc::IPPROTO_TCP, libc::TCP_SYNCNT, When::Connected, 8, 7),
    // About SYNs to come, and none come to a connection.
    hint(libc::IPPROTO_TCP, TCP_SAVE_SYN, When::Connected, 16, 2),
    // About binds to come: a connection has its address.
    hint(libc::SOL_SOCKET, libc::SO_REUSEADDR, When::Connected, 20, 1),
    hint(libc::IPPROTO_IP, libc::IP_FREEBIND, When::Connected, 22, 1),
    hint(libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, When::Connected, 24, 1),
];

/// The note holds an epoll (`epoll.rs`) and no hints.
pub(crate) const IS_EPOLL: u64 = 1 << 63;

fn find(level: c_int, name: c_int) -> Option<&'static Hint> {
    LIST.iter().find(|hint| c_int::from(hint.level) == level && c_int::from(hint.name) == name)
}

/// Is it never worth giving up MPTCP for?
pub(crate) fn comes_first(set: &Set) -> bool {
    find(set.level, set.name).is_some_and(|hint| hint.when == When::Always)
}

/// Answers a refused `setsockopt`; `None` when it is no hint here. A value that TCP refuses is
/// refused with TCP's errno.
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
    let value = number(scratch.fd(), set.level, set.name)? as u32;
    let cookie = net_cookie(set.fd);
    let kept = known(set.fd, cookie);
    let field = ((1 << hint.width) - 1) | (1 << hint.width);
    let now = (value & ((1 << hint.width) - 1)) | (1 << hint.width);
    let note = (kept & !(field << hint.shift)) | (now << hint.shift);
    table::set_note(set.fd, (u64::from(cookie) << 32) | u64::from(note));
    Some(0)
}

/// The remembered value, which the program is then given.
pub(crate) fn remembered(get: &Get) -> Option<c_int> {
    if (get.level, get.name) == (libc::SOL_SOCKET, libc::SO_RCVBUF) {
        return buffer::shown(get.fd);
    }
    let hint = find(get.level, get.name)?;
    let note = known(get.fd, net_cookie(get.fd)) >> hint.shift;
    (note & (1 << hint.width) != 0).then_some((note & ((1 << hint.width) - 1)) as c_int)
}

/// The hints of a socket, told by its cookie from one that had the number before.
fn known(fd: c_int, cookie: u32) -> u32 {
    let note = table::note(fd);
    if note & IS_EPOLL == 0 && (note >> 32) as u32 == cookie { note as u32 } else { 0 }
}

/// One bit less than the cookie has, for [`IS_EPOLL`].
pub(super) fn net_cookie(fd: c_int) -> u32 {
    crate::sys::net::cookie(fd) & (u32::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_hints_do_not_overlap() {
        let mut seen = 0u32;
        for hint in &LIST {
            let field = ((1u32 << (hint.width + 1)) - 1) << hint.shift;
            assert_eq!(seen & field, 0, "{} {}", hint.level, hint.name);
            seen |= field;
        }
    }
}
