//! Options that MPTCP refuses and TCP knows: what a program that no library is in gets instead of the
//! refusal. By the library's rules (`shim/src/compat`), as far as they can be kept from outside.
//!
//! * A question is answered as a TCP socket answers it.
//! * A value that TCP refuses is refused with TCP's errno, and one that TCP has by itself is taken.
//! * A hint is taken: a refusal would change nothing that the program could see.
//! * A socket that we made, that nobody has connected, is listening on, or leads to by another
//!   descriptor, becomes TCP under its number; the kernel then sets the option, with the program's own
//!   privileges.
//! * In all else the refusal is MPTCP's.
//!
//! Not here: reading and writing the program's memory (`memory.rs`).

use std::os::fd::{AsFd, BorrowedFd};

use crate::inject::seccomp::call::SocketOption;
use crate::inject::seccomp::holders::Held;
use crate::inject::seccomp::surroundings::Surroundings;
use crate::inject::seccomp::{replay, sockets};

/// What becomes of a setsockopt(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// The kernel does it, whatever comes of it.
    Kernel,
    /// The socket is TCP now; the kernel does it.
    Replaced,
    /// It is done, as far as the program can see.
    Done,
    /// TCP refuses it too.
    Failed(i32),
}

/// Sets it, or makes room for the kernel to set it.
pub(super) fn set(
    around: &Surroundings,
    options: &[(i32, i32)],
    (listener, id, thread): (BorrowedFd<'_>, u64, u32),
    asked: SocketOption,
    value: &[u8],
) -> Set {
    let Some((held, family)) = hold(around, thread, asked.fd) else { return Set::Kernel };
    let socket = held.socket.as_fd();
    // On a socket that goes nowhere: what it would be.
    let Some(scratch) = replay::fresh_tcp(family) else { return Set::Kernel };
    let before = sockets::get(scratch.as_fd(), asked.level, asked.name);
    if let Err(errno) = sockets::set(scratch.as_fd(), asked.level, asked.name, value) {
        return Set::Failed(errno);
    }
    let after = sockets::get(scratch.as_fd(), asked.level, asked.name);
    if after.is_ok() && before == after {
        return Set::Done;
    }
    if is_class(asked) {
        let _ = sockets::set(socket, libc::IPPROTO_IP, libc::IP_TOS, value);
        return Set::Done;
    }
    if is_hint(asked, is_connected(socket)) {
        return Set::Done;
    }
    match replaced(around, options, (listener, id), &held, family) {
        Some(()) => Set::Replaced,
        // MPTCP always delivers urgent data inline: what is asked for happens anyway.
        None if (asked.level, asked.name) == (libc::SOL_SOCKET, libc::SO_OOBINLINE) => Set::Done,
        None => Set::Kernel,
    }
}

/// A TCP socket's answer, with so much room; `None` where the kernel is to answer.
pub(super) fn get(
    around: &Surroundings,
    thread: u32,
    asked: SocketOption,
    room: usize,
) -> Option<Result<Vec<u8>, i32>> {
    let (held, family) = hold(around, thread, asked.fd)?;
    if is_class(asked) {
        let socket = held.socket.as_fd();
        return Some(sockets::get_at_most(socket, libc::IPPROTO_IP, libc::IP_TOS, room));
    }
    let scratch = replay::fresh_tcp(family)?;
    Some(sockets::get_at_most(scratch.as_fd(), asked.level, asked.name, room))
}

/// Is it about a socket that we answer for?
pub(super) fn is_ours(around: &Surroundings, thread: u32, fd: i32) -> bool {
    hold(around, thread, fd).is_some()
}

/// The socket, if it is MPTCP though the program asked for TCP, and its family: one that we made, or one
/// that was accepted. A program that asks for MPTCP itself knows what that refuses.
fn hold(around: &Surroundings, thread: u32, fd: i32) -> Option<(Held, i32)> {
    let held = around.hold(thread, fd)?;
    let socket = held.socket.as_fd();
    let number = |name| sockets::number(socket, libc::SOL_SOCKET, name);
    let is_ours = number(libc::SO_PROTOCOL) == Some(262)
        && (sockets::is_marked(socket) || is_connected(socket));
    let family = number(libc::SO_DOMAIN).filter(|_| is_ours)?;
    Some((held, family))
}

fn is_connected(socket: BorrowedFd<'_>) -> bool {
    rustix::net::getpeername(socket).is_ok_and(|peer| peer.is_some())
}

/// Puts a TCP socket into its place.
fn replaced(
    around: &Surroundings,
    options: &[(i32, i32)],
    (listener, id): (BorrowedFd<'_>, u64),
    held: &Held,
    family: i32,
) -> Option<()> {
    let socket = held.socket.as_fd();
    if !sockets::is_marked(socket) || !is_idle(socket) || !around.is_alone(held) {
        return None;
    }
    let new = replay::fresh_tcp(family)?;
    let cloexec = around.is_cloexec(held)?;
    // The last looks of all: other threads go on meanwhile.
    let fine = replay::onto(socket, new.as_fd(), family, options)
        && is_idle(socket)
        && around.is_there(held);
    fine.then(|| sockets::put_over(listener, id, new.as_fd(), held.fd, cloexec).ok())?
}

/// Neither connected, nor connecting, nor listening: TCP_CLOSE, the first byte of TCP_INFO.
fn is_idle(socket: BorrowedFd<'_>) -> bool {
    const CLOSE: u8 = 7;
    let info = sockets::get(socket, libc::IPPROTO_TCP, libc::TCP_INFO);
    info.is_ok_and(|info| info.first() == Some(&CLOSE))
}

/// IPV6_TCLASS: a hint too, and the one of IPv4, which stands for it, is taken on to all subflows.
fn is_class(asked: SocketOption) -> bool {
    (asked.level, asked.name) == (libc::IPPROTO_IPV6, libc::IPV6_TCLASS)
}

/// Options of which a program sees nothing but the answer (`shim/src/compat/hints.rs`).
fn is_hint(asked: SocketOption, connected: bool) -> bool {
    /// include/uapi/linux/tcp.h
    const TCP_SAVE_SYN: i32 = 27;
    match (asked.level, asked.name) {
        (
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK | libc::TCP_THIN_LINEAR_TIMEOUTS | libc::TCP_THIN_DUPACK,
        ) => true,
        // About SYNs.
        (libc::IPPROTO_TCP, libc::TCP_SYNCNT | TCP_SAVE_SYN) => connected,
        _ => false,
    }
}
