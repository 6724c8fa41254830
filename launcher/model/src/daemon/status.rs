//! What a running daemon lets others know: a file in the run directory that `mptcpize status`
//! reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{Code, Millis};
use crate::net::IfName;

/// The daemon, as it wants to be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// When it started.
    pub since: Millis,
    /// What is the case, in a line.
    pub standing: String,
    /// The links that are held back.
    pub held: Vec<Held>,
    /// How many subflows were lost and came back; nothing where the kernel opens them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed: Option<u64>,
    /// How many reports there were of each kind since it started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub decisions: BTreeMap<Code, u64>,
    /// The last five reports, oldest first.
    pub events: Vec<Told>,
}

/// A link that is not used for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The link.
    pub link: IfName,
    /// Why, as a clause.
    pub why: String,
    /// Until when.
    pub until: Millis,
}

/// A report and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The how manieth it is since the daemon started, from 1; who has seen fewer has missed some.
    #[serde(default)]
    pub number: u64,
    /// When.
    pub at: Millis,
    /// Which kind.
    pub code: Code,
    /// The link that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<IfName>,
    /// The line that a person reads.
    pub text: String,
}
