//! What others lay out, hold or name, and root then works with: images, locks, places of the library,
//! names on the screen. A module for each boundary, with an attacker's half and an innocent half.
//!
//! Not here: programs that mean harm to what runs them (`hostile.rs`).

mod support;

#[path = "hostile/cache.rs"]
mod cache;
#[path = "hostile/image.rs"]
mod image;
#[path = "hostile/lock.rs"]
mod lock;
#[path = "hostile/output.rs"]
mod output;
