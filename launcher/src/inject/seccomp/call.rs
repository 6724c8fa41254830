//! What a notified call asks for: its kind and arguments, from the registers or, for i386's
//! socketcall(2), from the program's memory. Pure.

use libc::seccomp_data;

use crate::inject::seccomp::abi;
use crate::inject::seccomp::filter::{SYS_GETSOCKOPT, SYS_SETSOCKOPT, SYS_SOCKET, TYPE_MASK};

/// The arguments of a socket(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) domain: i32,
    pub(super) kind: i32,
    pub(super) protocol: i32,
}

impl Wanted {
    /// Is it a TCP socket? What the filter asks of registers, asked of arguments that are in memory.
    pub(super) fn is_tcp(self) -> bool {
        matches!(self.domain, libc::AF_INET | libc::AF_INET6)
            && self.kind & TYPE_MASK as i32 == libc::SOCK_STREAM
            && matches!(self.protocol, 0 | libc::IPPROTO_TCP)
    }

    /// What is not the type in `type`.
    pub(super) fn flags(self) -> i32 {
        self.kind & !(TYPE_MASK as i32)
    }
}

/// The arguments of a setsockopt(2) or getsockopt(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SocketOption {
    pub(super) fd: i32,
    pub(super) level: i32,
    pub(super) name: i32,
    /// Where the value is, or is to be.
    pub(super) value: u64,
    /// Its length, or where that is.
    pub(super) size: u64,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Socket(Wanted),
    Set(SocketOption),
    Get(SocketOption),
    Other,
}

/// Where the arguments of a call lie, and how many bytes they have, when they are in memory.
pub(super) fn in_memory(call: &seccomp_data) -> Option<(u64, u32)> {
    let abi = abi::of_arch(call.arch)?;
    let words = match call.args[0] as u32 {
        SYS_SETSOCKOPT | SYS_GETSOCKOPT => 5,
        _ => 3,
    };
    (abi.socketcall == Some(call.nr as u32)).then_some((call.args[1] & 0xffff_ffff, 4 * words))
}

/// The call; `bytes` are those of [`in_memory`], where it has such.
pub(super) fn of(call: &seccomp_data, bytes: &[u8]) -> Option<Call> {
    let Some(abi) = abi::of_arch(call.arch) else { return Some(Call::Other) };
    if in_memory(call).is_some() {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |at: usize| words.get(at).map(|word| u64::from(u32::from_ne_bytes(*word)));
        let option = || Some(option([word(0)?, word(1)?, word(2)?, word(3)?, word(4)?]));
        return match call.args[0] as u32 {
            SYS_SOCKET => Some(socket([word(0)?, word(1)?, word(2)?])),
            SYS_SETSOCKOPT => Some(Call::Set(option()?)),
            SYS_GETSOCKOPT => Some(Call::Get(option()?)),
            _ => Some(Call::Other),
        };
    }
    let [a, b, c, d, e, _] = call.args;
    let number = call.nr as u32;
    Some(match number {
        _ if number == abi.socket => socket([a, b, c]),
        _ if number == abi.setsockopt => Call::Set(option([a, b, c, d, e])),
        _ if number == abi.getsockopt => Call::Get(option([a, b, c, d, e])),
        _ => Call::Other,
    })
}

/// The low halves, as the kernel takes them.
fn int(argument: u64) -> i32 {
    (argument as u32).cast_signed()
}

fn socket([domain, kind, protocol]: [u64; 3]) -> Call {
    Call::Socket(Wanted { domain: int(domain), kind: int(kind), protocol: int(protocol) })
}

fn option([fd, level, name, value, size]: [u64; 5]) -> SocketOption {
    SocketOption { fd: int(fd), level: int(level), name: int(name), value, size }
}
