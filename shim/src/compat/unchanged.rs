//! A `setsockopt` that MPTCP refuses and that would change nothing: the option has that value
//! already. haproxy, for one, sets TCP_USER_TIMEOUT to 0 on every listener.
//!
//! There is no table of values. A TCP socket is asked before and after the program's call is made
//! on it; what it reads then is compared with what the program's own socket reads, or, where MPTCP
//! refuses that question too, with what the TCP socket read before the call.
//!
//! Nothing needs to be remembered: an option that MPTCP refuses keeps TCP's first value for as long
//! as the socket is MPTCP, and `getsockopt` answers with that (`getsockopt.rs`).

use core::ffi::c_int;

use crate::sys::net;
use crate::sys::option_call::Set;
use crate::sys::own_fd::Own;

/// The longest value that is compared. Longer ones (lists of addresses) are taken to change
/// something.
const LONGEST: usize = 64;

/// The program's call, made on a TCP socket of ours.
pub(crate) struct Tried {
    /// The socket, which has the option now if `result` is 0.
    pub(crate) tcp: Own,
    /// What the call returned, 0 or -1.
    pub(crate) result: c_int,
    /// Does the call change what the program's socket reads? True also where that is not known.
    pub(crate) changes: bool,
}

/// Makes the program's call on a fresh TCP socket; `None` when there is none.
#[inline(never)]
pub(crate) fn tried(set: &Set) -> Option<Tried> {
    let tcp = Own::like(set.fd)?;
    let first = Value::of(tcp.fd(), set);
    let result = set.on(tcp.fd());
    let mut changes = true;
    // The program's socket is asked last: a question that takes something away (SO_ERROR) is about
    // an option that cannot be set.
    if result == 0
        && let Some(after) = Value::of(tcp.fd(), set)
        && let Some(before) = Value::of(set.fd, set).or(first)
    {
        changes = before.bytes != after.bytes || before.size != after.size;
    }
    Some(Tried { tcp, result, changes })
}

/// What an option reads.
struct Value {
    bytes: [u8; LONGEST],
    size: usize,
}

impl Value {
    /// The value that the option of `set` has on `fd`; `None` where it cannot be read, or is too long.
    #[inline(never)]
    fn of(fd: c_int, set: &Set) -> Option<Self> {
        // The size of a filter is a number of instructions, of eight bytes each, which the kernel
        // would write beyond the end.
        if (set.level, set.name) == (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER) {
            return None;
        }
        let mut bytes = [0; LONGEST];
        let size = net::read_option(fd, set.level, set.name, &mut bytes)?;
        // A full buffer may hold a part only.
        (size < LONGEST).then_some(Value { bytes, size })
    }
}
