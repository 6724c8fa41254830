//! `mptcpize --version`: the tool, the library inside it, and what the kernel offers.

use crate::error::Exit;
use crate::host::kernel::{Mptcp, release};
use crate::inject::library;
use crate::output;

/// Prints three lines for a bug report.
///
/// # Errors
/// Standard output cannot be written.
pub fn version() -> anyhow::Result<Exit> {
    output::line(&format!(
        "mptcpize {}\nshim     sha256 {} ({} bytes)\nkernel   {}: {}",
        env!("CARGO_PKG_VERSION"),
        library::SHA256,
        library::BYTES.len(),
        release(),
        Mptcp::probe(),
    ))?;
    Ok(Exit::Done)
}
