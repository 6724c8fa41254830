//! `getsockopt`: what the program reads of a socket, where that is not what MPTCP says.
//!
//! A question never changes a socket: where MPTCP refuses an answer, a fresh TCP socket is asked.

use core::ffi::c_int;

use super::ours::is_mptcp_for_tcp;
use super::{buffer_size, ended, hints, identity, original, room, table};
use crate::config;
use crate::sys;
use crate::sys::aside;
use crate::sys::net;
use crate::sys::option_call::Get;
use crate::sys::own_fd::Own;

/// The hook behind the exported `getsockopt`: what the kernel says, corrected where TCP says otherwise.
#[inline]
pub(crate) fn getsockopt(get: Get) -> c_int {
    let errno = sys::errno();
    let result = get.on(get.fd);
    if get.level == libc::IPPROTO_IPV6 && is_of_ipv4(get.fd) {
        sys::set_errno(libc::EOPNOTSUPP);
        return -1;
    }
    // Linux answers some options with a number above 0 when it cannot write the size.
    if result >= 0 {
        if identity::is_asked(&get) {
            identity::asked(&get, errno);
        }
        if table::note(get.fd) != 0 || buffer_size::may_be(get.fd) {
            recall(&get, errno);
        }
        if get.level == libc::SOL_SOCKET && matches!(get.name, libc::SO_ERROR | libc::SO_RCVBUF) {
            answered(&get, errno);
        }
        return result;
    }
    unanswered(&get, errno)
}

/// Is it an MPTCP socket of IPv4? One of TCP has no options of IPv6.
#[cold]
#[inline(never)]
fn is_of_ipv4(fd: c_int) -> bool {
    let errno = sys::errno();
    let is = net::number(fd, libc::SOL_SOCKET, libc::SO_DOMAIN) == Some(libc::AF_INET)
        && is_mptcp_for_tcp(fd, table::get(fd));
    sys::set_errno(errno);
    is
}

/// Puts a remembered value in the place of the kernel's, if the option has one.
#[cold]
fn recall(get: &Get, errno: c_int) {
    // What programs ask when a connection is made, or has failed.
    if (get.level, get.name) == (libc::SOL_SOCKET, libc::SO_ERROR) {
        hints::carry(get.fd);
    }
    if let Some(value) = hints::remembered(get) {
        get.answer(value);
    }
    sys::set_errno(errno);
}

/// Corrects SO_RCVBUF, which a widened window (`room.rs`) shows larger, and after SO_ERROR tells the
/// kernel that the connection is over (`ended.rs`).
#[cold]
#[inline(never)]
fn answered(get: &Get, errno: c_int) {
    let answer = get.answered();
    if get.name == libc::SO_RCVBUF {
        if let Some(size) = room::shown(get.fd, answer) {
            get.answer(size);
        }
    } else if answer != 0 {
        ended::tell(get.fd);
    }
    sys::set_errno(errno);
}

/// The kernel refused a question. A question never changes a socket, so the answer comes from a
/// fresh TCP socket: nothing else can have been set, for setting it would have demoted this one.
#[cold]
fn unanswered(get: &Get, errno: c_int) -> c_int {
    let refusal = sys::errno();
    // EFAULT too: MPTCP looks at the size before it knows whether it has the option.
    if !matches!(refusal, libc::ENOPROTOOPT | libc::EOPNOTSUPP | libc::EFAULT)
        || config::get().off()
    {
        return -1;
    }
    let result = aside::ask(get.fd, || from_scratch(get, refusal));
    match result {
        Some(0..) => sys::set_errno(errno),
        Some(_) => {}
        None => sys::set_errno(refusal),
    }
    result.unwrap_or(-1)
}

/// The result of the question on a fresh TCP socket, with errno; `None` where such a socket cannot know
/// the answer, and the program gets the kernel's `refusal`.
#[inline(never)]
fn from_scratch(get: &Get, refusal: c_int) -> Option<c_int> {
    /// include/uapi/linux/in.h; Linux answers with the local port.
    const IP_PROTOCOL: c_int = 52;
    if !is_mptcp_for_tcp(get.fd, table::get(get.fd)) {
        return None;
    }
    let scratch = Own::like(get.fd)?;
    let connected = net::is_connected(get.fd);
    if connected && original::is_asked(get) {
        return original::answer(get);
    }
    if connected && is_about_the_connection(get.level, get.name) {
        return None;
    }
    let result = get.on(scratch.fd());
    // MPTCP has the option, and could not write the connection's value, which a fresh socket lacks.
    if result >= 0 && connected && refusal == libc::EFAULT {
        return None;
    }
    if result < 0
        && connected
        && refusal != libc::EFAULT
        && !matches!(sys::errno(), libc::ENOPROTOOPT | libc::EFAULT)
    {
        return None;
    }
    if result == 0 {
        if let Some(value) = hints::remembered(get) {
            get.answer(value);
        } else if (get.level, get.name) == (libc::IPPROTO_IP, IP_PROTOCOL) {
            get.answer(net::local(get.fd).port().into());
        }
    }
    Some(result)
}

/// Answers that a fresh socket does not have: the path's packet size, what came with the SYN, the
/// peer's options, the window.
fn is_about_the_connection(level: c_int, name: c_int) -> bool {
    /// include/uapi/linux/in.h, in6.h, tcp.h
    const IP_PKTOPTIONS: c_int = 9;
    const IPV6_2292PKTOPTIONS: c_int = 6;
    const IPV6_PATHMTU: c_int = 61;
    match level {
        libc::IPPROTO_IP => {
            matches!(name, libc::IP_MTU | libc::IP_OPTIONS | IP_PKTOPTIONS)
        }
        libc::IPPROTO_IPV6 => {
            matches!(name, libc::IPV6_MTU | IPV6_PATHMTU | IPV6_2292PKTOPTIONS)
        }
        libc::IPPROTO_TCP => matches!(
            name,
            libc::TCP_SAVED_SYN | libc::TCP_TIMESTAMP | libc::TCP_WINDOW_CLAMP | libc::TCP_REPAIR
        ),
        _ => false,
    }
}
