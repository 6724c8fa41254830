//! Makes an MPTCP socket behave as the TCP socket that the program asked for.
//!
//! MPTCP refuses options that TCP takes, and behaves otherwise here and there. Where a program
//! runs into that, in this order:
//! * a **hint** (`hints.rs`), an option whose refusal changes nothing, is answered and remembered;
//! * so is a value that the option has already (`unchanged.rs`);
//! * a socket without a connection becomes TCP in place (`demote.rs`), and the call is made on it;
//! * a question is answered from a TCP socket that we make for it;
//! * otherwise the refusal is the program's, with the errno that TCP would have used for an option
//!   that it does not know either.
//!
//! A call that succeeds costs a look at a table. Not here: which sockets are upgraded
//! (`upgrade.rs`).

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

mod buffer;
mod demote;
pub(crate) mod ended;
pub(crate) mod epoll;
pub(crate) mod fastopen;
mod hints;
mod identity;
pub(crate) mod inq;
pub(crate) mod limit;
mod options;
mod original;
mod process;
mod questions;
pub(crate) mod room;
pub(crate) mod table;
mod unchanged;

#[cfg_attr(test, allow(unused_imports))]
pub(crate) use process::{forking, is_other_process, load};
#[cfg_attr(test, allow(unused_imports))]
pub(crate) use questions::getsockopt;

use crate::config;
use crate::policy;
use crate::sys;
use crate::sys::aside;
use crate::sys::net::{self, Address, Own, Set};
use crate::trace;
use crate::verdict::{Stays, Verdict};
use table::{BOUND, OURS, SHARED, TRIED};

/// The program itself asked for MPTCP once: then its accepted sockets may be meant to be that.
static KNOWS_MPTCP: AtomicBool = AtomicBool::new(false);

/// The program has a new MPTCP socket that it takes for TCP.
#[inline(always)]
pub(crate) fn upgraded(fd: c_int) {
    process::makes_one();
    table::upgraded(fd);
}

pub(crate) fn program_knows_mptcp() {
    KNOWS_MPTCP.store(true, Relaxed);
}

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

/// An option was set on a socket of ours.
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

/// MPTCP took an option whose value it may not have looked at: would TCP have refused it? Then its errno is
/// left.
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

/// The kernel refused an option. `errno` is the program's from before the call.
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
    tell(set, refusal, verdict);
    if result == Some(0) { 0 } else { -1 }
}

