//! Options of sockets and descriptors for which there is no safe binding: every unsafe of this crate.

#![allow(unsafe_code)]

pub mod clock;
pub mod subflows;

use std::ffi::c_int;
use std::fs;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, ReadBuf};

/// `SOL_MPTCP` (linux/socket.h).
const SOL_MPTCP: c_int = 284;
/// `MPTCP_INFO` (linux/mptcp.h), Linux 5.16.
const MPTCP_INFO: c_int = 1;
/// Where `mptcpi_flags` is in `struct mptcp_info`.
const INFO_FLAGS: usize = 8;
/// `MPTCP_INFO_FLAG_FALLBACK`: the connection is plain TCP.
const FALLBACK: u32 = 1;

/// `SO_ORIGINAL_DST` and `IP6T_SO_ORIGINAL_DST` (linux/netfilter_ipv4.h, netfilter_ipv6/ip6_tables.h).
const SO_ORIGINAL_DST: c_int = 80;

/// `SIOCATMARK` (asm-generic/sockios.h).
const SIOCATMARK: libc::Ioctl = 0x8905;

/// Lets a socket accept connections to addresses that are not this host's (`IP_TRANSPARENT`, ip(7)).
/// For IPv6 too: both families share the flag of the kernel's socket.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN.
pub fn set_transparent(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::SOL_IP, libc::IP_TRANSPARENT, 1)
}

/// Is it [`set_transparent`]?
pub fn is_transparent(socket: impl AsFd) -> bool {
    let mut value = [0; mem::size_of::<c_int>()];
    let known = get(socket, libc::SOL_IP, libc::IP_TRANSPARENT, &mut value);
    known.is_ok_and(|_| c_int::from_ne_bytes(value) != 0)
}

/// The interface that a socket is bound to; empty where it is to none.
///
/// # Errors
/// As getsockopt(2).
pub fn device(socket: impl AsFd) -> io::Result<String> {
    let mut name = [0; libc::IFNAMSIZ];
    get(socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, &mut name)?;
    let bytes = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// Binds a socket to an interface (`SO_BINDTODEVICE`, socket(7)).
///
/// # Errors
/// ENODEV where there is no such interface.
pub fn bind_to_device(socket: impl AsFd, name: &str) -> io::Result<()> {
    let length = name.len() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of the name, which outlives the call.
    answer(unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_ptr().cast(),
            length,
        )
    })
}

/// Leaves the choice of a port to connect(2), which can give one to several destinations
/// (`IP_BIND_ADDRESS_NO_PORT`, ip(7)).
///
/// # Errors
/// As setsockopt(2).
pub fn set_bind_address_no_port(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// Lets the kernel tell of bytes to read only when there are so many, or none will follow
/// (`SO_RCVLOWAT`, socket(7)).
///
/// # Errors
/// As setsockopt(2); for MPTCP before Linux 6.10.
pub fn set_low_water(socket: impl AsFd, bytes: usize) -> io::Result<()> {
    let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
    set(socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, bytes)
}

fn set(socket: impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the kernel reads an int, which outlives the call.
    answer(unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            mem::size_of::<c_int>() as libc::socklen_t,
        )
    })
}

/// Reads an option into a buffer; returns how long it is.
fn get(socket: impl AsFd, level: c_int, name: c_int, value: &mut [u8]) -> io::Result<usize> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into the buffer and says how many.
    answer(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    Ok(length as usize)
}

/// The network namespace of this process, as a number that no other one of this boot has: its cookie
/// (`SO_NETNS_COOKIE`, Linux 5.14), before that the inode of the namespace (namespaces(7)), which may be
/// given anew.
pub fn netns() -> u64 {
    let cookie = || {
        // Any socket belongs to the namespace; this kind needs nothing of it.
        let socket = UnixDatagram::unbound().ok()?;
        let mut value = [0; mem::size_of::<u64>()];
        get(socket, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, &mut value).ok()?;
        Some(u64::from_ne_bytes(value))
    };
    let inode = || fs::metadata("/proc/self/ns/net").map_or(0, |found| found.ino());
    cookie().unwrap_or_else(inode)
}

