//! The reader of sock_diag dumps against bytes that no kernel sends: recorded dumps with random
//! damage. `scripts/fuzz` runs it for minutes; here it is a moment.
//!
//! Not guided by coverage: damage is done to whole dumps, which reach every branch by themselves.

mod support;

use std::time::{Duration, Instant};

use mptcpize::host::diag;

const MPTCP_SOCKETS: &[u8] = include_bytes!("recorded/mptcp.bin");
const TCP_SOCKETS: &[u8] = include_bytes!("recorded/tcp.bin");

/// Without more time, so many dumps are damaged.
const ROUNDS: u64 = 3_000;

/// xorshift64*: the same damage at every run, so that a failure can be had again.
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

    /// A dump with bytes changed, taken out, doubled, or cut off.
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

#[test]
fn no_damage_makes_the_reader_panic_or_invent_much() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("FUZZ_SEED={seed}");
    let mut random = Random(seed);
    let mut rounds = 0u64;
    while end.map_or(rounds < ROUNDS, |end| Instant::now() < end) {
        let (mptcp, tcp) = (random.damage(MPTCP_SOCKETS), random.damage(TCP_SOCKETS));
        let all = diag::read(&mptcp, &tcp);
        // No message is shorter than its header and the fixed part.
        assert!(all.len() <= (mptcp.len() + tcp.len()) / 88, "seed {seed}, round {rounds}");
        rounds += 1;
    }
    println!("{rounds} damaged pairs of dumps were read");
}
