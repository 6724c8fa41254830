//! How each TCP connection gets on, plain or a subflow: what a path manager needs to tell a path
//! that passes nothing from one that has nothing to pass.

use std::net::SocketAddr;

use crate::error::KernelError;
use crate::exchange::Exchange;
use crate::message::{attribute, attributes, messages, number};
use crate::network::Family;
use crate::sock_diag::socket::{
    BY_FAMILY, CONNECTED, ESTABLISHED, HEAD, Head, INFO, Kind, Request, SOCK_DIAG, SYN_SENT, TOKEN,
    ULP, ULP_MPTCP, long, word,
};

/// A TCP connection that begins or is open, with what `struct tcp_info` counts
/// (include/uapi/linux/tcp.h). A number that an older kernel does not know is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Flow {
    /// Its local end.
    pub local: SocketAddr,
    /// Its remote end.
    pub remote: SocketAddr,
    /// The index of the link that it is bound to; none where the routes decide.
    pub bound: Option<u32>,
    /// The MPTCP connection that it is part of; none for plain TCP, and for an MPTCP socket whose
    /// peer has not answered yet.
    pub token: Option<u32>,
    /// The peer has answered; else its first packet is on the way.
    pub open: bool,
    /// How often in a row the retransmission timer has run out without an answer.
    pub timeouts: u8,
    /// Segments out that the peer has not confirmed.
    pub unconfirmed: u32,
    /// The retransmission timeout that is waited for now, in microseconds: doubled by each timeout.
    pub rto_us: u32,
    /// Milliseconds since the peer last confirmed anything.
    pub confirmed_ms: u32,
    /// Milliseconds since data was last sent.
    pub sent_ms: u32,
    /// Milliseconds since data last came.
    pub received_ms: u32,
    /// The smoothed round trip, in microseconds; 0 before the first.
    pub rtt_us: u32,
    /// The shortest round trip of the last minutes, in microseconds (Linux 4.5).
    pub min_rtt_us: u32,
    /// Segments with data sent, with those that were sent again (Linux 4.6).
    pub segments: u32,
    /// Segments that were sent again.
    pub resent: u32,
    /// Bytes that were written and wait to be sent for the first time (Linux 4.6).
    pub unsent: u32,
    /// Bytes that the peer confirmed.
    pub confirmed: u64,
    /// Bytes received.
    pub received: u64,
}

/// Every TCP connection that begins or is open, whoever holds it. One dump for each family; ten
/// thousand connections are some milliseconds.
///
/// # Errors
/// A kernel without sock_diag(7) (`ENOENT`), or a sandbox forbids netlink.
pub fn flows() -> Result<Vec<Flow>, KernelError> {
    let mut exchange = Exchange::open(SOCK_DIAG)?;
    let mut all = Vec::new();
    for family in Family::BOTH {
        let request = Request { family: family.number(), states: CONNECTED, token: 0 };
        all.extend(exchange.dump(BY_FAMILY, &request.of(Kind::Tcp), |message, list| {
            list.extend(flow(message));
        })?);
    }
    Ok(all)
}

/// What [`flows`] makes of the kernel's answer, one or more datagrams.
pub fn read_flows(tcp_sockets: &[u8]) -> Vec<Flow> {
    messages(tcp_sockets).filter_map(|(_, message)| flow(message)).collect()
}

fn flow(message: &[u8]) -> Option<Flow> {
    let head = Head::read(message)?;
    if head.state != ESTABLISHED && head.state != SYN_SENT {
        return None;
    }
    let info = attribute(&message[HEAD..], INFO)?;
    let ulp = attributes(&message[HEAD..]).find(|(kind, _)| *kind == ULP);
    let token = ulp.and_then(|(_, ulp)| attribute(ulp, ULP_MPTCP));
    let number_at = |at: usize| word(info, at).unwrap_or(0);
    let long_at = |at: usize| long(info, at).unwrap_or(0);
    Some(Flow {
        local: head.local,
        remote: head.remote,
        bound: head.bound,
        token: token.and_then(|ulp| attribute(ulp, TOKEN)).and_then(number),
        open: head.state == ESTABLISHED,
        timeouts: info.get(2).copied().unwrap_or(0).max(info.get(4).copied().unwrap_or(0)),
        unconfirmed: number_at(24),
        rto_us: number_at(8),
        confirmed_ms: number_at(56),
        sent_ms: number_at(44),
        received_ms: number_at(52),
        rtt_us: number_at(68),
        min_rtt_us: number_at(148),
        segments: number_at(156),
        resent: number_at(100),
        unsent: number_at(144),
        confirmed: long_at(120),
        received: long_at(128),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second dump of the tests beside this file's: subflows, and plain TCP on both sides.
    const TCP_SOCKETS: &[u8] = include_bytes!("../../tests/recorded/tcp.bin");

    #[test]
    fn subflows_and_plain_connections_are_listed_with_what_they_moved() {
        let flows = read_flows(TCP_SOCKETS);
        assert!(flows.iter().any(|flow| flow.token.is_some()));
        assert!(flows.iter().any(|flow| flow.token.is_none()));
        for flow in &flows {
            assert!(flow.open, "{flow:?}");
            assert_eq!((flow.timeouts, flow.unconfirmed), (0, 0), "{flow:?}");
            assert!(flow.rtt_us >= flow.min_rtt_us && flow.rto_us >= 200_000, "{flow:?}");
        }
        assert!(flows.iter().any(|flow| flow.confirmed > 1 && flow.received > 0));
    }

    #[test]
    fn a_dump_that_ends_anywhere_is_read_as_far_as_it_goes() {
        let whole = read_flows(TCP_SOCKETS).len();
        for end in 0..TCP_SOCKETS.len() {
            assert!(read_flows(&TCP_SOCKETS[..end]).len() <= whole, "{end}");
        }
    }
}
