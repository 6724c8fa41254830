//! Text on the stack: a line that is put together from templates, numbers and the words for them.
//!
//! No allocation and no `core::fmt`, which has panic paths.

use core::ffi::c_int;

/// The words for numbers: the sign of a template, the number and one, the word, NUL. One text,
/// because a table of pointers would have to be relocated at each exec, and a `match` is code.
///
/// What an errno means when MPTCP was refused with it: the kernel's net/mptcp, mptcp-sysctl.rst.
const WORDS: &[u8] = b"\
    \x02\x17EINVAL\0\x02\x5eEPROTONOSUPPORT\0\x02\x5dENOPROTOOPT\0\x02\x02EPERM\0\
    \x02\x0eEACCES\0\x02\x62EAFNOSUPPORT\0\x02\x19EMFILE\0\x02\x18ENFILE\0\
    \x02\x6aENOBUFS\0\x02\x0dENOMEM\0\x02\x60EOPNOTSUPP\0\
    \x03\x03AF_INET\0\x03\x0bAF_INET6\0\
    \x04\x01IPPROTO_IP\0\x04\x02SOL_SOCKET\0\x04\x07IPPROTO_TCP\0\x04\x2aIPPROTO_IPV6\0\
    \x05\x07IPPROTO_TCP\0\x06\x02|SOCK_CLOEXEC\0\x07\x02|SOCK_NONBLOCK\0\
    \x08\x17 (kernel before 5.6)\0\x08\x5e (kernel built without MPTCP)\0\
    \x08\x5d (net.mptcp.enabled=0)\0\x08\x02 (a security policy)\0\
    \x08\x0e (a security policy)\0\
    \x0b\x01it was not made here\0\x0b\x02it is connected\0\x0b\x03it listens\0\
    \x0b\x04it has tried to connect\0\x0b\x05it has other descriptors (dup, fork)\0\
    \x0b\x06what was set or bound cannot be repeated\0\x0b\x07its epoll cannot be told\0\
    \x0b\x08no descriptor is free, or another thread is at it\0\
    \x0b\x09its number is above 65535\0\
    \x0cdclient only\0\x0ctserver only\0\x0cmloopback\0\x0cfits port\0\x0cpits port\0\
    \x0coits network\0";

/// A line under construction on the stack. What does not fit is cut.
pub(crate) struct Line {
    bytes: [u8; 192],
    used: usize,
}

impl Line {
    pub(crate) fn new() -> Self {
        Line { bytes: [0; 192], used: 0 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }

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

    /// Writes a template: its control characters, but for the line feed, stand for the numbers,
    /// in their order. 1 is a decimal, the others are words.
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
        if sign == 2 {
            self.write(b"errno ", &[]);
        }
        // The others say nothing about a number that has no word.
        if sign < 6 {
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
            (b"\x01", -7, "-7"),
            (b"\x02", libc::EINVAL, "EINVAL"),
            (b"\x02", libc::EOPNOTSUPP, "EOPNOTSUPP"),
            (b"\x02", libc::ENOSYS, "errno 38"),
            (b"\x03", libc::AF_INET6, "AF_INET6"),
            (b"\x04", libc::IPPROTO_IP, "IPPROTO_IP"),
            (b"\x04", 255, "255"),
            (b"\x05", 0, "0"),
            (b"\x06", 0, ""),
            (b"\x08", libc::EACCES, " (a security policy)"),
            (b"\x0b", Stays::NotOurs as c_int, "it was not made here"),
            (b"\x0b", Stays::Busy as c_int, "no descriptor is free, or another thread is at it"),
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
            line.write(b"\x0b", &[this as c_int]);
            assert!(line.used > 5, "{this:?}");
            stays = next(this);
        }
    }
}
