//! MPTCP connections with their subflows, in the words of [`mptcpize_model::connection`].

use std::collections::{BTreeMap, BTreeSet};

use mptcp_netlink::{KernelError, sock_diag};
use mptcpize_model::connection::Connection;
use mptcpize_model::daemon::Flow;

use crate::host::netlink::from_kernel;

/// Every connection that a program asked to be MPTCP; that which carried most comes first. Among
/// them are those that were accepted as plain TCP by an MPTCP listener.
///
/// # Errors
/// `ENOENT`: the kernel cannot list MPTCP sockets (no MPTCP, or without the module mptcp_diag).
pub fn connections() -> Result<Vec<Connection>, KernelError> {
    Ok(sock_diag::connections()?.into_iter().map(from_kernel::connection).collect())
}

/// The connections that this host began: those whose port here nobody listens on.
///
/// # Errors
/// As [`connections`].
pub fn begun_here() -> Result<Vec<Connection>, KernelError> {
    let sockets = sock_diag::mptcp_sockets()?;
    let listeners = sockets.iter().filter(|socket| socket.listens);
    let ports: BTreeSet<u16> = listeners.map(|socket| socket.local.port()).collect();
    let mut all = connections()?;
    all.retain(|connection| !ports.contains(&connection.local.port()));
    Ok(all)
}

/// The connection with this token, without its subflows.
///
/// # Errors
/// As [`connections`].
pub fn with_token(token: u32) -> Result<Option<Connection>, KernelError> {
    Ok(sock_diag::with_token(token)?.map(from_kernel::connection))
}

/// How every TCP connection gets on, plain or a subflow.
///
/// # Errors
/// A kernel without sock_diag(7) (`ENOENT`), or a sandbox forbids netlink.
pub fn flows() -> Result<Vec<Flow>, KernelError> {
    // By value, so that ten thousand are not held twice.
    Ok(sock_diag::flows()?.into_iter().map(|flow| from_kernel::flow(&flow)).collect())
}

/// The memory of what each of these connections received and has not read, in bytes, by token.
///
/// # Errors
/// As [`connections`].
pub fn receive_queues(
    tokens: impl IntoIterator<Item = u32>,
) -> Result<BTreeMap<u32, u32>, KernelError> {
    sock_diag::receive_queues(tokens)
}
