//! Which of the sockets stay TCP because the administrator wants it so: by program, port, network,
//! side or for the loopback interface.
//!
//! Where a socket leads is known when it connects or listens. Until then it is MPTCP; then it
//! becomes TCP in place (`compat`). Only a program that is named stays TCP from its first call:
//! one whose listeners must carry MD5 signatures (tcp(7), TCP_MD5SIG), which MPTCP does not have.
//!
//! Reading the text and asking it about an address are in [`rules`], which needs nothing of a process.
//!
//! # The text
//! `MPTCPIZE_POLICY` holds it; without one it is [`BY_DEFAULT`]. Up to 32 rules with commas between
//! them and a slash at the end, `e0f00160016,n050000ffff080a,pbird/`
//!
//! * `p` and a name: programs of that name stay TCP; its first 15 letters, as the kernel has it
//!   (`ps -o comm`).
//! * Any other letter, which says why in the trace (`words.rs`), and in
//!   hexadecimal: a byte that says which sockets (1 those that connect, 2 those that listen,
//!   each with 4 for addresses of IPv4, 8 for IPv6), the first port and the last, the length of a
//!   prefix in bits, and its bytes; what is left out is 0. A socket that one of these rules fits
//!   becomes TCP. Port and address are the peer's for a socket that connects, else its own.
//!
//! `launcher/model/src/socket_policy/encode.rs` writes it and tells people their mistakes. A text that is not
//! like this is ignored as a whole: our environment is no reason for a program to fail.

mod rules;

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, Ordering};

use self::rules::{NONE, PROGRAMS, Rules, SOCKETS, parse};
use crate::sys::at_load::AtLoad;
use crate::sys::net::Address;
use crate::sys::process;

/// The programs that speak BGP with MD5 signatures.
const BY_DEFAULT: &[u8] = b"pbird,pbird6,pbgpd,pgobgpd/";

/// The rules of this process.
static RULES: AtLoad<Rules> = AtLoad::new(NONE);

/// [`SOCKETS`], once [`RULES`] holds them.
static IN_FORCE: AtomicU32 = AtomicU32::new(0);

/// Reads the policy; true when this program is to stay TCP. For load time.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn load(wanted: Option<&CStr>) -> bool {
    let text = wanted.map_or(BY_DEFAULT, CStr::to_bytes);
    let sorts = RULES.fill(|rules| parse(text, rules)).unwrap_or(0);
    IN_FORCE.store(sorts & SOCKETS, Ordering::Release);
    let mut name = [0; 16];
    process::program_name(&mut name);
    sorts & PROGRAMS != 0
        && RULES.get().iter().any(|rule| rule.kind == b'p' && rule.data.starts_with(&name))
}

/// Is there a policy for the sockets of this program?
#[inline(always)]
pub(crate) fn in_force() -> bool {
    IN_FORCE.load(Ordering::Acquire) != 0
}

/// The letter of the rule that makes a socket TCP, before it connects to the address or listens
/// at its own. Only where a policy is [`in_force`].
pub(crate) fn wants_tcp(address: &Address, listens: bool) -> Option<u8> {
    rules::decide(RULES.get(), address.plain(), address.port(), listens)
}

#[cfg(test)]
mod tests {
    use super::rules::{MOST, decide};
    use super::*;

    /// What the launcher writes for `--loopback=tcp --except-ports 22 --only-ports 1-99
    /// --except-net 10.0.0.0/8,2001:db8::/32,172.16.0.0/12 --tcp-programs bird,bgpd`
    /// (launcher/model/src/socket_policy/encode.rs has the same text).
    const LONG: &str = "l070000ffff087f,l0b0000ffff8000000000000000000000000000000001,l050000ffff20,\
        l090000ffff80,e0f00160016,o0f00000000,o0f0064ffff,n050000ffff080a,n090000ffff2020010db8,\
        n050000ffff0cac10,pbird,pbgpd/";

    fn read(text: &str) -> (Option<u32>, Rules) {
        let mut rules = NONE;
        (parse(text.as_bytes(), &mut rules), rules)
    }

