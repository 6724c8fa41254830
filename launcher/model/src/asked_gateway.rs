//! Gateways that settings name and that are in no network of their link: packets to them would wait for an
//! answer that nobody gives.

use std::net::IpAddr;

use crate::HostState;
use crate::config::Config;
use crate::net::{IfName, Prefix};

/// A gateway that its link does not reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside<'a> {
    /// The link.
    pub link: &'a IfName,
    /// What the settings name.
    pub gateway: IpAddr,
    /// The networks of the link, of the gateway's family.
    pub networks: Vec<Prefix>,
}

impl Outside<'_> {
    /// What is the case, as a clause.
    pub fn what(&self) -> String {
        format!("the gateway {} is not in a network of {}", self.gateway, self.link)
    }

    /// Why, as a clause.
    pub fn why(&self) -> String {
        let all: Vec<String> = self.networks.iter().map(Prefix::to_string).collect();
        format!("{} has {}", self.link, all.join(", "))
    }
}

/// Those of the settings that no network of their link contains, in the order of the links. Of a link without an
/// address of that family nothing is known.
pub fn outside<'a>(state: &HostState, config: &'a Config) -> Vec<Outside<'a>> {
    let all = config.gateway.iter().map(|(link, gateway)| {
        let of_link = state.addresses.iter().filter(|one| one.dev == *link);
        let networks = of_link
            .filter(|one| one.address.is_ipv4() == gateway.is_ipv4())
            .map(|one| one.network())
            .collect();
        Outside { link, gateway: *gateway, networks }
    });
    all.filter(|one| !may_reach(&one.networks, one.gateway)).collect()
}

/// Is a gateway where one of these networks, or the link itself, has it?
fn may_reach(networks: &[Prefix], gateway: IpAddr) -> bool {
    let is_on_link = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
    // A modem with a /32 has every gateway outside its network.
    let says_nothing = networks.iter().all(|network| network.length >= 31);
    is_on_link || says_nothing || networks.iter().any(|network| network.contains(gateway))
}
