//! Network interfaces.

/// A network interface (`RTM_NEWLINK`, rtnetlink(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Link {
    /// Its number in this network namespace, from 1. It is not given again as long as others are
    /// free, but a link that is made anew has another.
    pub index: u32,
    /// Its name, at most 15 bytes. It may change at any time.
    pub name: String,
    /// `IFF_*` (include/uapi/linux/if.h), raw.
    pub flags: u32,
    /// The kind of a virtual link (`IFLA_INFO_KIND`): `bridge`, `veth`, `wireguard` …
    pub kind: Option<String>,
    /// The index of the bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// The index of the link of this namespace that it lies over (`IFLA_LINK`): that of a VLAN or
    /// a macvlan. None where the lower link is in another namespace.
    pub lower: Option<u32>,
}

impl Link {
    fn has(&self, flag: libc::c_int) -> bool {
        self.flags & flag.unsigned_abs() != 0
    }

    /// Has the administrator switched it on (`IFF_UP`)?
    pub fn is_up(&self) -> bool {
        self.has(libc::IFF_UP)
    }

    /// Has it a carrier (`IFF_LOWER_UP`)?
    pub fn has_carrier(&self) -> bool {
        self.has(libc::IFF_LOWER_UP)
    }

    /// Is it a loopback link (`IFF_LOOPBACK`)?
    pub fn is_loopback(&self) -> bool {
        self.has(libc::IFF_LOOPBACK)
    }

    /// Is it point to point (`IFF_POINTOPOINT`): ppp, a TUN device, many modems?
    pub fn is_point_to_point(&self) -> bool {
        self.has(libc::IFF_POINTOPOINT)
    }
}
