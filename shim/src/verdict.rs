//! What became of a call, as the debug records say it: the socket that `socket()` gave, the answer to
//! an option that MPTCP refused, and why a socket could not become TCP.
//!
//! Not here: the words for them (`line.rs`, `trace.rs`).

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
    Connected,
    Listening,
    /// A connection was tried, and it may have failed.
    Tried,
    /// dup, fork or SCM_RIGHTS made other descriptors of it.
    Shared,
    /// Something that was done to it cannot be done again.
    Unrepeatable,
    /// Its registration with epoll cannot be told.
    Polled,
    /// No descriptor, no memory, or other threads do not leave it alone.
    Busy,
    /// Its number is beyond those that are looked after.
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
