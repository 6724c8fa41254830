//! The policy: settings in TOML, or the text of `MPTCPIZE_POLICY`, read by the launcher and by the
//! library's own reader.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mptcpize_model::net::Prefix;
use mptcpize_model::socket_policy::{Loopback, Ports, Side, Sockets, encode};

#[path = "../../../shim/src/policy/rules.rs"]
mod rules;

/// A text that the launcher takes means the same to the library; settings mean what they say.
pub(crate) fn policy(bytes: &[u8]) {
    let (probes, rest) = bytes.split_at(bytes.len().min(24));
    let mut read = rules::NONE;
    let known = rules::parse(rest, &mut read);
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if encode::check(text) == Ok(()) {
        agrees(text, known, &read, probes);
    }
    let Ok(sockets) = toml::from_str::<Sockets>(text) else { return };
    let Ok(text) = sockets.text() else { return };
    let mut read = rules::NONE;
    let known = rules::parse(text.as_bytes(), &mut read);
    assert_eq!(encode::check(&text), Ok(()), "{text}");
    agrees(&text, known, &read, probes);
    assert_eq!(encode::has_rules(&text), sockets.has_rules() && !is_everything(&sockets), "{text}");
    for (address, port) in ends(probes, &sockets) {
        for listens in [false, true] {
            let ip = match address.to_canonical() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let library = rules::decide(&read, &ip, port, listens).is_some();
            let settings = wants_tcp(&sockets, address.to_canonical(), port, listens);
            assert_eq!(library, settings, "{address} {port} listens: {listens}, {text}");
        }
    }
}

/// Settings that come to no rule at all: MPTCP for every port there is.
fn is_everything(sockets: &Sockets) -> bool {
    let by_itself = Sockets { only_ports: vec![], ..sockets.clone() };
    !by_itself.has_rules() && (0..=u16::MAX).all(|port| is_among(&sockets.only_ports, port))
}

fn agrees(text: &str, known: Option<u32>, read: &rules::Rules, probes: &[u8]) {
    let sorts = known.unwrap_or_else(|| panic!("the library does not know {text}"));
    assert_eq!(sorts & rules::SOCKETS != 0, encode::has_rules(text), "{text}");
    let listed = text.trim_end_matches('/').split(',').filter_map(|rule| rule.strip_prefix('p'));
    for name in listed.map(str::as_bytes).chain([probes.get(..15).unwrap_or(probes)]) {
        if name.is_empty() || name.contains(&0) {
            continue;
        }
        let mut comm = [0; 16];
        comm[..name.len()].copy_from_slice(name);
        let fits = |rule: &rules::Rule| rule.kind == b'p' && rule.data.starts_with(&comm);
        assert_eq!(
            read.iter().any(fits),
            encode::names(text, name),
            "{text}, {}",
            name.escape_ascii()
        );
        assert!(sorts & rules::PROGRAMS != 0 || !encode::names(text, name), "{text}");
    }
}

/// Ends of connections: some of the input, some at the edges of what the settings name.
fn ends(probes: &[u8], sockets: &Sockets) -> Vec<(IpAddr, u16)> {
    let mut random = [0; 24];
    random[..probes.len()].copy_from_slice(probes);
    let v6: [u8; 16] = random[..16].try_into().expect("16 of 24 bytes");
    let v4: [u8; 4] = random[16..20].try_into().expect("4 of 24 bytes");
    let mut addresses = vec![
        IpAddr::from(v6),
        IpAddr::from(v4),
        IpAddr::V6(Ipv4Addr::from(v4).to_ipv6_mapped()),
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    addresses.extend(sockets.except_net.iter().map(|network| network.address));
    let mut ports = vec![0, u16::from_be_bytes([random[20], random[21]]), u16::MAX];
    let edges = sockets.only_ports.iter().chain(&sockets.except_ports).flat_map(|ports| {
        let (first, last) = range(ports);
        [first.wrapping_sub(1), first, last, last.wrapping_add(1)]
    });
    ports.extend(edges);
    addresses.iter().flat_map(|address| ports.iter().map(|port| (*address, *port))).collect()
}

fn range(ports: &Ports) -> (u16, u16) {
    let text = ports.to_string();
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    (first.parse().expect("a port"), last.parse().expect("a port"))
}

fn is_among(list: &[Ports], port: u16) -> bool {
    list.iter().map(range).any(|(first, last)| (first..=last).contains(&port))
}

/// The settings, read as the manual has them.
fn wants_tcp(sockets: &Sockets, address: IpAddr, port: u16, listens: bool) -> bool {
    let other_side = match sockets.side {
        Some(Side::Client) => listens,
        Some(Side::Server) => !listens,
        None => false,
    };
    let within = address.is_loopback() || (address.is_unspecified() && !listens);
    let only = &sockets.only_ports;
    other_side
        || (sockets.loopback == Some(Loopback::Tcp) && within)
        || is_among(&sockets.except_ports, port)
        || (!only.is_empty() && !is_among(only, port))
        || (!listens && sockets.except_net.iter().any(|network| covers(network, address)))
}

fn covers(network: &Prefix, address: IpAddr) -> bool {
    let mapped = match network.address {
        IpAddr::V6(v6) if network.length >= 96 => v6.to_ipv4_mapped(),
        _ => None,
    };
    let v4 = |v4| Prefix { address: IpAddr::V4(v4), length: network.length - 96 };
    mapped.map_or(*network, v4).contains(address)
}
