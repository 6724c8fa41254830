//! Where a descriptor is registered with epoll: a registration belongs to the file, so it ends
//! without a word when the descriptor gets another file, and must be made again.
//!
//! The table notes which epoll it was; the kernel tells how it was registered (proc(5), fdinfo). A
//! socket in two epolls does not become TCP.

use core::ffi::{c_int, c_void};

use super::table::{self, IS_EPOLL};
use crate::line::Line;
use crate::sys::events::registered_events;
use crate::sys::net::epoll_add;
use crate::sys::own_fd::Own;
use crate::template;
use crate::words::NUMBER;

/// In a note: the socket is in more than one epoll.
const SEVERAL: u64 = 1 << 62;

/// Where a note has the events of the registration that are about reading.
const EVENTS: u32 = 40;
/// The events about reading.
const READING: u32 = (libc::EPOLLIN | libc::EPOLLRDNORM | libc::EPOLLRDHUP) as u32;

/// Notes that `fd`, a socket of ours, was registered in `epoll`, or that its registration was changed.
pub(crate) fn registered(epoll: c_int, fd: c_int, event: *const c_void) {
    let before = table::get(fd);
    if !table::add(fd, table::POLLED) {
        return;
    }
    let events = registered_events(event) & READING;
    let this = IS_EPOLL | u64::from(events) << EVENTS | u64::from(epoll.cast_unsigned());
    // A note that is there at the first registration is an earlier socket's.
    let note = if before & table::POLLED == 0 { 0 } else { table::note(fd) };
    // A hint that was there is forgotten: it can be read no more, which is better than a socket
    // that wakes nobody.
    let same = note & IS_EPOLL == 0 || (note & SEVERAL == 0 && note as u32 == this as u32);
    table::set_note(fd, if same { this } else { note | SEVERAL });
}

/// The events about reading that `fd` is registered with in `epoll`; 0 where that is not known.
pub(crate) fn reading(epoll: c_int, fd: c_int) -> u32 {
    let note = table::note(fd);
    let known = note & IS_EPOLL != 0 && note & SEVERAL == 0 && note as u32 as c_int == epoll;
    if known { (note >> EVENTS) as u32 & READING } else { 0 }
}

/// How a descriptor is registered (epoll_ctl(2)).
pub(crate) struct Registration {
    epoll: c_int,
    events: u32,
    /// What the program gets with each event.
    data: u64,
}

impl Registration {
    /// Registers the file that the descriptor has now; false with errno.
    pub(crate) fn repeat(&self, fd: c_int) -> bool {
        epoll_add(self.epoll, fd, self.events, self.data)
    }
}

/// What a look for the registration of a descriptor found.
pub(crate) enum Found {
    /// It is registered nowhere any more.
    Nothing,
    /// It is registered in one epoll.
    This(Registration),
    /// It is registered in several, or the kernel does not say how.
    Unknown,
}

/// Finds the registration of a socket that was registered at some time.
pub(crate) fn find(fd: c_int) -> Found {
    let note = table::note(fd);
    if note & IS_EPOLL == 0 || note & SEVERAL != 0 {
        return Found::Unknown;
    }
    let epoll = note as u32 as c_int;
    let mut path = Line::new();
    path.write(template!(b"/proc/self/fdinfo/", NUMBER), &[epoll]);
    path.push(0);
    let Some(file) = Own::open(path.as_bytes()) else { return Found::Unknown };
    let mut reader = Reader::new(fd);
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

/// Reads lines such as `tfd:        5 events:       19 data:                5  pos:0 …`, byte by
/// byte: the file may be longer than any buffer. The first two fields are known to be before the
/// third.
#[derive(Default)]
struct Reader {
    /// The number in the first field, each decimal digit as one of a hexadecimal number.
    wanted: u64,
    /// The field whose number comes: the first letter of its name, or 0.
    field: u8,
    /// The first letter of the word that is being read, or 0, and its hexadecimal number.
    first: u8,
    number: u64,
    /// Is the line about the wanted descriptor?
    matches: bool,
    /// The second field of the line.
    events: u32,
}

impl Reader {
    /// Looks for the line about this descriptor.
    fn new(fd: c_int) -> Self {
        let (mut rest, mut shift, mut wanted) = (fd.cast_unsigned(), 0, 0);
        while rest > 0 {
            wanted |= u64::from(rest % 10) << shift;
            rest /= 10;
            shift += 4;
        }
        Reader { wanted, ..Reader::default() }
    }

    /// Takes the next byte: the events and the data, once the wanted line is read.
    fn take(&mut self, byte: u8) -> Option<(u32, u64)> {
        if byte > b' ' && byte != b':' {
            if self.first == 0 {
                self.first = byte;
            }
            let digit = (byte & 0xf) + if byte > b'9' { 9 } else { 0 };
            self.number = (self.number << 4) | u64::from(digit & 0xf);
            return None;
        }
        let (word, number) = (self.first, core::mem::take(&mut self.number));
        self.first = 0;
        if byte == b':' {
            self.field = word;
        } else if word != 0 {
            match core::mem::take(&mut self.field) {
                b't' => self.matches = number == self.wanted,
                b'e' => self.events = number as u32,
                b'd' if self.matches => return Some((self.events, number)),
                _ => {}
            }
        }
        None
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
            let mut reader = Reader::new(fd);
            assert_eq!(text.bytes().find_map(|byte| reader.take(byte)), expected, "{fd}");
        }
    }
}
