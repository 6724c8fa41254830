//! Whether every program of a host is on, and how: read from the files that `enable --system` writes.

use std::path::Path;

use crate::commands::system::libraries::NAME;
use crate::root::Root;
use mptcpize_model::environment::sets;
use mptcpize_model::system::SystemMechanism;

/// The mechanism by which it is on; `None` where it is not.
pub(in crate::commands) fn state(root: &Root) -> Option<SystemMechanism> {
    let read = |path: &str| {
        let bytes = root.read(Path::new(path)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let preload = read("/etc/ld.so.preload");
    let is_named = |line: &str| line.split('#').next().unwrap_or_default().contains(NAME);
    if preload.lines().any(is_named) {
        return Some(SystemMechanism::Preload);
    }
    let services = read("/etc/systemd/system.conf.d/50-mptcpize.conf");
    let log_ins = read("/etc/environment");
    let ours =
        [services, log_ins].iter().any(|text| text.contains(NAME) && sets(text, "LD_PRELOAD"));
    ours.then_some(SystemMechanism::Environment)
}
