//! Inputs damaged at random, for those who try properties without the fuzzer.

/// xorshift64*: the same damage at every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
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
    pub(crate) fn damage(&mut self, whole: &[u8]) -> Vec<u8> {
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
