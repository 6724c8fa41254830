//! The kernel's MPTCP counters (MPTcpExt of /proc/net/netstat): what they mean, and what changed
//! between two looks.
//!
//! Not here: reading them (`host::procfs::network`), and which of them are a reason to worry about *this* host
//! (`checks`).

mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A counter that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The kernel's name.
    pub name: &'static str,
    /// What it is a sign of.
    pub kind: Kind,
    /// What it counts, in at most [`MEANS`] characters.
    pub means: &'static str,
    /// What to do when it grows.
    pub advice: &'static str,
}

/// What a counter is a sign of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It grows on a healthy host.
    Usual,
    /// Something went wrong each time.
    Trouble,
    /// It says how many there are now, and goes up and down.
    Gauge,
}

/// The room for a meaning on a line of 80 columns.
pub const MEANS: usize = 43;

/// What is known of a counter; nothing of those that a newer kernel added.
pub fn known(name: &str) -> Option<&'static Known> {
    table::TABLE.iter().find(|known| known.name == name)
}

/// All counters that are known, in the kernel's order.
pub fn all() -> &'static [Known] {
    table::TABLE
}

/// The counters of one network namespace at one time, in the kernel's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters(pub Vec<(String, u64)>);

impl Counters {
    /// One of them; 0 where the kernel does not have it.
    pub fn get(&self, name: &str) -> u64 {
        self.0.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value)
    }

    /// What was counted since `before`: differences, and gauges as they are now. A counter that is
    /// lower than before began anew, and counts in full.
    #[must_use]
    pub fn since(&self, before: &Counters) -> Counters {
        let before: BTreeMap<&str, u64> =
            before.0.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let change = |(name, now): &(String, u64)| {
            let gauge = known(name).is_some_and(|known| known.kind == Kind::Gauge);
            let then = before.get(name.as_str()).copied().unwrap_or(0);
            let value = if gauge { *now } else { now.checked_sub(then).unwrap_or(*now) };
            (name.clone(), value)
        };
        Counters(self.0.iter().map(change).collect())
    }
}

/// Counters kept for `--since-last`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Which boot (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// When, in seconds since the boot.
    pub at_s: u64,
    /// MPTcpExt then.
    pub counters: Counters,
    /// `IPReversePathFilter` of TcpExt then: packets that rp_filter dropped.
    pub reverse_path: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meaning_fits_its_line_and_every_counter_has_advice() {
        for known in all() {
            assert!(known.means.chars().count() <= MEANS, "{}: {}", known.name, known.means);
            assert!(!known.means.is_empty() && !known.advice.is_empty(), "{}", known.name);
            let twice = all().iter().filter(|other| other.name == known.name).count();
            assert_eq!(twice, 1, "{}", known.name);
        }
    }

    #[test]
    fn what_changed_is_a_difference_and_a_gauge_is_not() {
        let of = |list: &[(&str, u64)]| {
            Counters(list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
        };
        let before = of(&[("MPJoinSynTx", 5), ("MPCurrEstab", 7), ("MPRstTx", 9)]);
        let now = of(&[("MPJoinSynTx", 8), ("MPCurrEstab", 4), ("MPRstTx", 2), ("New", 1)]);
        let expected = of(&[("MPJoinSynTx", 3), ("MPCurrEstab", 4), ("MPRstTx", 2), ("New", 1)]);
        assert_eq!(now.since(&before), expected);
        assert_eq!(now.since(&Counters::default()), now);
        assert_eq!((now.get("MPCurrEstab"), now.get("Absent")), (4, 0));
    }
}
