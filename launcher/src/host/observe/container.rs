//! Whether the tool runs in a container, and whether the library is there.

use std::env;
use std::fs;
use std::path::Path;

use mptcpize_model::checks::container::Within;
use mptcpize_model::container::cdi;

/// The file that podman puts into every container.
const PODMAN: &str = "/run/.containerenv";

/// The file that Docker does. Machines whose disk was made of an image have it too, but no overlay.
const DOCKER: &str = "/.dockerenv";

/// Containers of Kubernetes have no such file; programs in them know by this variable.
const KUBERNETES: &str = "KUBERNETES_SERVICE_HOST";

/// Is an overlay mounted there?
fn is_overlay(place: &str) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut fields = mounts.lines().map(|line| line.split(' ').skip(1));
    fields.any(|mut line| line.next() == Some(place) && line.next() == Some("overlay"))
}

/// The container that the tool runs in; none on a host.
pub fn look() -> Option<Within> {
    let library = Path::new(cdi::INSIDE).exists();
    let is_one = library
        || Path::new(PODMAN).exists()
        || (Path::new(DOCKER).exists() && is_overlay("/"))
        || env::var_os(KUBERNETES).is_some();
    let names =
        |bytes: &[u8]| bytes.windows(cdi::INSIDE.len()).any(|at| at == cdi::INSIDE.as_bytes());
    is_one.then(|| Within {
        library,
        first: fs::read("/proc/1/environ").ok().map(|variables| names(&variables)),
        caller: env::var_os("LD_PRELOAD").is_some_and(|value| names(value.as_encoded_bytes())),
    })
}
