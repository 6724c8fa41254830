//! The properties that the fuzzer tries (tests/fuzz), on the inputs that are kept: those that it
//! begins with, those that found something once, and the first damaged at random.
//!
//! Not guided by coverage; `scripts/fuzz` is.

#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use properties::TARGETS;

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

/// xorshift64*: the same damage at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        // Half of them are lengths and numbers that mean something.
        let odd = [0, 1, 2, 3, 4, 5, 8, 16, 19, 72, 0x7f, 0x80, 0xfe, 0xff];
        match self.below(2) {
            0 => odd[self.below(odd.len())],
            _ => u8::try_from(self.below(256)).expect("a byte"),
        }
    }

    /// An input with bytes changed, taken out, doubled, or cut off.
    fn damage(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 | 1 if !bytes.is_empty() => bytes[at] = self.byte(),
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..(at + self.below(80)).min(bytes.len()))),
                _ => {
                    let end = (at + self.below(200)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, part);
                }
            }
        }
        bytes
    }
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
            let known = TARGETS.iter().any(|target| name == target.name);
            assert!(known, "no target has the name of {}", entry.path().display());
        }
    }
}
