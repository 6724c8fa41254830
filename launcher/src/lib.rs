//! mptcpize: run any program over Multipath TCP.
//!
//! ```text
//!   argv ─► cli ─► commands/  one file per verb
//!                    │  inject/  the target inspected, the library placed, exec
//!                    │  host/    what the kernel offers
//!                    ▼
//!                  error, output: what the person reads
//! ```
//!
//! Who may import whom: `main → cli, commands, error` · `commands → host, inject, output, paths,
//! error` · `inject → paths, error` · `host → error`. `tests/layers.rs` keeps it so.
//!
//! The library that is preloaded (`shim/`) is a package of its own, embedded by `build.rs`;
//! nothing links it, because it defines `socket`.

pub mod cli;
pub mod commands;
pub mod error;
pub mod host;
pub mod inject;
pub mod output;
pub mod paths;
