//! mptcpize: run any program over Multipath TCP.
//!
//! ```text
//!   argv ─► cli ─► commands/  one file per verb
//!                    │  host/    the kernel: netlink, sysctls, the journal of what we changed
//!                    │    ▼ HostState
//!                    │  mptcpize-model  pure: what is there and what was asked → what to change, and why
//!                    │  daemon/  the set-up made again whenever the kernel says that something changed
//!                    │  inject/  the target inspected, the library placed, exec
//!                    ▼
//!                  error, output: what the person reads
//! ```
//!
//! Who may import whom: `main → cli, commands, error, output` · `commands → cli, config_file, daemon,
//! host, inject, output, locations, root, syscall, error` · `daemon → host, syscall, error` ·
//! `host, inject → locations, root, syscall, error` · `root, output, cli → error`; all may use the
//! model, which is a crate of its own and knows none of them. What speaks netlink is one too,
//! mptcp-netlink, and only `host` uses it. `tests/layers/main.rs` keeps it so.
//!
//! The library that is preloaded (`shim/`) is a package of its own, embedded by `build.rs`;
//! nothing links it, because it defines `socket`.

pub mod cli;
pub mod commands;
pub mod config_file;
pub mod daemon;
pub mod error;
pub mod host;
pub mod inject;
pub mod locations;
pub mod output;
pub mod root;
pub mod syscall;
