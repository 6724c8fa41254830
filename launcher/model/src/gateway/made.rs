//! What carries the mark of a gateway on a host: for an undo where the journal is lost or damaged.

use crate::HostState;
use crate::change::{Change, Item};
use crate::gateway::filter::Filter;
use crate::gateway::part::Part;
use crate::ours;

/// All that the kernel says is a gateway's, as additions that can be taken back.
pub fn marked(state: &HostState) -> Vec<Change> {
    let own = |protocol: u8| protocol == ours::GATEWAY;
    let addresses = state.addresses.iter().filter(|one| own(one.protocol)).cloned();
    let seen = &state.gateway;
    // A table without a name of its rules is somebody else's.
    let routes = seen.routes.iter().cloned().map(Part::Route);
    let rules = seen.rules.iter().cloned().map(Part::Rule);
    let parts = routes
        .chain(rules)
        .chain(seen.filter.iter().filter(|name| !name.is_empty()).map(|_| Part::Filter(unknown())));
    let items = addresses.map(Item::Address).chain(parts.map(Item::Gateway));
    items.map(Change::Add).collect()
}

/// A table whose rules are not known: there is one table, and it goes as a whole.
fn unknown() -> Filter {
    Filter {
        lan: vec![],
        out: vec![],
        port: 0,
        quic: super::asked::Quic::default(),
        bypass: super::asked::Bypass::default(),
    }
}
