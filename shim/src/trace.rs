//! Debug records: one line per decision, each written with one `write(2)`.
//!
//! `mptcpize: curl[4711] socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 5 MPTCP`
//!
//! The lines go to a copy of the standard error that was there at load, or to a file. The copy
//! is close-on-exec, numbered high, and checked before each line to be the file it was: a program
//! that closes everything above 2 and then opens a client's connection under our number must
//! not send that client our lines.

use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use crate::compat::Stays;
use crate::sys;
use crate::sys::net::Set;

/// What the program got.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    /// An MPTCP socket.
    Mptcp,
    /// A TCP socket, because MPTCP was refused with this errno.
    Tcp(c_int),
    /// No socket, with this errno.
    Failed(c_int),
}

/// What became of a refused option.
#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    /// The socket is TCP now.
    Demoted,
    /// Answered as TCP would.
    Hint,
    /// A receive buffer is larger than the program asked for.
    Raised,
    /// TCP refuses it as well.
    TcpRefuses,
    /// The program gets the refusal.
    Stays(Stays),
}

static FD: AtomicI32 = AtomicI32::new(-1);
static FILE_DEV: AtomicU64 = AtomicU64::new(0);
static FILE_INO: AtomicU64 = AtomicU64::new(0);

/// Opens the trace that `MPTCPIZE_DEBUG` names: an absolute path, or anything else but the empty
/// string and `0` for standard error. True when there is one.
///
/// A file is a regular one of the effective user, or there is none: the variable may be somebody
/// else's, and the file's place too.
pub(crate) fn open(wanted: &CStr) -> bool {
    let errno = sys::errno();
    let named = matches!(wanted.to_bytes(), [b'/', ..]);
    let fd = match wanted.to_bytes() {
        b"" | b"0" => return false,
        _ if named => sys::open_append(wanted),
        _ => sys::keep_stderr(),
    };
    let found = sys::file(fd);
    let taken = match found {
        Some(file) if file.is_own || !named => {
            FILE_DEV.store(file.dev, Ordering::Relaxed);
            FILE_INO.store(file.ino, Ordering::Relaxed);
            FD.store(fd, Ordering::Relaxed);
            true
        }
        Some(_) => {
            sys::close(fd);
            false
        }
        None => false,
    };
    sys::set_errno(errno);
    taken
}

/// Writes the record of one `socket()` call. Leaves `errno` as it was.
#[cold]
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int, fd: c_int, outcome: Outcome) {
    let errno = sys::errno();
    let mut line = start();
    let flags = kind & !0xf;
    let (cloexec, nonblock) = (flags & libc::SOCK_CLOEXEC, flags & libc::SOCK_NONBLOCK);
    let known = [domain, (cloexec != 0).into(), (nonblock != 0).into()];
    line.write(b"socket(\x03, SOCK_STREAM\x06\x07", &known);
    if flags != cloexec | nonblock {
        line.write(b"|\x01", &[flags & !(cloexec | nonblock)]);
    }
    line.write(b", \x05) = \x01", &[protocol, fd]);
    match outcome {
        Outcome::Mptcp => line.write(b" MPTCP\n", &[]),
        Outcome::Tcp(why) => line.write(b" TCP: MPTCP refused: \x02\x08\n", &[why, why]),
        Outcome::Failed(why) => line.write(b" \x02\n", &[why]),
    };
    emit(&line);
    sys::set_errno(errno);
}

/// `mptcpize: curl[4711] `
fn start() -> Line {
    let mut program = [0u8; 16];
    sys::program_name(&mut program);
    let mut line = Line::new();
    line.write(b"mptcpize: ", &[]);
    for &byte in program.iter().take_while(|byte| **byte != 0) {
        line.push_shown(byte);
    }
    line.write(b"[\x01] ", &[sys::pid()]);
    line
}

/// Writes what became of a refused option, or of a receive buffer that is too small for MPTCP
/// (`refusal` 0). Leaves `errno` as it was.
#[cold]
pub(crate) fn option(set: &Set, refusal: c_int, verdict: Verdict) {
    let why: &[u8] = match refusal {
        0 => b"setsockopt(\x01, \x04, \x01): too small for MPTCP",
        _ => b"setsockopt(\x01, \x04, \x01): MPTCP refused: \x02",
    };
    record(why, &[set.fd, set.level, set.name, refusal], verdict);
}

/// Writes that a socket was to become TCP before the program's call: a template for `fd` and
/// `why`.
#[cold]
#[inline(never)]
pub(crate) fn demoted(what: &[u8], fd: c_int, why: c_int, done: Result<c_int, Stays>) {
    if crate::config::get().trace() {
        let verdict = done.map_or_else(Verdict::Stays, |_| Verdict::Demoted);
        record(what, &[fd, why], verdict);
    }
}

/// Writes that this program is left alone.
#[cold]
pub(crate) fn named() {
    let mut line = start();
    line.write(b"stays TCP, by policy (its name)\n", &[]);
    emit(&line);
}

/// Sockets that became TCP, hints, sockets that stayed MPTCP, and buffers that
/// were made larger: of this process, while it traces.
static DEMOTED: AtomicI32 = AtomicI32::new(0);
static HINTS: AtomicI32 = AtomicI32::new(0);
static STAYED: AtomicI32 = AtomicI32::new(0);
static CLAMPS: AtomicI32 = AtomicI32::new(0);

/// A forked child counts anew.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn forget() {
    for count in [&DEMOTED, &HINTS, &STAYED, &CLAMPS] {
        count.store(0, Ordering::Relaxed);
    }
}

/// Writes the counts, if there is anything to count: when the process exits.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn at_exit() {
    let counts = [&DEMOTED, &HINTS, &STAYED, &CLAMPS].map(|count| count.load(Ordering::Relaxed));
    // Without a trace nothing was counted. The child of a clone(2) that ends like a process of
    // its own has its parent's counts.
    if counts.iter().any(|count| *count != 0) && !crate::compat::is_other_process() {
        let mut line = start();
        line.write(
            b"at exit: \x01 became TCP, \x01 hints, \x01 stayed MPTCP, \x01 clamps\n",
            &counts,
        );
        emit(&line);
    }
}

#[inline(never)]
fn record(what: &[u8], numbers: &[c_int], verdict: Verdict) {
    let errno = sys::errno();
    let mut line = start();
    line.write(what, numbers);
    let (text, number, count): (&[u8], c_int, _) = match verdict {
        Verdict::Demoted => (b"; the socket is TCP now\n", 0, Some(&DEMOTED)),
        Verdict::Hint => (b"; answered as TCP would, it changes nothing\n", 0, Some(&HINTS)),
        Verdict::Raised => (b"; MPTCP, with a larger one\n", 0, Some(&CLAMPS)),
        Verdict::TcpRefuses => (b"; TCP refuses it too: \x02\n", errno, None),
        Verdict::Stays(stays) => {
            (b"; the socket stays MPTCP: \x0b\n", stays as c_int, Some(&STAYED))
        }
    };
    if let Some(count) = count {
        count.fetch_add(1, Ordering::Relaxed);
    }
    line.write(text, &[number]);
    emit(&line);
    sys::set_errno(errno);
}

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

fn emit(line: &Line) {
    let fd = FD.load(Ordering::Relaxed);
    let known = (FILE_DEV.load(Ordering::Relaxed), FILE_INO.load(Ordering::Relaxed));
    if sys::file(fd).is_some_and(|file| (file.dev, file.ino) == known) {
        sys::write(fd, line.as_bytes());
    }
}

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
    fn push_shown(&mut self, byte: u8) {
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
