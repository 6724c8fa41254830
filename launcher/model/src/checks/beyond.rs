//! Destinations for questions about the way out: addresses that a default route alone should cover.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::net::Family;

/// Reserved by RFC 1112 section 4. Then, because administrators drop such networks: the former anycast
/// address of 6to4 (RFC 7526), and hosts of networks that are far from each other and from those that
/// are commonly filtered. A question about a way sends nothing.
const V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(240, 0, 0, 1),
    Ipv4Addr::new(192, 88, 99, 1),
    Ipv4Addr::new(11, 0, 0, 1),
    Ipv4Addr::new(53, 0, 0, 1),
    Ipv4Addr::new(126, 0, 0, 1),
    Ipv4Addr::new(203, 0, 113, 1),
];

/// Outside of 2000::/3, which is all that is routed anywhere (RFC 4291 section 2.4); then within it.
const V6: [Ipv6Addr; 5] = [
    Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xa000, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2400, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2a00, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 1),
];

/// The destination that stands for anywhere, in each family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beyond {
    /// IPv4.
    pub v4: Ipv4Addr,
    /// IPv6.
    pub v6: Ipv6Addr,
}

impl Default for Beyond {
    fn default() -> Self {
        Beyond { v4: V4[0], v6: V6[0] }
    }
}

impl Beyond {
    /// That of a family.
    pub fn of(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.v4.into(),
            Family::V6 => self.v6.into(),
        }
    }

    /// The first of the destinations that this host treats least specially, by what `covered` says of
    /// each: whether the way there is a default route, where there is one.
    pub fn choose(mut covered: impl FnMut(IpAddr) -> Covered) -> Self {
        let beyond = Beyond::default();
        Beyond {
            v4: best(&V4, &mut covered).unwrap_or(beyond.v4),
            v6: best(&V6, &mut covered).unwrap_or(beyond.v6),
        }
    }
}

/// How a host treats a destination, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Covered {
    /// By a default route, or by nothing at all: it is like anywhere else.
    ByDefault,
    /// By a route of its own.
    ByOther,
    /// By a route that refuses: `blackhole`, `unreachable`, `prohibit`.
    Refused,
}

fn best<T: Copy + Into<IpAddr>>(
    candidates: &[T],
    covered: &mut impl FnMut(IpAddr) -> Covered,
) -> Option<T> {
    let mut best: Option<(Covered, T)> = None;
    for candidate in candidates {
        let how = covered((*candidate).into());
        if best.is_none_or(|(other, _)| how < other) {
            best = Some((how, *candidate));
        }
        if how == Covered::ByDefault {
            break;
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_like_any_other_is_preferred() {
        let refused = |network: &str, rest: Covered| {
            let network: crate::net::Prefix = network.parse().expect("a literal network");
            Beyond::choose(move |to| if network.contains(to) { Covered::Refused } else { rest })
        };
        assert_eq!(refused("10.0.0.0/8", Covered::ByDefault), Beyond::default());
        let chosen = refused("240.0.0.0/4", Covered::ByDefault);
        assert_eq!((chosen.v4, chosen.v6), (V4[1], V6[0]));
        let chosen = refused("4000::/2", Covered::ByDefault);
        assert_eq!((chosen.v4, chosen.v6), (V4[0], V6[1]));
        // Two halves in the place of a default, say.
        assert_eq!(refused("240.0.0.0/4", Covered::ByOther).v4, V4[1]);
        assert_eq!(refused("0.0.0.0/0", Covered::ByDefault).v4, V4[0]);
    }
}
