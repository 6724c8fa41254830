//! The program under test, and the library inside it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mptcpize::inject::library;

use super::{Cmd, scratch};

/// The binary that cargo built for this run, or the one that `MPTCPIZE_BINARY` names: with it,
/// scripts/check runs these tests once more on the release build, which is linked otherwise.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let other = std::env::var_os("MPTCPIZE_BINARY").map(PathBuf::from);
        other.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_mptcpize")))
    })
}

/// A copy that every user can reach: the checkout may lie in a closed home.
pub fn public_binary() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| scratch::copy(binary(), &scratch("bin").join("mptcpize"), 0o755))
}

/// `mptcpize ARGUMENTS`.
pub fn tool(arguments: &[&str]) -> Cmd {
    Cmd::new(binary()).args(arguments)
}

/// The library that is inside the binary, as a file: the release build that users get.
pub fn shim() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        scratch::file(&scratch("shim").join("libmptcpize.so"), library::BYTES, 0o644)
    })
}

/// How a program is run: every behaviour is looked at both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launch {
    /// By itself.
    Native,
    /// Under `mptcpize run`.
    Tool,
}

impl Launch {
    pub const BOTH: [Launch; 2] = [Launch::Native, Launch::Tool];

    /// The program, run this way.
    pub fn command(self, program: impl AsRef<OsStr>) -> Cmd {
        match self {
            Launch::Native => Cmd::new(program),
            Launch::Tool => Cmd::new(binary()).arg("run").arg(program),
        }
    }

    /// The protocol of a TCP socket made this way, where the kernel has MPTCP.
    pub fn protocol(self) -> u32 {
        match self {
            Launch::Native => super::kernel::TCP,
            Launch::Tool => super::kernel::MPTCP,
        }
    }
}
