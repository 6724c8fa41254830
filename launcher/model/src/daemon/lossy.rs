//! The congestion control of links that are set to `auto`: bbr while a link loses packets without a
//! queue, and otherwise what it has by itself.
//!
//! Cubic and Reno take each loss for a queue that overflowed. Whether one did shows in the round trip: a
//! full queue makes it longer. So losses count that happen while the round trip is near the shortest.
//! Only what this host sends can be judged, and only that has its algorithm from here.
//!
//! Subflows that there are keep the algorithm with which they began.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::event::{Code, Millis, Report};
use super::sample::Flow;
use crate::HostState;
use crate::config::Config;
use crate::congestion::Congestion;
use crate::net::IfName;

/// A judgement needs so many segments: one per cent of them are ten losses.
const FEW: u64 = 1_000;

/// And so many to say that a link does not lose any more.
const MANY: u64 = 10_000;

/// From so many losses in a thousand on, cubic gets less than half of a link of 50 Mbit/s with a round
/// trip of 20 ms: there it is as fast as Reno (RFC 9438 section 4.3), whose rate falls with the square
/// root of losses.
const LOSES: u64 = 5;

/// Under so many in ten thousand the link counts as clean: a fifth of that.
const CLEAN: u64 = 10;

/// So long an algorithm stays at least: a link that fades loses in bursts.
const STAYS: Duration = Duration::from_secs(600);

/// The links that are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Lossy {
    links: BTreeMap<IfName, Link>,
    /// Whose address is on which of them.
    homes: BTreeMap<IpAddr, IfName>,
    /// What each connection had sent, and sent again, at the last sample; by its ends, in order.
    flows: Vec<(Ends, u32, u32)>,
}

/// Both ends of a connection.
type Ends = (SocketAddr, SocketAddr);

/// What is known of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Link {
    /// Since when it is taken to lose packets.
    loses: Option<Millis>,
    /// Segments since the last judgement, without a queue.
    segments: u64,
    /// Those of them that were sent again.
    resent: u64,
}

impl Lossy {
    /// Takes over the links that are set to `auto`, and gives each of them in `config` its algorithm.
    pub(super) fn settle(&mut self, state: &HostState, config: &mut Config) {
        let auto = config.congestion.iter().filter(|(_, asked)| asked.is_auto());
        let auto: BTreeSet<IfName> = auto.map(|(dev, _)| dev.clone()).collect();
        self.links.retain(|dev, _| auto.contains(dev));
        let homes = state.addresses.iter().filter(|it| auto.contains(&it.dev));
        self.homes = homes.map(|it| (it.address, it.dev.clone())).collect();
        for dev in auto {
            let link = self.links.entry(dev.clone()).or_default();
            match link.loses {
                Some(_) => config.congestion.insert(dev, Congestion::bbr()),
                None => config.congestion.remove(&dev),
            };
        }
    }

    /// Counts what a sample shows, and returns what is to be told: then a look is due.
    pub(super) fn sampled(&mut self, now: Millis, flows: &[Flow]) -> Vec<Report> {
        let mut seen = Vec::new();
        for flow in flows.iter().filter(|flow| flow.open) {
            let Some(dev) = self.homes.get(&flow.local_ip()) else { continue };
            let ends = (flow.local, flow.remote);
            seen.push((ends, flow.segments, flow.resent));
            let before = self.flows.binary_search_by_key(&ends, |(ends, ..)| *ends);
            let before = before.ok().and_then(|at| self.flows.get(at));
            let (Some((_, segments, resent)), Some(link)) = (before, self.links.get_mut(dev))
            else {
                continue;
            };
            if !has_queue(flow) {
                link.segments += u64::from(flow.segments.saturating_sub(*segments));
                link.resent += u64::from(flow.resent.saturating_sub(*resent));
            }
        }
        seen.sort_unstable();
        self.flows = seen;
        let judged = |(dev, link): (&IfName, &mut Link)| link.judge(now, dev);
        self.links.iter_mut().filter_map(judged).collect()
    }

    /// The links that are taken to lose packets.
    pub(super) fn links(&self) -> BTreeSet<IfName> {
        let loses = self.links.iter().filter(|(_, link)| link.loses.is_some());
        loses.map(|(dev, _)| dev.clone()).collect()
    }
}

