//! Which interfaces may be a LAN: those that are proposed where none is named, and what speaks against
//! one that is.

use std::net::IpAddr;

use super::filter::can_name;
use crate::HostState;
use crate::net::{Address, Family, IfName, Link, Prefix};
use crate::uplinks::{self, Path};

/// Why there is no gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// None is named; those that may be meant, each with its addresses.
    Unnamed(Vec<(IfName, Vec<String>)>),
    /// No uplink; what was left out, and why; a link that might be one.
    NoUplink(String, Option<IfName>),
    /// No uplink has the one family of this interface.
    NoFamily(IfName, Family),
    /// There is no such interface; those that there are.
    Absent(IfName, Vec<IfName>),
    /// It is switched off.
    Down(IfName),
    /// It belongs to a bridge or a bond, which has the addresses.
    PartOf(IfName, IfName),
    /// It is the loopback interface or a tunnel.
    Unsuitable(IfName, &'static str),
    /// It leads to the internet.
    Uplink(IfName),
    /// One of its networks is that of an uplink.
    Overlap(IfName, Prefix, IfName, Prefix),
    /// So is one that it is given.
    Given(IfName, Prefix, IfName, Prefix),
    /// It has no address that a client could use.
    NoAddress(IfName),
    /// nft has no name for it.
    Unnameable(IfName),
}

/// Interfaces that may be meant: with a private address, without a default route.
pub fn proposed(state: &HostState, uplinks: &[Path]) -> Vec<(IfName, Vec<String>)> {
    let mut found = Vec::new();
    for link in state.links.iter().filter(|link| suitable(link).is_none()) {
        let leads_out = uplinks.iter().any(|path| path.dev == link.name)
            || state.routes.iter().any(|route| route.dev == link.name && route.to.is_none());
        let private: Vec<String> = addresses(state, &link.name)
            .filter(|address| is_private(address.address))
            .map(|address| format!("{}/{}", address.address, address.length))
            .collect();
        if link.up && link.master.is_none() && !leads_out && !private.is_empty() {
            found.push((link.name.clone(), private));
        }
    }
    found
}

/// Can these be the LAN of a host with these uplinks? `given` are addresses that the gateway gives.
///
/// # Errors
/// What speaks against one of them.
pub fn check(
    state: &HostState,
    uplinks: &[Path],
    lan: &[IfName],
    given: &[Prefix],
) -> Result<(), Wrong> {
    if lan.is_empty() {
        return Err(Wrong::Unnamed(proposed(state, uplinks)));
    }
    for name in lan {
        let Some(link) = state.link(name) else {
            let others = state.links.iter().filter(|link| !link.loopback);
            return Err(Wrong::Absent(name.clone(), others.map(|one| one.name.clone()).collect()));
        };
        if let Some(why) = suitable(link) {
            return Err(Wrong::Unsuitable(name.clone(), why));
        }
        if let Some(master) = &link.master {
            return Err(Wrong::PartOf(name.clone(), master.clone()));
        }
        if !can_name(name) {
            return Err(Wrong::Unnameable(name.clone()));
        }
        if !link.up {
            return Err(Wrong::Down(name.clone()));
        }
        if uplinks.iter().any(|path| path.dev == *name) {
            return Err(Wrong::Uplink(name.clone()));
        }
        let own = addresses(state, name).map(Address::network);
        let networks: Vec<Prefix> =
            own.chain(given.iter().map(|one| Prefix::network(one.address, one.length))).collect();
        if networks.is_empty() {
            return Err(Wrong::NoAddress(name.clone()));
        }
        for path in uplinks {
            let both =
                networks.iter().flat_map(|one| path.networks.iter().map(move |two| (one, two)));
            if let Some((one, two)) = both.into_iter().find(|(one, two)| overlap(one, two)) {
                let asked = |own: &Prefix| Prefix::network(own.address, own.length) == *one;
                let wrong = match given.iter().any(asked) {
                    true => Wrong::Given,
                    false => Wrong::Overlap,
                };
                return Err(wrong(name.clone(), *one, path.dev.clone(), *two));
            }
        }
    }
    Ok(())
}

/// Addresses that clients could use.
fn addresses<'a>(state: &'a HostState, dev: &'a IfName) -> impl Iterator<Item = &'a Address> {
    state.addresses.iter().filter(move |one| one.dev == *dev && one.global)
}

fn overlap(one: &Prefix, two: &Prefix) -> bool {
    one.contains(two.address) || two.contains(one.address)
}

/// Why a link cannot be a LAN, whatever its addresses.
fn suitable(link: &Link) -> Option<&'static str> {
    match (link.loopback, uplinks::is_tunnel(link)) {
        (true, _) => Some("it is the loopback interface"),
        (_, true) => Some("it is a tunnel"),
        _ => None,
    }
}

/// Is it an address of private networks (RFC 1918, RFC 4193)?
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// The families of the LAN that no uplink has.
///
/// # Errors
/// There is no other.
pub fn cut_off(
    state: &HostState,
    uplinks: &[Path],
    lan: &[IfName],
    given: &[Prefix],
) -> Result<Vec<Family>, Wrong> {
    let own = Family::BOTH.into_iter().filter(|family| has(state, lan, given, *family));
    let (out, off): (Vec<Family>, Vec<Family>) =
        own.partition(|family| uplinks.iter().any(|path| path.family == *family));
    match (out.first(), off.first(), lan.first()) {
        (None, Some(family), Some(dev)) => Err(Wrong::NoFamily(dev.clone(), *family)),
        _ => Ok(off),
    }
}

/// Has the LAN addresses of this family, or is it given one?
pub fn has(state: &HostState, lan: &[IfName], given: &[Prefix], family: Family) -> bool {
    let of = |address: IpAddr| Family::of(address) == family;
    lan.iter().any(|dev| addresses(state, dev).any(|one| of(one.address)))
        || given.iter().any(|one| of(one.address))
}
