//! Names that exist on this host: links, network namespaces, units, stored relays. For completions, where an
//! answer that cannot be had is an empty list and never an error.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::host::relays;
use crate::locations::Locations;

/// The names in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    found.sort();
    found
}

/// Every link of this network namespace.
pub fn links() -> Vec<String> {
    // /sys may show the namespace that it was mounted in; /proc/net shows that of the reader.
    let table = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let mut found: Vec<String> = table
        .lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect();
    found.sort();
    found
}

/// The namespaces of ip-netns(8).
pub fn namespaces() -> Vec<String> {
    names(Path::new("/run/netns"))
}

/// The relays that this user stored; none where the file is not to be trusted.
pub fn relays(locations: &Locations) -> Vec<String> {
    let stored = relays::load(locations).unwrap_or_default();
    stored.relays.iter().map(|relay| relay.name.to_string()).collect()
}

/// Units that have a file and can be enabled: services and sockets.
pub fn units(user: bool) -> Vec<String> {
    let manager = if user { "--user" } else { "--system" };
    let listed = Command::new("systemctl")
        .args([manager, "list-unit-files", "--no-legend", "--no-pager", "--plain"])
        .arg("--type=service,socket")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let text = listed.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect()
}
