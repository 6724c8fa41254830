//! The words of the debug records: the signs that stand in a template for a number, and the words that
//! a number is written as.
//!
//! Put together when the library is compiled, into one text: a table of pointers would have to be
//! relocated at each exec, and a `match` is code.

use core::ffi::c_int;

use crate::verdict::Stays;

/// A decimal.
pub(crate) const NUMBER: &[u8] = &[1];
/// An errno, by its name.
pub(crate) const ERRNO: &[u8] = &[2];
/// An address family.
pub(crate) const FAMILY: &[u8] = &[3];
/// The level of a socket option.
pub(crate) const LEVEL: &[u8] = &[4];
/// The protocol of a TCP socket: 0 or `IPPROTO_TCP`.
pub(crate) const PROTOCOL: &[u8] = &[5];
/// A flag of `socket()`, where the number is 1.
pub(crate) const CLOEXEC: &[u8] = &[6];
/// A flag of `socket()`, where the number is 1.
pub(crate) const NONBLOCK: &[u8] = &[7];
/// What an errno means when MPTCP was refused with it; nothing for others.
pub(crate) const MEANING: &[u8] = &[8];
/// A [`Stays`]. (10 is the line feed, which stands for itself.)
pub(crate) const STAYS: &[u8] = &[11];
/// The letter of a policy's rule (`policy.rs`).
pub(crate) const RULE: &[u8] = &[12];

/// Below this sign a number without a word is written as a decimal, from it on not at all.
pub(crate) const FIRST_SILENT: u8 = CLOEXEC[0];

/// What an errno means: net/mptcp/protocol.c, Documentation/networking/mptcp-sysctl.rst.
const LIST: [(&[u8], c_int, &str); 40] = [
    (ERRNO, libc::EINVAL, "EINVAL"),
    (ERRNO, libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
    (ERRNO, libc::ENOPROTOOPT, "ENOPROTOOPT"),
    (ERRNO, libc::EPERM, "EPERM"),
    (ERRNO, libc::EACCES, "EACCES"),
    (ERRNO, libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
    (ERRNO, libc::EMFILE, "EMFILE"),
    (ERRNO, libc::ENFILE, "ENFILE"),
    (ERRNO, libc::ENOBUFS, "ENOBUFS"),
    (ERRNO, libc::ENOMEM, "ENOMEM"),
    (ERRNO, libc::EOPNOTSUPP, "EOPNOTSUPP"),
    (FAMILY, libc::AF_INET, "AF_INET"),
    (FAMILY, libc::AF_INET6, "AF_INET6"),
    (LEVEL, libc::IPPROTO_IP, "IPPROTO_IP"),
    (LEVEL, libc::SOL_SOCKET, "SOL_SOCKET"),
    (LEVEL, libc::IPPROTO_TCP, "IPPROTO_TCP"),
    (LEVEL, libc::IPPROTO_IPV6, "IPPROTO_IPV6"),
    (PROTOCOL, libc::IPPROTO_TCP, "IPPROTO_TCP"),
    (CLOEXEC, 1, "|SOCK_CLOEXEC"),
    (NONBLOCK, 1, "|SOCK_NONBLOCK"),
    (MEANING, libc::EINVAL, " (kernel before 5.6)"),
    (MEANING, libc::EPROTONOSUPPORT, " (kernel built without MPTCP)"),
    (MEANING, libc::ENOPROTOOPT, " (net.mptcp.enabled=0)"),
    (MEANING, libc::EPERM, " (a security policy)"),
    (MEANING, libc::EACCES, " (a security policy)"),
    (STAYS, Stays::NotOurs as c_int, "it was not made here"),
    (STAYS, Stays::Connected as c_int, "it is connected"),
    (STAYS, Stays::Listening as c_int, "it listens"),
    (STAYS, Stays::Tried as c_int, "it has tried to connect"),
    (STAYS, Stays::Shared as c_int, "it has other descriptors (dup, fork)"),
    (STAYS, Stays::Unrepeatable as c_int, "what was set or bound cannot be repeated"),
    (STAYS, Stays::Polled as c_int, "its epoll cannot be told"),
    (STAYS, Stays::Busy as c_int, "no descriptor is free, or another thread is at it"),
    (STAYS, Stays::Beyond as c_int, "its number is above 65535"),
    (RULE, b'c' as c_int, "client only"),
    (RULE, b's' as c_int, "server only"),
    (RULE, b'l' as c_int, "loopback"),
    (RULE, b'e' as c_int, "its port"),
    (RULE, b'o' as c_int, "its port"),
    (RULE, b'n' as c_int, "its network"),
];

/// [`LIST`] as it is in the library: for each word its sign, the number plus one (0 ends a word), the
/// letters, and 0.
pub(crate) static WORDS: [u8; length_of_words()] = words();

const fn length_of_words() -> usize {
    let (mut length, mut at) = (0, 0);
    while at < LIST.len() {
        length += LIST[at].2.len() + 3;
        at += 1;
    }
    length
}

const fn words() -> [u8; length_of_words()] {
    let mut text = [0; length_of_words()];
    let (mut used, mut at) = (0, 0);
    while at < LIST.len() {
        let (sign, number, word) = LIST[at];
        assert!(number >= 0 && number < 255);
        text[used] = sign[0];
        text[used + 1] = number as u8 + 1;
        used += 2;
        let mut letter = 0;
        while letter < word.len() {
            text[used] = word.as_bytes()[letter];
            used += 1;
            letter += 1;
        }
        used += 1;
        at += 1;
    }
    text
}

/// How long a template is.
pub(crate) const fn length(parts: &[&[u8]]) -> usize {
    let (mut length, mut at) = (0, 0);
    while at < parts.len() {
        length += parts[at].len();
        at += 1;
    }
    length
}

/// The parts of a template in one text.
pub(crate) const fn join<const LENGTH: usize>(parts: &[&[u8]]) -> [u8; LENGTH] {
    let mut text = [0; LENGTH];
    let (mut used, mut at) = (0, 0);
    while at < parts.len() {
        let mut byte = 0;
        while byte < parts[at].len() {
            text[used] = parts[at][byte];
            used += 1;
            byte += 1;
        }
        at += 1;
    }
    text
}

/// A template for [`Line::write`](crate::line::Line::write): texts, and signs for the numbers, joined at
/// compile time.
#[macro_export]
macro_rules! template {
    ($($part:expr),+ $(,)?) => {{
        const PARTS: &[&[u8]] = &[$($part),+];
        const TEXT: &[u8] = &$crate::words::join::<{ $crate::words::length(PARTS) }>(PARTS);
        TEXT
    }};
}
