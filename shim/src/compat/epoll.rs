//! Where a descriptor is registered with epoll: a registration belongs to the file, so it ends
//! without a word when the descriptor gets another file, and must be made again.
//!
//! We note which epoll it was; what was registered the kernel tells (proc(5), fdinfo). A socket
//! in two epolls is not demoted.

use core::ffi::c_int;

use super::hints::IS_EPOLL;
use super::table;
use crate::sys::net::{Own, epoll_add};

/// More than one epoll.
const SEVERAL: u64 = 1 << 62;

/// Notes that `fd`, a socket of ours, was registered in `epoll`.
pub(crate) fn registered(epoll: c_int, fd: c_int) {
    let before = table::get(fd);
    if !table::add(fd, table::POLLED) {
        return;
    }
    let this = IS_EPOLL | u64::from(epoll.cast_unsigned());
    // The first time, a note is an earlier socket's.
    let note = if before & table::POLLED == 0 { 0 } else { table::note(fd) };
    // A hint that was there is forgotten: it can be read no more, which is better than a socket
    // that wakes nobody.
    let now = if note & IS_EPOLL == 0 || note == this { this } else { note | SEVERAL };
    table::set_note(fd, now);
}

/// A registration.
pub(crate) struct Registration {
    epoll: c_int,
    events: u32,
    data: u64,
}

impl Registration {
    /// Makes it again, for the file that the descriptor has now.
    pub(crate) fn repeat(&self, fd: c_int) -> bool {
        epoll_add(self.epoll, fd, self.events, self.data)
    }
}

/// What a look for the registration of a descriptor found.
pub(crate) enum Found {
    /// It is registered nowhere any more.
    Nothing,
    /// It is registered so.
    This(Registration),
    /// Nobody can tell.
    Unknown,
}

/// The registration of a socket that was registered.
pub(crate) fn find(fd: c_int) -> Found {
    let note = table::note(fd);
    if note & IS_EPOLL == 0 || note & SEVERAL != 0 {
        return Found::Unknown;
    }
    let epoll = note as u32 as c_int;
    let mut path = *b"/proc/self/fdinfo/\0\0\0\0\0\0\0\0\0\0\0";
    write_number(epoll, &mut path);
    let Some(file) = Own::open(&path) else { return Found::Unknown };
    let mut reader = Reader { wanted: fd, ..Reader::default() };
    let mut buffer = [0; 1024];
    loop {
        let got = file.read(&mut buffer);
        if got == 0 {
            return Found::Nothing;
        }
        for &byte in buffer.iter().take(got) {
            if let Some((events, data)) = reader.take(byte) {
                return Found::This(Registration { epoll, events, data });
            }
        }
    }
}

/// Appends a number to the path, whose rest is zero.
fn write_number(number: c_int, path: &mut [u8]) {
    let mut divisor = 1_000_000_000;
    let mut at = "/proc/self/fdinfo/".len();
    let mut started = false;
    while divisor > 0 {
        let digit = (number / divisor % 10) as u8;
        started |= digit != 0 || divisor == 1;
        if started && let Some(byte) = path.get_mut(at) {
            *byte = b'0' + digit;
            at += 1;
        }
        divisor /= 10;
    }
}

/// Reads lines such as `tfd:        5 events:       19 data:                5  pos:0 …`, byte by
/// byte: the file may be longer than any buffer. The first two fields are known to be before the
/// third; the number is decimal in the first and hexadecimal in the others.
#[derive(Default)]
struct Reader {
    wanted: c_int,
    /// The field whose number comes: the first letter of its name, or 0.
    field: u8,
    /// The first letter of the word that is being read, and its number in both notations.
    first: u8,
    decimal: u64,
    hexadecimal: u64,
    matches: bool,
    events: u32,
}

impl Reader {
    fn take(&mut self, byte: u8) -> Option<(u32, u64)> {
        if !matches!(byte, b' ' | b'\t' | b'\n') {
            if self.first == 0 {
                self.first = byte;
            }
            let digit = char::from(byte).to_digit(16).unwrap_or(0);
            self.decimal = self.decimal.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.hexadecimal = (self.hexadecimal << 4) | u64::from(digit);
            if byte == b':' {
                self.field = self.first;
                self.start_word();
            }
            return None;
        }
        if self.first == 0 {
            return None;
        }
        let (decimal, hexadecimal) = (self.decimal, self.hexadecimal);
        self.start_word();
        match core::mem::take(&mut self.field) {
            b't' => self.matches = decimal == u64::from(self.wanted.cast_unsigned()),
            b'e' => self.events = hexadecimal as u32,
            b'd' if self.matches => return Some((self.events, hexadecimal)),
            _ => {}
        }
        None
    }

    fn start_word(&mut self) {
        (self.first, self.decimal, self.hexadecimal) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let text = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1066\n\
            tfd:        7 events:       19 data:                7  pos:0 ino:2a sdev:8\n\
            tfd:       11 events: 80000019 data: deadbeefcafef00d  pos:0 ino:2b sdev:8\n";
        for (fd, expected) in [
            (7, Some((0x19, 7))),
            (11, Some((0x8000_0019, 0xdead_beef_cafe_f00d))),
            (8, None),
            (1, None),
        ] {
            let mut reader = Reader { wanted: fd, ..Reader::default() };
            assert_eq!(text.bytes().find_map(|byte| reader.take(byte)), expected, "{fd}");
        }
    }

    #[test]
    fn numbers_are_appended_to_the_path() {
        for (number, expected) in [(0, "0"), (7, "7"), (1024, "1024"), (c_int::MAX, "2147483647")] {
            let mut path = *b"/proc/self/fdinfo/\0\0\0\0\0\0\0\0\0\0\0";
            write_number(number, &mut path);
            let end = path.iter().position(|byte| *byte == 0).expect("the end stays zero");
            assert_eq!(&path[..end], format!("/proc/self/fdinfo/{expected}").as_bytes());
        }
    }
}
