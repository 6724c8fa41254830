//! How the supervisor answered a call for a socket: what the records say of it.

use crate::inject::seccomp::caller::Unsuited;

/// A call that killed its supervisor this often is left to the kernel: something (a sandbox that
/// the rehearsal did not meet) does not let us make its socket.
pub(super) const MOST_ATTEMPTS: u32 = 5;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With an MPTCP socket of this number.
    Mptcp(i32),
    /// Without a socket, with this errno, which TCP would have met too.
    Failed(i32),
    /// As TCP: MPTCP was refused with this errno.
    Refused(i32),
    /// As TCP: not for this caller.
    Unsuited(Unsuited),
    /// As TCP: see [`MOST_ATTEMPTS`].
    GivenUp,
    /// The caller is gone, or a signal interrupted it (EINTR).
    Gone,
}
