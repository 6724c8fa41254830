//! The properties that the fuzzer tries (tests/fuzz), on the inputs that are kept: those that it
//! begins with, those that found something once, and the first damaged at random.
//!
//! Not guided by coverage; `scripts/fuzz` is.

#[path = "../fuzz/damage.rs"]
mod damage;
#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use damage::Random;
use properties::TARGETS;

/// Of the relay, which is no library of the launcher's: tests/relay/server/fuzz.rs has its inputs.
const ELSEWHERE: &str = "handshake";

/// So many damaged inputs are made of each seed.
const ROUNDS: usize = 300;

fn directory(sort: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz").join(sort)
}

/// The inputs of a sort, in the order of their names.
fn inputs(sort: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(directory(sort).join(target)) else { return Vec::new() };
    let mut all: Vec<(PathBuf, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("the directory can be listed").path();
            let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path, bytes)
        })
        .collect();
    all.sort();
    all
}

/// Runs a property and, where it does not hold, says on what.
fn holds(property: fn(&[u8]), bytes: &[u8], what: &str) {
    if let Err(error) = panic::catch_unwind(|| property(bytes)) {
        eprintln!("on {what}: {}", bytes.escape_ascii());
        panic::resume_unwind(error);
    }
}

#[test]
fn what_was_found_once_is_mended() {
    for target in TARGETS {
        for (path, bytes) in inputs("found", target.name) {
            holds(target.property, &bytes, &path.display().to_string());
        }
    }
}

#[test]
fn the_seeds_hold_whole_and_damaged() {
    let mut random = Random(1);
    for target in TARGETS {
        let seeds = inputs("seeds", target.name);
        assert!(!seeds.is_empty(), "there is no seed for {}", target.name);
        for (path, bytes) in seeds {
            let name = path.display().to_string();
            holds(target.property, &bytes, &name);
            for round in 0..ROUNDS {
                let damaged = random.damage(&bytes);
                holds(target.property, &damaged, &format!("{name}, damage {round}"));
            }
        }
    }
}

#[test]
fn no_input_lies_where_nobody_looks() {
    for sort in ["seeds", "found"] {
        for entry in fs::read_dir(directory(sort)).expect("it is there") {
            let entry = entry.expect("the directory can be listed");
            let name = entry.file_name();
            let mut known = TARGETS.iter().map(|target| target.name).chain([ELSEWHERE]);
            assert!(
                known.any(|target| name == target),
                "no target has the name of {}",
                entry.path().display()
            );
        }
    }
}
