//! Keys, from the bytes that a terminal in raw mode sends (console_codes(4); ECMA-48 section 5.4 for control
//! sequences).
//!
//! Of our own because crossterm 0.29 waits in read(2) until a key that came in part is whole: half a letter, or
//! the beginning of a control sequence, stopped everything that is shown until another key was pressed.

use mptcpize_model::top::Key;

const ESCAPE: u8 = 0x1b;

/// The longest control sequence that is waited for, in bytes; what is longer is passed by.
const LONGEST: usize = 32;

/// The bytes that are no whole key yet.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<u8>);

/// What the beginning of some bytes is.
enum Part {
    /// So many bytes, which are this key or none that matters.
    Whole(usize, Option<Key>),
    /// More has to come.
    Cut,
}

impl Keys {
    /// The keys that these bytes end. An escape at the end is the key of that name: it is not waited for what
    /// would make it a control sequence.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.0.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut at = 0;
        while let Some(rest) = self.0.get(at..).filter(|rest| !rest.is_empty()) {
            match first(rest) {
                Part::Whole(length, key) => {
                    at += length;
                    keys.extend(key);
                }
                Part::Cut if rest.len() > LONGEST => at = self.0.len(),
                Part::Cut => break,
            }
        }
        self.0.drain(..at);
        keys
    }
}

fn first(bytes: &[u8]) -> Part {
    match bytes {
        [3, ..] => Part::Whole(1, Some(Key::Interrupt)),
        [b'\r' | b'\n', ..] => Part::Whole(1, Some(Key::Enter)),
        [8 | 0x7f, ..] => Part::Whole(1, Some(Key::Backspace)),
        // F1 to F5 of the kernel's own console.
        [ESCAPE, b'[', b'[', _, ..] => Part::Whole(4, None),
        [ESCAPE, b'[' | b'O'] | [ESCAPE, b'[', b'['] => Part::Cut,
        [ESCAPE, b'O', last, ..] => Part::Whole(3, arrow(*last)),
        [ESCAPE, b'[', rest @ ..] => {
            let last = rest.iter().position(|byte| (0x40..0x7f).contains(byte));
            last.map_or(Part::Cut, |at| Part::Whole(at + 3, arrow(rest[at])))
        }
        [ESCAPE, ..] => Part::Whole(1, Some(Key::Escape)),
        [0..0x20, ..] => Part::Whole(1, None),
        _ => letter(bytes),
    }
}

fn arrow(last: u8) -> Option<Key> {
    match last {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        _ => None,
    }
}

/// A letter in UTF-8, of four bytes at most.
fn letter(bytes: &[u8]) -> Part {
    let bytes = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() == 0 => {
            return error.error_len().map_or(Part::Cut, |length| Part::Whole(length, None));
        }
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    let letter = valid.chars().next();
    Part::Whole(letter.map_or(1, char::len_utf8), letter.map(Key::Letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_of_the_bytes_that_terminals_send_for_them() {
        use Key::{Backspace, Down, Enter, Escape, Interrupt, Letter, Up};
        let table: [(&[u8], &[Key]); 16] = [
            (b"q", &[Letter('q')]),
            (b"xq", &[Letter('x'), Letter('q')]),
            ("äq".as_bytes(), &[Letter('ä'), Letter('q')]),
            (b"\r\n", &[Enter, Enter]),
            (b"\x08\x7f", &[Backspace, Backspace]),
            (b"\x03", &[Interrupt]),
            (b"\x1b", &[Escape]),
            (b"\x1b\x1b", &[Escape, Escape]),
            (b"\x1bq", &[Escape, Letter('q')]),
            (b"\x1b[A\x1b[B\x1bOA\x1bOB", &[Up, Down, Up, Down]),
            (b"\x1b[1;5Aq", &[Up, Letter('q')]),
            // Home, F1, F1 of the console, an answer of the terminal.
            (b"\x1b[Hq", &[Letter('q')]),
            (b"\x1bOPq", &[Letter('q')]),
            (b"\x1b[[Aq", &[Letter('q')]),
            (b"\x1b[12;40Rq", &[Letter('q')]),
            // Neither a key nor UTF-8.
            (b"\x00\x1c\xffq", &[Letter('q')]),
        ];
        for (bytes, expected) in table {
            assert_eq!(Keys::default().take(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_comes_in_parts_is_one_key() {
        for whole in ["ä", "€", "\x1b[1;5A", "\x1bOB"] {
            for at in 1..whole.len() {
                // An escape alone is a key.
                if whole.as_bytes()[at - 1] == ESCAPE {
                    continue;
                }
                let mut keys = Keys::default();
                let (one, other) = whole.as_bytes().split_at(at);
                let mut came = keys.take(one);
                came.extend(keys.take(other));
                assert_eq!(came, Keys::default().take(whole.as_bytes()), "{whole:?} at {at}");
                assert_eq!(keys.take(b"q"), [Key::Letter('q')], "{whole:?} at {at}");
            }
        }
    }

    #[test]
    fn a_sequence_without_an_end_holds_up_nothing_that_comes_after_it() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"\x1b["), []);
        assert_eq!(keys.take(&[b'1'; 1000]), []);
        assert_eq!(keys.take(b"q"), [Key::Letter('q')]);
    }
}
