//! Links that cost by the byte: a connection joins them only once it has moved so much, or has lived so
//! long. Most connections end before that, and a subflow costs some hundred bytes and the attention of a
//! modem, whatever it carries.
//!
//! It is decided for each connection, which only the path manager in user space can: an endpoint that
//! comes and goes is there for all connections or for none, and ends the subflows of all when it goes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::super::event::Millis;
use super::super::sample::Flow;
use super::super::terms::Terms;

/// How often is asked how much the connections have moved that wait, while one does.
const PERIOD: Duration = Duration::from_millis(500);

/// The connections that may not use them yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Metered {
    terms: Terms,
    /// Since when each is there.
    young: BTreeMap<u32, Millis>,
}

impl Metered {
    /// Takes over the settings, and says whether they are others.
    pub(super) fn set(&mut self, terms: Terms) -> bool {
        let changed = self.terms != terms;
        self.terms = terms;
        if self.terms.addresses.is_empty() {
            self.young.clear();
        }
        changed
    }

    /// A connection begins.
    pub(super) fn began(&mut self, now: Millis, token: u32) {
        if !self.terms.addresses.is_empty() {
            self.young.insert(token, now);
        }
    }

    /// A connection has ended.
    pub(super) fn ended(&mut self, token: u32) {
        self.young.remove(&token);
    }

    /// May the connection use this address now? One that was there before the daemon may.
    pub(super) fn admits(&self, token: u32, address: IpAddr) -> bool {
        !self.young.contains_key(&token) || !self.terms.addresses.contains(&address)
    }

    /// The connections that may use all addresses from now on, because they have lived so long.
    pub(super) fn aged(&mut self, now: Millis) -> Vec<u32> {
        let age = self.terms.age;
        let aged = self.young.iter().filter(|(_, since)| **since + age <= now);
        let aged: Vec<u32> = aged.map(|(token, _)| *token).collect();
        aged.iter().for_each(|token| self.ended(*token));
        aged
    }

    /// Or because they have moved so much.
    pub(super) fn sampled(&mut self, flows: &[Flow]) -> Vec<u32> {
        let mut moved: BTreeMap<u32, u64> = BTreeMap::new();
        for flow in flows {
            if let Some(token) = flow.token.filter(|token| self.young.contains_key(token)) {
                *moved.entry(token).or_default() += flow.confirmed + flow.received;
            }
        }
        moved.retain(|_, bytes| *bytes >= self.terms.bytes);
        moved.keys().for_each(|token| self.ended(*token));
        moved.into_keys().collect()
    }

    /// How often a sample is needed.
    pub(super) fn period(&self) -> Option<Duration> {
        (!self.young.is_empty()).then_some(PERIOD)
    }

    /// When the next one has lived so long.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.young.values().min().map(|since| *since + self.terms.age)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn flow(token: u32, confirmed: u64) -> Flow {
        let text = format!(
            r#"{{"local":"10.1.0.1:1","remote":"10.9.0.1:1","token":{token},"open":true,"timeouts":0,
                "unconfirmed":0,"rto_us":0,"confirmed_ms":0,"sent_ms":0,"received_ms":0,"rtt_us":0,
                "min_rtt_us":0,"segments":0,"resent":0,"confirmed":{confirmed},"received":0}}"#
        );
        serde_json::from_str(&text).expect("a flow")
    }

    #[test]
    fn a_connection_joins_when_it_has_moved_or_lived_enough() {
        let [own, other] = ["10.2.0.1", "10.3.0.1"].map(|it| it.parse().expect("an address"));
        let addresses = BTreeSet::from([own]);
        let terms = Terms { addresses, bytes: 1_000, age: Duration::from_secs(10) };
        let mut metered = Metered::default();
        assert!(metered.set(terms.clone()));
        assert!(!metered.set(terms));
        assert_eq!((metered.period(), metered.deadline()), (None, None), "nothing waits");
        assert!(metered.admits(1, own), "it was there before");
        metered.began(Millis(0), 1);
        metered.began(Millis(500), 2);
        assert!(!metered.admits(1, own) && metered.admits(1, other));
        assert_eq!(metered.period(), Some(PERIOD));
        assert_eq!(
            metered.sampled(&[flow(1, 600), flow(2, 999), flow(3, 5_000)]),
            Vec::<u32>::new()
        );
        assert_eq!(metered.sampled(&[flow(1, 600), flow(1, 400), flow(2, 999)]), [1]);
        assert!(metered.admits(1, own) && !metered.admits(2, own));
        assert_eq!(metered.deadline(), Some(Millis(10_500)));
        assert_eq!(metered.aged(Millis(10_499)), Vec::<u32>::new());
        assert_eq!(metered.aged(Millis(10_500)), [2]);
        assert_eq!((metered.period(), metered.deadline()), (None, None), "nothing waits");
    }
}
