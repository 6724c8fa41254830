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
pub(crate) fn open(wanted: &CStr) -> bool {
    let fd = match wanted.to_bytes() {
        b"" | b"0" => return false,
        [b'/', ..] => sys::open_append(wanted),
        _ => sys::keep_stderr(),
    };
    let Some((dev, ino)) = sys::identity(fd) else {
        return false;
    };
    FILE_DEV.store(dev, Ordering::Relaxed);
    FILE_INO.store(ino, Ordering::Relaxed);
    FD.store(fd, Ordering::Relaxed);
    true
}

/// Writes the record of one `socket()` call. Leaves `errno` as it was.
#[cold]
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int, fd: c_int, outcome: Outcome) {
    let errno = sys::errno();
    let mut line = start();
    line.text("socket(");
    match domain {
        libc::AF_INET => line.text("AF_INET"),
        libc::AF_INET6 => line.text("AF_INET6"),
        other => line.number(other),
    };
    line.text(", SOCK_STREAM");
    let flags = kind & !0xf;
    if flags & libc::SOCK_CLOEXEC != 0 {
        line.text("|SOCK_CLOEXEC");
    }
    if flags & libc::SOCK_NONBLOCK != 0 {
        line.text("|SOCK_NONBLOCK");
    }
    let others = flags & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
    if others != 0 {
        line.text("|").number(others);
    }
    line.text(if protocol == 0 { ", 0) = " } else { ", IPPROTO_TCP) = " }).number(fd);
    match outcome {
        Outcome::Mptcp => line.text(" MPTCP"),
        Outcome::Tcp(why) => {
            line.text(" TCP: MPTCP refused: ");
            name(&mut line, why);
            line.text(meaning(why))
        }
        Outcome::Failed(why) => {
            line.text(" ");
            name(&mut line, why)
        }
    };
    line.text("\n");
    emit(&line);
    sys::set_errno(errno);
}

/// `mptcpize: curl[4711] `
fn start() -> Line {
    let mut program = [0u8; 16];
    sys::program_name(&mut program);
    let mut line = Line::new();
    line.text("mptcpize: ");
    line.bytes(CStr::from_bytes_until_nul(&program).map_or(b"?", CStr::to_bytes));
    line.text("[").number(sys::pid()).text("] ");
    line
}

/// Writes what became of a refused option, or of a receive buffer that is too small for MPTCP
/// (`refusal` 0). Leaves `errno` as it was.
#[cold]
pub(crate) fn option(set: &Set, refusal: c_int, verdict: Verdict) {
    let errno = sys::errno();
    let mut line = start();
    line.text("setsockopt(").number(set.fd).text(", ");
    match set.level {
        libc::SOL_SOCKET => line.text("SOL_SOCKET"),
        libc::IPPROTO_IP => line.text("IPPROTO_IP"),
        libc::IPPROTO_IPV6 => line.text("IPPROTO_IPV6"),
        libc::IPPROTO_TCP => line.text("IPPROTO_TCP"),
        other => line.number(other),
    };
    line.text(", ").number(set.name).text("): ");
    if refusal == 0 {
        line.text("too small for MPTCP");
    } else {
        line.text("MPTCP refused: ");
        name(&mut line, refusal);
    }
    match verdict {
        Verdict::Demoted => line.text("; the socket is TCP now"),
        Verdict::Hint => line.text("; answered as TCP would, it changes nothing"),
        Verdict::TcpRefuses => {
            line.text("; TCP refuses it too: ");
            name(&mut line, errno)
        }
        Verdict::Stays(stays) => line.text("; the socket stays MPTCP: ").text(why(stays)),
    };
    line.text("\n");
    emit(&line);
    sys::set_errno(errno);
}

/// Writes that a socket connects to itself.
#[cold]
pub(crate) fn itself(fd: c_int, stays: Option<Stays>) {
    if !crate::config::get().trace() {
        return;
    }
    let mut line = start();
    line.text("connect(").number(fd).text("): to itself, where MPTCP loses a byte; ");
    match stays {
        None => line.text("the socket is TCP now"),
        Some(stays) => line.text("the socket stays MPTCP: ").text(why(stays)),
    };
    line.text("\n");
    emit(&line);
}

fn why(stays: Stays) -> &'static str {
    match stays {
        Stays::NotOurs => "it was not made here",
        Stays::Connected => "it is connected",
        Stays::Listening => "it listens",
        Stays::Tried => "it has tried to connect",
        Stays::Shared => "it has other descriptors (dup, fork)",
        Stays::Unrepeatable => "what was set or bound cannot be repeated",
        Stays::Polled => "its epoll cannot be told",
        Stays::Busy => "no descriptor is free, or another thread is at it",
    }
}

/// An errno by its name.
fn name(line: &mut Line, errno: c_int) -> &mut Line {
    match errno {
        libc::EINVAL => line.text("EINVAL"),
        libc::EPROTONOSUPPORT => line.text("EPROTONOSUPPORT"),
        libc::ENOPROTOOPT => line.text("ENOPROTOOPT"),
        libc::EPERM => line.text("EPERM"),
        libc::EACCES => line.text("EACCES"),
        libc::EAFNOSUPPORT => line.text("EAFNOSUPPORT"),
        libc::EMFILE => line.text("EMFILE"),
        libc::ENFILE => line.text("ENFILE"),
        libc::ENOBUFS => line.text("ENOBUFS"),
        libc::ENOMEM => line.text("ENOMEM"),
        libc::EOPNOTSUPP => line.text("EOPNOTSUPP"),
        other => line.text("errno ").number(other),
    }
}

/// What it means when MPTCP was refused with it (the kernel's net/mptcp, mptcp-sysctl.rst).
fn meaning(errno: c_int) -> &'static str {
    match errno {
        libc::EINVAL => " (kernel before 5.6)",
        libc::EPROTONOSUPPORT => " (kernel built without MPTCP)",
        libc::ENOPROTOOPT => " (net.mptcp.enabled=0)",
        libc::EPERM | libc::EACCES => " (a security policy)",
        _ => "",
    }
}

fn emit(line: &Line) {
    let fd = FD.load(Ordering::Relaxed);
    let known = (FILE_DEV.load(Ordering::Relaxed), FILE_INO.load(Ordering::Relaxed));
    if sys::identity(fd) == Some(known) {
        sys::write(fd, line.as_bytes());
    }
}

/// A line under construction on the stack. What does not fit is cut, the line feed is kept.
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

    fn bytes(&mut self, text: &[u8]) -> &mut Self {
        let room = self.bytes.get_mut(self.used..).unwrap_or(&mut []);
        let fits = room.len().min(text.len());
        for (to, from) in room.iter_mut().zip(text) {
            *to = *from;
        }
        self.used += fits;
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn number(&mut self, value: c_int) -> &mut Self {
        let mut digits = [0u8; 11];
        let mut rest = value.unsigned_abs();
        let mut from = digits.len();
        for slot in digits.iter_mut().rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
            from -= 1;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            self.text("-");
        }
        self.bytes(digits.get(from..).unwrap_or(&[]))
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
    fn a_line_that_is_too_long_is_cut_and_never_overruns() {
        let mut line = Line::new();
        for _ in 0..100 {
            line.text("0123456789");
        }
        assert_eq!(line.as_bytes().len(), 192);
        assert!(line.as_bytes().starts_with(b"0123456789012"));
    }
}
