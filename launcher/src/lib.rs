//! mptcpize: run any program over Multipath TCP.
//!
//! ```text
//!   argv ─► cli ─► commands/  one file per verb
//!                    │  host/    the kernel: netlink, sysctls, the journal of what we changed
//!                    │    ▼ HostState
//!                    │  model/   pure: what is there and what was asked → what to change, and why
//!                    │  inject/  the target inspected, the library placed, exec
//!                    ▼
//!                  error, output: what the person reads
//! ```
//!
//! Who may import whom: `main → cli, commands, error, output` · `commands → cli, model, host,
//! inject, output, paths, root, error` · `host, inject → model, paths, root, error` · `root → error` ·
//! `output → model, error` · `cli → model`, for its types alone · `model →` nothing; all
//! may use `plain`. `tests/layers.rs` keeps it so.
//!
//! The library that is preloaded (`shim/`) is a package of its own, embedded by `build.rs`;
//! nothing links it, because it defines `socket`.

pub mod cli;
pub mod commands;
pub mod error;
pub mod host;
pub mod inject;
pub mod model;
pub mod output;
pub mod paths;
pub mod plain;
pub mod root;
