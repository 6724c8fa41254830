//! The path manager of this network namespace: endpoints and limits (generic netlink `mptcp_pm`,
//! Documentation/netlink/specs/mptcp_pm.yaml), in the words of [`mptcpize_model::mptcp`].
//!
//! Not here: events ([`crate::host::netlink::events`]). The commands for a path manager in user space are in
//! `subflow`.

#[path = "connection.rs"]
mod subflow;

use std::net::IpAddr;

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED};
use netlink_packet_generic::GenlHeader;
use netlink_packet_generic::constants::GENL_HDRLEN;
use netlink_sys::protocols::NETLINK_GENERIC;

use crate::host::netlink::genl::Protocol;
use crate::host::netlink::message::{Body, address, attribute, number};
use crate::host::netlink::names::Names;
use crate::host::netlink::{Connection, KernelError};
use crate::host::netns;
use mptcpize_model::mptcp::{Endpoint, Flags, Limits, MOST};
use mptcpize_model::net::IfName;

/// The protocol's name and version.
pub(in crate::host) const NAME: &str = "mptcp_pm";
const VERSION: u8 = 1;

/// Its commands.
const ADD: u8 = 1;
const DELETE: u8 = 2;
const GET: u8 = 3;
const FLUSH: u8 = 4;
const SET_LIMITS: u8 = 5;
const GET_LIMITS: u8 = 6;
const SET_FLAGS: u8 = 7;

/// The attributes of a message.
const ENDPOINT: u16 = 1;
const ADD_ADDR_ACCEPTED: u16 = 2;
const SUBFLOWS: u16 = 3;

/// The attributes of an endpoint. The port is in the host's byte order, unlike that of events.
const FAMILY: u16 = 1;
const ID: u16 = 2;
const ADDRESS_V4: u16 = 3;
const ADDRESS_V6: u16 = 4;
const PORT: u16 = 5;
const FLAGS: u16 = 6;
const LINK: u16 = 7;

/// The ids that an endpoint may have end here, and so does any capacity.
const IDS: u32 = 255;

/// How much this kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Endpoints of a namespace.
    pub endpoints: usize,
    /// The highest of both limits.
    pub subflows: u32,
}

/// A connection to the path manager.
pub struct Pm {
    connection: Connection,
    protocol: u16,
}

impl Pm {
    /// Opens one in the network namespace of this thread.
    ///
    /// # Errors
    /// `ENOENT`: the kernel has no MPTCP.
    pub fn open() -> Result<Self, KernelError> {
        let mut connection = Connection::open(NETLINK_GENERIC)?;
        let protocol = Protocol::find(&mut connection, NAME)?.id;
        Ok(Pm { connection, protocol })
    }

