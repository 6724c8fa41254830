//! Which socket options MPTCP refuses though TCP knows them, and which it takes and tells: asked of the
//! kernel, each once, on a socket of either kind that nobody else has.
//!
//! Not here: what is done about them (`option.rs`, `replay.rs`).

use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

use crate::inject::seccomp::sockets;
use crate::syscall::MPTCP;

/// The levels of a TCP socket (`SOL_SOCKET` and the three protocols).
pub const LEVELS: [i32; 4] =
    [libc::SOL_SOCKET, libc::IPPROTO_IPV6, libc::IPPROTO_IP, libc::IPPROTO_TCP];

/// How far each of them is looked through: further than any option of today. From 64 on, those of IP
/// are of packet filters.
const MOST: [i32; 4] = [95, 95, 63, 63];

/// Names of options that are refused, for each of [`LEVELS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// To setsockopt(2).
    pub set: [Vec<u32>; 4],
    /// To getsockopt(2).
    pub get: [Vec<u32>; 4],
    /// What getsockopt(2) answers as TCP does: nobody needs to be asked.
    pub told: [Vec<u32>; 4],
    /// Levels and names of those that both take and both tell: what a program can have set.
    pub both: Vec<(i32, i32)>,
}

impl Refused {
    /// Asks. Nothing is refused where the kernel has no MPTCP.
    pub fn ask() -> Self {
        let mut refused = Refused::default();
        // IPv6 has all levels, and a host may have none of it.
        for (family, without) in
            [(AddressFamily::INET6, None), (AddressFamily::INET, Some(libc::IPPROTO_IPV6))]
        {
            let make = |protocol| {
                socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, Some(protocol)).ok()
            };
            let mptcp = make(MPTCP);
            let (Some(mptcp), Some(tcp)) = (mptcp, make(ipproto::TCP)) else { continue };
            for (at, level) in LEVELS.into_iter().enumerate() {
                if Some(level) != without {
                    refused.ask_level(at, (&mptcp, &tcp));
                }
            }
            break;
        }
        refused
    }

    fn ask_level(&mut self, at: usize, (mptcp, tcp): (&OwnedFd, &OwnedFd)) {
        let (mptcp, tcp) = (mptcp.as_fd(), tcp.as_fd());
        let level = LEVELS[at];
        for name in 0..=MOST[at] {
            let number = name.unsigned_abs();
            let got = sockets::get(tcp, level, name);
            let told = sockets::get(mptcp, level, name);
            if told.is_ok() {
                self.told[at].push(number);
            }
            if is_refused(told.clone()) && !is_refused(got.clone()) {
                self.get[at].push(number);
            }
            // Both read the value before they look at the name, so they are given one: TCP's own.
            let own = got.unwrap_or(vec![0; 4]);
            // What is named by a text is looked up, perhaps as a kernel module: not for a question.
            if own.is_empty() || is_refused(sockets::set(tcp, level, name, &own)) {
                continue;
            }
            match is_refused(sockets::set(mptcp, level, name, &own)) {
                true => self.set[at].push(number),
                false if told.is_ok() => self.both.push((level, name)),
                false => {}
            }
        }
    }

    /// Is it one of them?
    pub fn has(&self, sets: bool, level: i32, name: i32) -> bool {
        let all = if sets { &self.set } else { &self.get };
        let at = LEVELS.iter().position(|known| *known == level);
        at.is_some_and(|at| all[at].iter().any(|known| known.cast_signed() == name))
    }
}

/// Did the kernel say that there is no such option, or none for this protocol?
fn is_refused<T>(answer: Result<T, i32>) -> bool {
    matches!(answer, Err(libc::ENOPROTOOPT | libc::EOPNOTSUPP))
}
