//! The kernel's answers to `TCP_INFO`, `MPTCP_TCPINFO` and `MPTCP_SUBFLOW_ADDRS`, read. Pure.
//!
//! The structures grow with the kernel: what an answer says of its own size counts, and a field is
//! there when the answer reaches beyond it. Asking is `sys`.

use std::net::{IpAddr, SocketAddr};

use mptcpize_model::checks::peer::Subflow;

/// `struct mptcp_subflow_data`, before a list of subflows: its own size, how many subflows there
/// are, the size of one in the kernel, and the size of one in this list.
pub(super) const HEADER: usize = 16;
const HEADER_SIZE_AT: usize = 0;
const COUNT_AT: usize = 4;
pub(super) const ELEMENT_SIZE_AT: usize = 12;

/// Where the remote address is in `struct mptcp_subflow_addrs`: behind the local one, which has the
/// size of `struct __kernel_sockaddr_storage` on every kernel.
const REMOTE_AT: usize = 128;

/// Where things are in `struct tcp_info` (include/uapi/linux/tcp.h).
const STATE_AT: usize = 0;
const RTT_AT: usize = 68;
const BYTES_ACKED_AT: usize = 120;
const DATA_SEGMENTS_OUT_AT: usize = 156;
const ESTABLISHED: u8 = 1;

/// The question that makes such a list: the header, with room for elements of this size.
pub(super) fn question(element: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let mut write = |at: usize, size: usize| {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        header[at..at + 4].copy_from_slice(&size.to_ne_bytes());
    };
    write(HEADER_SIZE_AT, HEADER);
    write(ELEMENT_SIZE_AT, element);
    header
}

/// The elements of a list, which the kernel packs by the size that it writes into the header: the
/// smaller of its own and the one that was asked for. Only whole ones.
pub(in crate::host) fn elements(answer: &[u8]) -> Vec<&[u8]> {
    let size = |at| u32_at(answer, at).and_then(|size| usize::try_from(size).ok());
    let (Some(header), Some(count), Some(element)) =
        (size(HEADER_SIZE_AT), size(COUNT_AT), size(ELEMENT_SIZE_AT))
    else {
        return vec![];
    };
    if header < HEADER || element == 0 {
        return vec![];
    }
    answer.get(header..).unwrap_or_default().chunks_exact(element).take(count).collect()
}

/// A subflow, from an element of each list.
pub(in crate::host) fn subflow(addresses: &[u8], info: &[u8]) -> Option<Subflow> {
    Some(Subflow {
        from: socket_address(addresses)?.ip(),
        to: socket_address(addresses.get(REMOTE_AT..)?)?,
        established: info.get(STATE_AT) == Some(&ESTABLISHED),
        rtt_us: rtt_us(info),
        has_sent: u32_at(info, DATA_SEGMENTS_OUT_AT).map(|count| count > 0),
        acked_bytes: acked_bytes(info),
    })
}

/// The smoothed round-trip time in a `struct tcp_info`.
pub(super) fn rtt_us(info: &[u8]) -> Option<u32> {
    u32_at(info, RTT_AT)
}

