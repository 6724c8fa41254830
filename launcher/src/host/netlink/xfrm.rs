//! IPsec policies, in the words of [`mptcpize_model::vpn`]: a VPN of strongSwan or libreswan has no
//! interface that a route could lead to.

use mptcp_netlink::xfrm;
pub use mptcp_netlink::xfrm::Changes;
use mptcpize_model::vpn::Policy;

use crate::host::netlink::from_kernel;

/// What leaves encrypted. Nothing where that may not be asked, or the kernel has no IPsec.
pub fn policies() -> Vec<Policy> {
    xfrm::policies().unwrap_or_default().iter().map(from_kernel::policy).collect()
}