/// Does a connected socket really speak MPTCP? Not where the peer did not, or a middlebox took the
/// options away (RFC 8684 section 3.7).
pub fn is_multipath(socket: impl AsFd) -> bool {
    // Longer than any struct mptcp_info; the kernel writes what it knows.
    let mut info = [0u8; 256];
    let known = get(socket, SOL_MPTCP, MPTCP_INFO, &mut info);
    let flags = info.get(INFO_FLAGS..).and_then(|rest| rest.first_chunk());
    known.is_ok() && flags.is_some_and(|flags| u32::from_ne_bytes(*flags) & FALLBACK == 0)
}

/// Where a connection was going before the packet filter redirected it to the listener of this socket
/// (`SO_ORIGINAL_DST`, linux/netfilter_ipv4.h, `IP6T_SO_ORIGINAL_DST`); of one that was not redirected it
/// is the listener. `v6`: which family to ask for.
///
/// # Errors
/// ENOENT where no connection is tracked.
pub fn original_destination(socket: impl AsFd, v6: bool) -> io::Result<SocketAddr> {
    // Enough for either of struct sockaddr_in and sockaddr_in6, whose ports are at the same place.
    let mut name = [0u8; 28];
    let level = if v6 { libc::SOL_IPV6 } else { libc::SOL_IP };
    let length = get(socket, level, SO_ORIGINAL_DST, &mut name)?;
    let name = name.get(..length).unwrap_or_default();
    let port = name.get(2..).and_then(|rest| rest.first_chunk()).copied().map(u16::from_be_bytes);
    let v4_address = || Some(IpAddr::from(*name.get(4..)?.first_chunk::<4>()?));
    let v6_address = || Some(IpAddr::from(*name.get(8..)?.first_chunk::<16>()?));
    let address = if v6 { v6_address() } else { v4_address() };
    let known = address.zip(port).map(|(address, port)| SocketAddr::new(address, port));
    known.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Bytes that were sent and are not yet acknowledged by the peer (`SIOCOUTQ`, tcp(7)).
///
/// # Errors
/// As ioctl(2).
pub fn unacknowledged(socket: impl AsFd) -> io::Result<u32> {
    let mut bytes: c_int = 0;
    // SAFETY: the kernel writes an int.
    answer(unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(bytes.unsigned_abs())
}

/// Is the next byte of a TCP socket an urgent one (`SIOCATMARK`, tcp(7))?
///
/// # Errors
/// As ioctl(2); ENOTTY for MPTCP.
pub fn is_at_mark(socket: impl AsFd) -> io::Result<bool> {
    let mut at: c_int = 0;
    // SAFETY: the kernel writes an int.
    answer(unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCATMARK, &raw mut at) })?;
    Ok(at != 0)
}

/// Reads what a socket has (readv(2)): into a buffer first, and what has no room there into `spare`.
/// Returns how many bytes in all; none at the end of the stream.
///
/// # Errors
/// As readv(2); EAGAIN where there is nothing yet.
pub fn receive(socket: impl AsFd, into: &mut ReadBuf<'_>, spare: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes to it and nothing makes any of it uninitialised.
    let first = unsafe { into.unfilled_mut() };
    let (room, base) = (first.len(), first.as_mut_ptr());
    let parts = [
        libc::iovec { iov_base: base.cast(), iov_len: room },
        libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: spare.len() },
    ];
    // SAFETY: both parts outlive the call, and the kernel writes no more than their lengths.
    let read = unsafe { libc::readv(socket.as_fd().as_raw_fd(), parts.as_ptr(), 2) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    let filled = read.min(room);
    // SAFETY: the kernel has filled the first part before it wrote to the second.
    unsafe { into.assume_init(filled) };
    into.advance(filled);
    Ok(read)
}

/// Registers a descriptor with the event loop of the calling task.
///
/// # Errors
/// The kernel watches no more descriptors (epoll(7), max_user_watches).
pub fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the result owns the descriptor, whose number is the same until it is closed.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}

/// Takes over a descriptor that the process was started with.
///
/// # Errors
/// There is none of that number.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_SETFD takes a number and touches no memory.
    answer(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open, came with the process, and the caller takes each number once, at the start.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn answer(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
