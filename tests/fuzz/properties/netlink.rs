//! Netlink: what the kernel says of links, addresses, routes, rules, next hops, endpoints, sockets
//! and IPsec policies. A kernel to come may say it in ways that no kernel did.

use mptcpize::host::readers;
use mptcpize_model::change::{Item, same_thing};
use mptcpize_model::net::{Action, Family, IfName, Route};

use super::{survives_json, two};

/// More next-hop objects than this make an input slow and no other.
const MOST_OBJECTS: usize = 16;

/// Is it a link that the readers know by name, so that it can be written again?
fn is_known(dev: &IfName) -> bool {
    let number = dev.as_str().strip_prefix('e').and_then(|number| number.parse().ok());
    number.is_some_and(|number: u32| (1..16).contains(&number))
}

/// A datagram of rtnetlink. What is read and then written reads the same again.
pub(crate) fn routing(bytes: &[u8]) {
    let messages = readers::messages(bytes);
    let payloads: Vec<&[u8]> = messages.iter().map(|(payload, _)| *payload).collect();
    let objects = payloads.get(..MOST_OBJECTS).unwrap_or(&payloads);
    for (payload, verdict) in &messages {
        if let Err(error) = verdict {
            assert!(error.errno != 0 && !error.to_string().is_empty());
        }
        if let Some(link) = readers::link(payload) {
            survives_json(&link);
        }
        if let Some(address) = readers::address(payload) {
            assert!(address.length <= Family::of(address.address).bits(), "{address:?}");
            survives_json(&address);
            if is_known(&address.dev) {
                let again = readers::address(&readers::address_message(&address));
                let again = Item::Address(again.expect("our own message"));
                assert!(same_thing(&again, &Item::Address(address.clone())), "{address:?}");
            }
        }
        if let Some(rule) = readers::rule(payload) {
            survives_json(&rule);
            if rule.action == Action::Lookup && !rule.conditional {
                assert_eq!(readers::rule(&readers::rule_message(&rule)), Some(rule));
            }
        }
        let (of_table, looked_up) = readers::routes(payload, objects);
        looked_up.iter().for_each(survives_json);
        of_table.iter().for_each(route);
    }
}

fn route(route: &Route) {
    survives_json(route);
    // What a copy of a route cannot say.
    if route.from.is_some() || route.encapsulated || !is_known(&route.dev) {
        return;
    }
    let mut expected = route.clone();
    if route.family == Family::V6 && route.metric == 0 {
        // The kernel's own default.
        expected.metric = 1024;
    }
    let (again, _) = readers::routes(&readers::route_message(route), &[]);
    assert_eq!(again, [expected], "{route:?}");
}

/// A datagram of the path manager: endpoints, limits, events, and its own description.
pub(crate) fn path_manager(bytes: &[u8]) {
    for (payload, _) in readers::messages(bytes) {
        if let Some(endpoint) = readers::endpoint(payload) {
            survives_json(&endpoint);
            assert_eq!(endpoint.flags.to_string().parse(), Ok(endpoint.flags));
            if endpoint.dev.as_ref().is_none_or(is_known) {
                let again = readers::endpoint(&readers::endpoint_message(&endpoint));
                assert_eq!(again, Some(endpoint));
            }
        }
        if let Some(limits) = readers::limits(payload) {
            survives_json(&limits);
        }
        if let Some(event) = readers::event(payload) {
            assert!(!event.kind.to_string().is_empty());
        }
        if let Some((_, groups)) = readers::protocol(payload) {
            assert!(groups <= payload.len() / 4, "{groups} groups in {} bytes", payload.len());
        }
    }
}

/// Both dumps of sock_diag. No socket is made up, and none is counted twice.
pub(crate) fn sock_diag(bytes: &[u8]) {
    // No message is shorter than its header and the fixed part.
    const SHORTEST: usize = 88;
    let (mptcp, tcp) = two(bytes);
    let all = readers::connections(mptcp, tcp);
    assert!(all.len() <= bytes.len() / SHORTEST, "{} connections", all.len());
    let subflows: usize = all.iter().map(|one| one.subflows.len()).sum();
    assert!(subflows <= tcp.len() / SHORTEST, "{subflows} subflows");
}

/// A datagram of IPsec policies.
pub(crate) fn ipsec(bytes: &[u8]) {
    for (payload, _) in readers::messages(bytes) {
        if let Some(policy) = readers::ipsec(payload) {
            for prefix in [policy.from, policy.to] {
                assert!(prefix.length <= Family::of(prefix.address).bits(), "{prefix:?}");
                assert!(prefix.contains(prefix.address));
            }
            survives_json(&policy);
        }
    }
}
