//! The state of the agent as text, for whoever asks (told.rs).

use mptcpize_model::relay::status::{Agent, VERSION};

use super::shared::Shared;
use crate::sys;

/// At this moment.
pub fn text(shared: &Shared) -> Vec<u8> {
    let state = Agent {
        version: VERSION,
        pid: std::process::id(),
        netns: sys::netns(),
        running_ms: u64::try_from(shared.now().as_millis()).unwrap_or(u64::MAX),
        relays: shared.relays.state(),
    };
    serde_json::to_vec(&state).unwrap_or_default()
}
