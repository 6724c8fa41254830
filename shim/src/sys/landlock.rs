//! Rules that a program has made for itself about the ports of TCP (landlock(7)). The kernel asks them
//! about TCP alone, so that an MPTCP socket passes, whoever made it. Here they are asked for it.

#![allow(unsafe_code)]

use core::ffi::c_int;

use super::net::{Address, is_mptcp};
use super::own_fd::Own;
use super::{aside, errno, set_errno, syscall};

/// Can there be such rules? A program needs no_new_privs or CAP_SYS_ADMIN to make them; this asks for
/// the first.
#[inline(never)]
pub(crate) fn may_apply() -> bool {
    let before = errno();
    // SAFETY: prctl(2) with integers.
    let promised = unsafe { syscall(libc::SYS_prctl, libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 };
    set_errno(before);
    promised
}

/// Would a TCP socket in the place of `fd` be refused the port of this address, to bind it or to
/// connect to it, by such rules? If so errno is EACCES, else what it was.
///
/// The kernel is asked with a TCP socket of our own and an address that leads nowhere: one that cannot
/// be bound here, or one that cannot be connected to.
pub(crate) fn refuses(fd: c_int, to: &Address, binds: bool) -> bool {
    // To bind, IPv4 takes an address without a family for one of its own.
    let names_a_port = to.is_inet() || (binds && to.family() == libc::AF_UNSPEC);
    let before = errno();
    let asks = || {
        let scratch = Own::tcp(libc::AF_INET)?;
        let (call, [a, b, c, d]) = match binds {
            true => (libc::SYS_bind, [240, 0, 0, 1]),
            false => (libc::SYS_connect, [127, 255, 255, 255]),
        };
        let [high, low] = to.port().to_be_bytes();
        let [first, second] = (libc::AF_INET as u16).to_ne_bytes();
        let address = [first, second, high, low, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: the pointer and the length are those of one array.
        let result = unsafe { syscall(call, scratch.fd(), address.as_ptr(), address.len()) };
        Some(result != 0 && errno() == libc::EACCES)
    };
    let refused = names_a_port && is_mptcp(fd) && aside::ask(fd, asks) == Some(true);
    if !refused {
        set_errno(before);
    }
    refused
}
