//! Options of a TCP socket of another process that differ from a fresh socket's, and that MPTCP
//! refuses to be set: where our library was there, they are why the socket is TCP.
//!
//! The descriptor is copied for a moment (pidfd_getfd(2)), which the process does not see. Options
//! that cannot be read back (keys of MD5 signatures) are not found so.

use std::os::fd::AsFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

use crate::inject::seccomp::refused::{LEVELS, Refused};
use crate::inject::seccomp::sockets;

/// The words of options that programs set and some MPTCP since Linux 6.1 refuses, by level and name
/// (include/uapi/linux/tcp.h, in.h, in6.h, asm-generic/socket.h).
const WORDS: [(i32, i32, &str); 52] = [
    (1, 10, "SO_OOBINLINE"),
    (1, 26, "SO_ATTACH_FILTER"),
    (1, 42, "SO_PEEK_OFF"),
    (1, 44, "SO_LOCK_FILTER"),
    (1, 47, "SO_MAX_PACING_RATE"),
    (1, 60, "SO_ZEROCOPY"),
    (1, 61, "SO_TXTIME"),
    (1, 72, "SO_BUF_LOCK"),
    (1, 74, "SO_TXREHASH"),
    (1, 75, "SO_RCVMARK"),
    (1, 82, "SO_RCVPRIORITY"),
    (0, 2, "IP_TTL"),
    (0, 4, "IP_OPTIONS"),
    (0, 6, "IP_RECVOPTS"),
    (0, 7, "IP_RETOPTS"),
    (0, 8, "IP_PKTINFO"),
    (0, 10, "IP_MTU_DISCOVER"),
    (0, 11, "IP_RECVERR"),
    (0, 12, "IP_RECVTTL"),
    (0, 13, "IP_RECVTOS"),
    (0, 18, "IP_PASSSEC"),
    (0, 20, "IP_ORIGDSTADDR"),
    (0, 21, "IP_MINTTL"),
    (0, 22, "IP_NODEFRAG"),
    (0, 23, "IP_CHECKSUM"),
    (0, 50, "IP_UNICAST_IF"),
    (41, 16, "IPV6_UNICAST_HOPS"),
    (41, 23, "IPV6_MTU_DISCOVER"),
    (41, 25, "IPV6_RECVERR"),
    (41, 49, "IPV6_RECVPKTINFO"),
    (41, 51, "IPV6_RECVHOPLIMIT"),
    (41, 62, "IPV6_DONTFRAG"),
    (41, 66, "IPV6_RECVTCLASS"),
    (41, 72, "IPV6_ADDR_PREFERENCES"),
    (41, 73, "IPV6_MINHOPCOUNT"),
    (41, 74, "IPV6_ORIGDSTADDR"),
    (41, 76, "IPV6_UNICAST_IF"),
    (6, 2, "TCP_MAXSEG"),
    (6, 4, "TCP_KEEPIDLE"),
    (6, 5, "TCP_KEEPINTVL"),
    (6, 6, "TCP_KEEPCNT"),
    (6, 7, "TCP_SYNCNT"),
    (6, 8, "TCP_LINGER2"),
    (6, 10, "TCP_WINDOW_CLAMP"),
    (6, 18, "TCP_USER_TIMEOUT"),
    (6, 19, "TCP_REPAIR"),
    (6, 23, "TCP_FASTOPEN"),
    (6, 25, "TCP_NOTSENT_LOWAT"),
    (6, 27, "TCP_SAVE_SYN"),
    (6, 30, "TCP_FASTOPEN_CONNECT"),
    (6, 31, "TCP_ULP"),
    (6, 37, "TCP_TX_DELAY"),
];

/// Options for which no socket becomes TCP: hints, answered in every state (the library's hints.rs and
/// the supervisor's option.rs have the reasons).
const HINTS: [(i32, i32); 4] = [
    (libc::IPPROTO_TCP, libc::TCP_QUICKACK),
    (libc::IPPROTO_TCP, libc::TCP_THIN_LINEAR_TIMEOUTS),
    (libc::IPPROTO_TCP, libc::TCP_THIN_DUPACK),
    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
];

/// What every connection has a value of its own for.
const OF_CONNECTIONS: [&str; 2] = ["TCP_WINDOW_CLAMP", "TCP_MAXSEG"];

/// The words for what was set on the socket that the process has under this descriptor; nothing
/// where it may not be looked at. In the network namespace of the process, whose sysctls are the
/// defaults.
pub fn of(pid: u32, descriptor: i32, listens: bool, refused: &Refused) -> Vec<String> {
    let Ok(theirs) = sockets::of_process(pid, descriptor) else { return vec![] };
    let Some(domain) = sockets::number(theirs.as_fd(), libc::SOL_SOCKET, libc::SO_DOMAIN) else {
        return vec![];
    };
    let family = AddressFamily::from_raw(domain as u16);
    let made = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP));
    let Ok(fresh) = made else { return vec![] };
    let mut found = Vec::new();
    for (level, names) in LEVELS.into_iter().zip(&refused.set) {
        for name in names.iter().map(|name| name.cast_signed()) {
            let word = word(level, name);
            // Of a connection much is its own that nobody has set.
            let usual = !listens && word.is_none_or(|word| OF_CONNECTIONS.contains(&word));
            if usual || HINTS.contains(&(level, name)) {
                continue;
            }
            let value = |socket| sockets::get(socket, level, name).ok();
            let (theirs, usual) = (value(theirs.as_fd()), value(fresh.as_fd()));
            if theirs.is_some() && theirs != usual {
                let unknown = || format!("option {name} of level {level}");
                found.push(word.map_or_else(unknown, str::to_owned));
            }
        }
    }
    found
}

fn word(level: i32, name: i32) -> Option<&'static str> {
    WORDS.iter().find(|(of, number, _)| (*of, *number) == (level, name)).map(|(_, _, word)| *word)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn an_option_that_mptcp_refuses_is_named_and_usual_sockets_have_none() {
        let refused = Refused::ask();
        assert!(refused.has(true, libc::IPPROTO_TCP, 18), "a kernel with MPTCP");
        let own = std::process::id();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).expect("loopback is up");
            let client =
                TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
            let (server, _) = listener.accept().expect("the client has connected");
            let seen = |fd, listens| of(own, fd, listens, &refused);
            assert_eq!(seen(listener.as_raw_fd(), true), [""; 0], "{address}");
            assert_eq!(seen(client.as_raw_fd(), false), [""; 0], "{address}");
            assert_eq!(seen(server.as_raw_fd(), false), [""; 0], "{address}");
            let _ = sockets::set(listener.as_fd(), libc::IPPROTO_TCP, libc::TCP_QUICKACK, &[0; 4]);
            assert_eq!(seen(listener.as_raw_fd(), true), [""; 0], "{address}");
            sockets::set(listener.as_fd(), libc::IPPROTO_TCP, 18, &5000i32.to_ne_bytes())
                .expect("TCP knows it");
            assert_eq!(seen(listener.as_raw_fd(), true), ["TCP_USER_TIMEOUT"], "{address}");
        }
        assert_eq!(of(own, 1_000_000, true, &refused), [""; 0]);
    }
}
