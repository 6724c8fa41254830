//! What became of a call, as the debug records say it: the socket that `socket()` gave, the answer to
//! an option that MPTCP refused, and why a socket could not become TCP.
//!
//! Not here: the words for them (`words.rs`, `trace.rs`).

use core::ffi::c_int;

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

/// Why a socket stays MPTCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stays {
    /// Not made by `socket()` under us, or it is not MPTCP (any more), or another thread is just
    /// replacing it.
    NotOurs,
    /// It is connected.
    Connected,
    /// It listens.
    Listening,
    /// A connection was tried, and it may have failed.
    Tried,
    /// dup, fork or SCM_RIGHTS made other descriptors of it.
    Shared,
    /// Something that was done to it cannot be done again.
    Unrepeatable,
    /// It is registered with epoll, and how cannot be found out.
    Polled,
    /// There is no descriptor or memory for the new socket, or other threads keep changing the old one.
    Busy,
    /// Its number is higher than those that the library keeps a table of.
    Beyond,
}

/// Why a socket is to become TCP before the program's call.
#[derive(Clone, Copy)]
pub(crate) enum Cause {
    /// The policy wants it for the address that it connects to: the letter of the rule.
    ConnectByPolicy(u8),
    /// The policy wants it for the address that it listens at: the letter of the rule.
    ListenByPolicy(u8),
    /// It connects to itself, where MPTCP loses the first byte.
    ToItself,
    /// It sends with MSG_FASTOPEN, and this kernel's MPTCP does not know that.
    FastOpen,
}
