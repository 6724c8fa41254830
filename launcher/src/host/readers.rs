//! The readers of what the kernel and its tools say, by themselves: for tests that feed them what no
//! kernel and no tool wrote (tests/fuzz). Beside each reader of messages that we also write is the
//! writer.
//!
//! Not here: asking for anything. No part of the tool uses this module.

use netlink_packet_core::Emitable;
use netlink_packet_generic::GenlHeader;
use serde_json::Value;

use crate::host::apply::{journal, nat};
use crate::host::netlink::genl;
use crate::host::netlink::message::{self, Body};
use crate::host::netlink::names::Names;
use crate::host::netlink::rtnl::{read, routes, write};
use crate::host::netlink::{self, KernelError};
use crate::host::netlink::{events, pm, xfrm};
use crate::host::observe::firewall;
use crate::host::probe;
use mptcpize_model::checks::FirewallRule;
use mptcpize_model::checks::peer::Subflow;
use mptcpize_model::event::Event;
use mptcpize_model::mptcp::{Endpoint, Limits};
use mptcpize_model::nat::Translation;
use mptcpize_model::net::{Address, IfName, Link, Route, Rule};
use mptcpize_model::record::Record;
use mptcpize_model::vpn::Policy;

/// Links 1 to 15 of a namespace that does not exist: `e1` to `e15`.
fn names() -> Names {
    let mut names = Names::default();
    names
        .refill((1..16).filter_map(|index| Some((index, IfName::new(&format!("e{index}")).ok()?))));
    names
}

/// The index behind one of those names.
fn index(dev: &IfName) -> u32 {
    dev.as_str().strip_prefix('e').and_then(|index| index.parse().ok()).unwrap_or(0)
}

fn bytes(body: &impl Emitable) -> Vec<u8> {
    let mut bytes = vec![0; body.buffer_len()];
    body.emit(&mut bytes);
    bytes
}

/// The messages of a datagram: what each carries, and what it says if it ends an exchange.
pub fn messages(datagram: &[u8]) -> Vec<(&[u8], Result<(), KernelError>)> {
    message::messages(datagram)
        .map(|(header, payload)| (payload, netlink::verdict(&header, payload)))
        .collect()
}

/// A link, and its index.
pub fn link(message: &[u8]) -> Option<(u32, Link)> {
    read::link(message).map(|(index, link, _)| (index, link))
}

/// An address.
pub fn address(message: &[u8]) -> Option<Address> {
    read::address(message, &mut names())
}

/// The message that adds an address.
pub fn address_message(address: &Address) -> Vec<u8> {
    bytes(&write::address(address, index(&address.dev)))
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
    let mut names = names();
    let objects = next_hops.iter().filter_map(|message| routes::next_hop(message)).collect();
    names.know_hops(routes::groups(objects));
    // These two say less, of the same message.
    let _ = (routes::is_default(message), routes::owner(message));
    let of_table = routes::routes(message, &mut names, routes::Asked::Table);
    (of_table, routes::routes(message, &mut names, routes::Asked::Lookup))
}

/// The message that adds a route.
pub fn route_message(route: &Route) -> Vec<u8> {
    bytes(&write::route(route, index(&route.dev)))
}

/// An endpoint of the path manager.
pub fn endpoint(message: &[u8]) -> Option<Endpoint> {
    pm::read_endpoint(message, &mut names())
}

/// The message that adds an endpoint.
pub fn endpoint_message(endpoint: &Endpoint) -> Vec<u8> {
    let described = pm::described(endpoint, endpoint.dev.as_ref().map(index));
    bytes(&Body(GenlHeader { cmd: 1, version: 1 }, vec![described]))
}

/// The path manager's limits.
pub fn limits(message: &[u8]) -> Option<Limits> {
    pm::read_limits(message)
}

/// An event of the path manager.
pub fn event(message: &[u8]) -> Option<Event> {
    events::decode(message)
}

/// A protocol of generic netlink: its number, and how many groups it has.
pub fn protocol(message: &[u8]) -> Option<(u16, usize)> {
    genl::read(message).map(|protocol| (protocol.id, protocol.groups.len()))
}

/// An IPsec policy.
pub fn ipsec(message: &[u8]) -> Option<Policy> {
    xfrm::policy(message)
}

/// The harmful rules and the translations in nft's JSON.
pub fn nftables(ruleset: &Value) -> (Vec<FirewallRule>, Vec<(Translation, u64)>) {
    (firewall::nftables(ruleset), nat::translations(ruleset))
}

/// The harmful rules in a text of iptables-save.
pub fn xtables(text: &str) -> Vec<FirewallRule> {
    firewall::xtables("iptables", text)
}

/// A journal.
///
/// # Errors
/// Which line is broken, and why.
pub fn journal(bytes: &[u8], boot: &str, netns: u64) -> Result<Record, String> {
    journal::read_as(bytes, boot, netns)
}

/// The bytes of a journal.
pub fn journal_bytes(record: &Record, boot: &str, netns: u64) -> Vec<u8> {
    journal::written_as(record, boot, netns)
}

/// The subflows in the answers to `MPTCP_SUBFLOW_ADDRS` and `MPTCP_TCPINFO`.
pub fn subflows(addresses: &[u8], infos: &[u8]) -> Vec<Subflow> {
    let both = probe::answer::elements(addresses).into_iter().zip(probe::answer::elements(infos));
    both.filter_map(|(addresses, info)| probe::answer::subflow(addresses, info)).collect()
}
