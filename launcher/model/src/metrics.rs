//! The metrics of a route (`RTA_METRICS`): what TCP is told of the way, such as its MTU. A copy of
//! a route without them would stall uploads on a link whose MTU is smaller than its card's.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The kernel's numbers and the words of ip-route(8) (`RTAX_*`, include/uapi/linux/rtnetlink.h).
const WORDS: [(u16, &str); 17] = [
    (LOCK, "lock"),
    (2, "mtu"),
    (3, "window"),
    (4, "rtt"),
    (5, "rttvar"),
    (6, "ssthresh"),
    (7, "cwnd"),
    (8, "advmss"),
    (9, "reordering"),
    (10, "hoplimit"),
    (11, "initcwnd"),
    (12, "features"),
    (13, "rto_min"),
    (14, "initrwnd"),
    (15, "quickack"),
    (CONGESTION_CONTROL, "congctl"),
    (17, "fastopen_no_cookie"),
];

/// A bit for each metric, by its number, that path MTU discovery and TCP must not change.
const LOCK: u16 = 1;

/// The only metric that is a text.
pub const CONGESTION_CONTROL: u16 = 16;

/// One metric's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Metric {
    /// All but one: bytes, segments or milliseconds, as the kernel has them.
    Number(u32),
    /// `congctl`.
    Text(String),
}

/// The metrics of a route, by the kernel's number; in JSON by the word of ip-route(8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Metric>", into = "BTreeMap<String, Metric>")]
pub struct Metrics(pub BTreeMap<u16, Metric>);

impl Metrics {
    /// Has the route none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_locked(&self, number: u16) -> bool {
        let locks = match self.0.get(&LOCK) {
            Some(Metric::Number(locks)) => *locks,
            _ => 0,
        };
        1u32.checked_shl(number.into()).is_some_and(|bit| locks & bit != 0)
    }
}

/// The word of a metric; `rtax18` for one that is newer than this program.
fn word(number: u16) -> String {
    let known = WORDS.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("rtax{number}"), |(_, word)| (*word).to_owned())
}

impl From<Metrics> for BTreeMap<String, Metric> {
    fn from(metrics: Metrics) -> Self {
        metrics.0.into_iter().map(|(number, value)| (word(number), value)).collect()
    }
}

impl TryFrom<BTreeMap<String, Metric>> for Metrics {
    type Error = String;

    fn try_from(words: BTreeMap<String, Metric>) -> Result<Self, String> {
        let number = |name: &str| {
            let known = WORDS.iter().find(|(_, word)| *word == name).map(|(number, _)| *number);
            let raw = || name.strip_prefix("rtax")?.parse().ok();
            known.or_else(raw).ok_or_else(|| format!("{name:?} is no metric of a route"))
        };
        let all = words.into_iter().map(|(name, value)| Ok((number(&name)?, value)));
        Ok(Metrics(all.collect::<Result<_, String>>()?))
    }
}

impl fmt::Display for Metrics {
    /// As `ip route` takes them, each with a space before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, value) in self.0.iter().filter(|(number, _)| **number != LOCK) {
            let lock = if self.is_locked(*number) { " lock" } else { "" };
            write!(f, " {}{lock} ", word(*number))?;
            match (word(*number).as_str(), value) {
                ("features", Metric::Number(1)) => f.write_str("ecn")?,
                ("rtt" | "rttvar" | "rto_min", Metric::Number(time)) => {
                    // The kernel keeps eighths and quarters of a millisecond (ip/iproute.c).
                    let parts = [("rtt", 8), ("rttvar", 4)];
                    let part = parts.iter().find(|(name, _)| *name == word(*number));
                    write!(f, "{}ms", time / part.map_or(1, |(_, part)| *part))?;
                }
                (_, Metric::Number(number)) => write!(f, "{number}")?,
                (_, Metric::Text(text)) => f.write_str(text)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_read_as_ip_route_writes_them() {
        let metrics = Metrics(BTreeMap::from([
            (LOCK, Metric::Number(1 << 2)),
            (2, Metric::Number(1400)),
            (12, Metric::Number(1)),
            (13, Metric::Number(5)),
            (CONGESTION_CONTROL, Metric::Text("bbr".into())),
            (30, Metric::Number(7)),
        ]));
        let expected = " mtu lock 1400 features ecn rto_min 5ms congctl bbr rtax30 7";
        assert_eq!(metrics.to_string(), expected);
        let text = serde_json::to_string(&metrics).expect("plain data");
        assert!(text.contains("\"mtu\":1400") && text.contains("\"rtax30\":7"), "{text}");
        assert_eq!(serde_json::from_str::<Metrics>(&text).expect("our own text"), metrics);
        assert!(serde_json::from_str::<Metrics>("{\"odd\":1}").is_err());
    }
}