    #[test]
    fn a_policy_is_read_whole_or_not_at_all() {
        let table = [
            ("nothing", "/", Some(0)),
            ("a rule", "e0f00160016/", Some(SOCKETS)),
            ("a name", "pbird/", Some(PROGRAMS)),
            ("both", "e0f00160016,pbird/", Some(SOCKETS | PROGRAMS)),
            ("what follows the end", "pbird/\0\0,x", Some(PROGRAMS)),
            ("empty", "", None),
            ("no end", "pbird", None),
            ("half a byte", "e0f0016001/", None),
            ("no digit", "e0f0016001x/", None),
            ("a sign", "e+f00160016/", None),
            ("a rule too long", "l0b0000ffff800000000000000000000000000000000100/", None),
            ("a name too long", "pabcdefghijklmnopqrstuvw/", None),
            (
                "not text",
                "p\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}/",
                None,
            ),
        ];
        for (name, text, expected) in table {
            assert_eq!(read(text).0, expected, "{name}");
        }
        let many = |count| ["pa"; 40].get(..count).map(|all| all.join(",") + "/");
        assert_eq!(many(MOST).map(|text| read(&text).0), Some(Some(PROGRAMS)));
        assert_eq!(many(MOST + 1).map(|text| read(&text).0), Some(None), "one too many");
    }

    #[test]
    fn the_same_text_is_refused_wherever_it_is_cut() {
        let text = LONG;
        assert_eq!(read(text).0, Some(SOCKETS | PROGRAMS));
        for end in 0..text.len() {
            assert_eq!(read(&text[..end]).0, None, "{}", &text[..end]);
        }
    }

    #[test]
    fn the_default_is_a_policy() {
        let (sorts, rules) = read(std::str::from_utf8(BY_DEFAULT).expect("it is text"));
        assert_eq!(sorts, Some(PROGRAMS));
        assert!(rules.iter().any(|rule| rule.data.starts_with(b"gobgpd\0")));
    }

    fn address(text: &str) -> Address {
        let address: std::net::SocketAddr = text.parse().expect("an address and a port");
        let mut bytes = [0; 28];
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u16;
        bytes[..2].copy_from_slice(&family.to_ne_bytes());
        bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        match address.ip() {
            std::net::IpAddr::V4(ip) => bytes[4..8].copy_from_slice(&ip.octets()),
            std::net::IpAddr::V6(ip) => bytes[8..24].copy_from_slice(&ip.octets()),
        }
        Address::of(bytes.as_ptr().cast(), 28).expect("these bytes can be read")
    }

    #[test]
    fn a_socket_becomes_tcp_where_a_rule_fits_its_address() {
        let (connects, listens) = (false, true);
        let table = [
            ("loopback", "127.0.0.1:80", connects, Some('l')),
            ("all of loopback", "127.255.0.9:80", connects, Some('l')),
            ("loopback of IPv6", "[::1]:80", connects, Some('l')),
            ("loopback, mapped", "[::ffff:127.0.0.1]:80", connects, Some('l')),
            ("the unnamed address is loopback", "0.0.0.0:80", connects, Some('l')),
            ("in IPv6 too", "[::]:80", connects, Some('l')),
            ("a listener on loopback", "127.0.0.1:80", listens, Some('l')),
            ("a listener everywhere", "0.0.0.0:80", listens, None),
            ("a listener everywhere, IPv6", "[::]:80", listens, None),
            ("elsewhere", "128.0.0.1:80", connects, None),
            ("elsewhere, IPv6", "[::2]:80", connects, None),
            ("elsewhere, mapped", "[::ffff:128.0.0.1]:80", connects, None),
            ("an excepted port", "192.0.2.1:22", connects, Some('e')),
            ("one's own excepted port", "192.0.2.1:22", listens, Some('e')),
            ("the last of the only ports", "192.0.2.1:99", connects, None),
            ("the one behind it", "192.0.2.1:100", connects, Some('o')),
            ("the highest port", "192.0.2.1:65535", listens, Some('o')),
            ("a network", "10.1.2.3:80", connects, Some('n')),
            ("a network, mapped", "[::ffff:10.1.2.3]:80", connects, Some('n')),
            ("a listener in a network", "10.1.2.3:80", listens, None),
            ("not a network", "11.1.2.3:80", connects, None),
            ("a network of IPv6", "[2001:db8:1::1]:80", connects, Some('n')),
            ("not one of IPv6", "[2001:db9::1]:80", connects, None),
            ("within the bits", "172.31.255.255:80", connects, Some('n')),
            ("just without", "172.32.0.0:80", connects, None),
            ("the bytes of IPv4 in IPv6", "[a01::1]:80", connects, None),
        ];
        let (_, rules) = read(LONG);
        for (name, to, listens, expected) in table {
            let to = address(to);
            let letter = decide(&rules, to.plain(), to.port(), listens).map(char::from);
            assert_eq!(letter, expected, "{name}");
        }
    }
}
