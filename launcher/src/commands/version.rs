//! `mptcpize --version`: the tool, the library inside it, and what the kernel offers.

use serde_json::json;

use crate::cli::parts::PARTS;
use crate::error::Exit;
use crate::host::observe::kernel::{MptcpSocket, release};
use crate::host::observe::lacks;
use crate::inject::library;
use crate::output;
use mptcpize_model::Kernel;

/// Prints three lines for a bug report, and one more each for what was left out of the build and for what
/// an older kernel lacks.
///
/// # Errors
/// Standard output cannot be written.
pub fn version() -> anyhow::Result<Exit> {
    let kernel = Kernel { release: release(), ..Kernel::default() };
    let lacks = mptcpize_model::lacks::words(&lacks::look(&kernel));
    let without: Vec<&str> =
        PARTS.iter().filter(|part| !part.built).map(|part| part.feature).collect();
    let object = || {
        json!({
            "version": 1,
            "release": env!("CARGO_PKG_VERSION"),
            "library_sha256": library::SHA256,
            "kernel": kernel.release,
            "mptcp": MptcpSocket::probe().to_string(),
            "lacks": lacks,
            "without": without,
        })
    };
    if output::json::answer(object)? {
        return Ok(Exit::Done);
    }
    output::line(&format!(
        "mptcpize {}\nshim     sha256 {} ({} bytes)\nkernel   {}: {}",
        env!("CARGO_PKG_VERSION"),
        library::SHA256,
        library::BYTES.len(),
        kernel.release,
        MptcpSocket::probe(),
    ))?;
    if !without.is_empty() {
        output::line(&format!("without  {}: left out of this build", without.join(", ")))?;
    }
    if let Some(lacks) = lacks {
        output::line(&format!("lacks    {lacks}"))?;
    }
    Ok(Exit::Done)
}
