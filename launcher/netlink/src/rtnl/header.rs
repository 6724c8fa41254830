//! The fixed parts of the messages of rtnetlink(7), as far as they are read or written here.
//!
//! Each is read from the beginning of a message and written in front of its attributes. Fields that
//! nobody looks at are left out, and written as 0.

use netlink_packet_core::Emitable;

/// Messages about next-hop objects (include/uapi/linux/rtnetlink.h; not in the libc crate).
pub(crate) const RTM_NEWNEXTHOP: u16 = 104;
pub(crate) const RTM_DELNEXTHOP: u16 = 105;
pub(crate) const RTM_GETNEXTHOP: u16 = 106;

/// `struct ifinfomsg` (include/uapi/linux/rtnetlink.h): 16 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LinkHeader {
    pub(crate) index: u32,
    pub(crate) flags: u32,
    /// Which flags are to change; 0 in what the kernel says.
    pub(crate) change: u32,
}

impl LinkHeader {
    pub(crate) const LENGTH: usize = 16;

    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LENGTH] = message.first_chunk()?;
        Some(LinkHeader {
            index: number(bytes, 4),
            flags: number(bytes, 8),
            change: number(bytes, 12),
        })
    }
}

impl Emitable for LinkHeader {
    fn buffer_len(&self) -> usize {
        Self::LENGTH
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..Self::LENGTH].fill(0);
        buffer[4..8].copy_from_slice(&self.index.to_ne_bytes());
        buffer[8..12].copy_from_slice(&self.flags.to_ne_bytes());
        buffer[12..16].copy_from_slice(&self.change.to_ne_bytes());
    }
}

/// `struct ifaddrmsg` (include/uapi/linux/if_addr.h): 8 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AddressHeader {
    pub(crate) family: u8,
    pub(crate) length: u8,
    pub(crate) flags: u8,
    pub(crate) scope: u8,
    pub(crate) link: u32,
}

impl AddressHeader {
    pub(crate) const LENGTH: usize = 8;

    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LENGTH] = message.first_chunk()?;
        let [family, length, flags, scope, ..] = *bytes;
        Some(AddressHeader { family, length, flags, scope, link: number(bytes, 4) })
    }
}

impl Emitable for AddressHeader {
    fn buffer_len(&self) -> usize {
        Self::LENGTH
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..4].copy_from_slice(&[self.family, self.length, self.flags, self.scope]);
        buffer[4..8].copy_from_slice(&self.link.to_ne_bytes());
    }
}

/// `struct rtmsg` (include/uapi/linux/rtnetlink.h): 12 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RouteHeader {
    pub(crate) family: u8,
    /// Bits of the destination and of the source that count.
    pub(crate) to: u8,
    pub(crate) from: u8,
    pub(crate) tos: u8,
    pub(crate) table: u8,
    pub(crate) protocol: u8,
    pub(crate) scope: u8,
    /// `RTN_*`.
    pub(crate) kind: u8,
    /// `RTM_F_*` and `RTNH_F_*`.
    pub(crate) flags: u32,
}

impl RouteHeader {
    pub(crate) const LENGTH: usize = 12;

    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LENGTH] = message.first_chunk()?;
        let [family, to, from, tos, table, protocol, scope, kind, ..] = *bytes;
        let flags = number(bytes, 8);
        Some(RouteHeader { family, to, from, tos, table, protocol, scope, kind, flags })
    }
}

impl Emitable for RouteHeader {
    fn buffer_len(&self) -> usize {
        Self::LENGTH
    }

    fn emit(&self, buffer: &mut [u8]) {
        let RouteHeader { family, to, from, tos, table, protocol, scope, kind, flags } = *self;
        buffer[..8].copy_from_slice(&[family, to, from, tos, table, protocol, scope, kind]);
        buffer[8..12].copy_from_slice(&flags.to_ne_bytes());
    }
}

/// `struct fib_rule_hdr` (include/uapi/linux/fib_rules.h): 12 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RuleHeader {
    pub(crate) family: u8,
    /// Bits of the destination and of the source that count.
    pub(crate) to: u8,
    pub(crate) from: u8,
    pub(crate) tos: u8,
    pub(crate) table: u8,
    /// `FR_ACT_*`.
    pub(crate) action: u8,
    /// `FIB_RULE_*`.
    pub(crate) flags: u32,
}

impl RuleHeader {
    pub(crate) const LENGTH: usize = 12;

    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LENGTH] = message.first_chunk()?;
        let [family, to, from, tos, table, _, _, action, ..] = *bytes;
        Some(RuleHeader { family, to, from, tos, table, action, flags: number(bytes, 8) })
    }
}

impl Emitable for RuleHeader {
    fn buffer_len(&self) -> usize {
        Self::LENGTH
    }

    fn emit(&self, buffer: &mut [u8]) {
        let RuleHeader { family, to, from, tos, table, action, flags } = *self;
        buffer[..8].copy_from_slice(&[family, to, from, tos, table, 0, 0, action]);
        buffer[8..12].copy_from_slice(&flags.to_ne_bytes());
    }
}

/// `struct nhmsg` (include/uapi/linux/nexthop.h): 8 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NextHopHeader {
    pub(crate) family: u8,
    /// Who made it (`rtm_protocol`).
    pub(crate) protocol: u8,
    /// `RTNH_F_*`.
    pub(crate) flags: u32,
}

impl NextHopHeader {
    pub(crate) const LENGTH: usize = 8;

    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LENGTH] = message.first_chunk()?;
        let [family, _, protocol, ..] = *bytes;
        Some(NextHopHeader { family, protocol, flags: number(bytes, 4) })
    }
}

impl Emitable for NextHopHeader {
    fn buffer_len(&self) -> usize {
        Self::LENGTH
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..4].copy_from_slice(&[self.family, 0, self.protocol, 0]);
        buffer[4..8].copy_from_slice(&self.flags.to_ne_bytes());
    }
}

/// The four bytes at a place within a fixed part.
fn number<const LENGTH: usize>(bytes: &[u8; LENGTH], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