/// The bytes in a `struct tcp_info` that the peer acknowledged.
pub(super) fn acked_bytes(info: &[u8]) -> Option<u64> {
    let bytes = u64::from_ne_bytes(*info.get(BYTES_ACKED_AT..)?.first_chunk()?);
    // The SYN counts as one.
    Some(bytes.saturating_sub(1))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn socket_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(*bytes.first_chunk()?);
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let address = match i32::from(family) {
        libc::AF_INET => IpAddr::from(*bytes.get(4..)?.first_chunk::<4>()?),
        libc::AF_INET6 => IpAddr::from(*bytes.get(8..)?.first_chunk::<16>()?),
        _ => return None,
    };
    Some(SocketAddr::new(address.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct tcp_info` of Linux 6.1, 6.12 and 6.18 as far as it is asked for, and one that ends
    /// before everything but the state.
    const SIZES: [usize; 4] = [256, 248, 232, 64];

    fn list(element: usize, all: &[Vec<u8>]) -> Vec<u8> {
        let mut answer = question(element).to_vec();
        answer[COUNT_AT..COUNT_AT + 4].copy_from_slice(&(all.len() as u32).to_ne_bytes());
        for one in all {
            answer.extend(&one[..element]);
        }
        answer
    }

    /// A `struct tcp_info` whose numbers tell which one it is.
    fn info(which: u8) -> Vec<u8> {
        let mut info = vec![0xee; 280];
        info[STATE_AT] = ESTABLISHED;
        info[RTT_AT..RTT_AT + 4].copy_from_slice(&(1000 * u32::from(which)).to_ne_bytes());
        let acked = 1 + 64 * u64::from(which);
        info[BYTES_ACKED_AT..BYTES_ACKED_AT + 8].copy_from_slice(&acked.to_ne_bytes());
        let sent = u32::from(which > 1);
        info[DATA_SEGMENTS_OUT_AT..DATA_SEGMENTS_OUT_AT + 4].copy_from_slice(&sent.to_ne_bytes());
        info
    }

    fn addresses(which: u8, family: libc::c_int) -> Vec<u8> {
        let mut both = vec![0; 256];
        for (at, host) in [(0, which), (REMOTE_AT, 100 + which)] {
            both[at..at + 2].copy_from_slice(&(family as u16).to_ne_bytes());
            both[at + 2..at + 4].copy_from_slice(&[0x1f, 0x90]);
            match family {
                libc::AF_INET => both[at + 4..at + 8].copy_from_slice(&[10, 0, 0, host]),
                _ => both[at + 8..at + 24].copy_from_slice(&[host; 16]),
            }
        }
        both
    }

    #[test]
    fn subflows_are_found_whatever_size_the_kernel_gives_them() {
        let places = list(256, &[addresses(1, libc::AF_INET), addresses(2, libc::AF_INET6)]);
        let places = elements(&places);
        for size in SIZES {
            let infos = list(size, &[info(1), info(2)]);
            let infos = elements(&infos);
            assert_eq!((infos.len(), infos[0].len()), (2, size));
            let read: Vec<Subflow> =
                places.iter().zip(infos).filter_map(|(place, info)| subflow(place, info)).collect();
            let known = size > 64;
            for (at, (from, to)) in [
                ("10.0.0.1", "10.0.0.101:8080"),
                (
                    "202:202:202:202:202:202:202:202",
                    "[6666:6666:6666:6666:6666:6666:6666:6666]:8080",
                ),
            ]
            .into_iter()
            .enumerate()
            {
                let which = at as u64 + 1;
                let expected = Subflow {
                    from: from.parse().expect("a literal address"),
                    to: to.parse().expect("a literal address"),
                    established: true,
                    rtt_us: known.then_some(1000 * which as u32),
                    has_sent: known.then_some(which > 1),
                    acked_bytes: known.then_some(64 * which),
                };
                assert_eq!(read.get(at), Some(&expected), "{size}");
            }
        }
    }

    #[test]
    fn a_damaged_list_gives_what_is_whole_in_it() {
        let whole = list(232, &[info(1), info(2), info(3)]);
        let with = |at: usize, value: u32| {
            let mut answer = whole.clone();
            answer[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            answer
        };
        let table: Vec<(&str, Vec<u8>, usize)> = vec![
            ("whole", whole.clone(), 3),
            ("empty", vec![], 0),
            ("half a header", whole[..HEADER - 1].to_vec(), 0),
            ("no room was given for elements", whole[..HEADER].to_vec(), 0),
            ("the last one is cut", whole[..whole.len() - 1].to_vec(), 2),
            ("more than there are", with(COUNT_AT, u32::MAX), 3),
            ("fewer than there are", with(COUNT_AT, 1), 1),
            ("elements without size", with(ELEMENT_SIZE_AT, 0), 0),
            ("elements larger than all", with(ELEMENT_SIZE_AT, u32::MAX), 0),
            ("a header that overlaps them", with(HEADER_SIZE_AT, 4), 0),
            ("a header beyond the end", with(HEADER_SIZE_AT, u32::MAX), 0),
        ];
        for (what, answer, expected) in table {
            assert_eq!(elements(&answer).len(), expected, "{what}");
        }
    }

    #[test]
    fn an_element_that_is_cut_anywhere_is_read_as_far_as_it_goes() {
        let (places, infos) = (addresses(1, libc::AF_INET), info(2));
        for length in 0..infos.len() {
            let read = subflow(&places, &infos[..length]).expect("its addresses are whole");
            assert_eq!(read.established, length > STATE_AT, "{length}");
            assert_eq!(read.rtt_us.is_some(), length >= RTT_AT + 4, "{length}");
            assert_eq!(read.acked_bytes.is_some(), length >= BYTES_ACKED_AT + 8, "{length}");
            assert_eq!(read.has_sent.is_some(), length >= DATA_SEGMENTS_OUT_AT + 4, "{length}");
        }
        for length in 0..places.len() {
            let whole = length >= REMOTE_AT + 8;
            assert_eq!(subflow(&places[..length], &infos).is_some(), whole, "{length}");
        }
        assert_eq!(subflow(&addresses(1, libc::AF_UNIX), &infos), None);
    }
}
