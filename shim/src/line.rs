//! Text on the stack: a line that is put together from templates, numbers and the words for them.
//!
//! No allocation and no `core::fmt`, which has panic paths.

use core::ffi::c_int;

use crate::words::{ERRNO, FIRST_SILENT, WORDS};

/// A line under construction on the stack. What does not fit is cut.
pub(crate) struct Line {
    bytes: [u8; 192],
    used: usize,
}

impl Line {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Line { bytes: [0; 192], used: 0 }
    }

    /// What was written so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }

    /// Appends a byte, if there is room.
    #[inline(never)]
    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.used) {
            *place = byte;
            self.used += 1;
        }
    }

    /// A byte of a name that others chose: `\x1b` for what is not plain text, which a terminal
    /// might obey and which could pretend to be another line.
    #[inline(never)]
    pub(crate) fn push_shown(&mut self, byte: u8) {
        if (b' '..=b'~').contains(&byte) {
            return self.push(byte);
        }
        self.write(b"\\x", &[]);
        for digit in [byte >> 4, byte & 0xf] {
            self.push(digit + if digit > 9 { b'a' - 10 } else { b'0' });
        }
    }

    /// Writes a template (`words.rs`): its control characters, but for the line feed, are signs that
    /// stand for the numbers, in their order.
    #[inline(never)]
    pub(crate) fn write(&mut self, template: &[u8], numbers: &[c_int]) {
        let mut numbers = numbers.iter();
        for &byte in template {
            if byte >= b' ' || byte == b'\n' {
                self.push(byte);
            } else if let Some(&number) = numbers.next() {
                self.word(byte, number);
            }
        }
    }

    /// Appends the word that the sign has for the number.
    fn word(&mut self, sign: u8, number: c_int) {
        let mut words = WORDS.iter();
        while let (Some(&of), Some(&value)) = (words.next(), words.next()) {
            let this = of == sign && c_int::from(value) == number.wrapping_add(1);
            for byte in words.by_ref().take_while(|byte| **byte != 0) {
                if this {
                    self.push(*byte);
                }
            }
            if this {
                return;
            }
        }
        if sign == ERRNO[0] {
            self.write(b"errno ", &[]);
        }
        if sign < FIRST_SILENT {
            self.number(number);
        }
    }

    fn number(&mut self, value: c_int) {
        if value < 0 {
            self.push(b'-');
        }
        self.decimal(value.unsigned_abs());
    }

    fn decimal(&mut self, value: u32) {
        if value > 9 {
            self.decimal(value / 10);
        }
        self.push(b'0' + (value % 10) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Stays;
    use crate::words::{CLOEXEC, FAMILY, LEVEL, MEANING, NUMBER, PROTOCOL, STAYS};

    #[test]
    fn numbers_are_written_as_decimals() {
        for value in [0, 1, 9, 10, 4711, -1, c_int::MAX, c_int::MIN] {
            let mut line = Line::new();
            line.number(value);
            assert_eq!(line.as_bytes(), value.to_string().as_bytes());
        }
    }

    #[test]
    fn a_name_is_shown_as_plain_text() {
        let mut line = Line::new();
        for &byte in b"a b~\x1b[2J\n\x7f\xc2\x9b" {
            line.push_shown(byte);
        }
        assert_eq!(line.as_bytes(), b"a b~\\x1b[2J\\x0a\\x7f\\xc2\\x9b");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_never_overruns() {
        let mut line = Line::new();
        for _ in 0..100 {
            line.write(b"0123456789", &[]);
        }
        assert_eq!(line.as_bytes().len(), 192);
        assert!(line.as_bytes().starts_with(b"0123456789012"));
    }

    #[test]
    fn numbers_have_the_words_of_their_template() {
        let table: [(&[u8], c_int, &str); 12] = [
            (NUMBER, -7, "-7"),
            (ERRNO, libc::EINVAL, "EINVAL"),
            (ERRNO, libc::EOPNOTSUPP, "EOPNOTSUPP"),
            (ERRNO, libc::ENOSYS, "errno 38"),
            (FAMILY, libc::AF_INET6, "AF_INET6"),
            (LEVEL, libc::IPPROTO_IP, "IPPROTO_IP"),
            (LEVEL, 255, "255"),
            (PROTOCOL, 0, "0"),
            (CLOEXEC, 0, ""),
            (MEANING, libc::EACCES, " (a security policy)"),
            (STAYS, Stays::NotOurs as c_int, "it was not made here"),
            (STAYS, Stays::Busy as c_int, "no descriptor is free, or another thread is at it"),
        ];
        for (template, number, text) in table {
            let mut line = Line::new();
            line.write(template, &[number]);
            assert_eq!(line.as_bytes(), text.as_bytes(), "{template:?} {number}");
        }
        // Every reason has one; an exhaustive match, lest a new one be forgotten.
        let next = |stays| match stays {
            Stays::NotOurs => Some(Stays::Connected),
            Stays::Connected => Some(Stays::Listening),
            Stays::Listening => Some(Stays::Tried),
            Stays::Tried => Some(Stays::Shared),
            Stays::Shared => Some(Stays::Unrepeatable),
            Stays::Unrepeatable => Some(Stays::Polled),
            Stays::Polled => Some(Stays::Busy),
            Stays::Busy => Some(Stays::Beyond),
            Stays::Beyond => None,
        };
        let mut stays = Some(Stays::NotOurs);
        while let Some(this) = stays {
            let mut line = Line::new();
            line.write(STAYS, &[this as c_int]);
            assert!(line.used > 5, "{this:?}");
            stays = next(this);
        }
    }
}
