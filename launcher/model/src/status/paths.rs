//! The paths of a host as `status` shows them: one row for each link, with its addresses below it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::{Seen, Whereabouts};
use crate::mptcp::Flags;
use crate::net::{Family, IfName};
use crate::unwanted;
use crate::uplinks::Path;

/// What a path is used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// As the flags of its endpoint say.
    Endpoint(Flags),
    /// It has no endpoint, and connections begin here.
    Initial,
    /// It has no endpoint, and nothing leads here.
    Nothing,
    /// A path manager in user space decides.
    Userspace,
}

/// A path on the screen: a link, whatever addresses it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathRow {
    /// Its link.
    pub link: IfName,
    /// The address that comes first, with what is the case for it.
    #[serde(flatten)]
    pub first: AddressRow,
    /// Does the link have a carrier?
    pub carrier: bool,
    /// How the daemon knows that nothing passes it, though it is up; none where something may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalled: Option<String>,
    /// What the link receives, all programs together.
    pub received_bit_s: Option<u64>,
    /// What it sends.
    pub sent_bit_s: Option<u64>,
    /// Since when no subflow on the link has carried data; none without one.
    pub idle_ms: Option<u32>,
    /// Its addresses of the other family.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<AddressRow>,
}

impl PathRow {
    /// Can it carry anything, as far as is known?
    pub fn is_up(&self) -> bool {
        self.carrier && self.stalled.is_none()
    }

    /// All its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &AddressRow> {
        std::iter::once(&self.first).chain(&self.further)
    }

    /// Is it used only while no other can be?
    pub fn is_backup(&self) -> bool {
        self.addresses()
            .all(|row| matches!(row.usage, Use::Endpoint(flags) if flags.has(Flags::BACKUP)))
    }

    /// Open subflows on the link.
    pub fn subflows(&self) -> usize {
        self.addresses().map(|row| row.subflows).sum()
    }
}

/// An address that subflows of a path leave from; one for each family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressRow {
    /// The address.
    pub address: IpAddr,
    /// Its next hop.
    pub gateway: Option<IpAddr>,
    /// What it is used for.
    #[serde(rename = "use")]
    pub usage: Use,
    /// Open subflows on the link, in this family.
    pub subflows: usize,
}

/// The rows of the screen, best first.
pub(super) fn path_rows(
    seen: &Seen,
    paths: &[Path],
    whereabouts: &Whereabouts<'_>,
) -> Vec<PathRow> {
    // One walk over all subflows, however many paths there are.
    let mut carried: BTreeMap<(&IfName, bool), (usize, u32)> = BTreeMap::new();
    for connection in seen.connections.iter().flatten() {
        for subflow in whereabouts.open(connection) {
            if let Some(link) = whereabouts.link(subflow) {
                let of_link =
                    carried.entry((link, subflow.local.is_ipv4())).or_insert((0, u32::MAX));
                of_link.0 += 1;
                of_link.1 = of_link.1.min(subflow.idle_ms);
            }
        }
    }
    let mut rows: Vec<PathRow> = Vec::new();
    for path in paths {
        let carried = carried.get(&(&path.dev, path.family == Family::V4));
        let first_of_family = !rows
            .iter()
            .flat_map(PathRow::addresses)
            .any(|row| row.address.is_ipv4() == path.address.is_ipv4());
        let address = AddressRow {
            address: path.address,
            gateway: path.gateway,
            usage: usage(seen, path, first_of_family),
            subflows: carried.map_or(0, |(count, _)| *count),
        };
        let idle_ms = carried.map(|(_, idle)| *idle);
        if let Some(known) = rows.iter_mut().find(|row| row.link == path.dev) {
            known.further.push(address);
            known.idle_ms = known.idle_ms.into_iter().chain(idle_ms).min();
            continue;
        }
        let rates = seen.rates.as_ref().map(|rates| rates.of(path.dev.as_str()));
        rows.push(PathRow {
            link: path.dev.clone(),
            first: address,
            carrier: seen.observed.host.link(&path.dev).is_none_or(|link| link.carrier),
            stalled: seen.observed.stalled.get(&path.dev).cloned(),
            received_bit_s: rates.map(|(received, _)| received),
            sent_bit_s: rates.map(|(_, sent)| sent),
            idle_ms,
            further: Vec::new(),
        });
    }
    rows
}

fn usage(seen: &Seen, path: &Path, first_of_family: bool) -> Use {
    // A daemon that opens subflows goes by the endpoints, as the kernel's own path manager does.
    let daemons = seen.daemon.as_ref().is_some_and(|daemon| daemon.healed.is_some());
    if seen.path_manager.as_deref() == Some("userspace") && !daemons {
        return Use::Userspace;
    }
    let of_path = |address: &IpAddr| *address == path.source() || path.others.contains(address);
    match seen.observed.host.endpoints.iter().find(|endpoint| of_path(&endpoint.address)) {
        Some(endpoint) => Use::Endpoint(endpoint.flags),
        None if first_of_family => Use::Initial,
        None => Use::Nothing,
    }
}

/// The links that were set up here and are no path now, though nobody left them out: off, without an address or a
/// gateway, gone, or held back.
pub(super) fn away(seen: &Seen, rows: &[PathRow]) -> Vec<IfName> {
    let observed = &seen.observed;
    let is_meant = |dev: &IfName| {
        observed.held.contains_key(dev) || !unwanted::is_left_out(&observed.asked, dev)
    };
    let recorded = observed.host.recorded.iter().map(|recorded| &recorded.dev);
    let known: BTreeSet<&IfName> = recorded.chain(observed.held.keys()).collect();
    let paths = links(rows);
    known.into_iter().filter(|dev| !paths.contains(dev) && is_meant(dev)).cloned().collect()
}

/// The distinct links of paths.
pub(super) fn links(paths: &[PathRow]) -> BTreeSet<&IfName> {
    paths.iter().map(|path| &path.link).collect()
}
