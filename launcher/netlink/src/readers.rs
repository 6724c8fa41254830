//! The readers of what the kernel says, by themselves: for tests that feed them what no kernel
//! wrote. Beside each reader of messages that are also written is the writer.

use crate::error::KernelError;
use crate::message::bytes;
use crate::pm::{Endpoint, Event, Limits, wire};
use crate::rtnl::{Address, Known, Link, Route, Rule, read, routes as route_messages, write};
use crate::xfrm::Policy;
use crate::{exchange, genl, message, pm, xfrm};

/// The messages of a datagram: what each carries, and what it says if it ends an exchange.
pub fn messages(datagram: &[u8]) -> Vec<(&[u8], Result<(), KernelError>)> {
    message::messages(datagram)
        .map(|(header, payload)| (payload, exchange::verdict(&header, payload)))
        .collect()
}

/// A link.
pub fn link(message: &[u8]) -> Option<Link> {
    read::link(message)
}

/// An address.
pub fn address(message: &[u8]) -> Option<Address> {
    read::address(message)
}

/// The message that adds an address.
pub fn address_message(address: &Address) -> Vec<u8> {
    bytes(&write::address(address))
}

/// A rule.
pub fn rule(message: &[u8]) -> Option<Rule> {
    read::rule(message)
}

/// The message that adds a rule.
pub fn rule_message(rule: &Rule) -> Vec<u8> {
    bytes(&write::rule(rule))
}

/// The routes of a message from a table, where `next_hops` are the messages about next-hop objects;
/// then those of the same message as the answer to a look-up.
pub fn routes(message: &[u8], next_hops: &[&[u8]]) -> (Vec<Route>, Vec<Route>) {
    let objects = next_hops.iter().filter_map(|message| route_messages::next_hop(message));
    let mut known = Known::new(&objects.collect::<Vec<_>>());
    // These two say less, of the same message.
    let _ = (route_messages::is_default(message), route_messages::owner(message));
    let [of_table, looked_up] = [route_messages::Asked::Table, route_messages::Asked::Lookup]
        .map(|asked| route_messages::routes(message, &mut known, asked));
    (of_table, looked_up)
}

/// The message that adds a route.
pub fn route_message(route: &Route) -> Vec<u8> {
    bytes(&write::route(route))
}

/// An endpoint of the path manager.
pub fn endpoint(message: &[u8]) -> Option<Endpoint> {
    wire::read_endpoint(message)
}

/// The message that adds an endpoint.
pub fn endpoint_message(endpoint: &Endpoint) -> Vec<u8> {
    bytes(&wire::message(wire::ADD, vec![wire::endpoint(endpoint)]))
}

/// The path manager's limits.
pub fn limits(message: &[u8]) -> Option<Limits> {
    wire::read_limits(message)
}

/// An event of the path manager.
pub fn event(message: &[u8]) -> Option<Event> {
    pm::decode(message)
}

/// A protocol of generic netlink: its number, and how many groups it has.
pub fn protocol(message: &[u8]) -> Option<(u16, usize)> {
    genl::read(message).map(|protocol| (protocol.id, protocol.groups.len()))
}

/// An IPsec policy.
pub fn ipsec(message: &[u8]) -> Option<Policy> {
    xfrm::policy(message)
}
