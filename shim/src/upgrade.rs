//! Which sockets become MPTCP, and what happens when the kernel says no.
//!
//! The decision ([`is_tcp`], [`means_no_mptcp`]) is pure and table-tested; [`socket`] is the one
//! place that carries it out. No cache of earlier answers: a refused attempt costs 0.2 µs, while
//! a cached one would outlive the `sysctl` or namespace it was about.

use core::ffi::c_int;

use crate::compat::{ours, table};
use crate::config;
use crate::sys;
use crate::trace;
use crate::verdict::Outcome;

/// The bits of `type` that are the socket type; the others are flags (`SOCK_TYPE_MASK`,
/// `include/linux/net.h`).
const TYPE_MASK: c_int = 0xf;

/// True when `socket(domain, kind, protocol)` asks for TCP (tcp(7), ip(7), ipv6(7)).
pub(crate) fn is_tcp(domain: c_int, kind: c_int, protocol: c_int) -> bool {
    (domain == libc::AF_INET || domain == libc::AF_INET6)
        && kind & TYPE_MASK == libc::SOCK_STREAM
        && (protocol == 0 || protocol == libc::IPPROTO_TCP)
}

/// True when `errno` from an MPTCP attempt is about MPTCP (or about the whole request, which
/// then fails as TCP just the same), so that plain TCP must be tried.
///
/// False for the errors of a process or host that is out of something: they would hit TCP too,
/// and a second attempt could only hide them.
pub(crate) fn means_no_mptcp(errno: c_int) -> bool {
    !matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EINTR)
}

/// The hook behind the exported `socket`.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    let config = config::get();
    if !is_tcp(domain, kind, protocol) || config.off() {
        return leave(domain, kind, protocol);
    }
    let before = sys::errno();
    let mut fd = sys::next::socket_at_once(domain, kind, libc::IPPROTO_MPTCP);
    let mut outcome = Outcome::Mptcp;
    if fd >= 0 {
        ours::upgraded(fd);
    } else {
        (fd, outcome) = fall_back(domain, kind, protocol, before);
    }
    if config.trace() {
        trace::socket(domain, kind, protocol, fd, outcome);
    }
    fd
}

/// Makes a socket exactly as asked, and forgets what was known of its number.
#[inline(never)]
fn leave(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    let fd = sys::next::socket(domain, kind, protocol);
    if fd >= 0 {
        table::forget(fd);
        if protocol == libc::IPPROTO_MPTCP {
            ours::program_knows_mptcp();
        }
    }
    fd
}

/// The MPTCP attempt failed: give the program what plain TCP gives, with the `errno` it had
/// `before` the call if TCP succeeds.
#[cold]
#[cfg_attr(test, allow(dead_code))]
fn fall_back(domain: c_int, kind: c_int, protocol: c_int, before: c_int) -> (c_int, Outcome) {
    let refused = sys::errno();
    if !means_no_mptcp(refused) {
        return (-1, Outcome::Failed(refused));
    }
    sys::set_errno(before);
    let fd = leave(domain, kind, protocol);
    (fd, if fd >= 0 { Outcome::Tcp(refused) } else { Outcome::Failed(sys::errno()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use libc::{
        AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, IPPROTO_ICMP, IPPROTO_MPTCP, IPPROTO_SCTP,
        IPPROTO_TCP, IPPROTO_UDP, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW,
        SOCK_SEQPACKET, SOCK_STREAM,
    };

    #[test]
    fn exactly_the_ways_to_ask_for_tcp_are_upgraded() {
        let all_flags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
        let table = [
            ("IPv4, protocol 0", AF_INET, SOCK_STREAM, 0, true),
            ("IPv4, TCP named", AF_INET, SOCK_STREAM, IPPROTO_TCP, true),
            ("IPv6, protocol 0", AF_INET6, SOCK_STREAM, 0, true),
            ("IPv6, TCP named", AF_INET6, SOCK_STREAM, IPPROTO_TCP, true),
            ("close-on-exec", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, true),
            ("non-blocking", AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0, true),
            ("both flags", AF_INET, all_flags, IPPROTO_TCP, true),
            ("a flag the kernel may learn", AF_INET, SOCK_STREAM | 0x1000, 0, true),
            ("UDP", AF_INET, SOCK_DGRAM, 0, false),
            ("UDP with flags", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP, false),
            ("raw", AF_INET, SOCK_RAW, IPPROTO_TCP, false),
            ("SCTP stream", AF_INET, SOCK_STREAM, IPPROTO_SCTP, false),
            ("already MPTCP", AF_INET, SOCK_STREAM, IPPROTO_MPTCP, false),
            ("a stream of UDP, which fails", AF_INET, SOCK_STREAM, IPPROTO_UDP, false),
            ("ICMP", AF_INET, SOCK_DGRAM, IPPROTO_ICMP, false),
            ("Unix stream", AF_UNIX, SOCK_STREAM, 0, false),
            ("seqpacket", AF_INET, SOCK_SEQPACKET, 0, false),
            ("netlink", AF_NETLINK, SOCK_RAW, 0, false),
            ("type 0", AF_INET, 0, 0, false),
            ("a negative protocol", AF_INET, SOCK_STREAM, -1, false),
            ("a negative family", -1, SOCK_STREAM, 0, false),
            ("extremes", c_int::MIN, c_int::MAX, c_int::MIN, false),
        ];
        for (name, domain, kind, protocol, expected) in table {
            assert_eq!(is_tcp(domain, kind, protocol), expected, "{name}");
        }
    }

    #[test]
    fn errors_about_mptcp_lead_to_tcp_and_shortages_do_not() {
        let table = [
            (libc::EINVAL, true, "kernel before 5.6"),
            (libc::EPROTONOSUPPORT, true, "not compiled in"),
            (libc::ENOPROTOOPT, true, "net.mptcp.enabled=0"),
            (libc::EPERM, true, "BPF or seccomp"),
            (libc::EACCES, true, "SELinux"),
            (libc::EAFNOSUPPORT, true, "no such family"),
            (libc::ESOCKTNOSUPPORT, true, "no such type"),
            (libc::ENOSYS, true, "a sandbox"),
            (libc::EMFILE, false, "descriptors of the process"),
            (libc::ENFILE, false, "descriptors of the host"),
            (libc::ENOBUFS, false, "buffers"),
            (libc::ENOMEM, false, "memory"),
            (libc::EINTR, false, "a signal"),
        ];
        for (errno, expected, name) in table {
            assert_eq!(means_no_mptcp(errno), expected, "{name}");
        }
    }
}
