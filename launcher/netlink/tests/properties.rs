//! Every reader, fed with what a kernel wrote, cut short at every byte and changed in every byte:
//! none panics or runs on, and what is read and written again reads the same.

use std::fs;
use std::path::Path;

use mptcp_netlink::readers;
use mptcp_netlink::rtnl::{Action, METRIC_V6};
use mptcp_netlink::{Family, rtnl::Route};

/// The recorded datagrams that a fuzzer of these readers begins with.
fn recorded() -> Vec<(String, Vec<u8>)> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut found = Vec::new();
    for kind in ["routing", "path_manager", "ipsec"] {
        for entry in fs::read_dir(seeds.join(kind)).expect("the recordings are there") {
            let path = entry.expect("they can be listed").path();
            found.push((path.display().to_string(), fs::read(&path).expect("they can be read")));
        }
    }
    found
}

/// Every beginning of a message, and the message with each byte replaced by some others.
fn mangled(message: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cut = (0..=message.len()).map(|length| message[..length].to_vec());
    let changed = (0..message.len()).flat_map(|at| {
        [0, 1, 3, 4, 0x7f, 0x80, 0xff].map(|byte| {
            let mut copy = message.to_vec();
            copy[at] = byte;
            copy
        })
    });
    cut.chain(changed)
}

/// Reads a message as each kind of message, and says how many of them it is.
fn read_as_all(message: &[u8]) -> usize {
    let mut kinds = usize::from(readers::link(message).is_some());
    kinds += readers::routes(message, &[message]).0.iter().map(route).count();
    if let Some(address) = readers::address(message) {
        assert!(address.length <= Family::of(address.address).bits(), "{address:?}");
        assert_eq!(readers::address(&readers::address_message(&address)), Some(address));
        kinds += 1;
    }
    if let Some(rule) = readers::rule(message) {
        if rule.action == Action::Lookup && !rule.conditional {
            assert_eq!(readers::rule(&readers::rule_message(&rule)), Some(rule));
        }
        kinds += 1;
    }
    if let Some(endpoint) = readers::endpoint(message) {
        assert_eq!(endpoint.flags.to_string().parse(), Ok(endpoint.flags));
        assert_eq!(readers::endpoint(&readers::endpoint_message(&endpoint)), Some(endpoint));
        kinds += 1;
    }
    if let Some((_, groups)) = readers::protocol(message) {
        assert!(groups <= message.len() / 4, "{groups} groups in {} bytes", message.len());
        kinds += 1;
    }
    if let Some(policy) = readers::ipsec(message) {
        for prefix in [policy.from, policy.to] {
            assert!(prefix.length <= Family::of(prefix.address).bits(), "{policy:?}");
        }
        kinds += 1;
    }
    kinds += usize::from(readers::limits(message).is_some());
    kinds + usize::from(readers::event(message).is_some())
}

fn route(route: &Route) {
    // Neither is ever written.
    if route.from.is_some() || route.encapsulated {
        return;
    }
    let mut expected = route.clone();
    if route.family == Family::V6 && route.metric == 0 {
        expected.metric = METRIC_V6;
    }
    assert_eq!(readers::routes(&readers::route_message(route), &[]).0, [expected], "{route:?}");
}

#[test]
fn a_message_that_is_cut_or_changed_anywhere_is_read_as_far_as_it_goes() {
    for (name, datagram) in recorded() {
        let messages = readers::messages(&datagram);
        assert!(!messages.is_empty(), "{name} has no message");
        for (message, _) in messages {
            for message in mangled(message) {
                read_as_all(&message);
            }
        }
    }
}

#[test]
fn every_recorded_message_is_understood() {
    for (name, datagram) in recorded() {
        for (message, verdict) in readers::messages(&datagram) {
            let is_an_end = message.len() <= 4;
            assert!(is_an_end || verdict.is_err() || read_as_all(message) > 0, "{name}");
        }
    }
}
