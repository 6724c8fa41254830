//! The sockets of this network namespace, as far as they are MPTCP or part of it (sock_diag(7),
//! include/uapi/linux/inet_diag.h, mptcp.h and tcp.h).
//!
//! Made for hosts with ten thousand connections: two dumps, read where they lie in the buffer, and
//! no second one where the first shows nothing to look for. Numbers at fixed places are looked up
//! with their length checked, because an older kernel says less and a newer one more. Everybody
//! may ask, and sees the sockets of all users.
//!
//! ```
//! # mptcp_netlink::namespace::enter_new()?;
//! for connection in mptcp_netlink::sock_diag::connections()? {
//!     println!("{} > {}", connection.local, connection.remote);
//!     for subflow in &connection.subflows {
//!         println!("  {} > {}, {} us", subflow.local, subflow.remote, subflow.rtt_us);
//!     }
//! }
//! # Ok::<(), mptcp_netlink::KernelError>(())
//! ```

mod connection;
mod flows;
mod socket;
mod sockets;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::KernelError;
use crate::exchange::Exchange;
use crate::message::{attribute, attributes, messages, number};
use crate::network::Family;
use crate::sock_diag::connection::join;
use crate::sock_diag::socket::{
    BY_FAMILY, CONNECTED, ESTABLISHED, HEAD, Head, INFO, Kind, LISTEN, Request, SOCK_DIAG,
    SYN_SENT, TOKEN, ULP, ULP_MPTCP, long, word,
};

pub use connection::{Connection, Fallback, Phase, Subflow};
pub use flows::{Flow, flows, read_flows};
pub use sockets::{Socket, mptcp_sockets, tcp_sockets};

/// What one message tells.
enum Found {
    Listener(u16),
    Connection(Connection),
    Subflow(u32, Subflow),
}

/// Every connection that a program asked to be MPTCP, with its subflows; that which carried most
/// comes first. Among them are those that were accepted as plain TCP by an MPTCP listener.
///
/// # Errors
/// `ENOENT`: the kernel cannot list MPTCP sockets (no MPTCP, or without the module mptcp_diag).
pub fn connections() -> Result<Vec<Connection>, KernelError> {
    let mut exchange = Exchange::open(SOCK_DIAG)?;
    let mut found = Collected::default();
    for family in Family::BOTH {
        let states = CONNECTED | 1 << LISTEN;
        let request = Request { family: family.number(), states, token: 0 }.of(Kind::Mptcp);
        found.add(exchange.dump(BY_FAMILY, &request, |message, list| list.extend(mptcp(message)))?);
    }
    if found.connections.is_empty() && found.listeners.is_empty() {
        return Ok(Vec::new());
    }
    for family in Family::BOTH {
        let asked = Request { family: family.number(), states: CONNECTED, token: 0 };
        let request = asked.of(Kind::Tcp);
        let listeners = std::mem::take(&mut found.listeners);
        let all = exchange.dump(BY_FAMILY, &request, |message, list| {
            list.extend(tcp(message, &listeners));
        })?;
        found.listeners = listeners;
        found.add(all);
    }
    Ok(join(found.connections, found.subflows))
}

/// The connection with this token, without its subflows; none where there is no such connection.
///
/// # Errors
/// As [`connections`].
pub fn with_token(token: u32) -> Result<Option<Connection>, KernelError> {
    match of_token(&mut Exchange::open(SOCK_DIAG)?, token, mptcp)? {
        Some(Found::Connection(connection)) => Ok(Some(connection)),
        _ => Ok(None),
    }
}

/// How much memory each of these connections has for what came and is not read yet, in bytes, by
/// token: what the program has not taken, and what waits for bytes before it that come over another
/// path (the `Recv-Q` of `ss -M`). Connections that there are not are left out.
///
/// # Errors
/// As [`connections`].
pub fn receive_queues(
    tokens: impl IntoIterator<Item = u32>,
) -> Result<BTreeMap<u32, u32>, KernelError> {
    let mut tokens = tokens.into_iter().peekable();
    let mut queues = BTreeMap::new();
    if tokens.peek().is_none() {
        return Ok(queues);
    }
    let mut exchange = Exchange::open(SOCK_DIAG)?;
    for token in tokens {
        let queued = |message: &[u8]| Head::read(message).map(|head| head.queued);
        queues.extend(of_token(&mut exchange, token, queued)?.map(|queued| (token, queued)));
    }
    Ok(queues)
}

