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
//! It runs in the process that may be killed (`memory.rs`): it reads and writes the program's memory and
//! asks its socket.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, openat};

use crate::inject::seccomp::call::SocketOption;
use crate::inject::seccomp::caller::Callers;
use crate::inject::seccomp::holders::Held;
use crate::inject::seccomp::{mappings, replay, sockets, sys};
use mptcpize_model::mptcp::IPPROTO_MPTCP;

/// What comes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The kernel does it, whatever comes of it.
    Kernel,
    /// The socket is TCP now; the kernel does it.
    Replaced,
    /// It cannot become TCP; the kernel refuses.
    Stays,
    /// It is done, as far as the program can see.
    Done,
    /// TCP refuses it too.
    Failed(i32),
}

impl Verdict {
    /// It as a message between two processes of ours.
    pub(super) fn bytes(self) -> [u8; 4] {
        let number = match self {
            Verdict::Kernel => 0,
            Verdict::Replaced => -1,
            Verdict::Done => -2,
            Verdict::Stays => -3,
            Verdict::Failed(errno) => errno,
        };
        number.to_ne_bytes()
    }

    /// The other way.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)) {
            Some(-1) => Verdict::Replaced,
            Some(-2) => Verdict::Done,
            Some(-3) => Verdict::Stays,
            Some(errno @ 1..) => Verdict::Failed(errno),
            _ => Verdict::Kernel,
        }
    }
}

/// The call: the listener, its id, the thread that makes it.
type Caller<'a> = (BorrowedFd<'a>, u64, u32);

/// setsockopt(2): sets it, or makes room for the kernel to set it.
pub(super) fn set(
    around: &Callers,
    options: &[(i32, i32)],
    (listener, id, thread): Caller<'_>,
    asked: SocketOption,
) -> Verdict {
    let size = asked.size as u32 as usize;
    if size > sockets::MOST_VALUE {
        return Verdict::Kernel;
    }
    let Ok(value) = sys::bytes_of(thread, asked.value, size) else { return Verdict::Kernel };
    let Some((held, family)) = hold(around, thread, asked.fd) else { return Verdict::Kernel };
    let socket = held.socket.as_fd();
    // On a socket that goes nowhere: what it would be.
    let Some(scratch) = replay::fresh_tcp(family) else { return Verdict::Kernel };
    let before = sockets::get(scratch.as_fd(), asked.level, asked.name);
    if let Err(errno) = sockets::set(scratch.as_fd(), asked.level, asked.name, &value) {
        return Verdict::Failed(errno);
    }
    let after = sockets::get(scratch.as_fd(), asked.level, asked.name);
    if after.is_ok() && before == after {
        return Verdict::Done;
    }
    if is_class(asked) {
        let _ = sockets::set(socket, libc::IPPROTO_IP, libc::IP_TOS, &value);
        return Verdict::Done;
    }
    if is_hint(asked, is_connected(socket)) {
        return Verdict::Done;
    }
    match replaced(around, options, (listener, id), &held, family) {
        Some(()) => Verdict::Replaced,
        // MPTCP always delivers urgent data inline: what is asked for happens anyway.
        None if (asked.level, asked.name) == (libc::SOL_SOCKET, libc::SO_OOBINLINE) => {
            Verdict::Done
        }
        None => Verdict::Stays,
    }
}

/// getsockopt(2): tells what a TCP socket would.
pub(super) fn get(
    around: &Callers,
    (listener, id, thread): Caller<'_>,
    asked: SocketOption,
) -> Verdict {
    let Some((held, family)) = hold(around, thread, asked.fd) else { return Verdict::Kernel };
    let room = match sys::bytes_of(thread, asked.size, 4) {
        Ok(room) => room.first_chunk().map_or(-1, |room| i32::from_ne_bytes(*room)),
        // None of it can be read, or a part.
        Err(error)
            if error.raw_os_error() == Some(libc::EFAULT)
                || error.kind() == io::ErrorKind::UnexpectedEof =>
        {
            return Verdict::Failed(libc::EFAULT);
        }
        Err(_) => return Verdict::Kernel,
    };
    let Ok(room) = usize::try_from(room) else { return Verdict::Failed(libc::EINVAL) };
    let told = if is_class(asked) {
        sockets::get_at_most(held.socket.as_fd(), libc::IPPROTO_IP, libc::IP_TOS, room)
    } else {
        let Some(scratch) = replay::fresh_tcp(family) else { return Verdict::Kernel };
        sockets::get_at_most(scratch.as_fd(), asked.level, asked.name, room)
    };
    let value = match told {
        Ok(value) => value,
        Err(errno) => return Verdict::Failed(errno),
    };
    // Opened first, and then looked whether the call still waits: what was opened is its caller's, and
    // not that of who has its number now.
    let (flags, mode) = (OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let memory = openat(around.proc(), format!("{thread}/mem"), flags, mode).map(File::from);
    let Ok(memory) = memory else { return Verdict::Kernel };
    let Some(mappings) = around.text(&format!("{thread}/maps")) else { return Verdict::Kernel };
    if !sockets::is_waiting(listener, id) {
        return Verdict::Kernel;
    }
    let size = (value.len() as u32).to_ne_bytes();
    // This file writes to whatever is mapped, also where the program itself may only read.
    let may = |at, length| mappings::may_write(&mappings, at, length);
    if !may(asked.value, value.len()) || !may(asked.size, size.len()) {
        return Verdict::Failed(libc::EFAULT);
    }
    let written = memory
        .write_all_at(&value, asked.value)
        .and_then(|()| memory.write_all_at(&size, asked.size));
    if written.is_ok() { Verdict::Done } else { Verdict::Failed(libc::EFAULT) }
}

/// The socket, if it is MPTCP though the program asked for TCP, and its family: one that we made, or one
/// that was accepted. A program that asks for MPTCP itself knows what that refuses.
fn hold(around: &Callers, thread: u32, fd: i32) -> Option<(Held, i32)> {
    let held = around.hold(thread, fd)?;
    let socket = held.socket.as_fd();
    let number = |name| sockets::number(socket, libc::SOL_SOCKET, name);
    let is_ours = number(libc::SO_PROTOCOL) == Some(IPPROTO_MPTCP as i32)
        && (sockets::is_marked(socket) || is_connected(socket));
    let family = number(libc::SO_DOMAIN).filter(|_| is_ours)?;
    Some((held, family))
}

fn is_connected(socket: BorrowedFd<'_>) -> bool {
    rustix::net::getpeername(socket).is_ok_and(|peer| peer.is_some())
}

/// Puts a TCP socket into its place.
fn replaced(
    around: &Callers,
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
        // About fragments, and TCP's packets are none.
        (libc::IPPROTO_IPV6, libc::IPV6_MTU) => true,
        // About SYNs.
        (libc::IPPROTO_TCP, libc::TCP_SYNCNT | TCP_SAVE_SYN) => connected,
        _ => false,
    }
}
