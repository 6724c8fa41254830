//! The functions that the library exports: each in place of libc's of the same name.
//!
//! Only the way in; what they do is `upgrade` and `compat`. Those that C declares with `...`
//! (fcntl, ioctl, prctl) are here functions of as many arguments as there can be: on x86-64 and
//! AArch64 Linux the callers pass integers and pointers the same way for both, and an argument that
//! was not passed is a register that nobody reads.
//!
//! # Safety
//! The callers are the program's, and the arguments those of libc's function: whatever pointers
//! are passed go on to the kernel, which checks them. What a hook itself wants to know of the
//! memory behind one it reads where the kernel says that it can (`sys/memory.rs`).

#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc, reason = "the same for all, above")]

use core::ffi::{c_int, c_uint, c_ulong, c_void};

mod wait;

use crate::compat::{addresses, epoll, fastopen, getsockopt, inq, ours, room, setsockopt};
use crate::policy;
use crate::sys::message::Message;
use crate::sys::net::{self, Address};
use crate::sys::next;
use crate::sys::option_call::{Get, Set};
use crate::sys::seal;
use crate::upgrade;

/// `socket(2)` as the program sees it: a descriptor, or -1 with `errno` as plain TCP leaves it.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    upgrade::socket(domain, kind, protocol)
}

/// `setsockopt(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    size: c_uint,
) -> c_int {
    // SAFETY: the program's own arguments.
    setsockopt::setsockopt(unsafe { Set::new(fd, level, name, value, size) })
}

/// `getsockopt(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    size: *mut c_uint,
) -> c_int {
    // SAFETY: the program's own arguments.
    getsockopt::getsockopt(unsafe { Get::new(fd, level, name, value, size) })
}

/// `ioctl(2)`, for FIONREAD, SIOCOUTQ and SIOCATMARK.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: usize) -> c_int {
    let errno = crate::sys::errno();
    // SAFETY: the program's own arguments.
    let result = unsafe { next::ioctl(fd, request, argument) };
    // The lower half: programs that hold the request in an int pass it extended with its sign.
    if request as u32 == libc::FIONREAD as u32 && result == 0 {
        if net::is_mptcp(fd) {
            let answer = argument as *mut c_int;
            // SAFETY: the kernel has just written an int there, as it does for these sockets.
            unsafe {
                if answer.read_unaligned() > 0 {
                    let corrected = inq::corrected(fd, answer.read_unaligned());
                    answer.write_unaligned(corrected);
                }
            }
        }
        crate::sys::set_errno(errno);
    }
    if result == 0 && inq::is_about_output(request as u32) {
        if !net::is_mptcp(fd) {
            crate::sys::set_errno(errno);
            return result;
        }
        // SAFETY: the kernel has just written an int there.
        let answer = unsafe { (argument as *const c_int).read_unaligned() };
        crate::sys::set_errno(if answer < 0 { -answer } else { errno });
        return if answer < 0 { -1 } else { result };
    }
    if result != 0 {
        // SAFETY: the program's own arguments.
        let ask = |tcp| unsafe { next::ioctl(tcp, request, argument) };
        if let Some(result) = inq::mark(fd, request as u32, ask) {
            if result == 0 {
                crate::sys::set_errno(errno);
            }
            return result;
        }
    }
    result
}

/// May the socket be connected (or bound) to this address? False, with errno, when a rule of the
/// program's own forbids it. A function of its own, because the hooks end in a jump and so cannot have
/// the address in their frame.
#[inline(never)]
fn may(fd: c_int, to: *const c_void, size: c_uint, bind: bool) -> bool {
    let looks = addresses::cares(fd, bind);
    // An address that cannot be read is the kernel's to refuse.
    looks == 0 || Address::of(to, size).is_none_or(|to| addresses::going(fd, &to, bind, looks))
}

/// May the socket send with MSG_FASTOPEN, which connects it, to this address? False with errno.
#[inline(never)]
fn opens(fd: c_int, to: *const c_void, size: c_uint) -> bool {
    fastopen::sends(fd);
    may(fd, to, size, false)
}

/// `connect(2)`. Returns a long: to narrow it to an int would turn the final jump into a call. The
/// program takes the lower half, which is the int.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn connect(fd: c_int, to: *const c_void, size: c_uint) -> isize {
    if !may(fd, to, size, false) {
        return -1;
    }
    // A jump: this waits, see link.ld.
    // SAFETY: the program's own arguments.
    unsafe { next::connect(fd, to, size) }
}

/// `bind(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn bind(fd: c_int, to: *const c_void, size: c_uint) -> c_int {
    if !may(fd, to, size, true) {
        return -1;
    }
    let mut ours = ours::is_ours(fd);
    if ours {
        addresses::binding(fd);
    }
    loop {
        // SAFETY: the program's own arguments.
        let result = unsafe { next::bind(fd, to, size) };
        if result != 0 || !ours || addresses::bound(fd) {
            return result;
        }
        ours = false;
    }
}

