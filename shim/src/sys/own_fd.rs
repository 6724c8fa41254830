//! Descriptors of the library's own: made straight from the kernel, for one call of the program's, and
//! closed when dropped.

#![allow(unsafe_code)]

use core::ffi::c_int;

use super::net::{control, number};
use super::{errno, set_errno, syscall};

/// A fourth argument, which socket(2) does not have: by it the filter of `mptcpize run --follow`
/// knows a TCP socket that is to stay one (`launcher/src/inject/seccomp/filter.rs`).
const LEAVE: c_int = 0x7463_7021;

/// A descriptor of ours, closed when dropped; `errno` stays.
pub(crate) struct Own(c_int);

impl Own {
    /// A TCP socket of this family, straight from the kernel: no other library needs to know of it.
    #[inline(always)]
    pub(crate) fn tcp(domain: c_int) -> Option<Self> {
        Own::new(domain, libc::SOCK_STREAM, libc::IPPROTO_TCP)
    }

    /// A socket, close-on-exec; `None` with errno.
    #[inline(always)]
    pub(crate) fn new(domain: c_int, kind: c_int, protocol: c_int) -> Option<Self> {
        let fd = Self::number(domain, kind | libc::SOCK_CLOEXEC, protocol);
        (fd >= 0).then(|| Own(fd))
    }

    /// The descriptor of a new socket, or -1 with errno.
    #[inline(never)]
    fn number(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
        // SAFETY: socket(2) takes integers only.
        unsafe { syscall(libc::SYS_socket, domain, kind, protocol, LEAVE) as c_int }
    }

    /// A netlink socket for questions to a part of the kernel (netlink(7)); `None` with errno.
    pub(crate) fn netlink(protocol: c_int) -> Option<Self> {
        Own::new(libc::AF_NETLINK, libc::SOCK_RAW, protocol)
    }

    /// A TCP socket of the family of the socket `fd`; `None` with errno.
    #[inline(never)]
    pub(crate) fn like(fd: c_int) -> Option<Self> {
        Own::tcp(number(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)?)
    }

    /// Another descriptor of the file of `fd`, close-on-exec; `None` with errno.
    pub(crate) fn copy(fd: c_int) -> Option<Self> {
        let copy = control(fd, libc::F_DUPFD_CLOEXEC, 0);
        (copy >= 0).then(|| Own(copy))
    }

    /// Opens a file for reading. `path` ends with a NUL; `None` where it does not, or with errno.
    pub(crate) fn open(path: &[u8]) -> Option<Self> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        if path.last() != Some(&0) {
            return None;
        }
        // SAFETY: `path` is NUL-terminated and outlives the call.
        let fd =
            unsafe { syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) as c_int };
        (fd >= 0).then(|| Own(fd))
    }

    /// Its number.
    pub(crate) fn fd(&self) -> c_int {
        self.0
    }

    /// Reads up to as many bytes as fit: how many there were, 0 at the end and for an error.
    pub(crate) fn read(&self, into: &mut [u8]) -> usize {
        // SAFETY: the pointer and the length are those of one slice.
        let got = unsafe { syscall(libc::SYS_read, self.0, into.as_mut_ptr(), into.len()) };
        usize::try_from(got).unwrap_or(0)
    }

    /// Makes `fd` a descriptor of this file, which closes the one that `fd` had (dup3(2)); false with
    /// errno.
    pub(crate) fn replace(&self, fd: c_int, cloexec: bool) -> bool {
        let flags = if cloexec { libc::O_CLOEXEC } else { 0 };
        // SAFETY: dup3(2) takes integers; that `fd` may be replaced is the caller's business.
        unsafe { syscall(libc::SYS_dup3, self.0, fd, flags) >= 0 }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let errno = errno();
        // SAFETY: the descriptor is ours and known to nobody else.
        unsafe { syscall(libc::SYS_close, self.0) };
        set_errno(errno);
    }
}
