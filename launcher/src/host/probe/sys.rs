//! What the kernel says of an own TCP or MPTCP socket: each call, and its bytes, in one place.
//!
//! Sources: include/uapi/linux/tcp.h (`struct tcp_info`), include/uapi/linux/mptcp.h
//! (`MPTCP_INFO` since 5.16, `MPTCP_TCPINFO`, `MPTCP_SUBFLOW_ADDRS`).

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::net::sockopt;

use super::answer;
use mptcpize_model::checks::peer::Subflow;

/// `SOL_MPTCP` and its options.
const SOL_MPTCP: libc::c_int = 284;
const MPTCP_INFO: libc::c_int = 1;
const MPTCP_TCPINFO: libc::c_int = 2;
const MPTCP_SUBFLOW_ADDRS: libc::c_int = 3;

/// `mptcpi_flags` in `struct mptcp_info`, and the bit that says "this is TCP now".
const FLAGS_AT: usize = 8;
const FALLBACK: u32 = 1;

/// The most of a structure that is asked for: beyond it is nothing that is looked at.
const ELEMENT: usize = 256;
/// More subflows than the path manager opens.
const MOST: usize = 32;

fn get(
    socket: impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    room: &mut [u8],
) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(room.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the buffer is as long as `length` says, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            room.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(length as usize) } else { Err(io::Error::last_os_error()) }
}

/// Binds a socket to a link, whatever the routes say. Since 5.7 this needs no privilege.
///
/// # Errors
/// There is no such link, or the kernel is older and this is not root.
pub fn bind_to_link(socket: impl AsFd, link: &str) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of a string that outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            link.as_ptr().cast(),
            libc::socklen_t::try_from(link.len()).unwrap_or(0),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The round-trip time of a connected socket, in microseconds.
pub(super) fn rtt_us(socket: impl AsFd) -> u32 {
    tcp_info(socket).as_deref().and_then(answer::rtt_us).unwrap_or(0)
}

/// Bytes that the peer acknowledged, where the kernel says so; of an MPTCP socket those of its first
/// subflow.
pub(super) fn acked_bytes(socket: impl AsFd) -> Option<u64> {
    answer::acked_bytes(&tcp_info(socket)?)
}

fn tcp_info(socket: impl AsFd) -> Option<Vec<u8>> {
    asked(socket, libc::IPPROTO_TCP, libc::TCP_INFO, vec![0; ELEMENT])
}

/// Is MPTCP in use on a connected MPTCP socket? After a fallback the options are TCP's, which does
/// not know `MPTCP_INFO`. Before Linux 5.16 MPTCP does not know it either, but neither does it know
/// `TCP_NODELAY` (5.17): only a socket that fell back answers that.
pub(super) fn is_in_use(socket: impl AsFd) -> bool {
    match info(&socket) {
        Ok(info) => answer::u32_at(&info, FLAGS_AT).is_some_and(|flags| flags & FALLBACK == 0),
        Err(_) => sockopt::tcp_nodelay(socket).is_err(),
    }
}

/// The `struct mptcp_info` of an MPTCP socket, as far as it is looked at.
pub(super) fn info(socket: impl AsFd) -> io::Result<Vec<u8>> {
    let mut room = vec![0; ELEMENT];
    let length = get(socket, SOL_MPTCP, MPTCP_INFO, &mut room)?;
    room.truncate(length);
    Ok(room)
}

/// The subflows of an MPTCP socket, the first one first; none after a fallback.
pub(super) fn subflows(socket: impl AsFd) -> Vec<Subflow> {
    let list = |name| {
        let mut room = vec![0; answer::HEADER + MOST * ELEMENT];
        room[..answer::HEADER].copy_from_slice(&answer::question(ELEMENT));
        asked(&socket, SOL_MPTCP, name, room).unwrap_or_default()
    };
    // Two questions: where a subflow comes or goes in between, ask again.
    for _ in 0..3 {
        let (addresses, infos) = (list(MPTCP_SUBFLOW_ADDRS), list(MPTCP_TCPINFO));
        let (addresses, infos) = (answer::elements(&addresses), answer::elements(&infos));
        if addresses.len() == infos.len() {
            let both = addresses.iter().zip(infos);
            return both.filter_map(|(addresses, info)| answer::subflow(addresses, info)).collect();
        }
    }
    vec![]
}

/// What the kernel wrote into `room`, and no more of it.
fn asked(
    socket: impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    mut room: Vec<u8>,
) -> Option<Vec<u8>> {
    let length = get(socket, level, name, &mut room).ok()?;
    room.truncate(length);
    Some(room)
}
