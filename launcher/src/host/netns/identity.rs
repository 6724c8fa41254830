//! Which network namespace this is, as a number that no other one of this boot has.

#![allow(unsafe_code)]

use std::fs;
use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

/// The namespace's cookie (`SO_NETNS_COOKIE`, Linux 5.14), which is never given twice in a boot;
/// before that the inode of the namespace, which may be.
pub fn netns() -> u64 {
    cookie().unwrap_or_else(|| fs::metadata("/proc/self/ns/net").map_or(0, |found| found.ino()))
}

fn cookie() -> Option<u64> {
    // Any socket belongs to the namespace; this kind needs nothing of it.
    let socket = UnixDatagram::unbound().ok()?;
    let mut cookie = 0u64;
    let mut size = mem::size_of::<u64>() as libc::socklen_t;
    // SAFETY: the buffer is a u64 and `size` says so; the descriptor is open.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut size,
        )
    };
    (result == 0).then_some(cookie)
}
