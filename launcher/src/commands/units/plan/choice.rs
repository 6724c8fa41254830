//! What the rooms of a plan hand back: the mechanism that reaches a unit, and all that goes with it.

use mptcpize_model::unit::dropin::Mechanism;

use crate::commands::units::plan::sandbox::Need;

/// The mechanism chosen for a unit.
#[derive(Debug)]
pub(super) struct Choice {
    /// How the unit's programs or its socket are reached.
    pub(super) mechanism: Mechanism,
    /// Why it is this one, as a clause.
    pub(super) why: String,
    /// What a person should know besides, a sentence each.
    pub(super) notes: Vec<String>,
    /// Files of ours that the unit reads or executes with it; none for a socket.
    pub(super) needs: Vec<Need>,
}
