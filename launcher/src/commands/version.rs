//! `mptcpize --version`: the tool, the library inside it, and what the kernel offers.

use crate::error::Exit;
use crate::host::observe::kernel::{MptcpSocket, release};
use crate::host::observe::lacks;
use crate::inject::library;
use crate::output;
use mptcpize_model::Kernel;

/// Prints three lines for a bug report, and on an older kernel a fourth about what it lacks.
///
/// # Errors
/// Standard output cannot be written.
pub fn version() -> anyhow::Result<Exit> {
    let kernel = Kernel { release: release(), ..Kernel::default() };
    output::line(&format!(
        "mptcpize {}\nshim     sha256 {} ({} bytes)\nkernel   {}: {}",
        env!("CARGO_PKG_VERSION"),
        library::SHA256,
        library::BYTES.len(),
        kernel.release,
        MptcpSocket::probe(),
    ))?;
    if let Some(lacks) = mptcpize_model::lacks::words(&lacks::look(&kernel)) {
        output::line(&format!("lacks    {lacks}"))?;
    }
    Ok(Exit::Done)
}
