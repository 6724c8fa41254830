//! The addresses of a `.socket` unit (systemd.socket(5)), and whether `SocketProtocol=mptcp` fits
//! them. Pure: they come as the unit's files write them, or as systemd has resolved them.
//!
//! systemd gives the protocol to every stream socket of the unit, whatever its family, and the
//! kernel makes none of AF_UNIX or AF_VSOCK with it: the whole unit fails then, at each boot. So
//! all of them must be of IP. Sockets of other types (datagrams, FIFOs, netlink, message queues,
//! files, USB) are made as ever (`socket_open_fds` of systemd 257, core/socket.c).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::unit::UnitName;
use crate::unit::file::UnitText;

/// What stands for a specifier that is not known here.
const OPEN: char = '\u{fffc}';
/// The protocols that a unit can have chosen itself, other than MPTCP.
const OTHERS: [&str; 2] = ["sctp", "udplite"];

/// How a unit's socket is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ListenStream=`.
    Stream,
    /// `ListenSequentialPacket=`.
    SequentialPacket,
    /// `ListenDatagram=`, which a protocol for streams does not touch.
    Datagram,
    /// Any other, which no protocol touches.
    Other,
}

/// What an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A port, with or without an address.
    Ip,
    /// A path, or a name in the abstract space.
    Unix,
    /// A virtual machine's socket.
    Vsock,
    /// A specifier decides, which only an instance or another host knows.
    Open,
}

/// One address that a unit listens at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// As the unit or systemd writes it.
    pub text: String,
    /// Its use.
    pub kind: Kind,
    /// What it names.
    pub family: Family,
}

/// Why `SocketProtocol=mptcp` does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// There is no stream socket at all.
    NoStream,
    /// This address is no stream of IP.
    NotIp(Address),
    /// The unit has a protocol of its own.
    Protocol(String),
}

impl Address {
    /// An address of `systemctl show -p Listen`: `[::]:22 (Stream)`.
    pub fn shown(line: &str) -> Option<Self> {
        let (text, kind) = line.strip_suffix(')')?.rsplit_once(" (")?;
        let kind = match kind {
            "Stream" => Kind::Stream,
            "SequentialPacket" => Kind::SequentialPacket,
            "Datagram" => Kind::Datagram,
            _ => Kind::Other,
        };
        // What systemd has resolved is an address, so what cannot be told is none of IP.
        let family = family(text).unwrap_or(Family::Open);
        Some(Address { text: text.to_owned(), kind, family })
    }

    /// The addresses that a unit's files write. Those that systemd would not understand are left
    /// out, as it leaves them out.
    pub fn written(text: &UnitText, name: &UnitName) -> Vec<Self> {
        let keys = [
            ("ListenStream", Kind::Stream),
            ("ListenSequentialPacket", Kind::SequentialPacket),
            ("ListenDatagram", Kind::Datagram),
        ];
        let all = keys.into_iter().flat_map(|(key, kind)| {
            text.list("Socket", key).into_iter().filter_map(move |(value, _)| {
                let family = family(&resolved(value, name))?;
                Some(Address { text: value.to_owned(), kind, family })
            })
        });
        all.collect()
    }

    /// Does a protocol for streams count for it, and can it be MPTCP?
    pub fn is_ip_stream(&self) -> bool {
        self.kind == Kind::Stream && self.family == Family::Ip
    }

    /// What it is, for a person.
    pub fn describe(&self) -> String {
        let what = match (self.kind, self.family) {
            (Kind::SequentialPacket, _) => "is of SOCK_SEQPACKET",
            (_, Family::Unix) => "is of AF_UNIX",
            (_, Family::Vsock) => "is of AF_VSOCK",
            (_, Family::Open) => "can be anything",
            (_, Family::Ip) => "is of IP",
        };
        format!("{} {what}", self.text)
    }
}

/// Does `SocketProtocol=mptcp` fit a unit with these addresses and this protocol of its own?
///
/// # Errors
/// Why not.
pub fn fits(addresses: &[Address], own_protocol: Option<&str>) -> Result<(), Misfit> {
    if let Some(own) = own_protocol.filter(|own| OTHERS.contains(own)) {
        return Err(Misfit::Protocol(own.to_owned()));
    }
    let counted = addresses
        .iter()
        .filter(|address| matches!(address.kind, Kind::Stream | Kind::SequentialPacket));
    if let Some(other) = counted.clone().find(|address| !address.is_ip_stream()) {
        return Err(Misfit::NotIp(other.clone()));
    }
    if counted.count() == 0 { Err(Misfit::NoStream) } else { Ok(()) }
}

