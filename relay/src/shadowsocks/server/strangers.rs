//! Connections that have not authenticated yet: how many there are, of whom, and which is the oldest.
//! Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use mptcpize_model::relay::server::Limits;

/// Who counts as one: an IPv4 address, and a /64 in IPv6, of which one host has as many addresses as it
/// likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Origin(IpAddr);

impl Origin {
    fn of(address: IpAddr) -> Self {
        Origin(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
            v4 => v4,
        })
    }
}

/// The connections, each with what ends it.
#[derive(Debug)]
pub struct Strangers<E> {
    limits: Limits,
    /// By number, which rises with time.
    all: BTreeMap<u64, (Origin, Option<E>)>,
    origins: HashMap<Origin, u32>,
    next: u64,
}

impl<E> Strangers<E> {
    /// There are none.
    pub fn new(limits: Limits) -> Self {
        Strangers { limits, all: BTreeMap::new(), origins: HashMap::new(), next: 0 }
    }

    /// Other limits. Those that are there stay.
    pub fn reload(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// One more: its number, and what ends the oldest one where there are too many. Nothing where this
    /// address has as many as it may have.
    pub fn enter(&mut self, address: IpAddr) -> Option<(u64, Option<E>)> {
        let origin = Origin::of(address);
        let number = self.origins.entry(origin).or_default();
        if *number >= self.limits.strangers_per_address {
            return None;
        }
        *number += 1;
        let mut evicted = None;
        if u32::try_from(self.all.len()).is_ok_and(|all| all >= self.limits.strangers)
            && let Some((oldest, (origin, ends))) = self.all.pop_first()
        {
            let _ = oldest;
            self.forget(origin);
            evicted = ends;
        }
        let number = self.next;
        self.next += 1;
        self.all.insert(number, (origin, None));
        Some((number, evicted))
    }

    /// What ends this one. It is handed back where the connection is none of these any more.
    pub fn attach(&mut self, number: u64, ends: E) -> Option<E> {
        let Some((_, place)) = self.all.get_mut(&number) else { return Some(ends) };
        place.replace(ends)
    }

    /// It has authenticated or ended. False where it was evicted before.
    pub fn leave(&mut self, number: u64) -> bool {
        let Some((origin, _)) = self.all.remove(&number) else { return false };
        self.forget(origin);
        true
    }

    fn forget(&mut self, origin: Origin) {
        match self.origins.get_mut(&origin) {
            Some(number) if *number > 1 => *number -= 1,
            _ => drop(self.origins.remove(&origin)),
        }
    }

    /// How many there are.
    pub fn number(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers(strangers: u32, strangers_per_address: u32) -> Strangers<u8> {
        Strangers::new(Limits { strangers, strangers_per_address, ..Limits::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn beyond_the_limit_the_oldest_goes() {
        let mut all = strangers(2, 2);
        for (place, ends) in [(1, 10), (2, 20)] {
            let (number, evicted) =
                all.enter(address(&format!("192.0.2.{place}"))).expect("the first of its address");
            assert_eq!((evicted, all.attach(number, ends)), (None, None));
        }
        let (third, evicted) = all.enter(address("192.0.2.3")).expect("likewise");
        assert_eq!((evicted, all.number()), (Some(10), 2));
        assert!(!all.leave(0), "it was evicted");
        assert_eq!(all.attach(0, 10), Some(10));
        assert!(all.leave(third) && all.leave(1));
        assert_eq!((all.number(), all.origins.len()), (0, 0));
    }

    #[test]
    fn an_address_has_no_more_than_its_share() {
        let mut all = strangers(100, 2);
        for same in [
            ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"],
            ["2001:db8::1", "2001:db8::2:0:0:1", "2001:db8::3"],
        ] {
            let [one, other, third] = same.map(address);
            let (first, _) = all.enter(one).expect("the first");
            assert!(all.enter(other).is_some());
            assert!(all.enter(third).is_none());
            assert!(all.leave(first));
            assert!(all.enter(third).is_some());
        }
        assert!(all.enter(address("2001:db8:0:1::1")).is_some(), "another /64");
    }
}
