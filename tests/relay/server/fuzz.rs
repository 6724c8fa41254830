//! What the fuzzer tries on the server (tests/fuzz), on the inputs that it begins with, damaged at random.

#[path = "../../fuzz/damage.rs"]
mod damage;
#[path = "../../fuzz/handshake.rs"]
mod handshake;

use std::fs;
use std::panic;
use std::path::Path;

use damage::Random;

/// So many damaged inputs are made of each.
const ROUNDS: usize = 500;

#[test]
fn whatever_comes_before_authentication_is_survived_in_silence() {
    let mut random = Random(1);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds/handshake");
    let mut number = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let seed = fs::read(&path).unwrap();
        for round in 0..ROUNDS {
            let bytes = if round == 0 { seed.clone() } else { random.damage(&seed) };
            let held = panic::catch_unwind(|| handshake::handshake(&bytes)).is_ok();
            assert!(held, "on {}, damage {round}: {}", path.display(), bytes.escape_ascii());
            number += 1;
        }
    }
    assert!(number > 3_000, "{number} inputs");
}
