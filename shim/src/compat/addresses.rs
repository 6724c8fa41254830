//! `bind`, `connect` and `listen`: what is done before a socket gets its address, or goes to one.
//!
//! Here a socket of ours becomes TCP where the policy wants it or MPTCP would lose a byte, and here
//! rules of Landlock about TCP are kept, which MPTCP passes.

use core::ffi::c_int;

use super::ours::{is_ours, remember};
use super::table::{self, BOUND, TRIED};
use super::{demote, room};
use crate::policy;
use crate::sys;
use crate::sys::landlock;
use crate::sys::net::{self, Address};
use crate::trace;
use crate::verdict::Cause;

/// A reason of [`cares`]: Landlock may have rules about the address.
const FENCES: u32 = 1;
/// A reason of [`cares`]: the descriptor is ours, and connects.
const MINE: u32 = 2;

/// Before `bind` or `connect`: why the address matters, [`FENCES`] and [`MINE`], or 0. Landlock's rules
/// are asked about for any descriptor, for they count for every MPTCP socket, also for one that dup or
/// another program before an exec made.
pub(crate) fn cares(fd: c_int, binds: bool) -> u32 {
    let fences = if landlock::may_apply() { FENCES } else { 0 };
    fences | if !binds && is_ours(fd) { MINE } else { 0 }
}

/// Before `bind` or `connect` to this address, where [`cares`] said `why` it matters: false, with errno,
/// when Landlock forbids it.
///
/// A socket of ours that connects becomes TCP where the policy wants it, or when it is about to
/// connect to itself, for MPTCP loses the first byte then.
pub(crate) fn going(fd: c_int, to: &Address, binds: bool, why: u32) -> bool {
    if why & FENCES != 0 && landlock::refuses(fd, to, binds) {
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
                trace::demoted(Cause::ToItself, fd, done);
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

/// Before `listen` of a socket of ours, under a policy: the socket becomes TCP where the policy wants
/// it. One without a port is bound first, to the port that listen(2) would give it, for the policy to
/// look at.
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

/// Makes the socket TCP if the policy wants it for this address: its own where it listens, else the
/// peer's.
fn by_policy(fd: c_int, address: &Address, listens: bool) {
    if let Some(rule) = policy::wants_tcp(address, listens) {
        let cause =
            if listens { Cause::ListenByPolicy(rule) } else { Cause::ConnectByPolicy(rule) };
        trace::demoted(cause, fd, demote::to_tcp(fd, None, None));
    }
}

/// Before `bind` of a socket of ours: notes that the program gives it its address.
pub(crate) fn binding(fd: c_int) {
    table::add(fd, BOUND);
}

/// After `bind` of a socket that was ours before it: false when another thread has put a TCP socket in
/// its place meanwhile, which is not bound.
pub(crate) fn bound(fd: c_int) -> bool {
    remember(fd, BOUND) || net::local(fd).port() != 0
}
