//! The debug records of the seccomp filter, in the words of the library's (shim/src/trace.rs):
//!
//! `mptcpize: prog[4711] socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 5 MPTCP`
//!
//! One difference: where the kernel was left to make a TCP socket, its number is not known here, and
//! a question mark stands for it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use crate::inject::environment::trace_file;
use crate::inject::seccomp::call::{SocketOption, Wanted};
use crate::inject::seccomp::caller::Unsuited;
use crate::inject::seccomp::option::Verdict;
use crate::inject::seccomp::outcome::Outcome;
use crate::inject::seccomp::writer::Queue;

/// Where the records go.
#[derive(Debug)]
pub(super) struct Trace(Queue);

/// A destination in the words of `MPTCPIZE_DEBUG`: an absolute path, or anything else for a
/// copy of standard error.
pub(super) fn destination(wanted: &OsStr) -> Option<File> {
    if Path::new(wanted).is_absolute() {
        return trace_file::open(Path::new(wanted)).ok();
    }
    rustix::io::fcntl_dupfd_cloexec(io::stderr().as_fd(), 3).ok().map(File::from)
}

impl Trace {
    /// Starts the process that writes to the file.
    ///
    /// # Errors
    /// There can be none.
    pub(super) fn start(file: File) -> io::Result<Self> {
        Queue::start(file).map(Trace)
    }

    /// Hands a record on to be written.
    pub(super) fn call(&self, who: &(String, u32), wanted: Wanted, outcome: Outcome) {
        let line = line(who, wanted, outcome);
        if !line.is_empty() {
            self.0.put(&line);
        }
    }

    /// Hands on a record about an option that MPTCP refuses; none where the program has its way.
    pub(super) fn option(
        &self,
        (name, pid): &(String, u32),
        asked: SocketOption,
        verdict: Verdict,
    ) {
        let end = match verdict {
            Verdict::Replaced => "the socket is TCP now",
            Verdict::Stays => "it stays MPTCP",
            Verdict::Kernel | Verdict::Done | Verdict::Failed(_) => return,
        };
        let level = match asked.level {
            libc::IPPROTO_IP => "IPPROTO_IP",
            libc::IPPROTO_TCP => "IPPROTO_TCP",
            libc::IPPROTO_IPV6 => "IPPROTO_IPV6",
            _ => "SOL_SOCKET",
        };
        let (name, fd, option) = (shown(name.as_bytes()), asked.fd, asked.name);
        self.0.put(&format!(
            "mptcpize: {name}[{pid}] setsockopt({fd}, {level}, {option}): MPTCP refused; {end}\n"
        ));
    }

    /// There are no more records.
    pub(super) fn end(&self) {
        self.0.end();
    }
}

fn line((name, pid): &(String, u32), wanted: Wanted, outcome: Outcome) -> String {
    let domain = match wanted.domain {
        libc::AF_INET => "AF_INET".to_owned(),
        libc::AF_INET6 => "AF_INET6".to_owned(),
        other => other.to_string(),
    };
    let mut kind = "SOCK_STREAM".to_owned();
    let flags = wanted.flags();
    if flags & libc::SOCK_CLOEXEC != 0 {
        kind += "|SOCK_CLOEXEC";
    }
    if flags & libc::SOCK_NONBLOCK != 0 {
        kind += "|SOCK_NONBLOCK";
    }
    let others = flags & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
    if others != 0 {
        kind += &format!("|{others}");
    }
    let protocol = if wanted.protocol == 0 { "0" } else { "IPPROTO_TCP" };
    let result = match outcome {
        Outcome::Mptcp(fd) => format!("{fd} MPTCP"),
        Outcome::Failed(errno) => format!("-1 {}", self::errno(errno)),
        Outcome::Refused(errno) => format!("? TCP: MPTCP refused: {}", self::errno(errno)),
        Outcome::Unsuited(Unsuited::OtherNamespace) => {
            "? TCP: it is in another network namespace".to_owned()
        }
        Outcome::Unsuited(Unsuited::OtherGroup) => {
            "? TCP: it is in another control group".to_owned()
        }
        Outcome::Unsuited(Unsuited::Hidden) => "? TCP: it may not be looked at".to_owned(),
        Outcome::Unsuited(Unsuited::Traced) => "? TCP: it is traced".to_owned(),
        Outcome::Unsuited(Unsuited::Confined) => {
            "-1 EPERM: a tracer that its seccomp filters ask cannot be heard".to_owned()
        }
        Outcome::Unsuited(Unsuited::Sandboxed) => {
            "? TCP: it has seccomp filters of its own".to_owned()
        }
        Outcome::Unsuited(Unsuited::Unread) => {
            "? TCP: its arguments could not be read in time".to_owned()
        }
        Outcome::GivenUp => "? TCP: the supervisor was killed over it".to_owned(),
        Outcome::Gone => return String::new(),
    };
    let name = shown(name.as_bytes());
    format!("mptcpize: {name}[{pid}] socket({domain}, {kind}, {protocol}) = {result}\n")
}

/// A name that others chose, as plain text (the library's records have it so too).
fn shown(name: &[u8]) -> String {
    let byte = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    name.iter().map(byte).collect()
}

/// An errno by its name, with what it means for MPTCP.
fn errno(number: i32) -> String {
    let name = match number {
        libc::EINVAL => "EINVAL (kernel before 5.6)",
        libc::EPROTONOSUPPORT => "EPROTONOSUPPORT (kernel built without MPTCP)",
        libc::ENOPROTOOPT => "ENOPROTOOPT (net.mptcp.enabled=0)",
        libc::EPERM => "EPERM (a security policy)",
        libc::EACCES => "EACCES (a security policy)",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::EMFILE => "EMFILE",
        libc::ENFILE => "ENFILE",
        libc::ENOBUFS => "ENOBUFS",
        libc::ENOMEM => "ENOMEM",
        other => return format!("errno {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_plain_text() {
        assert_eq!(shown(b"a b~\x1b[2J\n\x7f\xc2\x9b"), "a b~\\x1b[2J\\x0a\\x7f\\xc2\\x9b");
    }

    #[test]
    fn records_read_as_those_of_the_library() {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let table = [
            (
                Wanted { domain: libc::AF_INET, kind, protocol: 6 },
                Outcome::Mptcp(5),
                "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_TCP) = 5 MPTCP",
            ),
            (
                Wanted { domain: libc::AF_INET6, kind: 1 | 0x1000, protocol: 0 },
                Outcome::Refused(libc::EINVAL),
                "socket(AF_INET6, SOCK_STREAM|4096, 0) = ? TCP: MPTCP refused: EINVAL \
                 (kernel before 5.6)",
            ),
            (
                Wanted { domain: libc::AF_INET, kind: 1, protocol: 0 },
                Outcome::Failed(libc::EMFILE),
                "socket(AF_INET, SOCK_STREAM, 0) = -1 EMFILE",
            ),
        ];
        for (wanted, outcome, expected) in table {
            let expected = format!("mptcpize: prog[7] {expected}\n");
            assert_eq!(line(&("prog".to_owned(), 7), wanted, outcome), expected);
        }
    }
}