/// Reads an address as systemd does (`socket_address_parse`, shared/socket-netlink.c); `None` for
/// one that it would refuse.
fn family(text: &str) -> Option<Family> {
    if text.starts_with('/') || text.starts_with('@') {
        return Some(Family::Unix);
    }
    if text.starts_with("vsock") {
        return Some(Family::Vsock);
    }
    let is_port = |text: &str| {
        text.parse::<u16>().is_ok_and(|port| port != 0)
            || (text.contains(OPEN)
                && text.chars().all(|letter| letter == OPEN || letter.is_ascii_digit()))
    };
    // A specifier alone can be a port as well as a path.
    let has_start = text.starts_with(|letter: char| letter.is_ascii_digit());
    if is_port(text) && has_start {
        return Some(Family::Ip);
    }
    if let Some((address, port)) = text.rsplit_once(':') {
        let inside = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_address = match inside {
            Some(inside) => {
                let (bare, _) = inside.split_once('%').unwrap_or((inside, ""));
                bare.contains(OPEN) || bare.parse::<Ipv6Addr>().is_ok()
            }
            None => {
                address.parse::<Ipv4Addr>().is_ok()
                    || (has_start && address.contains(OPEN) && address.contains('.'))
            }
        };
        if is_address && is_port(port) {
            return Some(Family::Ip);
        }
    }
    text.contains(OPEN).then_some(Family::Open)
}

/// A setting with the specifiers resolved that a name alone decides (systemd.unit(5)); those of
/// directories become a path, and others [`OPEN`].
fn resolved(setting: &str, name: &UnitName) -> String {
    let stem = name.stem();
    let (prefix, instance) = match stem.split_once('@') {
        Some((prefix, instance)) => (prefix, Some(instance).filter(|it| !it.is_empty())),
        None => (stem, Some("")),
    };
    let last = |text: &str| text.rsplit_once('-').map_or(text, |(_, last)| last).to_owned();
    let mut text = String::new();
    let mut letters = setting.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        match (letters.next(), instance) {
            (Some('%'), _) => text.push('%'),
            (Some('t' | 'S' | 'C' | 'L' | 'E' | 'T' | 'V' | 'h' | 'd' | 'D' | 'y' | 'Y'), _) => {
                text.push_str("/run");
            }
            (Some('p'), _) => text.push_str(prefix),
            (Some('P'), _) => text.push_str(&unescaped(prefix)),
            (Some('j'), _) => text.push_str(&last(prefix)),
            (Some('J'), _) => text.push_str(&unescaped(&last(prefix))),
            (Some('n'), Some(_)) => text.push_str(name.as_str()),
            (Some('N'), Some(_)) => text.push_str(stem),
            (Some('i'), Some(instance)) => text.push_str(instance),
            (Some('I'), Some(instance)) => text.push_str(&unescaped(instance)),
            (Some('f'), _) => text.push('/'),
            _ => text.push(OPEN),
        }
    }
    text
}

