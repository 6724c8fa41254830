//! The program under test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{scratch, scratch::copy};

/// The relay that cargo built for this run, or the one beside the launcher that `MPTCPIZE_BINARY`
/// names.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let launcher = std::env::var_os("MPTCPIZE_BINARY").map(PathBuf::from);
        let beside = launcher.map(|launcher| launcher.with_file_name("mptcpize-relay"));
        beside.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_mptcpize-relay")))
    })
}

/// A copy that every user can reach: the checkout may lie in a closed home.
pub fn public_binary() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| copy(binary(), &scratch("bin").join("mptcpize-relay"), 0o755))
}
