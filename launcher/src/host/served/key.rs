//! Keys for a relay, of the kernel's random bytes, and the method that this processor is good at.

use std::fs;
use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Error, Exit, reason};
use mptcpize_model::relay::key::{Key, Method};

/// A new key.
///
/// # Errors
/// The kernel has no random bytes to give.
pub fn new(method: Method) -> Result<Key, Error> {
    let mut bytes = vec![0; method.key_length()];
    let mut done = 0;
    while let Some(left) = bytes.get_mut(done..).filter(|left| !left.is_empty()) {
        // It waits for the kernel's generator to be seeded, as no file does.
        match getrandom(left, GetRandomFlags::empty()) {
            Ok(count) => done += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                let error = reason(&io::Error::from(error));
                return Err(Error::new(Exit::Failed, "cannot make a key").why(error));
            }
        }
    }
    Ok(Key::new(bytes))
}

/// The method for this processor: AES where it has instructions for it, as the kernel lists them.
pub fn method() -> Method {
    match fs::read_to_string("/proc/cpuinfo") {
        Ok(text) if !has_aes(&text) => Method::ChaCha20,
        _ => Method::Aes128,
    }
}

/// Does the text of /proc/cpuinfo list AES: `flags` on x86, `Features` on ARM?
fn has_aes(text: &str) -> bool {
    let of = |line: &str| {
        let (name, words) = line.split_once(':')?;
        let list = matches!(name.trim(), "flags" | "Features");
        Some(list && words.split_whitespace().any(|word| word == "aes"))
    };
    text.lines().filter_map(of).any(|found| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_length_of_their_method_and_are_never_the_same() {
        for method in Method::ALL {
            let (one, other) = (new(method).expect("random bytes"), new(method).expect("likewise"));
            assert_eq!(one.check(method), Ok(()));
            assert_ne!(one, other);
        }
    }

    #[test]
    fn aes_is_told_by_a_word_of_its_own() {
        assert!(has_aes("processor\t: 0\nflags\t\t: fpu sse2 aes avx\n"));
        assert!(has_aes("processor\t: 0\nFeatures\t: fp asimd aes pmull\n"));
        assert!(!has_aes("flags\t\t: fpu vaes sse2\nmodel name\t: an aes machine\n"));
        assert!(!has_aes("Features\t: half thumb fastmult vfp\n"));
        assert!(!has_aes(""));
    }
}