impl Link {
    fn judge(&mut self, now: Millis, dev: &IfName) -> Option<Report> {
        let Some(since) = self.loses else {
            if self.segments < FEW {
                return None;
            }
            let (segments, resent) = self.take();
            if resent * 1_000 < segments * LOSES {
                return None;
            }
            self.loses = Some(now);
            let share = resent * 1_000 / segments;
            let text = format!(
                "{dev} loses {}.{} % of packets without a queue: new subflows over it have bbr",
                share / 10,
                share % 10
            );
            return Some(Report::about(Code::Lossy, dev, text));
        };
        if self.segments < MANY {
            return None;
        }
        let (segments, resent) = self.take();
        if resent * 10_000 >= segments * CLEAN || now < since + STAYS {
            return None;
        }
        self.loses = None;
        let text = format!("{dev} loses no packets any more: new subflows have its own algorithm");
        Some(Report::about(Code::Clean, dev, text))
    }

    fn take(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.segments), std::mem::take(&mut self.resent))
    }
}

/// Is the round trip of what this connection sends longer than its shortest by more than half, and by
/// more than a timer's coarseness?
fn has_queue(flow: &Flow) -> bool {
    flow.rtt_us > flow.min_rtt_us + flow.min_rtt_us / 2 + 2_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Address;

    fn name(name: &str) -> IfName {
        IfName::new(name).expect("a literal name")
    }

    fn config() -> Config {
        let auto = "auto".parse().expect("a word of the settings");
        let bbr = "bbr".parse().expect("an algorithm");
        let congestion = BTreeMap::from([(name("w1"), bbr), (name("w2"), auto)]);
        Config { congestion, ..Config::default() }
    }

    fn host() -> HostState {
        let address = r#"{"dev":"w2","address":"10.2.0.1","length":24}"#;
        let address = serde_json::from_str::<Address>(address).expect("an address");
        HostState { addresses: vec![address], ..HostState::default() }
    }

    /// What `w2` is to have.
    fn algorithm(lossy: &mut Lossy) -> Option<String> {
        let mut config = config();
        lossy.settle(&host(), &mut config);
        assert_eq!(config.congestion[&name("w1")].name(), "bbr", "it is no link of ours");
        config.congestion.get(&name("w2")).map(|it| it.name().to_owned())
    }

    /// Samples in each of which an upload sent 100 segments more, of which so many again.
    fn upload(lossy: &mut Lossy, from: u64, samples: u64, resent: u32, rtt_us: u32) -> usize {
        let mut said = 0;
        for n in 0..samples {
            let count = u32::try_from(from + n).expect("a small number");
            let flow = Flow {
                segments: count * 100,
                resent: count * resent,
                rtt_us,
                min_rtt_us: 20_000,
                ..Flow::between("10.2.0.1:40000", "10.9.0.1:443")
            };
            said += lossy.sampled(Millis((from + n) * 200), &[flow]).len();
        }
        said
    }

    #[test]
    fn a_link_that_loses_packets_without_a_queue_gets_bbr_and_one_with_a_queue_does_not() {
        for (what, resent, rtt_us, expected) in [
            ("one per cent, no queue", 1, 22_000, Some("bbr")),
            ("one per cent, the queue is full", 1, 70_000, None),
            ("nothing is lost", 0, 22_000, None),
        ] {
            let mut lossy = Lossy::default();
            assert_eq!(algorithm(&mut lossy), None, "{what}");
            assert_eq!(upload(&mut lossy, 1, 100, resent, rtt_us), usize::from(expected.is_some()));
            assert_eq!(algorithm(&mut lossy).as_deref(), expected, "{what}");
        }
    }

    #[test]
    fn it_keeps_bbr_for_ten_minutes_and_while_anything_is_lost() {
        let mut lossy = Lossy::default();
        algorithm(&mut lossy);
        assert_eq!(upload(&mut lossy, 1, 20, 1, 22_000), 1);
        let begin = 21;
        assert_eq!(upload(&mut lossy, begin, 2_900, 0, 22_000), 0, "nine minutes and a half");
        assert_eq!(algorithm(&mut lossy).as_deref(), Some("bbr"));
        assert_eq!(upload(&mut lossy, begin + 2_900, 300, 0, 22_000), 1);
        assert_eq!(algorithm(&mut lossy), None);
    }
}
