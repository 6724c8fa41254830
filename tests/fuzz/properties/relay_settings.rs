//! The settings of a gateway's relay, in JSON: written by the launcher, read by a process that carries
//! the connections of others. What strangers send is carried and not read.

use mptcpize_model::gateway::Settings;

use super::survives_json;

/// Settings that are taken name at least one link on each side, each once, and no limit of nothing.
pub(crate) fn settings(bytes: &[u8]) {
    let Ok(settings) = serde_json::from_slice::<Settings>(bytes) else { return };
    survives_json(&settings);
    if settings.check().is_err() {
        return;
    }
    let limits = settings.limits;
    assert!(settings.port != 0 && !settings.lan.is_empty() && !settings.uplinks.is_empty());
    assert!(limits.connections > 0 && limits.per_client > 0 && limits.handshakes_s > 0);
    let mut names: Vec<_> = settings.uplinks.iter().map(|uplink| uplink.dev.as_str()).collect();
    assert!(settings.lan.iter().all(|lan| !names.contains(&lan.as_str())));
    let number = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), number);
    assert!(settings.uplinks.iter().all(|uplink| uplink.weight > 0));
}