/// What the program gets instead of a refusal: the result of a call that was made, or none. The
/// whole is `None` when the refusal has nothing to do with MPTCP.
fn answer(set: &Set, state: u64) -> Option<(Option<c_int>, Verdict)> {
    match net::number(set.fd, libc::SOL_SOCKET, libc::SO_PROTOCOL) {
        Some(libc::IPPROTO_MPTCP) => {}
        // Another thread has just replaced it.
        Some(libc::IPPROTO_TCP) if state & OURS != 0 => {
            return Some((Some(set.on(set.fd)), Verdict::Demoted));
        }
        _ => return None,
    }
    if state & OURS == 0 && KNOWS_MPTCP.load(Relaxed) {
        return None;
    }
    let connected = net::is_connected(set.fd);
    if hints::comes_first(set) {
        return hints::set(set, connected).map(|result| (Some(result), Verdict::Hint));
    }
    let tried = unchanged::tried(set);
    if tried.as_ref().is_some_and(|tried| !tried.changes) {
        // A hint may have had another value meanwhile.
        return Some((hints::set(set, connected).or(Some(0)), Verdict::Hint));
    }
    let made = tried.filter(|tried| tried.result == 0).map(|tried| tried.tcp);
    let stays = match demote::to_tcp(set.fd, Some(set), made) {
        Ok(0) => return Some((Some(0), Verdict::Demoted)),
        Ok(result) => return Some((Some(result), Verdict::TcpRefuses)),
        Err(stays) => stays,
    };
    if stays == Stays::NotOurs && state & OURS != 0 {
        demote::settle(set.fd);
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

/// Is it an MPTCP socket that the program takes for TCP: ours, or accepted on one of ours?
fn is_mptcp_for_tcp(fd: c_int, state: u64) -> bool {
    (state & OURS != 0 || !KNOWS_MPTCP.load(Relaxed)) && net::is_mptcp(fd)
}

/// Landlock may have rules about the descriptor's address.
const FENCES: u32 = 1;
/// The descriptor is ours.
const MINE: u32 = 2;

/// Before `bind` or `connect`: why the address matters, or 0. By the kernel's word and not by the
/// table alone: Landlock's rules count for every MPTCP socket, also one that dup made, or another
/// program before an exec.
pub(crate) fn cares(fd: c_int, binds: bool) -> u32 {
    let fences = if net::may_be_fenced() { FENCES } else { 0 };
    fences | if !binds && is_ours(fd) { MINE } else { 0 }
}

/// Before `bind` or `connect` of a descriptor that [`cares`]: false when Landlock forbids it;
/// errno says so.
///
/// A socket of ours that connects becomes TCP where the policy wants it, or when it is about to
/// connect to itself, for MPTCP loses the first byte then.
pub(crate) fn going(fd: c_int, to: &Address, binds: bool, why: u32) -> bool {
    if why & FENCES != 0 && net::is_fenced(fd, to, binds) {
        return false;
    }
    if why & MINE == 0 {
        return true;
    }
    if to.is_inet() {
        let errno = sys::errno();
        if policy::in_force() {
            by_policy(fd, to, false);
        }
        if table::get(fd) & (BOUND | TRIED) == BOUND {
            let own = net::local(fd);
            if own.port() == to.port() && (own.ip() == to.ip() || (own.is_any() && to.loops())) {
                let done = demote::to_tcp(fd, None, None);
                trace::demoted(b"connect(\x01): to itself, where MPTCP loses a byte", fd, 0, done);
            }
        }
        if to.loops() {
            room::connecting(fd);
        }
        sys::set_errno(errno);
    }
    remember(fd, TRIED);
    true
}

/// Before `listen`, under a policy: the same. Who has no port yet is given the one that it would
/// get, for the policy to look at.
pub(crate) fn listening(fd: c_int) {
    let errno = sys::errno();
    let own = net::local(fd);
    if own.port() == 0 {
        binding(fd);
        if net::bind(fd, &own) {
            bound(fd);
        }
    }
    by_policy(fd, &net::local(fd), true);
    sys::set_errno(errno);
}

fn by_policy(fd: c_int, address: &Address, listens: bool) {
    if let Some(cause) = policy::wants_tcp(address, listens) {
        let what: &[u8] = match listens {
            true => b"listen(\x01): TCP by policy (\x0c)",
            false => b"connect(\x01): TCP by policy (\x0c)",
        };
        trace::demoted(what, fd, cause.into(), demote::to_tcp(fd, None, None));
    }
}

#[inline]
pub(crate) fn is_ours(fd: c_int) -> bool {
    table::get(fd) & OURS != 0
}

/// Was ever a socket ours?
#[inline(always)]
pub(crate) fn has_sockets() -> bool {
    table::is_used()
}

/// Before `bind` of a socket of ours: from now on its address is the program's.
pub(crate) fn binding(fd: c_int) {
    table::add(fd, BOUND);
}

/// After `bind` of a socket that was ours: false when another thread was just putting TCP in its
/// place, which has no address.
pub(crate) fn bound(fd: c_int) -> bool {
    remember(fd, BOUND) || net::local(fd).port() != 0
}

/// Notes what was done to a socket of ours. When another thread is just replacing it: once that is
/// over. False when the socket is no longer ours, and maybe did not see what was done.
#[inline(never)]
fn remember(fd: c_int, bits: u64) -> bool {
    table::add(fd, bits) || {
        demote::settle(fd);
        // It is still ours when dup3 failed.
        table::add(fd, bits)
    }
}

/// The file of `fd` has another descriptor now: `new`, or one of another process.
pub(crate) fn shared(fd: c_int, new: Option<c_int>) {
    table::add(fd, SHARED);
    if let Some(new) = new
        && new != fd
    {
        table::forget(new);
    }
}

fn tell(set: &Set, refusal: c_int, verdict: Verdict) {
    if config::get().trace() {
        trace::option(set, refusal, verdict);
    }
}
