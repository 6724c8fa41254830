//! What `compat` asks the kernel about sockets: options, flags, owners, what is ready.
//!
//! Each function is one system call, past the hooks. Not here: sockets of our own (`own_fd.rs`), the
//! program's calls (`option_call.rs`).

#![allow(unsafe_code)]

use core::ffi::{c_int, c_uint, c_void};
use core::ptr;

pub(crate) use super::address::{Address, bind, is_connected, local, peer};
use super::{errno, syscall};

/// Reads an option into `buffer`: its length in bytes, or `None` with errno.
#[inline(always)]
pub(crate) fn read_option(
    fd: c_int,
    level: c_int,
    name: c_int,
    buffer: &mut [u8],
) -> Option<usize> {
    let size = size_of_option(fd, level, name, buffer);
    (size >= 0).then_some(size as usize)
}

/// Reads an option into `buffer`: its length in bytes, or -1 with errno.
#[inline(never)]
fn size_of_option(fd: c_int, level: c_int, name: c_int, buffer: &mut [u8]) -> isize {
    let mut size = buffer.len() as c_uint;
    // SAFETY: the buffer is as long as `size` says.
    let result = unsafe {
        syscall(libc::SYS_getsockopt, fd, level, name, buffer.as_mut_ptr(), &raw mut size)
    };
    if result == 0 { size as isize } else { -1 }
}

/// Sets an option; false with errno.
#[inline(never)]
pub(crate) fn write_option(fd: c_int, level: c_int, name: c_int, value: &[u8]) -> bool {
    // SAFETY: the pointer and the length are those of one slice.
    unsafe { syscall(libc::SYS_setsockopt, fd, level, name, value.as_ptr(), value.len()) == 0 }
}

/// The value of an option that is a number; `None` with errno.
#[inline(always)]
pub(crate) fn number(fd: c_int, level: c_int, name: c_int) -> Option<c_int> {
    let number = number_or_min(fd, level, name);
    (number != c_int::MIN).then_some(number)
}

/// The value of an option that is a number, or the lowest number for none, which takes less code to
/// compare than an `Option`.
#[inline(never)]
fn number_or_min(fd: c_int, level: c_int, name: c_int) -> c_int {
    let mut bytes = [0; 4];
    match read_option(fd, level, name, &mut bytes) {
        Some(_) => c_int::from_ne_bytes(bytes),
        None => c_int::MIN,
    }
}

/// Sets an option that is a number; false with errno.
#[inline(never)]
pub(crate) fn set_number(fd: c_int, level: c_int, name: c_int, value: c_int) -> bool {
    write_option(fd, level, name, &value.to_ne_bytes())
}

/// Is it an MPTCP socket, in use as such or fallen back (SO_PROTOCOL, socket(7))?
#[inline(never)]
pub(crate) fn is_mptcp(fd: c_int) -> bool {
    number(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL) == Some(libc::IPPROTO_MPTCP)
}

/// The lower half of the socket's cookie, which repeats only after about four billion sockets; 0 for no
/// socket.
#[inline(never)]
pub(crate) fn cookie(fd: c_int) -> u32 {
    /// include/uapi/asm-generic/socket.h
    const SO_COOKIE: c_int = 57;
    let mut bytes = [0; 8];
    read_option(fd, libc::SOL_SOCKET, SO_COOKIE, &mut bytes);
    u64::from_ne_bytes(bytes) as u32
}

/// Does a socket of this kind know MSG_FASTOPEN here? Sends nothing, with an address that is too
/// short to be one.
pub(crate) fn takes_fastopen(fd: c_int) -> bool {
    let flags = libc::MSG_FASTOPEN | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let nothing = ptr::null::<c_void>();
    let address = (libc::AF_INET as u16).to_ne_bytes();
    // SAFETY: the pointer and the length are those of one array; of nothing, no bytes are read.
    let sent = unsafe {
        let (to, size) = (address.as_ptr(), address.len());
        syscall(libc::SYS_sendto, fd, nothing, 0usize, flags, to, size)
    };
    sent >= 0 || errno() != libc::EOPNOTSUPP
}

