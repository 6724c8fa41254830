//! The path manager's endpoints, limits and events.

use mptcp_netlink::pm as kernel;
use mptcpize_model::event::{Event, Kind};
use mptcpize_model::mptcp::{Endpoint, Flags, Limits};
use mptcpize_model::net::IfName;

use crate::host::netlink::names::Names;

/// An endpoint. A link that is no more is named as iproute2 does: `if7`.
pub(in crate::host) fn endpoint(endpoint: &kernel::Endpoint, names: &mut Names) -> Endpoint {
    let gone = |index| IfName::new(&format!("if{index}")).ok();
    Endpoint {
        id: endpoint.id,
        address: endpoint.address,
        port: endpoint.port,
        dev: endpoint.link.and_then(|index| names.name(index).or_else(|| gone(index))),
        flags: Flags(endpoint.flags.0),
    }
}

/// An endpoint for the kernel, on the link with this index.
pub(in crate::host) fn endpoint_of(endpoint: &Endpoint, link: Option<u32>) -> kernel::Endpoint {
    let mut kernel = kernel::Endpoint::new(endpoint.address);
    kernel.id = endpoint.id;
    kernel.port = endpoint.port;
    kernel.link = link;
    kernel.flags = kernel::Flags(endpoint.flags.0);
    kernel
}

/// The limits.
pub(in crate::host) fn limits(limits: kernel::Limits) -> Limits {
    Limits { subflows: limits.subflows, add_addr_accepted: limits.add_addr_accepted }
}

/// The limits, for the kernel.
pub(in crate::host) fn limits_of(limits: Limits) -> kernel::Limits {
    kernel::Limits { subflows: limits.subflows, add_addr_accepted: limits.add_addr_accepted }
}

/// An event.
pub(in crate::host) fn event(event: &kernel::Event) -> Event {
    Event {
        kind: Kind::of(event.kind.number()),
        token: event.token,
        local_id: event.local_id,
        remote_id: event.remote_id,
        local: event.local,
        remote: event.remote,
        local_port: event.local_port,
        remote_port: event.remote_port,
        backup: event.backup,
        error: event.error,
        flags: event.flags,
        timeout: event.timeout,
        link: event.link,
        reset_reason: event.reset_reason,
        reset_flags: event.reset_flags,
        server_side: event.server_side,
    }
}
