//! Options, states and copies of sockets, by system calls that rustix does not make, or not for any
//! option: every `unsafe` of it.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, seccomp_notif_addfd, socklen_t};

/// As long as a value may be.
pub(super) const MOST_VALUE: usize = 256;

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// getsockopt(2): the value, or the errno.
pub(super) fn get(socket: BorrowedFd<'_>, level: i32, name: i32) -> Result<Vec<u8>, i32> {
    get_at_most(socket, level, name, MOST_VALUE)
}

/// The value of an option as getsockopt(2) gives it to a program with `room` bytes for it.
pub(super) fn get_at_most(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    room: usize,
) -> Result<Vec<u8>, i32> {
    let mut value = vec![0u8; room.min(MOST_VALUE)];
    let mut size = value.len() as socklen_t;
    // SAFETY: the kernel writes `size` bytes at most, which the vector has.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut size)
    };
    if result != 0 {
        return Err(errno());
    }
    value.truncate(size as usize);
    Ok(value)
}

/// An option that is a number.
pub(super) fn number(socket: BorrowedFd<'_>, level: i32, name: i32) -> Option<i32> {
    let value = get(socket, level, name).ok()?;
    Some(i32::from_ne_bytes(*value.first_chunk()?))
}

/// setsockopt(2).
pub(super) fn set(socket: BorrowedFd<'_>, level: i32, name: i32, value: &[u8]) -> Result<(), i32> {
    let size = value.len() as socklen_t;
    // SAFETY: the kernel reads `size` bytes, which the slice has.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), size) };
    if result == 0 { Ok(()) } else { Err(errno()) }
}

/// A copy of the descriptor `fd` of that process.
pub(super) fn of_process(process: u32, fd: RawFd) -> io::Result<OwnedFd> {
    let own = |result: libc::c_long| match result {
        ..0 => Err(io::Error::last_os_error()),
        // SAFETY: a new descriptor that nobody else knows.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }),
    };
    // SAFETY: integers only.
    let process = own(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) })?;
    // SAFETY: as above.
    own(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) })
}

/// Puts a copy of `fd` into the caller of the notification `id`, in the place of its descriptor
/// `over`.
pub(super) fn put_over(
    listener: BorrowedFd<'_>,
    id: u64,
    fd: BorrowedFd<'_>,
    over: RawFd,
    cloexec: bool,
) -> io::Result<()> {
    let request = seccomp_notif_addfd {
        id,
        flags: libc::SECCOMP_ADDFD_FLAG_SETFD as u32,
        srcfd: fd.as_raw_fd() as u32,
        newfd: over as u32,
        newfd_flags: if cloexec { libc::O_CLOEXEC as u32 } else { 0 },
    };
    // SAFETY: the structure that the request is defined with (linux/seccomp.h).
    let result = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const request)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Does the call of the notification `id` still wait?
pub(super) fn is_waiting(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the kernel reads the id.
    let result = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id)
    };
    result == 0
}

/// include/uapi/linux/fcntl.h
const F_GET_RW_HINT: c_int = 1035;
const F_SET_RW_HINT: c_int = 1036;
/// `RWH_WRITE_LIFE_EXTREME`: a file system would take it for how long data will live; a socket does
/// nothing with it, keeps it, and shows it to nobody who does not ask for that.
const MARK: u64 = 5;

/// Marks a socket as made by us, wherever its descriptors go.
pub(super) fn mark(socket: BorrowedFd<'_>) {
    let hint = MARK;
    // SAFETY: the kernel reads one word.
    unsafe { libc::fcntl(socket.as_raw_fd(), F_SET_RW_HINT, &raw const hint) };
}

/// Is it marked?
pub(super) fn is_marked(socket: BorrowedFd<'_>) -> bool {
    let mut hint = 0u64;
    // SAFETY: the kernel writes one word.
    let result = unsafe { libc::fcntl(socket.as_raw_fd(), F_GET_RW_HINT, &raw mut hint) };
    result == 0 && hint == MARK
}
