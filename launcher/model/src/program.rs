//! Whose a socket is.

use serde::Serialize;

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its process id.
    pub pid: u32,
    /// Its name, as `ps` shows it.
    pub name: String,
    /// The container that it is in, as engines list it; none outside of containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}
