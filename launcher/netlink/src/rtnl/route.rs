//! Unicast routes and their metrics.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::network::{Family, Prefix};

/// The main routing table (`RT_TABLE_MAIN`).
pub const MAIN: u32 = 254;

/// The metric of an IPv6 route that was added without one (`IP6_RT_PRIO_USER`,
/// include/net/ip6_fib.h).
pub const METRIC_V6: u32 = 1024;

/// The metric (`RTAX_CC_ALGO`) whose value is a text: the congestion control.
pub const CONGESTION_CONTROL: u16 = 16;

/// A unicast route with one next hop (`RTM_NEWROUTE`, rtnetlink(7)). A multipath route is told as
/// one of these for each of its next hops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Route {
    /// Its table; [`MAIN`] is 254.
    pub table: u32,
    /// IPv4 or IPv6.
    pub family: Family,
    /// The destinations; `None` is a default route.
    pub to: Option<Prefix>,
    /// The sources that it is for (source-specific routes of IPv6); `None` is all. Never written.
    pub from: Option<Prefix>,
    /// The gateway; none on connected networks and point-to-point links. A gateway of IPv6 for a
    /// route of IPv4 is `RTA_VIA`.
    pub via: Option<IpAddr>,
    /// The index of the link that packets leave by.
    pub link: u32,
    /// The source address that the kernel gives to packets without one (`RTA_PREFSRC`).
    pub src: Option<IpAddr>,
    /// The metric; lower is better. 0 is none, which the kernel makes [`METRIC_V6`] for IPv6.
    pub metric: u32,
    /// Who made it (`rtm_protocol`, /etc/iproute2/rt_protos): 2 kernel, 3 boot, 4 static, 16 DHCP.
    pub protocol: u8,
    /// The gateway is taken to be on the link even where no network says so (`RTNH_F_ONLINK`).
    pub onlink: bool,
    /// Its scope (`RT_SCOPE_*`, IPv4), where that is not what `ip route` chooses: global (0) with a
    /// gateway, link (253) without.
    pub scope: Option<u8>,
    /// What TCP is told of the way (`RTA_METRICS`), by the kernel's number (`RTAX_*`).
    pub metrics: BTreeMap<u16, Metric>,
    /// Packets get another header on the way (`RTA_ENCAP`: MPLS, SRv6 …). Never written.
    pub encapsulated: bool,
}

/// The value of a route's metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Metric {
    /// Bytes, segments or milliseconds, as the kernel has them.
    Number(u32),
    /// The name of a congestion control ([`CONGESTION_CONTROL`]).
    Text(String),
}

impl Route {
    /// A default route of the main table, out of the link with this index, made by `static` (4).
    pub fn new(family: Family, link: u32) -> Self {
        Route {
            table: MAIN,
            family,
            to: None,
            from: None,
            via: None,
            link,
            src: None,
            metric: 0,
            protocol: libc::RTPROT_STATIC,
            onlink: false,
            scope: None,
            metrics: BTreeMap::new(),
            encapsulated: false,
        }
    }

    /// Puts it into another table than main.
    #[must_use]
    pub fn table(mut self, table: u32) -> Self {
        self.table = table;
        self
    }

    /// Gives it destinations; without this it is a default route.
    #[must_use]
    pub fn to(mut self, to: Prefix) -> Self {
        self.to = Some(to);
        self
    }

    /// Gives it a gateway.
    #[must_use]
    pub fn via(mut self, gateway: impl Into<IpAddr>) -> Self {
        self.via = Some(gateway.into());
        self
    }

    /// Takes the gateway to be on the link even where no network says so.
    #[must_use]
    pub fn onlink(mut self) -> Self {
        self.onlink = true;
        self
    }

    /// Suggests a source address.
    #[must_use]
    pub fn src(mut self, source: impl Into<IpAddr>) -> Self {
        self.src = Some(source.into());
        self
    }

    /// Gives it a metric; lower is better.
    #[must_use]
    pub fn metric(mut self, metric: u32) -> Self {
        self.metric = metric;
        self
    }

    /// Says who made it (`rtm_protocol`).
    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = protocol;
        self
    }
}
