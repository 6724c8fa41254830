//! The text in which the library gets the settings (`shim/src/policy.rs` describes it).

use std::net::IpAddr;

use crate::net::Prefix;
use crate::socket_policy::{COMM, Loopback, Ports, Program, Side, Sockets};

/// As many rules as the library has room for (`shim/src/policy.rs`, `MOST`).
pub const MOST: usize = 32;

/// Which sockets a rule is about (the first byte of a rule).
mod about {
    pub(super) const CONNECT: u8 = 1;
    pub(super) const LISTEN: u8 = 2;
    pub(super) const V4: u8 = 4;
    pub(super) const V6: u8 = 8;
    pub(super) const ALL: u8 = CONNECT | LISTEN | V4 | V6;
}

const ALL_PORTS: Ports = Ports { first: 0, last: u16::MAX };

impl Sockets {
    /// The text for the library: one for each set of settings, however they are written.
    ///
    /// # Errors
    /// A clause, when the settings come to more rules than the library has room for.
    pub fn text(&self) -> Result<String, String> {
        let rules = self.rules();
        if rules.len() > MOST {
            return Err(format!(
                "it comes to {} rules and the library has room for {MOST}: a rule for each range \
                 of ports, network and program, and four for loopback",
                rules.len()
            ));
        }
        Ok(rules.join(",") + "/")
    }

    fn rules(&self) -> Vec<String> {
        let mut rules = Vec::new();
        match self.side {
            Some(Side::Client) => {
                rules.push(rule('c', about::ALL & !about::CONNECT, ALL_PORTS, None))
            }
            Some(Side::Server) => {
                rules.push(rule('s', about::ALL & !about::LISTEN, ALL_PORTS, None))
            }
            None => {}
        }
        if self.loopback == Some(Loopback::Tcp) {
            let both = about::CONNECT | about::LISTEN;
            let network = |text: &str| text.parse::<Prefix>().ok();
            // To connect to the unnamed address is to connect to this host; to listen there is to
            // listen everywhere.
            for (sockets, prefix) in [
                (both, network("127.0.0.0/8")),
                (both, network("::1")),
                (about::CONNECT, network("0.0.0.0")),
                (about::CONNECT, network("::")),
            ] {
                rules.push(rule('l', sockets, ALL_PORTS, prefix));
            }
        }
        for ports in joined(&self.except_ports) {
            rules.push(rule('e', about::ALL, ports, None));
        }
        for ports in others(&joined(&self.only_ports)) {
            rules.push(rule('o', about::ALL, ports, None));
        }
        let mut networks: Vec<Prefix> = self.except_net.iter().map(plain).collect();
        networks.sort_by_key(|prefix| (prefix.address, prefix.length));
        networks.dedup();
        for prefix in networks {
            rules.push(rule('n', about::CONNECT, ALL_PORTS, Some(prefix)));
        }
        let mut programs = self.programs();
        if self.tcp_programs.is_some() {
            programs.sort();
        }
        programs.dedup_by(|a, b| a.short() == b.short());
        rules.extend(
            programs.iter().map(|program| format!("p{}", String::from_utf8_lossy(program.short()))),
        );
        rules
    }
}

/// One rule in the library's form; for all addresses without a prefix.
fn rule(letter: char, sockets: u8, ports: Ports, prefix: Option<Prefix>) -> String {
    let (families, bits, bytes) = match prefix.map(|prefix| (prefix.address, prefix.length)) {
        None => (sockets & (about::V4 | about::V6), 0, Vec::new()),
        Some((IpAddr::V4(address), length)) => (about::V4, length, address.octets().to_vec()),
        Some((IpAddr::V6(address), length)) => (about::V6, length, address.octets().to_vec()),
    };
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let sockets = sockets & (about::CONNECT | about::LISTEN) | families;
    let mut text = format!("{letter}{sockets:02x}{:04x}{:04x}", ports.first, ports.last);
    if prefix.is_some() && bits > 0 {
        text += &format!("{bits:02x}");
        text.extend(bytes.iter().take(used).map(|byte| format!("{byte:02x}")));
    }
    text
}

/// An IPv4 network that is written as one of IPv6 (RFC 4291, section 2.5.5.2) is one of IPv4.
fn plain(prefix: &Prefix) -> Prefix {
    let network = Prefix::network(prefix.address, prefix.length);
    match network.address {
        IpAddr::V6(address) if network.length >= 96 => match address.to_ipv4_mapped() {
            Some(v4) => Prefix { address: IpAddr::V4(v4), length: network.length - 96 },
            None => network,
        },
        _ => network,
    }
}

/// Ports in as few ranges as possible, in ascending order.
fn joined(ports: &[Ports]) -> Vec<Ports> {
    let mut sorted = ports.to_vec();
    sorted.sort();
    let mut joined: Vec<Ports> = Vec::new();
    for ports in sorted {
        match joined.last_mut() {
            Some(last) if u32::from(ports.first) <= u32::from(last.last) + 1 => {
                last.last = last.last.max(ports.last);
            }
            _ => joined.push(ports),
        }
    }
    joined
}

/// All the other ports; none when no port is named.
fn others(joined: &[Ports]) -> Vec<Ports> {
    if joined.is_empty() {
        return Vec::new();
    }
    let mut others = Vec::new();
    let mut next = Some(0);
    for ports in joined {
        if let Some(first) = next
            && first < ports.first
        {
            others.push(Ports { first, last: ports.first - 1 });
        }
        next = ports.last.checked_add(1);
    }
    others.extend(next.map(|first| Ports { first, last: u16::MAX }));
    others
}

