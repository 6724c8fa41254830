//! How our routes and rules are known again: by their protocol, and by the numbers of their tables.
//! The kernel keeps an owner for nothing else.

/// `rtm_protocol` and `FRA_PROTOCOL` of all that we make, so that it is found again and nothing
/// else is taken for ours. 86 as in RFC 8684; not in /etc/iproute2/rt_protos and unused by the
/// daemons listed in include/uapi/linux/rtnetlink.h.
pub const PROTOCOL: u8 = 86;

/// `rtm_protocol` and `FRA_PROTOCOL` of what `mptcpize gateway` makes beside the set-up: another number,
/// so that a set-up does not take it for its own that is no longer right, nor its undo.
pub const GATEWAY: u8 = 87;

/// The first of our tables, one a link: 8684 after the RFC, far from the small numbers that people
/// and distributions pick, from wg-quick's 51820 and from systemd's and NetworkManager's, which
/// derive theirs from the interface index. A number in use is passed over.
pub const FIRST_TABLE: u32 = 8684;

/// Is this route or rule one of ours?
pub fn is_ours(protocol: u8) -> bool {
    protocol == PROTOCOL
}
