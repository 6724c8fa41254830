//! Why the gateway does not carry a connection.

use std::fmt;
use std::io;

use mptcpize_model::gateway_status::reason;

use super::admission::Refusal;
use crate::refusals;

/// Why a connection of a client was not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A limit of the settings.
    Limit(Refusal),
    /// It was for the router itself.
    Own,
    /// It was for no address that is beyond the router.
    NotElsewhere,
    /// No route leads there, or one forbids it.
    NoRoute,
    /// No descriptor was left.
    Descriptors,
}

impl refusals::Reason for Reason {
    fn code(self) -> &'static str {
        match self {
            Reason::Limit(Refusal::Connections) => reason::CONNECTIONS,
            Reason::Limit(Refusal::PerClient) => reason::PER_CLIENT,
            Reason::Limit(Refusal::Handshakes) => reason::HANDSHAKES,
            Reason::Own => reason::OWN,
            Reason::NotElsewhere => reason::NOT_ELSEWHERE,
            Reason::NoRoute => reason::NO_ROUTE,
            Reason::Descriptors => reason::DESCRIPTORS,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Limit(Refusal::Connections) => "there are as many as limits.connections",
            Reason::Limit(Refusal::PerClient) => "the client has as many as limits.per_client",
            Reason::Limit(Refusal::Handshakes) => "more came in a second than limits.handshakes_s",
            Reason::Own => "it was for the router itself",
            Reason::NotElsewhere => "it was for loopback, link-local or multicast",
            Reason::NoRoute => "no route leads there",
            Reason::Descriptors => "no descriptor is left",
        })
    }
}

/// What was refused, by reason.
pub type Refusals = refusals::Refusals<Reason>;

impl Refusals {
    /// One more that came to nothing because of its destination, or of its client, which gave up.
    pub fn failed(&mut self, error: &io::Error) {
        self.count(match error.kind() {
            io::ErrorKind::ConnectionAborted => reason::CLIENT,
            _ => reason::DESTINATION,
        });
    }
}
