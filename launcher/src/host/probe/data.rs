//! One connection over all paths, with a little data on it.
//!
//! What is sent is the beginning of a request, in many small pieces so that the scheduler spreads
//! them: of a TLS ClientHello where the port is one of TLS, else of the first line of an HTTP HEAD. It
//! never ends, so that a server waits for more until we hang up, whatever it speaks.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SendFlags, send};

use super::connect::{LOOK, MOST_BYTES, MPTCP_PATIENCE, Target, connect};
use super::sys;
use crate::syscall::MPTCP;
use crate::syscall::timespec;
use mptcpize_model::checks::peer::{Answer, Carried, Joint};

/// Ports on which a server waits for a TLS record before it says anything (service names of IANA).
const TLS: [u16; 13] = [443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 8443];

/// How much is sent at once.
const PIECE: usize = 64;

/// How long after the first acknowledgement joins are waited for: a SYN, its repetition after a
/// second, and a slow path.
const JOIN_PATIENCE: Duration = Duration::from_millis(2_000);

/// How long data are waited for that nobody acknowledges.
const DATA_PATIENCE: Duration = Duration::from_millis(1_000);

/// The unfinished request.
struct Request {
    beginning: Vec<u8>,
    filler: u8,
    sent: usize,
}

impl Request {
    fn new(name: &str, port: u16) -> Self {
        if TLS.contains(&port) {
            // A record of 16,384 bytes with a ClientHello as long (RFC 8446 sections 4 and 5.1).
            let beginning = vec![0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
            return Request { beginning, filler: 0, sent: 0 };
        }
        // Not even the end of a line: what reads lines waits for it, too.
        let text = format!("HEAD /mptcpize-check?to={name}&padding=");
        Request { beginning: text.into_bytes(), filler: b'x', sent: 0 }
    }

    /// Sends the next piece; false when enough was sent, or the peer hung up.
    fn piece(&mut self, socket: impl AsFd) -> bool {
        if self.sent + PIECE > MOST_BYTES {
            return false;
        }
        let bytes: Vec<u8> = (self.sent..self.sent + PIECE)
            .map(|at| self.beginning.get(at).copied().unwrap_or(self.filler))
            .collect();
        match send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(count) => {
                self.sent += count;
                true
            }
            Err(_) => false,
        }
    }
}

/// Sends a piece on each connection over one path, and waits for its acknowledgement.
pub(super) fn each(
    sockets: &[Option<(&OwnedFd, u16)>],
    name: &str,
    until: Instant,
    tell: &mut dyn FnMut(),
) -> Vec<Option<Carried>> {
    let open = || sockets.iter().flatten();
    for (socket, port) in open() {
        Request::new(name, *port).piece(socket);
    }
    let patience = DATA_PATIENCE.min(until.saturating_duration_since(Instant::now()));
    wait(patience, tell, || open().all(|(socket, _)| carries(sys::acked_bytes(socket))));
    let look = |(socket, _): &(&OwnedFd, u16)| Carried {
        acked_bytes: sys::acked_bytes(socket),
        mptcp: sys::is_in_use(socket),
    };
    sockets.iter().map(|socket| socket.as_ref().map(look)).collect()
}

/// Connects as programs do, lets the path manager join the addresses in `joins`, and sends until each
/// subflow has carried something.
pub(super) fn joint(
    target: &Target,
    name: &str,
    joins: &[IpAddr],
    until: Instant,
    tell: &mut dyn FnMut(),
) -> Option<Joint> {
    let left = || until.saturating_duration_since(Instant::now());
    // Not bound, so that it starts as every other connection does; where that way is dead, from the
    // address that was tried with success.
    let unbound = Target { dev: None, bound: false, from: None, to: target.to };
    let socket = [&unbound, target].into_iter().find_map(|target| {
        let patience = MPTCP_PATIENCE.min(left().mul_f64(0.3));
        let (answer, socket) = connect(&[Some(target)], Some(MPTCP), patience, tell).pop()?;
        matches!(answer, Answer::Connected { mptcp: true, .. }).then_some(socket?)
    })?;
    let mut request = Request::new(name, target.to.port());
    // The path manager waits for the first data to be acknowledged.
    request.piece(&socket);
    wait(DATA_PATIENCE.min(left()), tell, || {
        sys::subflows(&socket).iter().any(|subflow| carries(subflow.acked_bytes))
    });
    let start = Instant::now();
    if !joins.is_empty() {
        wait(JOIN_PATIENCE.min(left()), tell, || {
            let subflows = sys::subflows(&socket);
            joins.iter().all(|join| {
                subflows.iter().any(|subflow| subflow.from == *join && subflow.established)
            })
        });
    }
    let waited_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    wait(DATA_PATIENCE.min(left()), tell, || {
        // Several at once: the scheduler prefers the subflow with the shortest queue.
        for _ in 0..8 {
            request.piece(&socket);
        }
        all_carry(&socket)
    });
    let mut polled = [PollFd::new(&socket, PollFlags::RDHUP)];
    let _ = poll(&mut polled, Some(&timespec(Duration::ZERO)));
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    let hung_up = polled[0].revents().intersects(gone);
    let (mptcp, subflows) = (sys::is_in_use(&socket), sys::subflows(&socket));
    Some(Joint { mptcp, hung_up, subflows, waited_ms })
}

/// Has every subflow that is established carried something?
fn all_carry(socket: &OwnedFd) -> bool {
    let subflows = sys::subflows(socket);
    let mut open = subflows.iter().filter(|subflow| subflow.established);
    open.all(|subflow| carries(subflow.acked_bytes))
}

/// Was something acknowledged? Where the kernel does not say, there is nothing to wait for.
fn carries(acked_bytes: Option<u64>) -> bool {
    acked_bytes.is_none_or(|bytes| bytes > 0)
}

/// Looks again and again, until something holds or time is up.
fn wait(patience: Duration, tell: &mut dyn FnMut(), mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() && start.elapsed() < patience {
        tell();
        let _ = poll(&mut [], Some(&timespec(LOOK)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_never_ends() {
        for (port, first) in [(443, &[0x16, 3, 1][..]), (80, b"HEAD /mptcpize-check?to=a&")] {
            let request = Request::new("a", port);
            assert!(request.beginning.starts_with(first), "{port}");
            assert!(request.beginning.len() < MOST_BYTES, "{port}");
            assert!(!request.beginning.contains(&b'\n'), "{port}");
        }
    }
}