    /// Every endpoint, in the kernel's order, which is that of use.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn endpoints(&mut self) -> Result<Vec<Endpoint>, KernelError> {
        let mut names = Names::default();
        let request = message(GET, vec![]);
        self.connection.dump(self.protocol, &request, |message, list| {
            list.extend(read_endpoint(message, &mut names));
        })
    }

    /// One endpoint.
    ///
    /// # Errors
    /// There is none with that id.
    pub fn get(&mut self, id: u8) -> Result<Endpoint, KernelError> {
        let mut names = Names::default();
        let request = message(GET, vec![nest(&[DefaultNla::new(ID, vec![id])])]);
        let found = self
            .connection
            .request(self.protocol, 0, &request, |message| read_endpoint(message, &mut names))?;
        found.ok_or(KernelError { errno: libc::ENOENT, text: None })
    }

    /// Adds an endpoint; where its id is 0 the kernel chooses one.
    ///
    /// # Errors
    /// The kernel refuses: it is there, there are too many, its flags contradict each other, or no
    /// `CAP_NET_ADMIN`.
    pub fn add(&mut self, endpoint: &Endpoint) -> Result<(), KernelError> {
        let link = endpoint.dev.as_ref().map(|dev| Names::default().index(dev)).transpose()?;
        self.tell(ADD, vec![described(endpoint, link)])
    }

    /// Deletes an endpoint, and with it its subflows in every connection. Id 0 stands for the
    /// address on which a connection began, and wants that address.
    ///
    /// # Errors
    /// There is none with that id, or no `CAP_NET_ADMIN`.
    pub fn delete(&mut self, id: u8, address: Option<IpAddr>) -> Result<(), KernelError> {
        let mut parts = vec![DefaultNla::new(ID, vec![id])];
        parts.extend(address.into_iter().flat_map(|address| address_of(address, None)));
        self.tell(DELETE, vec![nest(&parts)])
    }

    /// Gives an endpoint these flags. Only `backup` and `fullmesh` can change; both are set to
    /// what `flags` says.
    ///
    /// # Errors
    /// There is no such endpoint, or no `CAP_NET_ADMIN`.
    pub fn set_flags(&mut self, id: u8, flags: Flags) -> Result<(), KernelError> {
        let flags = DefaultNla::new(FLAGS, flags.0.to_ne_bytes().into());
        self.tell(SET_FLAGS, vec![nest(&[DefaultNla::new(ID, vec![id]), flags])])
    }

    /// Deletes every endpoint.
    ///
    /// # Errors
    /// No `CAP_NET_ADMIN`.
    pub fn flush(&mut self) -> Result<(), KernelError> {
        self.tell(FLUSH, vec![])
    }

    /// The limits.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn limits(&mut self) -> Result<Limits, KernelError> {
        let request = message(GET_LIMITS, vec![]);
        let found = self.connection.request(self.protocol, 0, &request, read_limits)?;
        found.ok_or_else(|| KernelError::new(libc::EBADMSG, "the kernel does not say its limits"))
    }

    /// Sets both limits.
    ///
    /// # Errors
    /// One is higher than this kernel takes, or no `CAP_NET_ADMIN`.
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), KernelError> {
        let value = |kind, number: u32| DefaultNla::new(kind, number.to_ne_bytes().into());
        self.tell(
            SET_LIMITS,
            vec![
                value(ADD_ADDR_ACCEPTED, limits.add_addr_accepted),
                value(SUBFLOWS, limits.subflows),
            ],
        )
    }

    fn tell(&mut self, command: u8, attributes: Vec<DefaultNla>) -> Result<(), KernelError> {
        let request = message(command, attributes);
        self.connection.request(self.protocol, 0, &request, |_| None::<()>).map(|_| ())
    }

    /// How many endpoints fit, and how high the limits go, tried out in this namespace.
    fn fill(&mut self) -> Result<Capacity, KernelError> {
        let mut endpoints = 0;
        for host in 1..=IDS {
            let endpoint = Endpoint {
                id: 0,
                // Documentation addresses (RFC 5737); they need not be on a link.
                address: IpAddr::from((0xc000_0200 + host).to_be_bytes()),
                port: None,
                dev: None,
                flags: Flags::SUBFLOW,
            };
            match self.add(&endpoint) {
                Ok(()) => endpoints += 1,
                Err(error) if endpoints == 0 => return Err(error),
                Err(_) => break,
            }
        }
        // The highest that is taken, by halves.
        let (mut good, mut bad) = (0, IDS + 1);
        while bad - good > 1 {
            let middle = (good + bad) / 2;
            match self.set_limits(Limits { subflows: middle, add_addr_accepted: middle }) {
                Ok(()) => good = middle,
                Err(_) => bad = middle,
            }
        }
        Ok(Capacity { endpoints, subflows: good })
    }
}

/// How many endpoints and how high limits this kernel takes: what it says itself, in a network
/// namespace made for the question and gone after it. Asked only by who wants more than
/// [`MOST`], which every kernel takes; wants `CAP_SYS_ADMIN`.
///
/// # Errors
/// No namespace can be made, or the kernel has no MPTCP.
pub fn capacity() -> Result<Capacity, KernelError> {
    netns::aside(|| Pm::open()?.fill())
}

/// What every kernel with MPTCP takes.
pub const LEAST: Capacity = Capacity { endpoints: MOST, subflows: MOST as u32 };

fn message(command: u8, attributes: Vec<DefaultNla>) -> Body<GenlHeader> {
    Body(GenlHeader { cmd: command, version: VERSION }, attributes)
}

