//! `setsockopt`: what the program gets where MPTCP refuses an option. The order in which answers are
//! tried is that of `compat/mod.rs`.

use core::ffi::c_int;

use super::ours::{is_mptcp_for_tcp, knows_mptcp, remember};
use super::table::{self, OURS};
use super::{buffer, demote, hints, options, unchanged};
use crate::config;
use crate::sys;
use crate::sys::aside;
use crate::sys::net;
use crate::sys::option_call::Set;
use crate::sys::own_fd::Own;
use crate::trace;
use crate::verdict::{Stays, Verdict};

/// The hook behind the exported `setsockopt`: 0, or -1 with errno as plain TCP leaves it, where that can
/// be had.
#[inline]
pub(crate) fn setsockopt(set: Set) -> c_int {
    let state = table::get(set.fd);
    let errno = sys::errno();
    let result = set.on(set.fd);
    if result == 0 {
        if options::is_unread(&set) && is_refused_by_tcp(&set, state, errno) {
            return -1;
        }
        if state & OURS != 0 {
            noted(&set, errno);
        }
        if buffer::is_one(set.level, set.name) {
            buffer::was_set(&set, state, errno);
        }
        return 0;
    }
    refused(&set, state, errno)
}

/// After an option was set on a socket of ours: notes that, for the case that the socket becomes TCP.
#[inline(never)]
fn noted(set: &Set, errno: c_int) {
    let bit = options::bit(set.level, set.name);
    if table::note(set.fd) != 0 {
        hints::carry(set.fd);
        sys::set_errno(errno);
    }
    if options::is_switch(set.level, set.name) && set.number() == Some(0) {
        table::remove(set.fd, bit);
    } else if !remember(set.fd, bit) {
        set.on(set.fd);
        sys::set_errno(errno);
    }
}

/// After MPTCP took an option whose value it may not have looked at: would TCP have refused it? If so,
/// it left TCP's errno; else errno is what the program had, `errno`.
#[cold]
#[inline(never)]
fn is_refused_by_tcp(set: &Set, state: u64, errno: c_int) -> bool {
    let refused = is_mptcp_for_tcp(set.fd, state)
        && aside::ask(set.fd, || Own::like(set.fd).map(|scratch| set.on(scratch.fd()) != 0))
            == Some(true);
    if !refused {
        sys::set_errno(errno);
    }
    refused
}

/// After the kernel refused an option: what the program gets. `errno` is the one before its call.
#[cold]
fn refused(set: &Set, state: u64, errno: c_int) -> c_int {
    let refusal = sys::errno();
    if !matches!(refusal, libc::ENOPROTOOPT | libc::EOPNOTSUPP | libc::EINVAL)
        || config::get().off()
    {
        return -1;
    }
    let (result, verdict) = match aside::ask(set.fd, || answer(set, state)) {
        Some(answer) => answer,
        None => {
            sys::set_errno(refusal);
            return -1;
        }
    };
    match result {
        Some(0) => sys::set_errno(errno),
        // TCP's own errno.
        Some(_) => {}
        None => sys::set_errno(refusal),
    }
    trace::option(set, refusal, verdict);
    if result == Some(0) { 0 } else { -1 }
}

/// What the program gets instead of a refusal: the result of a call that was made (0, or -1 with errno),
/// or `None` for the refusal itself. The whole is `None` when the refusal has nothing to do with MPTCP.
fn answer(set: &Set, state: u64) -> Option<(Option<c_int>, Verdict)> {
    match net::number(set.fd, libc::SOL_SOCKET, libc::SO_PROTOCOL) {
        Some(libc::IPPROTO_MPTCP) => {}
        // Another thread has just replaced it.
        Some(libc::IPPROTO_TCP) if state & OURS != 0 => {
            return Some((Some(set.on(set.fd)), Verdict::Demoted));
        }
        _ => return None,
    }
    if state & OURS == 0 && knows_mptcp() {
        return None;
    }
    let connected = net::is_connected(set.fd);
    if hints::comes_first(set) {
        return hints::set(set, connected).map(|result| (Some(result), Verdict::Hint));
    }
    let tried = unchanged::tried(set);
    if tried.as_ref().is_some_and(|tried| !tried.changes) {
        // Where the option is a hint, the value that is remembered may be another one.
        return Some((hints::set(set, connected).or(Some(0)), Verdict::Hint));
    }
    let made = tried.filter(|tried| tried.result == 0).map(|tried| tried.tcp);
    let stays = match demote::to_tcp(set.fd, Some(set), made) {
        Ok(0) => return Some((Some(0), Verdict::Demoted)),
        Ok(result) => return Some((Some(result), Verdict::TcpRefuses)),
        Err(stays) => stays,
    };
    if stays == Stays::NotOurs && state & OURS != 0 {
        table::settle(set.fd);
        if !net::is_mptcp(set.fd) {
            return Some((Some(set.on(set.fd)), Verdict::Demoted));
        }
    }
    if let Some(result) = hints::set(set, connected) {
        return Some((Some(result), Verdict::Hint));
    }
    // An option that nobody knows has one errno on TCP and another on MPTCP; and TCP looks at the
    // value, which may not be there, before it looks at its own state.
    let scratch = Own::like(set.fd)?;
    options::replay(set.fd, scratch.fd(), state);
    if set.on(scratch.fd()) != 0
        && (!connected || matches!(sys::errno(), libc::ENOPROTOOPT | libc::EFAULT))
    {
        return Some((Some(-1), Verdict::TcpRefuses));
    }
    Some((None, Verdict::Stays(stays)))
}
