//! What the subflows of a connection carried, as the kernel counts it.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use super::{SOL_MPTCP, answer};

/// More than the kernel opens: eight beside the first one (net/mptcp/pm.c).
const MOST: usize = 16;

/// A subflow that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subflow {
    /// The router's address.
    pub local: IpAddr,
    /// Bytes that it sent and the peer acknowledged.
    pub up: u64,
    /// Bytes that it received.
    pub down: u64,
}

/// Of `struct tcp_info` (linux/tcp.h): as far as `tcpi_bytes_received`.
const INFO: usize = 136;
/// Where `tcpi_bytes_acked` is in it; `tcpi_bytes_received` follows.
const ACKED: usize = 120;
/// `struct mptcp_subflow_info` (linux/mptcp.h): a number, then two `sockaddr_storage` of 128 bytes each,
/// which are aligned to eight.
const ADDRESSES: usize = 264;
/// Where the local address is in it.
const LOCAL: usize = 8;

/// `struct mptcp_full_info` (linux/mptcp.h) without the `mptcp_info` at its end.
#[repr(C)]
#[derive(Default)]
struct Request {
    size_tcpinfo_kernel: u32,
    size_tcpinfo_user: u32,
    size_sfinfo_kernel: u32,
    size_sfinfo_user: u32,
    num_subflows: u32,
    size_arrays_user: u32,
    subflow_info: u64,
    tcp_info: u64,
}

/// `MPTCP_FULL_INFO` (linux/mptcp.h), Linux 6.5.
const FULL_INFO: libc::c_int = 4;

/// The open subflows of an MPTCP socket; none where the kernel does not say (before Linux 6.5), or it is
/// plain TCP by now.
pub fn subflows(socket: impl AsFd) -> Option<Vec<Subflow>> {
    let mut infos = [[0u8; INFO]; MOST];
    let mut addresses = [[0u8; ADDRESSES]; MOST];
    let mut request = Request {
        size_tcpinfo_user: INFO as u32,
        size_sfinfo_user: ADDRESSES as u32,
        size_arrays_user: MOST as u32,
        subflow_info: addresses.as_mut_ptr() as u64,
        tcp_info: infos.as_mut_ptr() as u64,
        ..Request::default()
    };
    let mut length = mem::size_of::<Request>() as libc::socklen_t;
    // SAFETY: the kernel writes at most MOST entries of the sizes given into the two arrays, and `length`
    // bytes of the request; all of them outlive the call.
    answer(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            SOL_MPTCP,
            FULL_INFO,
            (&raw mut request).cast(),
            &raw mut length,
        )
    })
    .ok()?;
    let number = usize::try_from(request.num_subflows).ok()?.min(MOST);
    let all = infos.iter().zip(&addresses).take(number);
    Some(all.filter_map(|(info, address)| subflow(info, address)).collect())
}

fn subflow(info: &[u8; INFO], addresses: &[u8; ADDRESSES]) -> Option<Subflow> {
    let (acked, received) = info.get(ACKED..)?.split_at_checked(8)?;
    let number = |bytes: &[u8]| Some(u64::from_ne_bytes(*bytes.first_chunk()?));
    let local = address(addresses.get(LOCAL..)?)?;
    // The kernel counts the SYN as one.
    Some(Subflow { local, up: number(acked)?.saturating_sub(1), down: number(received)? })
}

/// The address in a `sockaddr_in` or `sockaddr_in6` (ip(7), ipv6(7)).
fn address(bytes: &[u8]) -> Option<IpAddr> {
    match i32::from(u16::from_ne_bytes(*bytes.first_chunk()?)) {
        libc::AF_INET => Some(Ipv4Addr::from(*bytes.get(4..)?.first_chunk::<4>()?).into()),
        libc::AF_INET6 => {
            // A socket of IPv6 may have a subflow of IPv4, whose address is told as one within IPv6.
            let v6 = Ipv6Addr::from(*bytes.get(8..)?.first_chunk::<16>()?);
            Some(IpAddr::V6(v6).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_both_families() {
        let mut v4 = [0u8; 128];
        v4[..2].copy_from_slice(&2u16.to_ne_bytes());
        v4[4..8].copy_from_slice(&[10, 1, 0, 1]);
        assert_eq!(address(&v4), Some(IpAddr::from([10, 1, 0, 1])));
        let mut v6 = [0u8; 128];
        v6[..2].copy_from_slice(&10u16.to_ne_bytes());
        v6[23] = 1;
        assert_eq!(address(&v6), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert_eq!(address(&[0; 128]), None);
        assert_eq!(address(&[2]), None);
    }
}
