//! Lists the MPTCP connections of this network namespace with their subflows.

use mptcp_netlink::KernelError;
use mptcp_netlink::sock_diag::{self, Fallback};

fn main() -> Result<(), KernelError> {
    for connection in sock_diag::connections()? {
        let why = match connection.fallback {
            None => "",
            Some(Fallback::PeerWithout) => ", plain TCP: the peer has no MPTCP",
            Some(Fallback::AskedWithout) => ", plain TCP: the peer did not ask for MPTCP",
            Some(Fallback::OnTheWay) => ", plain TCP: something on the way changed it",
        };
        println!("{} > {}{why}", connection.local, connection.remote);
        println!("  {} bytes out, {} bytes in", connection.sent, connection.received);
        for subflow in &connection.subflows {
            let state = match (subflow.open, subflow.stale, subflow.backup) {
                (false, _, _) => "not open",
                (_, true, _) => "not answering",
                (_, _, true) => "backup",
                _ => "open",
            };
            let rtt = f64::from(subflow.rtt_us) / 1000.0;
            println!("  {} > {}: {state}, {rtt} ms", subflow.local, subflow.remote);
        }
    }
    Ok(())
}
