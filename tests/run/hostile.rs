//! Programs that mean harm, or hand over nonsense: what they must not reach through the library or
//! the supervisor. A module for each boundary, with an attacker's half and an innocent half: what
//! is refused to the one is what the other one needs.
//!
//! Not here: images, locks, files and names of others (`services/hostile_files.rs`), and input that is only
//! read by the launcher.

mod descriptors;
mod environment;
mod pointers;
mod sandbox;
mod supervisor;