/// `listen(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn listen(fd: c_int, backlog: c_int) -> c_int {
    if policy::in_force() && ours::is_ours(fd) {
        addresses::listening(fd);
    }
    // SAFETY: listen(2) takes integers.
    let result = unsafe { next::listen(fd, backlog) };
    if result == 0 {
        room::listening(fd);
    }
    result
}

/// `dup(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dup(fd: c_int) -> c_int {
    // SAFETY: dup(2) takes an integer.
    duplicated(fd, unsafe { next::dup(fd) })
}

/// `dup2(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dup2(fd: c_int, to: c_int) -> c_int {
    // dup3(2) refuses equal numbers, dup2(2) only checks that the descriptor is open.
    if fd == to {
        return if net::control(fd, libc::F_GETFD, 0) < 0 { -1 } else { fd };
    }
    // SAFETY: dup2(2) takes integers.
    duplicated(fd, unsafe { next::dup2(fd, to) })
}

/// `dup3(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int {
    // SAFETY: dup3(2) takes integers.
    duplicated(fd, unsafe { next::dup3(fd, to, flags) })
}

/// `fcntl(2)`, for F_DUPFD. Returns a long for the reason given at [`connect`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: usize) -> isize {
    if matches!(command, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) {
        // SAFETY: an integer.
        return duplicated(fd, unsafe { next::dup_above(fd, command, argument) }) as isize;
    }
    // A jump: locks wait here, see link.ld.
    // SAFETY: the program's own arguments.
    unsafe { next::fcntl(fd, command, argument) }
}

/// `fcntl(2)` by the name that glibc has since 2.28 for programs with 64-bit file offsets.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fcntl64(fd: c_int, command: c_int, argument: usize) -> isize {
    // SAFETY: the program's own arguments; the two are one on 64-bit machines.
    unsafe { fcntl(fd, command, argument) }
}

/// Notes that `fd` has the copy `new`, where there is one (not -1); returns `new`.
fn duplicated(fd: c_int, new: c_int) -> c_int {
    if new >= 0 {
        ours::shared(fd, Some(new));
    }
    new
}

/// `epoll_ctl(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn epoll_ctl(
    epoll: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut c_void,
) -> c_int {
    // SAFETY: the program's own arguments.
    let result = unsafe { next::epoll_ctl(epoll, operation, fd, event) };
    if result == 0 && matches!(operation, libc::EPOLL_CTL_ADD | libc::EPOLL_CTL_MOD) {
        epoll::registered(epoll, fd, event);
    }
    result
}

/// `sendto(2)`, for MSG_FASTOPEN, which connects.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sendto(
    fd: c_int,
    bytes: *const c_void,
    length: usize,
    flags: c_int,
    to: *const c_void,
    size: c_uint,
) -> isize {
    if flags & libc::MSG_FASTOPEN != 0 && !opens(fd, to, size) {
        return -1;
    }
    // A jump: this waits, see link.ld.
    // SAFETY: the program's own arguments.
    unsafe { next::sendto(fd, bytes, length, flags, to, size) }
}

/// May the message be sent? False with errno. In a program without sockets of ours no message is
/// looked at.
#[inline(always)]
fn sends(fd: c_int, message: *const c_void, flags: c_int) -> bool {
    #[inline(never)]
    fn looked_at(fd: c_int, message: *const c_void, flags: c_int) -> bool {
        let Some(message) = Message::of(message) else { return true };
        message.passes(|fd| ours::shared(fd, None));
        flags & libc::MSG_FASTOPEN == 0 || opens(fd, message.name, message.name_size)
    }
    // Whether this one is a Unix socket the table cannot say: the number may have been another's.
    !(ours::has_sockets() || flags & libc::MSG_FASTOPEN != 0) || looked_at(fd, message, flags)
}

/// `sendmsg(2)`, for descriptors that are passed to another process (SCM_RIGHTS), and for
/// MSG_FASTOPEN.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sendmsg(
    fd: c_int,
    message: *const libc::msghdr,
    flags: c_int,
) -> isize {
    if !sends(fd, message.cast(), flags) {
        return -1;
    }
    // A jump: this waits, see link.ld.
    // SAFETY: the program's own arguments.
    unsafe { next::sendmsg(fd, message, flags) }
}

/// `prctl(2)`, for PR_SET_SECCOMP.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn prctl(
    option: c_int,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
) -> c_int {
    seal::comes(option, a, b);
    // SAFETY: the program's own arguments.
    unsafe { next::prctl(option, a, b, c, d) }
}
