//! A host of its own for each test, and a connection within it.

#![allow(dead_code)]

use std::io::Error;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::time::Duration;

use mptcp_netlink::namespace;
use mptcp_netlink::pm::{Event, Events, News};
use mptcp_netlink::rtnl::{Address, Rtnl};
use mptcp_netlink::sock_diag::{self, Connection};
use rustix::net::{AddressFamily, Protocol, SocketType, accept, bind, connect, listen, socket};

/// An address of the only link.
pub(crate) const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// Another one.
pub(crate) const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

/// An event that does not come in this time does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A namespace of its own for this thread, with two addresses; the index of its only link.
pub(crate) fn host() -> u32 {
    namespace::enter_new().expect("the tests run as root");
    let mut rtnl = Rtnl::open().expect("rtnetlink is there");
    let links = rtnl.links().expect("links can be listed");
    let link = links.iter().find(|link| link.is_loopback()).expect("each namespace has one").index;
    rtnl.set_up(link, true).expect("root may");
    for address in [FIRST, SECOND] {
        rtnl.add_address(&Address::new(link, address, 32)).expect("root may");
    }
    link
}

/// An MPTCP socket of a family.
pub(crate) fn mptcp(family: AddressFamily) -> OwnedFd {
    let protocol = NonZero::new(262).map(Protocol::from_raw);
    let made = socket(family, SocketType::STREAM, protocol);
    made.map_err(Error::from).expect("this kernel has MPTCP")
}

/// Both ends of a connection to the first address, and its listener. The client's socket is of the
/// family; an IPv6 one knows the address as IPv4-mapped (RFC 4291 section 2.5.5.2).
pub(crate) fn connection_of(family: AddressFamily) -> [OwnedFd; 3] {
    let listener = mptcp(AddressFamily::INET);
    bind(&listener, &SocketAddr::new(FIRST, 0)).expect("the address is there");
    listen(&listener, 8).expect("it is bound");
    let to = rustix::net::getsockname(&listener).expect("it is bound");
    let mut to = SocketAddr::try_from(to).expect("it is of IP");
    if let (AddressFamily::INET6, IpAddr::V4(address)) = (family, to.ip()) {
        to.set_ip(address.to_ipv6_mapped().into());
    }
    let client = mptcp(family);
    connect(&client, &to).expect("it listens");
    let server = accept(&listener).expect("the client has connected");
    // A client may open subflows once the server has acknowledged data (RFC 8684 section 3.1).
    rustix::io::write(&client, b"data").expect("it is connected");
    [listener, client, server]
}

/// The first event that fits.
pub(crate) fn wait_for(events: &mut Events, fits: impl Fn(&Event) -> bool) -> Event {
    while events.wait(Some(PATIENCE)).expect("the socket is open") {
        match events.read().expect("the socket is open") {
            News::Event(event) if fits(&event) => return event,
            News::Event(_) => {}
            News::Lost => panic!("a handful of events is not too many"),
        }
    }
    panic!("the event did not come");
}

/// The connection with a token.
pub(crate) fn of_token(token: u32) -> Connection {
    let all = sock_diag::connections().expect("this kernel lists MPTCP sockets");
    all.into_iter().find(|one| one.token == Some(token)).expect("it is open")
}
