//! Has nftables any table in this network namespace (netlink `NETLINK_NETFILTER`,
//! include/uapi/linux/netfilter/nf_tables.h)? Where it has none there are no rules to read, and no program is
//! needed that reads them. Those of iptables-nft(8) are tables of nftables too.

use netlink_packet_core::Emitable;

use crate::error::KernelError;
use crate::exchange::Exchange;

/// The protocol (include/uapi/linux/netlink.h).
const NETLINK_NETFILTER: isize = 12;

/// `NFT_MSG_GETTABLE` of the subsystem `NFNL_SUBSYS_NFTABLES`.
const GET_TABLE: u16 = 10 << 8 | 1;

/// `struct nfgenmsg` without a word: tables of all families.
struct All;

impl Emitable for All {
    fn buffer_len(&self) -> usize {
        4
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..4].fill(0);
    }
}

/// Is there a table of nftables?
///
/// # Errors
/// No `CAP_NET_ADMIN` (`EPERM`), or a kernel without nftables (`EPROTONOSUPPORT`, `EINVAL`, `EOPNOTSUPP`).
pub fn has_tables() -> Result<bool, KernelError> {
    let tables: Vec<()> = Exchange::open(NETLINK_NETFILTER)?.dump(GET_TABLE, &All, |_, list| {
        list.push(());
    })?;
    Ok(!tables.is_empty())
}
