//! The messages of generic netlink's `mptcp_pm`, as bytes (Documentation/netlink/specs/mptcp_pm.yaml).
//! Pure and lenient: what is unknown is skipped.

use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::DefaultNla;

use crate::genl::Header;
use crate::message::{Body, address, attribute, nested, number, octets, of_number};
use crate::network::Family;
use crate::pm::endpoint::{Endpoint, Limits};
use crate::pm::flags::Flags;

/// The protocol's name and version.
pub(crate) const NAME: &str = "mptcp_pm";
const VERSION: u8 = 1;

/// Its commands (`MPTCP_PM_CMD_*`, include/uapi/linux/mptcp_pm.h).
pub(crate) const ADD: u8 = 1;
pub(super) const DELETE: u8 = 2;
pub(super) const GET: u8 = 3;
pub(super) const FLUSH: u8 = 4;
pub(super) const SET_LIMITS: u8 = 5;
pub(super) const GET_LIMITS: u8 = 6;
pub(super) const SET_FLAGS: u8 = 7;
pub(super) const ANNOUNCE: u8 = 8;
pub(super) const REMOVE: u8 = 9;
pub(super) const CREATE: u8 = 10;
pub(super) const DESTROY: u8 = 11;

/// The attributes of a message (`MPTCP_PM_ATTR_*`).
const ENDPOINT: u16 = 1;
const ADD_ADDR_ACCEPTED: u16 = 2;
const SUBFLOWS: u16 = 3;
const TOKEN: u16 = 4;
const LOCAL_ID: u16 = 5;
const REMOTE: u16 = 6;

/// The attributes of an endpoint (`MPTCP_PM_ADDR_ATTR_*`). The port is in the host's byte order,
/// unlike that of events.
const FAMILY: u16 = 1;
const ID: u16 = 2;
const ADDRESS_V4: u16 = 3;
const ADDRESS_V6: u16 = 4;
const PORT: u16 = 5;
const FLAGS: u16 = 6;
const LINK: u16 = 7;

/// A request.
pub(crate) fn message(command: u8, attributes: Vec<DefaultNla>) -> Body<Header> {
    Body(Header { command, version: VERSION }, attributes)
}

/// An endpoint to add; the kernel chooses its id where that is 0.
pub(crate) fn endpoint(endpoint: &Endpoint) -> DefaultNla {
    let mut parts = address_of(endpoint.address, endpoint.port);
    if endpoint.id != 0 {
        parts.push(id(endpoint.id));
    }
    parts.extend(rest_of(endpoint));
    nested(ENDPOINT, &parts)
}

/// The address of a command for one connection; its id is said even where it is 0.
pub(super) fn local(endpoint: &Endpoint) -> DefaultNla {
    let mut parts = address_of(endpoint.address, endpoint.port);
    parts.push(id(endpoint.id));
    parts.extend(rest_of(endpoint));
    nested(ENDPOINT, &parts)
}

fn rest_of(endpoint: &Endpoint) -> Vec<DefaultNla> {
    let link = endpoint.link.map(|index| of_number(LINK, index));
    [of_number(FLAGS, endpoint.flags.0)].into_iter().chain(link).collect()
}

/// An endpoint by its id, and by its address where that is given.
pub(super) fn by_id(number: u8, address: Option<IpAddr>) -> DefaultNla {
    let mut parts = vec![id(number)];
    parts.extend(address.into_iter().flat_map(|address| address_of(address, None)));
    nested(ENDPOINT, &parts)
}

/// The flags that an endpoint is to have.
pub(super) fn flags_of(number: u8, flags: Flags) -> DefaultNla {
    nested(ENDPOINT, &[id(number), of_number(FLAGS, flags.0)])
}

/// The local end of a subflow.
pub(super) fn local_end(address: SocketAddr) -> DefaultNla {
    nested(ENDPOINT, &address_of(address.ip(), Some(address.port())))
}

/// The local end of a subflow, and the flags that the subflow is to have.
pub(super) fn local_end_with(address: SocketAddr, flags: Flags) -> DefaultNla {
    let mut parts = address_of(address.ip(), Some(address.port()));
    parts.push(of_number(FLAGS, flags.0));
    nested(ENDPOINT, &parts)
}

