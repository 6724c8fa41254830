//! Links with the same address: modems of one make give every host 192.168.8.100. The first keeps
//! it; each further one gets an address of its own, which is translated as its packets leave.

use std::net::{IpAddr, Ipv4Addr};

use super::{LeftOut, Path};
use crate::HostState;
use crate::nat::OWN;
use crate::net::{Family, IfName};
use crate::ours::is_ours;

/// Gives every twin an own address, or leaves it out.
pub(super) fn tell_apart(state: &HostState, paths: &mut Vec<Path>, left_out: &mut Vec<LeftOut>) {
    let mut kept: Vec<Path> = Vec::new();
    for mut path in paths.drain(..) {
        let first = kept.iter().find(|other| other.address == path.address);
        let Some(first) = first.map(|first| first.dev.clone()) else {
            kept.push(path);
            continue;
        };
        let unusable = match path.family {
            Family::V6 => Some("only IPv4's are translated".to_owned()),
            Family::V4 => state.nat.unusable.clone(),
        };
        path.own = match unusable {
            Some(_) => None,
            None => own(state, &kept, &path.dev),
        };
        if path.own.is_some() {
            // Whatever else the link has, packets from it are told by the address alone.
            path.others.clear();
            kept.push(path);
        } else {
            let why = unusable.unwrap_or_else(|| format!("no address is free in {OWN}"));
            left_out.push(LeftOut {
                what: path.dev.to_string(),
                why: format!("{first} has its address {} too, and {why}", path.address),
            });
        }
    }
    *paths = kept;
}

/// The address that the link has from us, or the next that nobody has.
fn own(state: &HostState, kept: &[Path], dev: &IfName) -> Option<Ipv4Addr> {
    let ours = state.addresses.iter().find(|address| {
        is_ours(address.protocol) && address.dev == *dev && OWN.contains(address.address)
    });
    if let Some(IpAddr::V4(address)) = ours.map(|ours| ours.address) {
        return Some(address);
    }
    let IpAddr::V4(network) = OWN.address else { return None };
    // Not the network's first two: those look like a network and its router.
    (2..=254u32).map(|host| Ipv4Addr::from(u32::from(network) + host)).find(|free| {
        state.addresses.iter().all(|address| address.address != IpAddr::V4(*free))
            && kept.iter().all(|path| path.own != Some(*free))
    })
}
