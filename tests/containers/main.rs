//! Containers: what programs in them get by `enable --containers`, with Debian's podman and crun; the file
//! that the verb writes, what it refuses, and what `status` shows of containers.
//!
//! Images are made here, of this host's programs; nothing is fetched. Storage, state and control groups of
//! the engine are the test's own ([`engine`]).

#[path = "../support/mod.rs"]
mod support;

mod engine;
mod files;
mod names;
mod networks;
mod programs;
mod refused;
mod schema;
mod seccomp;
mod seen;
mod supervisor;
