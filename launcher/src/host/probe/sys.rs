//! What the kernel says of an own TCP or MPTCP socket: each call, and its bytes, in one place.
//!
//! Sources: include/uapi/linux/tcp.h (`struct tcp_info`), include/uapi/linux/mptcp.h
//! (`MPTCP_INFO` since 5.16, `MPTCP_TCPINFO`, `MPTCP_SUBFLOW_ADDRS`).

#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use crate::model::checks::peer::Subflow;

/// `SOL_MPTCP` and its options.
const SOL_MPTCP: libc::c_int = 284;
const MPTCP_INFO: libc::c_int = 1;
const MPTCP_TCPINFO: libc::c_int = 2;
const MPTCP_SUBFLOW_ADDRS: libc::c_int = 3;

/// `mptcpi_flags` in `struct mptcp_info`, and the bit that says "this is TCP now".
const FLAGS_AT: usize = 8;
const FALLBACK: u32 = 1;

/// The header before a list of subflows (`struct mptcp_subflow_data`), and the room for one.
const HEADER: usize = 16;
const ELEMENT: usize = 256;
/// More subflows than the path manager opens.
const MOST: usize = 32;

/// Where things are in `struct tcp_info`.
const STATE_AT: usize = 0;
const RTT_AT: usize = 68;
const BYTES_ACKED_AT: usize = 120;
const DATA_SEGMENTS_OUT_AT: usize = 156;
const ESTABLISHED: u8 = 1;

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
pub(super) fn bind_to_link(socket: impl AsFd, link: &str) -> io::Result<()> {
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
    let mut info = [0; ELEMENT];
    match get(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info) {
        Ok(_) => u32_at(&info, RTT_AT),
        Err(_) => 0,
    }
}

/// Bytes that the peer acknowledged; of an MPTCP socket those of its first subflow.
pub(super) fn acked_bytes(socket: impl AsFd) -> u64 {
    let mut info = [0; ELEMENT];
    match get(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info) {
        Ok(_) => acked(&info),
        Err(_) => 0,
    }
}

/// Is MPTCP in use on a connected MPTCP socket? After a fallback the option is TCP's, which does
/// not know it.
pub(super) fn is_in_use(socket: impl AsFd) -> bool {
    let mut info = [0; ELEMENT];
    get(socket, SOL_MPTCP, MPTCP_INFO, &mut info)
        .is_ok_and(|length| length >= FLAGS_AT + 4 && u32_at(&info, FLAGS_AT) & FALLBACK == 0)
}

/// The subflows of an MPTCP socket, the first one first; none after a fallback.
pub(super) fn subflows(socket: impl AsFd) -> Vec<Subflow> {
    // Two questions: where one comes in between, ask again.
    for _ in 0..3 {
        let addresses = elements(&socket, MPTCP_SUBFLOW_ADDRS);
        let infos = elements(&socket, MPTCP_TCPINFO);
        if addresses.len() == infos.len() {
            return addresses
                .iter()
                .zip(&infos)
                .filter_map(|(it, info)| subflow(it, info))
                .collect();
        }
    }
    vec![]
}

fn elements(socket: impl AsFd, name: libc::c_int) -> Vec<[u8; ELEMENT]> {
    let mut room = vec![0; HEADER + MOST * ELEMENT];
    room[0..4].copy_from_slice(&(HEADER as u32).to_ne_bytes());
    room[12..16].copy_from_slice(&(ELEMENT as u32).to_ne_bytes());
    if get(socket, SOL_MPTCP, name, &mut room).is_err() {
        return vec![];
    }
    let count = (u32_at(&room, 4) as usize).min(MOST);
    room[HEADER..].as_chunks().0.iter().take(count).copied().collect()
}

fn subflow(addresses: &[u8; ELEMENT], info: &[u8; ELEMENT]) -> Option<Subflow> {
    let (local, remote) = addresses.split_at(ELEMENT / 2);
    Some(Subflow {
        from: socket_address(local)?.ip(),
        to: socket_address(remote)?,
        established: info[STATE_AT] == ESTABLISHED,
        rtt_us: u32_at(info, RTT_AT),
        has_sent: u32_at(info, DATA_SEGMENTS_OUT_AT) > 0,
        acked_bytes: acked(info),
    })
}

fn acked(info: &[u8; ELEMENT]) -> u64 {
    let bytes = info[BYTES_ACKED_AT..].first_chunk().map_or(0, |eight| u64::from_ne_bytes(*eight));
    // The SYN counts as one.
    bytes.saturating_sub(1)
}

fn socket_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
    let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
    let address = match i32::from(family) {
        libc::AF_INET => IpAddr::from(<[u8; 4]>::try_from(bytes.get(4..8)?).ok()?),
        libc::AF_INET6 => IpAddr::from(<[u8; 16]>::try_from(bytes.get(8..24)?).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(address.to_canonical(), port))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |four| u32::from_ne_bytes(*four))
}
