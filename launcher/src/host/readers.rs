//! The readers of what the kernel and its tools say, by themselves: for tests that feed them what no
//! kernel and no tool wrote (tests/fuzz). Beside each reader of messages that we also write is the
//! writer.
//!
//! Not here: asking for anything. No part of the tool uses this module.

use mptcp_netlink::readers as kernel;
use mptcp_netlink::sock_diag;
use serde_json::Value;

use crate::host::apply::{journal, nat};
use crate::host::netlink::names::Names;
use crate::host::netlink::{KernelError, from_kernel, to_kernel};
use crate::host::observe::{firewall, gateway};
use crate::host::{probe, relay};
use mptcpize_model::checks::peer::Subflow;
use mptcpize_model::checks::{FirewallRule, gateway as checks};
use mptcpize_model::connection::Connection;
use mptcpize_model::event::Event;
use mptcpize_model::gateway_status::State;
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

/// The messages of a datagram: what each carries, and what it says if it ends an exchange.
pub fn messages(datagram: &[u8]) -> Vec<(&[u8], Result<(), KernelError>)> {
    kernel::messages(datagram)
}

/// A link.
pub fn link(message: &[u8]) -> Option<Link> {
    from_kernel::link(kernel::link(message)?, &mut names())
}

/// An address.
pub fn address(message: &[u8]) -> Option<Address> {
    from_kernel::address(&kernel::address(message)?, &mut names())
}

/// The message that adds an address.
pub fn address_message(address: &Address) -> Vec<u8> {
    kernel::address_message(&to_kernel::address(address, index(&address.dev)))
}

/// A rule.
pub fn rule(message: &[u8]) -> Option<Rule> {
    kernel::rule(message).as_ref().map(from_kernel::rule)
}

/// The message that adds a rule.
pub fn rule_message(rule: &Rule) -> Vec<u8> {
    kernel::rule_message(&to_kernel::rule(rule))
}

/// The routes of a message from a table, where `next_hops` are the messages about next-hop objects;
/// then those of the same message as the answer to a look-up.
pub fn routes(message: &[u8], next_hops: &[&[u8]]) -> (Vec<Route>, Vec<Route>) {
    let mut names = names();
    let (of_table, looked_up) = kernel::routes(message, next_hops);
    let [of_table, looked_up] = [of_table, looked_up].map(|routes| {
        routes.into_iter().filter_map(|route| from_kernel::route(route, &mut names)).collect()
    });
    (of_table, looked_up)
}

/// The message that adds a route.
pub fn route_message(route: &Route) -> Vec<u8> {
    kernel::route_message(&to_kernel::route(route, index(&route.dev)))
}

/// An endpoint of the path manager.
pub fn endpoint(message: &[u8]) -> Option<Endpoint> {
    Some(from_kernel::endpoint(&kernel::endpoint(message)?, &mut names()))
}

/// The message that adds an endpoint.
pub fn endpoint_message(endpoint: &Endpoint) -> Vec<u8> {
    let link = endpoint.dev.as_ref().map(index);
    kernel::endpoint_message(&to_kernel::endpoint(endpoint, link))
}

/// The path manager's limits.
pub fn limits(message: &[u8]) -> Option<Limits> {
    kernel::limits(message).map(from_kernel::limits)
}

/// An event of the path manager.
pub fn event(message: &[u8]) -> Option<Event> {
    kernel::event(message).as_ref().map(from_kernel::event)
}

/// A protocol of generic netlink: its number, and how many groups it has.
pub fn protocol(message: &[u8]) -> Option<(u16, usize)> {
    kernel::protocol(message)
}

/// The connections in both dumps of sock_diag: MPTCP sockets, then TCP sockets.
pub fn connections(mptcp: &[u8], tcp: &[u8]) -> Vec<Connection> {
    sock_diag::read(mptcp, tcp).into_iter().map(from_kernel::connection).collect()
}

/// An IPsec policy.
pub fn ipsec(message: &[u8]) -> Option<Policy> {
    kernel::ipsec(message).as_ref().map(from_kernel::policy)
}

/// The harmful rules and the translations in nft's JSON.
pub fn nftables(ruleset: &Value) -> (Vec<FirewallRule>, Vec<(Translation, u64)>) {
    (firewall::nftables(ruleset), nat::translations(ruleset))
}

/// The harmful rules in a text of iptables-save.
pub fn xtables(text: &str) -> Vec<FirewallRule> {
    firewall::xtables("iptables", text)
}

/// What rules, in a text of iptables-save or in nft's JSON, do to packets from one interface to another.
pub fn lan_rules(text: &str, lan: &IfName, uplink: &IfName) -> Vec<checks::Rule> {
    gateway::of_text(text, lan, uplink)
}

/// The answer of a relay.
///
/// # Errors
/// Why it is none.
pub fn relay(text: &[u8]) -> Result<State, String> {
    relay::understood(text)
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
