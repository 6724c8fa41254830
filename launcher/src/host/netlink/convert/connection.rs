//! Connections and their subflows, and how they get on.

use mptcp_netlink::sock_diag as kernel;
use mptcpize_model::connection::{Connection, Fallback, Phase, Subflow};
use mptcpize_model::daemon::Flow;

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

/// How a TCP connection gets on.
pub(in crate::host) fn flow(flow: &kernel::Flow) -> Flow {
    Flow {
        local: flow.local,
        remote: flow.remote,
        token: flow.token,
        open: flow.open,
        timeouts: flow.timeouts,
        unconfirmed: flow.unconfirmed,
        rto_us: flow.rto_us,
        confirmed_ms: flow.confirmed_ms,
        sent_ms: flow.sent_ms,
        received_ms: flow.received_ms,
        rtt_us: flow.rtt_us,
        min_rtt_us: flow.min_rtt_us,
        segments: flow.segments,
        resent: flow.resent,
        unsent: flow.unsent,
        confirmed: flow.confirmed,
        received: flow.received,
    }
}