fn of_token<T>(
    exchange: &mut Exchange,
    token: u32,
    read: impl FnMut(&[u8]) -> Option<T>,
) -> Result<Option<T>, KernelError> {
    let asked = Request { family: Family::V4.number(), token, states: 0 };
    match exchange.request(BY_FAMILY, 0, &asked.of(Kind::Mptcp), read) {
        Err(error) if error.errno == libc::ENOENT => Ok(None),
        found => found,
    }
}

/// What [`connections`] makes of the kernel's answers to both questions, each one or more
/// datagrams.
pub fn read(mptcp_sockets: &[u8], tcp_sockets: &[u8]) -> Vec<Connection> {
    let mut found = Collected::default();
    found.add(messages(mptcp_sockets).filter_map(|(_, message)| mptcp(message)).collect());
    let all = messages(tcp_sockets).filter_map(|(_, message)| tcp(message, &found.listeners));
    let all = all.collect();
    found.add(all);
    join(found.connections, found.subflows)
}

/// What all messages told.
#[derive(Default)]
struct Collected {
    listeners: BTreeSet<u16>,
    connections: Vec<Connection>,
    subflows: Vec<(u32, Subflow)>,
}

impl Collected {
    fn add(&mut self, all: Vec<Found>) {
        for one in all {
            match one {
                Found::Listener(port) => drop(self.listeners.insert(port)),
                Found::Connection(connection) => self.connections.push(connection),
                Found::Subflow(token, subflow) => self.subflows.push((token, subflow)),
            }
        }
    }
}

impl Head {
    fn phase(&self) -> Phase {
        match self.state {
            SYN_SENT => Phase::Connecting,
            ESTABLISHED => Phase::Open,
            _ => Phase::Closing,
        }
    }

    fn connection(&self) -> Connection {
        Connection {
            token: None,
            inode: self.inode,
            uid: self.uid,
            local: self.local,
            remote: self.remote,
            phase: self.phase(),
            fallback: None,
            sent: 0,
            received: 0,
            subflows: Vec::new(),
        }
    }
}

/// An MPTCP socket.
fn mptcp(message: &[u8]) -> Option<Found> {
    let head = Head::read(message)?;
    if head.state == LISTEN {
        return Some(Found::Listener(head.local.port()));
    }
    // `struct mptcp_info`: flags at 8, the token at 12, bytes sent at 56 and received at 64.
    let info = attribute(&message[HEAD..], INFO)?;
    let flags = word(info, 8)?;
    let mut connection = head.connection();
    connection.token = Some(word(info, 12)?);
    connection.sent = long(info, 56).unwrap_or(0);
    connection.received = long(info, 64).unwrap_or(0);
    // `MPTCP_INFO_FLAG_FALLBACK`, `MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED`.
    connection.fallback = (flags & 1 != 0).then_some(match flags & 2 {
        0 => Fallback::PeerWithout,
        _ => Fallback::OnTheWay,
    });
    Some(Found::Connection(connection))
}

/// A TCP socket: a subflow, or plain TCP on a port where MPTCP is spoken too.
fn tcp(message: &[u8], listeners: &BTreeSet<u16>) -> Option<Found> {
    let head = Head::read(message)?;
    let mut info = None;
    let mut ulp = None;
    for (kind, value) in attributes(&message[HEAD..]) {
        match kind {
            INFO => info = Some(value),
            ULP => ulp = attribute(value, ULP_MPTCP),
            _ => {}
        }
    }
    let info = info.unwrap_or_default();
    let Some(ulp) = ulp else {
        let mut connection = head.connection();
        // A connection from that very port is none that was accepted there.
        let accepted = listeners.contains(&head.local.port()) && head.state != SYN_SENT;
        connection.fallback = Some(Fallback::AskedWithout);
        (connection.sent, connection.received) = (sent(info), received(info));
        connection.subflows.extend(accepted.then(|| subflow(&head, info, &[])));
        return accepted.then_some(Found::Connection(connection));
    };
    let token = attribute(ulp, TOKEN).and_then(number)?;
    Some(Found::Subflow(token, subflow(&head, info, ulp)))
}

/// What a subflow says about its part in the connection (`enum mptcp_subflow_attrs`).
const FLAGS: u16 = 8;
const REMOTE_ID: u16 = 9;
const LOCAL_ID: u16 = 10;
/// `MPTCP_SUBFLOW_FLAG_BKUP_REM` and `_LOC`.
const BACKUP: u32 = 1 << 4 | 1 << 5;

