//! What a running daemon lets others know: a file in the run directory that `mptcpize status`
//! reads.

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
    /// When.
    pub at: Millis,
    /// Which kind.
    pub code: Code,
    /// The line that a person reads.
    pub text: String,
}
