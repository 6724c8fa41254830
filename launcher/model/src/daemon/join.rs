//! Subflows that are to be opened or closed, and the connections that could have some.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::mptcp::Endpoint;

/// A subflow to open (MP_JOIN, RFC 8684 section 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The connection.
    pub token: u32,
    /// From where, with the id and flags that the subflow gets.
    pub local: Endpoint,
    /// To where.
    pub remote: SocketAddr,
}

/// A subflow to close, by its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// The connection.
    pub token: u32,
    /// Its local end.
    pub local: SocketAddr,
    /// Its remote end.
    pub remote: SocketAddr,
}

/// A connection that this host began, as sock_diag(7) lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The connection.
    pub token: u32,
    /// The peer's first address.
    pub remote: SocketAddr,
    /// Its subflows, those too that the peer has not answered yet.
    pub subflows: Vec<ListedSubflow>,
}

/// A subflow that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSubflow {
    /// Its local end.
    pub local: SocketAddr,
    /// Its remote end.
    pub remote: SocketAddr,
    /// The local address's id; 0 where the connection began.
    pub id: u8,
}