/// Does the socket listen (SO_ACCEPTCONN, socket(7))?
pub(crate) fn is_listening(fd: c_int) -> bool {
    number(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN) == Some(1)
}

/// Shuts both directions of a connection down (shutdown(2)).
pub(crate) fn shut(fd: c_int) {
    // SAFETY: shutdown(2) takes integers.
    unsafe { syscall(libc::SYS_shutdown, fd, libc::SHUT_RDWR) };
}

/// fcntl(2) with a number: its answer, or -1 with errno.
pub(crate) fn control(fd: c_int, command: c_int, argument: c_int) -> c_int {
    // SAFETY: the commands that `compat` uses take numbers.
    unsafe { syscall(libc::SYS_fcntl, fd, command, argument) as c_int }
}

/// Who gets the signals of a descriptor (fcntl(2), struct f_owner_ex): type and id.
pub(crate) type Owner = [c_int; 2];

/// Who gets the signals of this descriptor; `None` with errno.
pub(crate) fn owner(fd: c_int) -> Option<Owner> {
    /// include/uapi/asm-generic/fcntl.h
    const F_GETOWN_EX: c_int = 16;
    let mut owner = [0; 2];
    // SAFETY: the kernel writes two ints.
    let result = unsafe { syscall(libc::SYS_fcntl, fd, F_GETOWN_EX, owner.as_mut_ptr()) };
    (result == 0).then_some(owner)
}

/// Sets who gets the signals of this descriptor; false with errno.
pub(crate) fn set_owner(fd: c_int, owner: &Owner) -> bool {
    /// include/uapi/asm-generic/fcntl.h
    const F_SETOWN_EX: c_int = 15;
    // SAFETY: the kernel reads two ints.
    unsafe { syscall(libc::SYS_fcntl, fd, F_SETOWN_EX, owner.as_ptr()) == 0 }
}

/// Which of these events of poll(2), or of those that are always reported, are ready now.
pub(crate) fn ready(fd: c_int, events: i16) -> i16 {
    let mut wanted = libc::pollfd { fd, events, revents: 0 };
    let no_time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: one pollfd, a time, no signal mask. ppoll, because newer architectures lack poll.
    let result = unsafe {
        syscall(libc::SYS_ppoll, &raw mut wanted, 1, &raw const no_time, ptr::null::<c_void>(), 8)
    };
    if result == 1 { wanted.revents } else { 0 }
}

/// How many bytes there are to be read, `most` at most. They stay there, and none are copied
/// (MSG_PEEK, MSG_TRUNC, tcp(7)).
pub(crate) fn peek(fd: c_int, most: c_int) -> c_int {
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    let nowhere = ptr::null_mut::<c_void>();
    // SAFETY: recvfrom(2) that writes nothing.
    let there =
        unsafe { syscall(libc::SYS_recvfrom, fd, nowhere, most as usize, flags, nowhere, nowhere) };
    (there as c_int).max(0)
}

/// Registers `fd` with an epoll, for these events, which then come with `data`; false with errno.
pub(crate) fn epoll_add(epoll: c_int, fd: c_int, events: u32, data: u64) -> bool {
    let mut event = libc::epoll_event { events, u64: data };
    let add = libc::EPOLL_CTL_ADD;
    // SAFETY: one epoll_event.
    unsafe { syscall(libc::SYS_epoll_ctl, epoll, add, fd, &raw mut event) == 0 }
}

/// The value of an option that is a time: seconds and microseconds. `None` with errno.
pub(crate) fn time(fd: c_int, level: c_int, name: c_int) -> Option<[u64; 2]> {
    let mut parts = [[0; 8]; 2];
    let size = read_option(fd, level, name, parts.as_flattened_mut());
    (size == Some(16)).then_some(parts.map(u64::from_ne_bytes))
}