fn sent(info: &[u8]) -> u64 {
    // bytes_sent since 4.19, else what the peer has confirmed.
    long(info, 200).or_else(|| long(info, 120)).unwrap_or(0)
}

fn received(info: &[u8]) -> u64 {
    long(info, 128).unwrap_or(0)
}

/// How often in a row the retransmission timer must run out before a subflow counts as stale: once
/// happens on any lossy link.
const STALE: u8 = 2;

/// `info` is a `struct tcp_info`.
fn subflow(head: &Head, info: &[u8], ulp: &[u8]) -> Subflow {
    let mut flags = 0;
    let mut ids = [0, 0];
    for (kind, value) in attributes(ulp) {
        match kind {
            FLAGS => flags = number(value).unwrap_or(0),
            LOCAL_ID => ids[0] = value.first().copied().unwrap_or(0),
            REMOTE_ID => ids[1] = value.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    let unanswered = word(info, 24).unwrap_or(0);
    let timeouts = info.get(4).copied().unwrap_or(0);
    let last = |at: usize| word(info, at).unwrap_or(u32::MAX);
    Subflow {
        local: head.local,
        remote: head.remote,
        bound: head.bound,
        local_id: ids[0],
        remote_id: ids[1],
        open: head.phase() == Phase::Open,
        rtt_us: word(info, 68).unwrap_or(0),
        sent: sent(info),
        resent: long(info, 208).unwrap_or(0),
        received: received(info),
        idle_ms: last(44).min(last(52)),
        backup: flags & BACKUP != 0,
        stale: unanswered > 0 && timeouts >= STALE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both dumps of a namespace in which a client with a second, backup address, a client of a
    /// server without MPTCP, a client without MPTCP of a server with it, and a client in IPv6 had
    /// said some bytes each (Linux 6.18).
    const MPTCP_SOCKETS: &[u8] = include_bytes!("../../tests/recorded/mptcp.bin");
    const TCP_SOCKETS: &[u8] = include_bytes!("../../tests/recorded/tcp.bin");

    #[test]
    fn what_the_kernel_said_is_read_whole() {
        let all = read(MPTCP_SOCKETS, TCP_SOCKETS);
        let mut seen: Vec<String> = all
            .iter()
            .map(|one| {
                let port = one.local.port();
                let end = if port < 10_000 { port.to_string() } else { "client".into() };
                let subflows: Vec<String> = one
                    .subflows
                    .iter()
                    .map(|subflow| {
                        let backup = if subflow.backup { " backup" } else { "" };
                        let bound = if subflow.bound.is_some() { " bound" } else { "" };
                        format!("{}{backup}{bound}", subflow.local.ip())
                    })
                    .collect();
                format!(
                    "{end} {:?} {:?} {}/{} [{}]",
                    one.phase,
                    one.fallback,
                    one.sent,
                    one.received,
                    subflows.join(", ")
                )
            })
            .collect();
        seen.sort();
        assert_eq!(
            seen,
            [
                "5000 Open None 100/10001 [127.0.0.1, 127.0.0.1 backup]",
                "5000 Open Some(AskedWithout) 0/3 [127.0.0.1]",
                "5002 Open None 0/4 [::1]",
                "client Open None 10001/100 [127.0.0.1, 10.0.0.2 backup bound]",
                "client Open None 4/0 [::1]",
                "client Open Some(PeerWithout) 2/0 [127.0.0.1]",
            ]
        );
        assert!(all.iter().flat_map(|one| &one.subflows).all(|one| one.rtt_us > 0 && one.open));
        assert!(all.iter().all(|one| one.inode != 0));
    }

    #[test]
    fn a_dump_that_is_cut_or_damaged_anywhere_is_read_as_far_as_it_goes() {
        use crate::message::tests::mangled;
        let whole = read(MPTCP_SOCKETS, TCP_SOCKETS).len();
        for cut in mangled(MPTCP_SOCKETS) {
            // Changing one byte of a port can make one more listener, hence one more connection.
            assert!(read(&cut, TCP_SOCKETS).len() <= whole + 1);
        }
        for cut in mangled(TCP_SOCKETS) {
            assert!(read(MPTCP_SOCKETS, &cut).len() <= whole + 1);
        }
    }

    #[test]
    fn a_kernel_that_says_less_is_understood() {
        // tcp_info of Linux 4.15 ends before bytes_sent.
        let info = vec![1; 192];
        assert_eq!(sent(&info), 0x0101_0101_0101_0101);
        assert_eq!((sent(&info[..100]), received(&info[..130])), (0, 0));
    }
}
