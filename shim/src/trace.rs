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

use crate::config;
use crate::line::Line;
use crate::sys;
use crate::sys::option_call::Set;
use crate::sys::{file, process};
use crate::template;
use crate::verdict::{Cause, Outcome, Stays, Verdict};
use crate::words::{
    CLOEXEC, ERRNO, FAMILY, LEVEL, MEANING, NONBLOCK, NUMBER, PROTOCOL, RULE, STAYS,
};

/// The option that was set: the descriptor, the level and the name.
const SETSOCKOPT: &[u8] = template!(b"setsockopt(", NUMBER, b", ", LEVEL, b", ", NUMBER, b"): ");
/// The kernel's answer: its errno.
const REFUSED: &[u8] = template!(b"MPTCP refused: ", ERRNO);
/// Behind the descriptor: the letter of the rule.
const BY_POLICY: &[u8] = template!(b"): TCP by policy (", RULE, b")");

/// Where the records go, and the file that it was when it was opened; -1 without a trace.
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
        _ if named => file::open_append(wanted),
        _ => file::keep_stderr(),
    };
    let found = file::at(fd);
    let taken = match found {
        Some(file) if file.is_own || !named => {
            FILE_DEV.store(file.dev, Ordering::Relaxed);
            FILE_INO.store(file.ino, Ordering::Relaxed);
            FD.store(fd, Ordering::Relaxed);
            true
        }
        Some(_) => {
            file::close(fd);
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
    let what = template!(b"socket(", FAMILY, b", SOCK_STREAM", CLOEXEC, NONBLOCK);
    line.write(what, &known);
    if flags != cloexec | nonblock {
        line.write(template!(b"|", NUMBER), &[flags & !(cloexec | nonblock)]);
    }
    line.write(template!(b", ", PROTOCOL, b") = ", NUMBER), &[protocol, fd]);
    match outcome {
        Outcome::Mptcp => line.write(b" MPTCP\n", &[]),
        Outcome::Tcp(why) => {
            line.write(template!(b" TCP: ", REFUSED, MEANING, b"\n"), &[why, why]);
        }
        Outcome::Failed(why) => line.write(template!(b" ", ERRNO, b"\n"), &[why]),
    };
    emit(&line);
    sys::set_errno(errno);
}

/// The beginning of each record, `mptcpize: curl[4711] `.
fn start() -> Line {
    let mut program = [0u8; 16];
    process::program_name(&mut program);
    let mut line = Line::new();
    line.write(b"mptcpize: ", &[]);
    for &byte in program.iter().take_while(|byte| **byte != 0) {
        line.push_shown(byte);
    }
    line.write(template!(b"[", NUMBER, b"] "), &[process::pid()]);
    line
}

/// Writes what became of a refused option, or of a receive buffer that is too small for MPTCP
/// (`refusal` 0), if there is a trace. Leaves `errno` as it was.
#[cold]
pub(crate) fn option(set: &Set, refusal: c_int, verdict: Verdict) {
    if !config::get().trace() {
        return;
    }
    let why: &[u8] = match refusal {
        0 => template!(SETSOCKOPT, b"too small for MPTCP"),
        _ => template!(SETSOCKOPT, REFUSED),
    };
    record(why, &[set.fd, set.level, set.name, refusal], verdict);
}

/// Writes that a socket was to become TCP before the program's call, and whether it did.
#[cold]
#[inline(never)]
pub(crate) fn demoted(cause: Cause, fd: c_int, done: Result<c_int, Stays>) {
    if config::get().trace() {
        let (what, why): (&[u8], c_int) = match cause {
            Cause::ConnectByPolicy(rule) => {
                (template!(b"connect(", NUMBER, BY_POLICY), rule.into())
            }
            Cause::ListenByPolicy(rule) => (template!(b"listen(", NUMBER, BY_POLICY), rule.into()),
            Cause::ToItself => {
                (template!(b"connect(", NUMBER, b"): to itself, where MPTCP loses a byte"), 0)
            }
            Cause::FastOpen => {
                (template!(b"send(", NUMBER, b"): MSG_FASTOPEN, which this MPTCP lacks"), 0)
            }
        };
        let verdict = done.map_or_else(Verdict::Stays, |_| Verdict::Demoted);
        record(what, &[fd, why], verdict);
    }
}

/// Writes that this program is left alone because the policy names it.
#[cold]
pub(crate) fn named() {
    let mut line = start();
    line.write(b"stays TCP, by policy (its name)\n", &[]);
    emit(&line);
}

/// Sockets that became TCP. Like the counts below: of this process, while it traces.
static DEMOTED: AtomicI32 = AtomicI32::new(0);
/// Refused options that were answered as TCP would.
static HINTS: AtomicI32 = AtomicI32::new(0);
/// Sockets that stayed MPTCP, and whose program got the refusal.
static STAYED: AtomicI32 = AtomicI32::new(0);
/// Receive buffers that were made larger.
static CLAMPS: AtomicI32 = AtomicI32::new(0);

/// Sets the counts to 0, for a forked child, which counts what it does itself.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn forget() {
    for count in [&DEMOTED, &HINTS, &STAYED, &CLAMPS] {
        count.store(0, Ordering::Relaxed);
    }
}

/// Writes the counts when the process exits, unless all are 0 (as they are without a trace) or they
/// are `others`: the child of a clone(2) that ends like a process of its own has its parent's.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn at_exit(others: fn() -> bool) {
    let counts = [&DEMOTED, &HINTS, &STAYED, &CLAMPS].map(|count| count.load(Ordering::Relaxed));
    if counts.iter().any(|count| *count != 0) && !others() {
        let mut line = start();
        #[rustfmt::skip]
        let sums = template!(
            b"at exit: ", NUMBER, b" became TCP, ", NUMBER, b" hints, ",
            NUMBER, b" stayed MPTCP, ", NUMBER, b" clamps\n",
        );
        line.write(sums, &counts);
        emit(&line);
    }
}

/// Writes a record of `what` with these numbers and the verdict, and counts it. Leaves `errno` as it
/// was.
#[inline(never)]
fn record(what: &[u8], numbers: &[c_int], verdict: Verdict) {
    let errno = sys::errno();
    let mut line = start();
    line.write(what, numbers);
    let (text, number, count): (&[u8], c_int, _) = match verdict {
        Verdict::Demoted => (b"; the socket is TCP now\n", 0, Some(&DEMOTED)),
        Verdict::Hint => (b"; answered as TCP would, it changes nothing\n", 0, Some(&HINTS)),
        Verdict::Raised => (b"; MPTCP, with a larger one\n", 0, Some(&CLAMPS)),
        Verdict::TcpRefuses => (template!(b"; TCP refuses it too: ", ERRNO, b"\n"), errno, None),
        Verdict::Stays(stays) => {
            let text = template!(b"; the socket stays MPTCP: ", STAYS, b"\n");
            (text, stays as c_int, Some(&STAYED))
        }
    };
    if let Some(count) = count {
        count.fetch_add(1, Ordering::Relaxed);
    }
    line.write(text, &[number]);
    emit(&line);
    sys::set_errno(errno);
}

/// Writes the line to the trace, if its descriptor still leads to the file that was opened.
fn emit(line: &Line) {
    let fd = FD.load(Ordering::Relaxed);
    let known = (FILE_DEV.load(Ordering::Relaxed), FILE_INO.load(Ordering::Relaxed));
    if file::at(fd).is_some_and(|file| (file.dev, file.ino) == known) {
        file::write(fd, line.as_bytes());
    }
}
