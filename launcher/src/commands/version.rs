//! `mptcpize --version`: the tool, the library inside it, and what the kernel offers.

use serde_json::json;

use crate::cli::parts::PARTS;
use crate::error::Exit;
use crate::host::observe::kernel::{MptcpSocket, release};
use crate::host::observe::lacks;
use crate::inject::library;
use crate::output;
use crate::output::term::{Colour, Term};
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
    let width = Term::of_stdout(Colour::Never).width;
    let shim = format!("sha256 {} ({} bytes)", library::SHA256, library::BYTES.len());
    let probed = format!("{}: {}", kernel.release, MptcpSocket::probe());
    output::line(&format!(
        "mptcpize {}\n{}\n{}",
        env!("CARGO_PKG_VERSION"),
        output::row("shim", &shim, width),
        output::row("kernel", &probed, width)
    ))?;
    if !without.is_empty() {
        output::line(&format!("without  {}: left out of this build", without.join(", ")))?;
    }
    if let Some(lacks) = lacks {
        output::line(&output::row("lacks", &lacks, width))?;
    }
    Ok(Exit::Done)
}
