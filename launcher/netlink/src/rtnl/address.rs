//! Addresses of links.

use std::net::IpAddr;

use crate::network::Family;

/// An address of a link (`RTM_NEWADDR`, include/uapi/linux/if_addr.h).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Address {
    /// The index of the link that has it.
    pub link: u32,
    /// The local address (`IFA_LOCAL`).
    pub address: IpAddr,
    /// Bits of the connected network, or of the peer's on a point-to-point link.
    pub length: u8,
    /// The other end of a point-to-point address (`IFA_ADDRESS`, where that differs).
    pub peer: Option<IpAddr>,
    /// How far it is known (`RT_SCOPE_*`): 0 global, 253 link, 254 host.
    pub scope: u8,
    /// `IFA_F_*`, raw.
    pub flags: u32,
    /// Who made it (`IFA_PROTO`, Linux 5.18); 0 where that is not said. An older kernel ignores
    /// what is written.
    pub protocol: u8,
}

impl Address {
    /// An address of global scope on the link with this index. `length` are the bits of its
    /// network: 0 to 32 or 0 to 128.
    pub fn new(link: u32, address: impl Into<IpAddr>, length: u8) -> Self {
        let address = address.into();
        Address { link, address, length, peer: None, scope: 0, flags: 0, protocol: 0 }
    }

    /// Gives it a scope (`RT_SCOPE_*`); without this 0, global.
    #[must_use]
    pub fn scope(mut self, scope: u8) -> Self {
        self.scope = scope;
        self
    }

    /// Names the other end of a point-to-point address.
    #[must_use]
    pub fn peer(mut self, peer: impl Into<IpAddr>) -> Self {
        self.peer = Some(peer.into());
        self
    }

    /// Leaves out duplicate address detection (`IFA_F_NODAD`, IPv6).
    #[must_use]
    pub fn without_detection(mut self) -> Self {
        self.flags |= libc::IFA_F_NODAD;
        self
    }

    /// Says who made it (`IFA_PROTO`).
    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = protocol;
        self
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Is it of `scope global`?
    pub fn is_global(&self) -> bool {
        self.scope == libc::RT_SCOPE_UNIVERSE
    }

    /// Is its preferred lifetime over, so that it is for old connections only?
    pub fn is_deprecated(&self) -> bool {
        self.has(libc::IFA_F_DEPRECATED)
    }

    /// May it not be used yet, because duplicate address detection has not ended, or at all,
    /// because that has failed? An optimistic address (RFC 4429) may be used while it is checked.
    pub fn is_tentative(&self) -> bool {
        self.has(libc::IFA_F_DADFAILED)
            || self.has(libc::IFA_F_TENTATIVE) && !self.has(libc::IFA_F_OPTIMISTIC)
    }

    /// Is it a privacy address that will be replaced (RFC 8981)?
    pub fn is_temporary(&self) -> bool {
        // One bit, with a meaning in each family.
        Family::of(self.address) == Family::V6 && self.has(libc::IFA_F_TEMPORARY)
    }

    /// Is it a further address of a network that the link is on already (IPv4)?
    pub fn is_secondary(&self) -> bool {
        Family::of(self.address) == Family::V4 && self.has(libc::IFA_F_SECONDARY)
    }
}