/// All that is said of an endpoint that is added; `link` is the index of its link.
pub(in crate::host) fn described(endpoint: &Endpoint, link: Option<u32>) -> DefaultNla {
    let mut parts = address_of(endpoint.address, endpoint.port);
    if endpoint.id != 0 {
        parts.push(DefaultNla::new(ID, vec![endpoint.id]));
    }
    parts.push(DefaultNla::new(FLAGS, endpoint.flags.0.to_ne_bytes().into()));
    parts.extend(link.map(|index| DefaultNla::new(LINK, index.to_ne_bytes().into())));
    nest(&parts)
}

/// An endpoint's attribute, made of its parts.
fn nest(parts: &[DefaultNla]) -> DefaultNla {
    nest_as(ENDPOINT, parts)
}

fn nest_as(kind: u16, parts: &[DefaultNla]) -> DefaultNla {
    let mut value = vec![0; parts.buffer_len()];
    parts.emit(&mut value);
    DefaultNla::new(kind | NLA_F_NESTED, value)
}

fn address_of(address: IpAddr, port: Option<u16>) -> Vec<DefaultNla> {
    let family = |family: libc::c_int| {
        let family = u16::try_from(family).expect("families are small numbers");
        DefaultNla::new(FAMILY, family.to_ne_bytes().into())
    };
    let mut parts = match address {
        IpAddr::V4(v4) => {
            vec![family(libc::AF_INET), DefaultNla::new(ADDRESS_V4, v4.octets().into())]
        }
        IpAddr::V6(v6) => {
            vec![family(libc::AF_INET6), DefaultNla::new(ADDRESS_V6, v6.octets().into())]
        }
    };
    parts.extend(port.map(|port| DefaultNla::new(PORT, port.to_ne_bytes().into())));
    parts
}

pub(in crate::host) fn read_endpoint(message: &[u8], names: &mut Names) -> Option<Endpoint> {
    let body = attribute(message.get(GENL_HDRLEN..)?, ENDPOINT)?;
    let find = |kind| attribute(body, kind);
    let port = find(PORT).and_then(|value| Some(u16::from_ne_bytes(value.try_into().ok()?)));
    let link = find(LINK).and_then(number).filter(|index| *index != 0);
    Some(Endpoint {
        id: find(ID).and_then(|value| value.first().copied()).unwrap_or(0),
        address: find(ADDRESS_V4).or(find(ADDRESS_V6)).and_then(address)?,
        port: port.filter(|port| *port != 0),
        dev: link.and_then(|index| names.name(index).or_else(|| gone(index))),
        flags: Flags(find(FLAGS).and_then(number).unwrap_or(0)),
    })
}

/// A link that is no more, as iproute2 writes it.
fn gone(index: u32) -> Option<IfName> {
    IfName::new(&format!("if{index}")).ok()
}

pub(in crate::host) fn read_limits(message: &[u8]) -> Option<Limits> {
    let body = message.get(GENL_HDRLEN..)?;
    Some(Limits {
        subflows: attribute(body, SUBFLOWS).and_then(number)?,
        add_addr_accepted: attribute(body, ADD_ADDR_ACCEPTED).and_then(number)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netlink::message::tests::{bytes, mangled};

    #[test]
    fn a_mangled_message_is_no_reason_to_panic() {
        let mut parts = address_of("2001:db8::1".parse().expect("a literal address"), Some(8080));
        parts.push(DefaultNla::new(ID, vec![7]));
        parts.push(DefaultNla::new(FLAGS, 0x42u32.to_ne_bytes().into()));
        parts.push(DefaultNla::new(LINK, u32::MAX.to_ne_bytes().into()));
        // One that is not known to this program, and one that is too short.
        parts.push(DefaultNla::new(4242, vec![1, 2, 3]));
        let whole = bytes(&message(GET, vec![nest(&parts)]));
        let mut names = Names::default();
        let read = read_endpoint(&whole, &mut names).expect("a whole message");
        assert_eq!((read.id, read.port, read.flags), (7, Some(8080), Flags(0x42)));
        assert_eq!(read.dev.as_ref().map(IfName::as_str), Some("if4294967295"));
        for message in mangled(&whole) {
            let _ = (read_endpoint(&message, &mut names), read_limits(&message));
        }
    }
}
