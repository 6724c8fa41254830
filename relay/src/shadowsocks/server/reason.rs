//! Why the server does not carry a connection.

use std::fmt;
use std::io;

use crate::refusals;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A wrong key, or no Shadowsocks at all.
    Key,
    /// The right key, and a clock that is more than 30 s off.
    Clock,
    /// The right key, in a request that was there before.
    Replay,
    /// It did not authenticate in time.
    Slow,
    /// There are too many that have not authenticated.
    Crowd,
    /// Its destination is private, or the server's own.
    Private,
    /// A limit of the settings.
    Limit,
    /// Its destination does not answer, or has no address.
    Unreachable,
}

impl refusals::Reason for Reason {
    fn code(self) -> &'static str {
        match self {
            Reason::Key => "key",
            Reason::Clock => "clock",
            Reason::Replay => "replay",
            Reason::Slow => "slow",
            Reason::Crowd => "crowd",
            Reason::Private => "private",
            Reason::Limit => "limit",
            Reason::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Key => "wrong key, or no Shadowsocks 2022 at all",
            Reason::Clock => "its clock is more than 30 s off",
            Reason::Replay => "its request was there before",
            Reason::Slow => "it did not authenticate within limits.handshake_s",
            Reason::Crowd => "more than limits allow have not authenticated",
            Reason::Private => "its destination is private or this host's own (allow_private)",
            Reason::Limit => "a limit of connections or of a user",
            Reason::Unreachable => "its destination does not answer",
        })
    }
}

/// Why a handshake was none; with how far the client's clock is ahead where it is that, in seconds.
///
/// The crate tells its own errors by their text alone (its type is not public), and tests hold the texts.
pub fn of_handshake(error: &io::Error) -> (Reason, i64) {
    let text = error.to_string();
    if text.contains("repeated nonce") {
        return (Reason::Replay, 0);
    }
    match text.strip_prefix("invalid timestamp ").and_then(|rest| rest.rsplit_once(" = ")) {
        Some((_, ahead)) => (Reason::Clock, ahead.parse().unwrap_or(0)),
        None => (Reason::Key, 0),
    }
}
