//! The size of packets that a link of this network namespace carries.

#![allow(unsafe_code)]

use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

use mptcpize_model::net::IfName;

/// Its MTU in bytes (`SIOCGIFMTU`, netdevice(7)); none where there is no such link. Not from /sys, which
/// may be mounted for another namespace.
pub fn mtu(dev: &IfName) -> Option<u32> {
    // Any socket will do, and this kind needs nothing of the namespace.
    let socket = UnixDatagram::unbound().ok()?;
    // SAFETY: all bits zero are a valid ifreq.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // A name has at most 15 bytes, so that a zero stays behind it.
    for (place, byte) in request.ifr_name.iter_mut().zip(dev.as_str().bytes()) {
        *place = byte as libc::c_char;
    }
    // SAFETY: the kernel reads the name and writes the MTU within the request, which outlives the call.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU as _, &raw mut request) };
    // SAFETY: after a success the kernel has written this part of the union.
    (result == 0).then(|| unsafe { request.ifr_ifru.ifru_mtu }.unsigned_abs())
}
