//! Who else manages links or endpoints on this host.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mptcpize_model::Manager;

/// systemd keeps a link for each active unit here; a look at it starts nothing and asks nobody.
const UNITS: &str = "/run/systemd/units";

/// The managers that run and see the network namespace of this process.
pub fn running() -> Vec<Manager> {
    if !is_the_hosts_own() {
        return Vec::new();
    }
    let all = [
        (Manager::NetworkManager, "NetworkManager.service"),
        (Manager::Networkd, "systemd-networkd.service"),
        (Manager::Mptcpd, "mptcp.service"),
    ];
    all.into_iter()
        .filter(|(_, unit)| {
            fs::symlink_metadata(Path::new(UNITS).join(format!("invocation:{unit}"))).is_ok()
        })
        .map(|(manager, _)| manager)
        .collect()
}

/// Is this the network namespace of the first process, for which services work? Also when that
/// cannot be told.
fn is_the_hosts_own() -> bool {
    let inode = |path| fs::metadata(path).map(|found| found.ino());
    match (inode("/proc/1/ns/net"), inode("/proc/self/ns/net")) {
        (Ok(first), Ok(own)) => first == own,
        _ => true,
    }
}
