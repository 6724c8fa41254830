//! Connections and their subflows.

use mptcp_netlink::sock_diag as kernel;
use mptcpize_model::connection::{Connection, Fallback, Phase, Subflow};

/// A connection with its subflows.
pub(in crate::host) fn connection(connection: kernel::Connection) -> Connection {
    Connection {
        token: connection.token,
        inode: connection.inode,
        uid: connection.uid,
        local: connection.local,
        remote: connection.remote,
        phase: match connection.phase {
            kernel::Phase::Connecting => Phase::Connecting,
            kernel::Phase::Open => Phase::Open,
            kernel::Phase::Closing => Phase::Closing,
        },
        fallback: connection.fallback.map(|why| match why {
            kernel::Fallback::PeerWithout => Fallback::PeerWithout,
            kernel::Fallback::AskedWithout => Fallback::AskedWithout,
            kernel::Fallback::OnTheWay => Fallback::OnTheWay,
        }),
        sent: connection.sent,
        received: connection.received,
        subflows: connection.subflows.iter().map(subflow).collect(),
    }
}

fn subflow(subflow: &kernel::Subflow) -> Subflow {
    Subflow {
        local: subflow.local,
        remote: subflow.remote,
        bound: subflow.bound,
        local_id: subflow.local_id,
        remote_id: subflow.remote_id,
        open: subflow.open,
        rtt_us: subflow.rtt_us,
        sent: subflow.sent,
        resent: subflow.resent,
        received: subflow.received,
        idle_ms: subflow.idle_ms,
        backup: subflow.backup,
        stale: subflow.stale,
    }
}