/// A part of a unit's name as it was before systemd-escape(1).
fn unescaped(text: &str) -> String {
    let slashes = text.replace('-', "/");
    let mut bytes = Vec::new();
    let mut rest = slashes.as_str();
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend(before.bytes());
        let code = after.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(code) => bytes.push(code),
            None => bytes.extend(b"\\x"),
        }
        rest = if code.is_some() { &after[2..] } else { after };
    }
    bytes.extend(rest.bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn verdict(name: &str, lines: &str) -> Result<(), Misfit> {
        let text = UnitText::read(&[(PathBuf::from("/u"), format!("[Socket]\n{lines}\n"))]);
        let name = UnitName::new(name).expect("a good name");
        fits(&Address::written(&text, &name), text.last("Socket", "SocketProtocol"))
    }

    #[test]
    fn a_protocol_for_streams_fits_where_all_of_them_are_of_ip() {
        let table = [
            ("a.socket", "ListenStream=22", "fits"),
            ("a.socket", "ListenStream=0.0.0.0:22\nListenStream=[::]:22", "fits"),
            ("a.socket", "ListenStream=[fe80::1%%eth0]:22", "fits"),
            ("a.socket", "ListenStream=22\nListenDatagram=53\nListenFIFO=/run/f", "fits"),
            ("a.socket", "ListenStream=22\nListenDatagram=/run/log", "fits"),
            ("a.socket", "ListenStream=/run/a\nListenStream=\nListenStream=22", "fits"),
            ("a.socket", "ListenStream=22\nSocketProtocol=mptcp", "fits"),
            ("a@8080.socket", "ListenStream=%i", "fits"),
            ("a@8080.socket", "ListenStream=127.0.0.1:%I", "fits"),
            ("a@.socket", "ListenStream=127.0.0.1:%i", "fits"),
            ("a@.socket", "ListenStream=80%i", "fits"),
            ("a@.socket", "ListenStream=[%I]:80", "fits"),
            ("a.socket", "ListenStream=/run/a", "/run/a is of AF_UNIX"),
            ("a.socket", "ListenStream=@a", "@a is of AF_UNIX"),
            ("a.socket", "ListenStream=%t/a", "%t/a is of AF_UNIX"),
            ("a@x.socket", "ListenStream=%S/%i", "%S/%i is of AF_UNIX"),
            ("a@-run-x.socket", "ListenStream=%I", "%I is of AF_UNIX"),
            (r"a@\x40x.socket", "ListenStream=%I", "%I is of AF_UNIX"),
            ("a@.socket", "ListenStream=%i", "%i can be anything"),
            ("a@.socket", "ListenStream=%i:80", "%i:80 can be anything"),
            ("a.socket", "ListenStream=%H:80", "%H:80 can be anything"),
            ("a.socket", "ListenStream=vsock::22", "vsock::22 is of AF_VSOCK"),
            ("a.socket", "ListenStream=vsock-stream:2:22", "vsock-stream:2:22 is of AF_VSOCK"),
            ("a.socket", "ListenStream=22\nListenStream=/run/a", "/run/a is of AF_UNIX"),
            ("a.socket", "ListenStream=22\nListenSequentialPacket=23", "23 is of SOCK_SEQPACKET"),
            ("a.socket", "ListenSequentialPacket=/run/a", "/run/a is of SOCK_SEQPACKET"),
            ("a.socket", "ListenStream=22\nSocketProtocol=sctp", "sctp"),
            ("a.socket", "ListenDatagram=53\nSocketProtocol=udplite", "udplite"),
            ("a.socket", "ListenDatagram=53", "no stream"),
            ("a.socket", "ListenFIFO=/run/f\nListenNetlink=kobject-uevent 1", "no stream"),
            // systemd passes these over with a warning.
            ("a.socket", "ListenStream=localhost:80", "no stream"),
            ("a.socket", "ListenStream=0", "no stream"),
            ("a.socket", "ListenStream=70000", "no stream"),
        ];
        for (name, lines, expected) in table {
            let said = match verdict(name, lines) {
                Ok(()) => "fits".to_owned(),
                Err(Misfit::NoStream) => "no stream".to_owned(),
                Err(Misfit::NotIp(address)) => address.describe(),
                Err(Misfit::Protocol(own)) => own,
            };
            assert_eq!(said, expected, "{name} {lines}");
        }
    }

    #[test]
    fn what_systemd_shows_is_read_with_its_kind() {
        let table = [
            ("[::]:22 (Stream)", Some((Kind::Stream, Family::Ip))),
            ("0.0.0.0:111 (Stream)", Some((Kind::Stream, Family::Ip))),
            ("[fe80::1%eth0]:22 (Stream)", Some((Kind::Stream, Family::Ip))),
            ("0.0.0.0:111 (Datagram)", Some((Kind::Datagram, Family::Ip))),
            ("/run/a b (c) (Stream)", Some((Kind::Stream, Family::Unix))),
            ("@a (SequentialPacket)", Some((Kind::SequentialPacket, Family::Unix))),
            ("vsock:4294967295:22 (Stream)", Some((Kind::Stream, Family::Vsock))),
            ("kobject-uevent 1 (Netlink)", Some((Kind::Other, Family::Open))),
            ("/dev/rfkill (Special)", Some((Kind::Other, Family::Unix))),
            ("odd (Stream)", Some((Kind::Stream, Family::Open))),
            ("", None),
        ];
        for (line, expected) in table {
            let read = Address::shown(line).map(|address| (address.kind, address.family));
            assert_eq!(read, expected, "{line}");
        }
    }
}
