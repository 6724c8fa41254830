//! Which congestion controls the kernel has or can load.

use std::fs;
use std::path::Path;

use crate::host::apply::sysctl;
use crate::host::observe::kernel;
use mptcpize_model::congestion::Offered;

/// What the kernel offers, as far as it matters for the algorithm of this name. Nothing is loaded.
pub fn offered(name: &str) -> Offered {
    let available = sysctl::read("net.ipv4.tcp_available_congestion_control").unwrap_or_default();
    // There without `CONFIG_MODULES` is neither; the second is for good once it is set.
    let loads = Path::new("/proc/modules").exists()
        && sysctl::read("kernel.modules_disabled").is_none_or(|disabled| disabled.trim() == "0");
    Offered { available, loads, module: module(name) }
}

/// Is there a module for it? depmod(8) writes the index. The kernel loads it by itself when a route
/// names it (`tcp_ca_find_autoload`, net/ipv4/tcp_cong.c).
fn module(name: &str) -> Option<bool> {
    let directory = Path::new("/lib/modules").join(kernel::release());
    let index = fs::read_to_string(directory.join("modules.dep")).ok()?;
    let file = format!("/tcp_{name}.ko");
    let is_it = |line: &str| {
        let path = line.split(':').next().unwrap_or_default();
        path.split_once(&file)
            .is_some_and(|(_, packed)| packed.is_empty() || packed.starts_with('.'))
    };
    Some(index.lines().any(is_it))
}