/// Is this a text that the library understands? For one that comes from elsewhere.
///
/// # Errors
/// A clause that names the place.
pub fn check(text: &str) -> Result<(), String> {
    let Some(items) = text.strip_suffix('/') else {
        return Err(format!("it does not end with a slash, at character {}", text.chars().count()));
    };
    let mut at = 1;
    let items: Vec<&str> = items.split(',').collect();
    if items.len() > MOST {
        return Err(format!("it has {} rules and the library has room for {MOST}", items.len()));
    }
    for item in &items {
        let digits = item.get(1..).unwrap_or_default();
        let fine = match item.chars().next() {
            Some('p') => digits.parse::<Program>().is_ok() && digits.len() <= COMM,
            Some('c' | 's' | 'l' | 'e' | 'o' | 'n') => {
                let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                hexadecimal && (10..=44).contains(&digits.len()) && digits.len() % 2 == 0
            }
            None => items.len() == 1,
            _ => false,
        };
        if !fine {
            return Err(format!("{item:?}, at character {at}, is no rule"));
        }
        at += item.chars().count() + 1;
    }
    Ok(())
}

/// Does such a text name this program, by the file name?
pub fn names(text: &str, file: &[u8]) -> bool {
    let file = file.get(..COMM).unwrap_or(file);
    items(text).any(|item| item.strip_prefix('p').is_some_and(|name| name.as_bytes() == file))
}

/// Has it more than names?
pub fn has_rules(text: &str) -> bool {
    items(text).any(|item| !item.is_empty() && !item.starts_with('p'))
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.trim_end_matches('/').split(',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: &str) -> Sockets {
        toml::from_str(toml).unwrap_or_else(|error| panic!("{toml}: {error}"))
    }

    #[test]
    fn settings_become_the_text_that_the_library_reads() {
        let table = [
            ("", "pbird,pbird6,pbgpd,pgobgpd/"),
            ("tcp_programs = []", "/"),
            ("tcp_programs = ['b', 'a', 'b']", "pa,pb/"),
            (
                "tcp_programs = ['python3.11', 'a-name-that-is-too-long']",
                "pa-name-that-is-,ppython3.11/",
            ),
            ("tcp_programs = []\nloopback = 'mptcp'", "/"),
            ("tcp_programs = []\nside = 'client'", "c0e0000ffff/"),
            ("tcp_programs = []\nside = 'server'", "s0d0000ffff/"),
            ("tcp_programs = []\nexcept_ports = [22, '8000-8099', 23]", "e0f00160017,e0f1f401fa3/"),
            ("tcp_programs = []\nexcept_ports = ['1-9', '5-20', '21']", "e0f00010015/"),
            ("tcp_programs = []\nonly_ports = [443]", "o0f000001ba,o0f01bcffff/"),
            ("tcp_programs = []\nonly_ports = ['0-1023', '1024']", "o0f0401ffff/"),
            ("tcp_programs = []\nonly_ports = ['0-65535']", "/"),
            ("tcp_programs = []\nonly_ports = [65535]", "o0f0000fffe/"),
            ("tcp_programs = []\nexcept_net = ['10.1.2.3/8']", "n050000ffff080a/"),
            (
                "tcp_programs = []\nexcept_net = ['::ffff:10.0.0.0/104', '10.0.0.0/8']",
                "n050000ffff080a/",
            ),
            ("tcp_programs = []\nexcept_net = ['0.0.0.0/0']", "n050000ffff/"),
            ("tcp_programs = []\nexcept_net = ['0.0.0.0']", "n050000ffff20/"),
        ];
        for (toml, expected) in table {
            assert_eq!(settings(toml).text().as_deref(), Ok(expected), "{toml}");
        }
        let long = settings(
            "loopback = 'tcp'\nexcept_ports = [22]\nonly_ports = ['1-99']\n\
             except_net = ['2001:db8::/32', '172.16.0.0/12', '10.0.0.0/8']\n\
             tcp_programs = ['bird', 'bgpd']",
        );
        // The library's own tests have the same rules.
        let expected = "l070000ffff087f,l0b0000ffff8000000000000000000000000000000001,l050000ffff20,\
            l090000ffff80,e0f00160016,o0f00000000,o0f0064ffff,n050000ffff080a,n050000ffff0cac10,\
            n090000ffff2020010db8,pbgpd,pbird/";
        assert_eq!(long.text().as_deref(), Ok(expected));
        assert_eq!(check(expected), Ok(()));
    }

    #[test]
    fn too_many_rules_are_refused_with_their_number() {
        let ports = |count: u16| {
            settings(&format!(
                "tcp_programs = []\nexcept_ports = {:?}",
                (0..count).map(|port| port * 2).collect::<Vec<_>>()
            ))
        };
        assert!(ports(MOST as u16).text().is_ok());
        let error = ports(MOST as u16 + 1).text().expect_err("one too many");
        assert!(error.contains("33 rules") && error.contains("room for 32"), "{error}");
    }

    #[test]
    fn a_text_from_elsewhere_is_checked_and_its_mistake_placed() {
        let table = [
            ("/", None),
            ("pbird/", None),
            ("e0f00160016,pbird/", None),
            ("", Some("end with a slash")),
            ("pbird", Some("at character 5")),
            ("pbird,e0f0016001/", Some("at character 7")),
            ("x0f00160016/", Some("at character 1")),
            ("pbird,,pbgpd/", Some("at character 7")),
            ("e0f001600é6/", Some("at character 1")),
            ("psixteen-letters-/", Some("at character 1")),
        ];
        for (text, expected) in table {
            match (check(text), expected) {
                (Ok(()), None) => {}
                (Err(error), Some(place)) => assert!(error.contains(place), "{text}: {error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
        let text = "e0f00160016,n050000ffff080a,pbird/";
        for end in 0..text.len() {
            assert!(check(&text[..end]).is_err(), "{}", &text[..end]);
        }
    }
}