/// The remote end of a subflow.
pub(super) fn remote_end(address: SocketAddr) -> DefaultNla {
    nested(REMOTE, &address_of(address.ip(), Some(address.port())))
}

/// The connection.
pub(super) fn token(token: u32) -> DefaultNla {
    of_number(TOKEN, token)
}

/// The id of an address of the connection.
pub(super) fn local_id(id: u8) -> DefaultNla {
    DefaultNla::new(LOCAL_ID, vec![id])
}

/// Both limits.
pub(super) fn limits(limits: Limits) -> Vec<DefaultNla> {
    vec![
        of_number(ADD_ADDR_ACCEPTED, limits.add_addr_accepted),
        of_number(SUBFLOWS, limits.subflows),
    ]
}

fn id(id: u8) -> DefaultNla {
    DefaultNla::new(ID, vec![id])
}

fn address_of(address: IpAddr, port: Option<u16>) -> Vec<DefaultNla> {
    let family = u16::from(Family::of(address).number());
    let kind = if address.is_ipv4() { ADDRESS_V4 } else { ADDRESS_V6 };
    let mut parts = vec![
        DefaultNla::new(FAMILY, family.to_ne_bytes().into()),
        DefaultNla::new(kind, octets(address)),
    ];
    parts.extend(port.map(|port| DefaultNla::new(PORT, port.to_ne_bytes().into())));
    parts
}

/// An endpoint, as the kernel lists it.
pub(crate) fn read_endpoint(message: &[u8]) -> Option<Endpoint> {
    let body = attribute(message.get(Header::LENGTH..)?, ENDPOINT)?;
    let find = |kind| attribute(body, kind);
    let port = find(PORT).and_then(|value| Some(u16::from_ne_bytes(value.try_into().ok()?)));
    Some(Endpoint {
        id: find(ID).and_then(|value| value.first().copied()).unwrap_or(0),
        address: find(ADDRESS_V4).or(find(ADDRESS_V6)).and_then(address)?,
        port: port.filter(|port| *port != 0),
        link: find(LINK).and_then(number).filter(|index| *index != 0),
        flags: Flags(find(FLAGS).and_then(number).unwrap_or(0)),
    })
}

/// The limits; none where one is missing.
pub(crate) fn read_limits(message: &[u8]) -> Option<Limits> {
    let body = message.get(Header::LENGTH..)?;
    Some(Limits {
        subflows: attribute(body, SUBFLOWS).and_then(number)?,
        add_addr_accepted: attribute(body, ADD_ADDR_ACCEPTED).and_then(number)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::bytes;
    use crate::message::tests::mangled;

    #[test]
    fn a_mangled_message_is_no_reason_to_panic() {
        let mut parts = address_of("2001:db8::1".parse().expect("a literal address"), Some(8080));
        parts.extend([id(7), of_number(FLAGS, 0x42), of_number(LINK, u32::MAX)]);
        // One that is not known to this program, and one that is too short.
        parts.push(DefaultNla::new(4242, vec![1, 2, 3]));
        let whole = bytes(&message(GET, vec![nested(ENDPOINT, &parts)]));
        let read = read_endpoint(&whole).expect("a whole message");
        assert_eq!((read.id, read.port, read.flags), (7, Some(8080), Flags(0x42)));
        assert_eq!(read.link, Some(u32::MAX));
        for message in mangled(&whole) {
            let _ = (read_endpoint(&message), read_limits(&message));
        }
    }

    #[test]
    fn what_was_written_reads_the_same() {
        let all = Endpoint::new([192, 0, 2, 7]).id(9).port(443).link(3).signal().flags(Flags(0x40));
        for one in [all, Endpoint::new([192, 0, 2, 7]), Endpoint::new([0x20; 16]).subflow()] {
            assert_eq!(read_endpoint(&bytes(&message(ADD, vec![endpoint(&one)]))), Some(one));
        }
        let both = Limits { subflows: 8, add_addr_accepted: 1 };
        assert_eq!(read_limits(&bytes(&message(SET_LIMITS, limits(both)))), Some(both));
    }
}
