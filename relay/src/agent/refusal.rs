//! Why the agent does not carry a connection.

use std::fmt;

use crate::refusals::Reason;

/// Why a connection was not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There are as many as the settings allow.
    Limit,
    /// It was for the agent's own listener.
    Loop,
    /// No descriptor was left.
    Descriptors,
    /// No route leads there, or one forbids it.
    NoRoute,
    /// The destination refused it, or was not reached.
    Destination,
    /// No relay can be reached, and nothing goes directly.
    NoRelay,
    /// The program gave up before there was an answer.
    Gone,
}

impl Reason for Refusal {
    fn code(self) -> &'static str {
        match self {
            Refusal::Limit => "limit_connections",
            Refusal::Loop => "own_address",
            Refusal::Descriptors => "descriptors",
            Refusal::NoRoute => "no_route",
            Refusal::Destination => "destination",
            Refusal::NoRelay => "no_relay",
            Refusal::Gone => "client_gone",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Limit => "there are as many as the setting connections allows",
            Refusal::Loop => "it was for the agent itself",
            Refusal::Descriptors => "no descriptor is left",
            Refusal::NoRoute => "no route leads there",
            Refusal::Destination => "the destination did not take it",
            Refusal::NoRelay => "no relay can be reached",
            Refusal::Gone => "the program gave it up",
        })
    }
}
