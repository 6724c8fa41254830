//! Next-hop objects (ip-nexthop(8)): gateways with a number of their own, which routes may name.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::network::Family;

/// A next-hop object (`RTM_NEWNEXTHOP`, include/uapi/linux/nexthop.h). One without a link, a
/// blackhole, is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NextHop {
    /// Its number, from 1.
    pub id: u32,
    /// Who made it (`rtm_protocol`, /etc/iproute2/rt_protos).
    pub protocol: u8,
    /// Where it leads.
    pub to: Target,
}

impl NextHop {
    /// An object with this number, made by `static` (4).
    pub fn new(id: u32, to: Target) -> Self {
        NextHop { id, protocol: libc::RTPROT_STATIC, to }
    }

    /// Says who made it (`rtm_protocol`).
    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = protocol;
        self
    }
}

/// Where a next-hop object leads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Target {
    /// Out of one link.
    Hop(Hop),
    /// To one of several others, by their numbers.
    Group(Vec<u32>),
}

/// A way out of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Hop {
    /// Of which routes it is: IPv4 or IPv6.
    pub family: Family,
    /// The index of the link.
    pub link: u32,
    /// The gateway.
    pub via: Option<IpAddr>,
    /// `RTNH_F_*` (include/uapi/linux/rtnetlink.h), raw.
    pub flags: u32,
    /// Packets get another header on the way (`NHA_ENCAP`). Never written.
    pub encapsulated: bool,
}

impl Hop {
    /// A way out of the link with this index, without a gateway.
    pub fn new(family: Family, link: u32) -> Self {
        Hop { family, link, via: None, flags: 0, encapsulated: false }
    }

    /// Gives it a gateway.
    #[must_use]
    pub fn via(mut self, gateway: impl Into<IpAddr>) -> Self {
        self.via = Some(gateway.into());
        self
    }
}

/// The next-hop objects that routes name, as far as they were asked for; a group has several hops.
#[derive(Debug, Default)]
pub(crate) struct Known {
    hops: BTreeMap<u32, Vec<Hop>>,
    unresolved: bool,
}

impl Known {
    /// All objects, each group as the hops of its members. What is missing leads nowhere.
    pub(crate) fn new(all: &[NextHop]) -> Self {
        let single: BTreeMap<u32, &Hop> = all
            .iter()
            .filter_map(|object| match &object.to {
                Target::Hop(hop) => Some((object.id, hop)),
                Target::Group(_) => None,
            })
            .collect();
        let hop_of = |id: &u32| single.get(id).map(|hop| (*hop).clone());
        let hops = all.iter().map(|object| match &object.to {
            Target::Hop(hop) => (object.id, vec![hop.clone()]),
            Target::Group(members) => (object.id, members.iter().filter_map(hop_of).collect()),
        });
        Known { hops: hops.collect(), unresolved: false }
    }

    /// The hops of an object; none where the objects have to be asked for first.
    pub(crate) fn of(&mut self, id: u32) -> Vec<Hop> {
        let hops = self.hops.get(&id).cloned();
        self.unresolved |= hops.is_none();
        hops.unwrap_or_default()
    }

    /// Did a route name an object that is not known?
    pub(crate) fn lacks_some(&self) -> bool {
        self.unresolved
    }
}
