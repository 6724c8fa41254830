//! The machine: what it has, and changing it. This is the only place that asks the kernel.
//!
//! [`Host`] is the seam: one real kernel, and in tests a model of one.

pub mod agent;
pub mod agents;
pub mod apply;
pub mod completions;
pub mod consent;
pub mod counters_baseline;
pub mod gateway;
pub mod netlink;
pub mod netns;
pub mod observe;
pub mod private_file;
pub mod probe;
pub mod process;
pub mod procfs;
pub mod read_only;
#[doc(hidden)]
pub mod readers;
pub mod relay;
pub mod relay_clock;
pub mod relay_probe;
pub mod relays;
pub mod runtime_socket;
pub mod scrape;
pub mod served;
pub mod systemd;

use crate::error::Error;
use crate::host::netlink::KernelError;
use mptcpize_model::HostState;
use mptcpize_model::change::Change;

/// A host that can be looked at and changed, one [`Change`] at a time.
pub trait Host {
    /// Looks at everything that a plan needs. `ours` is what our journal knows.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn observe(&mut self, ours: &[Change]) -> Result<HostState, Error>;

    /// Makes one change.
    ///
    /// # Errors
    /// The kernel's refusal; the host is as it was.
    fn apply(&mut self, change: &Change) -> Result<(), KernelError>;
}
