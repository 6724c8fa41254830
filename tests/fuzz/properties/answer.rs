//! The kernel's lists of subflows, as `check` reads them of its own sockets: what the peer's
//! addresses and numbers become.

use mptcpize::host::readers;

use super::two;

/// No subflow is made up, and an IPv4 address is one also within IPv6.
pub(crate) fn answer(bytes: &[u8]) {
    let (addresses, infos) = two(bytes);
    let subflows = readers::subflows(addresses, infos);
    // Each has two addresses, the second 128 bytes behind the first.
    assert!(subflows.len() <= addresses.len() / 128, "{}", subflows.len());
    for subflow in &subflows {
        assert_eq!(subflow.from, subflow.from.to_canonical());
        assert_eq!(subflow.to.ip(), subflow.to.ip().to_canonical());
        let known = subflow.acked_bytes.is_some();
        assert!(subflow.rtt_us.is_some() || !known, "the round-trip time stands before it");
    }
}
