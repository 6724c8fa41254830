//! The system calls that wait, where libc's functions cannot be found (before glibc 2.34, in a program
//! without libdl).

#![allow(unsafe_code)]

use core::ffi::c_int;
use core::ptr;

use super::syscall;

/// What [`wait`](super::wait) calls: up to six integers or pointers, and a result or -1 with errno.
pub(super) type Function = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> isize;

/// Bytes of the kernel's signal set.
const SET: usize = 8;

/// Defines a system call as a function of six words, of which it passes on those that are named.
macro_rules! raw {
    ($name:ident, $number:ident, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident: $($argument:expr),*) => {
        pub(super) unsafe extern "C" fn $name(
            $a: usize, $b: usize, $c: usize, $d: usize, $e: usize, $f: usize,
        ) -> isize {
            // SAFETY: the arguments are the program's.
            unsafe { syscall(libc::$number, $($argument),*) as isize }
        }
    };
}

raw!(accept, SYS_accept4, a b c _d _e _f: a, b, c, 0);
raw!(accept4, SYS_accept4, a b c d _e _f: a, b, c, d);
raw!(ppoll, SYS_ppoll, a b c d _e _f: a, b, c, d, SET);
raw!(epoll_wait, SYS_epoll_pwait, a b c d _e _f: a, b, c, d, 0usize, SET);
raw!(epoll_pwait, SYS_epoll_pwait, a b c d e _f: a, b, c, d, e, SET);
raw!(epoll_pwait2, SYS_epoll_pwait2, a b c d e _f: a, b, c, d, e, SET);
raw!(recvfrom, SYS_recvfrom, a b c d e f: a, b, c, d, e, f);
raw!(recvmsg, SYS_recvmsg, a b c _d _e _f: a, b, c);
raw!(read, SYS_read, a b c _d _e _f: a, b, c);
raw!(readv, SYS_readv, a b c _d _e _f: a, b, c);

/// poll(2) by ppoll(2), with its limit in milliseconds as seconds and nanoseconds.
pub(super) unsafe extern "C" fn poll(
    a: usize,
    b: usize,
    milliseconds: usize,
    _: usize,
    _: usize,
    _: usize,
) -> isize {
    let limit = i64::from(milliseconds as c_int);
    let time = [limit / 1000, limit % 1000 * 1_000_000];
    let time = if limit < 0 { ptr::null() } else { time.as_ptr() };
    // SAFETY: the arguments are the program's; newer architectures lack poll(2).
    unsafe { syscall(libc::SYS_ppoll, a, b, time, 0usize, SET) as isize }
}
