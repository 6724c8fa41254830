//! Whether containers can be given the library: read from the file that `enable --containers` writes.

use std::path::Path;

use crate::commands::containers::{file, profile};
use crate::commands::units::Site;
use crate::root::Root;
use mptcpize_model::container::cdi;

/// The names of the devices, as engines take them; none where it is off.
pub(in crate::commands) fn devices(root: &Root) -> Vec<String> {
    let text = root.read(Path::new(cdi::FILE)).unwrap_or_default();
    let all = file::devices(&text).unwrap_or_default();
    all.into_iter().map(|device| format!("{}={}", cdi::KIND, device.name)).collect()
}

/// The seccomp profile that containers can be given; none where it is off.
pub(in crate::commands) fn profile(site: &Site) -> Option<&'static str> {
    let change = profile::read(site).ok()?;
    change.before.map(|_| profile::FILE)
}
