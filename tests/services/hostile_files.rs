//! What others lay out, hold or name, and root then works with: images, locks, places of the library,
//! names on the screen. A module for each boundary, with an attacker's half and an innocent half.
//!
//! Not here: programs that mean harm to what runs them (`run/hostile.rs`).

mod cache;
mod image;
mod lock;
mod output;
