//! Addresses of sockets: the program's, read where the kernel says that it can, and the kernel's.

#![allow(unsafe_code)]

use core::ffi::{c_int, c_long, c_uint, c_void};
use core::ptr;

use super::{memory, syscall};

/// A socket address as the kernel has it: `struct sockaddr_in` or `struct sockaddr_in6`, whose first
/// field, the family, is in host order.
pub(crate) struct Address {
    bytes: [u8; 28],
    size: c_uint,
}

impl Address {
    /// The address of this family, IP address (4 or 16 bytes) and port, both in network order.
    pub(crate) fn new(family: c_int, ip: &[u8], port: &[u8]) -> Self {
        let size = if family == libc::AF_INET6 { 28 } else { 16 };
        let mut address = Address { bytes: [0; 28], size };
        let [low, high] = (family as u16).to_ne_bytes();
        let at = if family == libc::AF_INET6 { 8 } else { 4 };
        for (place, byte) in
            address.bytes.iter_mut().zip([low, high].iter().chain(port.iter().take(2)))
        {
            *place = *byte;
        }
        for (place, byte) in address.bytes.iter_mut().skip(at).zip(ip.iter().take(16)) {
            *place = *byte;
        }
        address
    }

    /// As the kernel has it: `struct sockaddr_in` or `struct sockaddr_in6`.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.size as usize).unwrap_or(&[])
    }

    /// The address that the program names; `None` for one that the kernel refuses to read, or that
    /// is shorter than any of TCP (include/linux/socket.h, `sizeof(struct sockaddr_storage)`).
    pub(crate) fn of(from: *const c_void, size: c_uint) -> Option<Self> {
        let there = size as usize;
        if !(16..=128).contains(&there) || !memory::is_readable(from, there) {
            return None;
        }
        let mut address = Address { bytes: [0; 28], size: 28 };
        // SAFETY: the kernel has just said that they can be read; the destination has 28 bytes.
        unsafe {
            ptr::copy_nonoverlapping(from.cast(), address.bytes.as_mut_ptr(), there.min(28));
        }
        Some(address)
    }

    /// AF_INET, AF_INET6, another number that the program gave, or 0 for no address.
    pub(crate) fn family(&self) -> c_int {
        let [low, high, ..] = self.bytes;
        c_int::from(u16::from_ne_bytes([low, high]))
    }

    /// The port, in host order.
    pub(crate) fn port(&self) -> u16 {
        let [_, _, high, low, ..] = self.bytes;
        u16::from_be_bytes([high, low])
    }

    /// The IP address: 4 bytes, or 16.
    pub(crate) fn ip(&self) -> &[u8] {
        let range = if self.family() == libc::AF_INET6 { 8..24 } else { 4..8 };
        self.bytes.get(range).unwrap_or(&[])
    }

    /// The IP address in 4 bytes where it is one of IPv4, also where it is written as one of IPv6
    /// (`::ffff:192.0.2.1`, RFC 4291, section 2.5.5.2); else in 16.
    pub(crate) fn plain(&self) -> &[u8] {
        let ip = self.ip();
        ip.strip_prefix(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]).unwrap_or(ip)
    }

    /// Is it the unspecified address, `0.0.0.0` or `::`?
    pub(crate) fn is_any(&self) -> bool {
        self.ip().iter().all(|byte| *byte == 0)
    }

    /// Does a connection to it end on this host, as far as the address tells? Also true of the
    /// unspecified address, which connects to the host itself.
    pub(crate) fn loops(&self) -> bool {
        let v6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        self.is_any() || matches!(self.plain(), [127, _, _, _]) || self.ip() == v6
    }

    /// Is it one of IPv4 or IPv6?
    pub(crate) fn is_inet(&self) -> bool {
        matches!(self.family(), libc::AF_INET | libc::AF_INET6)
    }
}

/// The socket's own address; family 0 where `fd` is no socket.
pub(crate) fn local(fd: c_int) -> Address {
    ask(libc::SYS_getsockname, fd)
}

/// The peer's address; family 0 where there is no connection.
pub(crate) fn peer(fd: c_int) -> Address {
    ask(libc::SYS_getpeername, fd)
}

/// Has the socket a peer?
pub(crate) fn is_connected(fd: c_int) -> bool {
    peer(fd).family() != 0
}

/// getsockname(2) or getpeername(2).
#[inline(never)]
fn ask(question: c_long, fd: c_int) -> Address {
    let mut address = Address { bytes: [0; 28], size: 28 };
    // SAFETY: both pointers are to `address`, which is as long as its `size` says.
    unsafe {
        let size = &raw mut address.size;
        syscall(question, fd, address.bytes.as_mut_ptr(), size)
    };
    address
}

/// bind(2), past the hook; false with errno.
pub(crate) fn bind(fd: c_int, to: &Address) -> bool {
    // SAFETY: the pointer and the length are those of one array.
    unsafe { syscall(libc::SYS_bind, fd, to.bytes.as_ptr(), to.size) == 0 }
}
