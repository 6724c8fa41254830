//! What a gateway is asked: the options of `mptcpize gateway`, and the section `[gateway]` of
//! /etc/mptcpize.toml with the same names.
//!
//! Not here: gateways of links without a default route, which are in that section too, by link
//! ([`Config`](crate::config::Config)).

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Limits;
use crate::net::{Family, IfName, Prefix};
use crate::relay::name::Name;
use crate::socket_policy::Ports;

crate::settings! {
    /// The settings of a gateway.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct Asked {
        /// The interfaces of the LAN.
        #[serde(deserialize_with = "names")]
        pub lan: Vec<IfName> { default "none: they are asked for", example "[\"br0\"]" },
        /// Addresses that the one LAN interface gets while the gateway runs, with their networks.
        pub lan_address: Vec<Prefix> { default "[]", example "[\"192.168.77.1/24\"]" },
        /// Give addresses and names to the LAN, by dnsmasq(8).
        pub dhcp: bool { default "false", example "true" },
        /// What is done with QUIC (UDP to port 443), which no kernel bonds: it passes over one uplink, or it
        /// is refused, so that browsers take TCP, which is bonded.
        pub quic: Quic { default "\"pass\"", example "\"block\"" },
        /// The shares of uplinks in new connections to servers without MPTCP.
        pub weights: BTreeMap<IfName, u32> {
            links "The share of this uplink.", default "1", examples [("wwan0", "1"), ("eth1", "5")]
        },
        /// How much the relay takes on. At a limit new connections are refused and old ones live.
        pub limits: Limits { section },
        /// Write a line for each connection that ended.
        pub log: bool { default "false", example "true" },
        /// Networks to which the relay gets nothing: what goes there is forwarded.
        pub except_net: Vec<Prefix> { default "[]", example "[\"192.0.2.0/24\"]" },
        /// Ports to which it gets nothing.
        pub except_ports: Vec<Ports> { default "[]", example "[22, \"6881-6889\"]" },
        /// Clients of which it gets nothing.
        pub except_clients: Vec<Prefix> { default "[]", example "[\"192.168.77.9\"]" },
        /// The relay on a rented server through which the LAN goes: the name of a stored one, or auto for
        /// the fastest of all. What goes through it is said in the section `[relay]`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub relay: Option<Name> { default "none: servers are reached directly", example "\"home\"" },
    }
}

crate::kind! {
    Quic: "\"pass\" or \"block\"",
}

/// Reads a list of links; whoever writes one without brackets is shown them.
fn names<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<IfName>, D::Error> {
    struct Names;
    impl<'a> Visitor<'a> for Names {
        type Value = Vec<IfName>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence such as [\"br0\"]")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(name) = list.next_element()? {
                all.push(name);
            }
            Ok(all)
        }
    }
    from.deserialize_seq(Names)
}

/// What is done with QUIC (UDP to port 443), which is not bonded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quic {
    /// It passes over one uplink, as all other UDP.
    #[default]
    Pass,
    /// It is refused, so that browsers take TCP, which is bonded.
    Block,
}

/// What is forwarded and translated without the relay, in the words of the settings of sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bypass {
    /// To these networks.
    pub except_net: Vec<Prefix>,
    /// To these ports.
    pub except_ports: Vec<Ports>,
    /// From these addresses of the LAN.
    pub except_clients: Vec<Prefix>,
}

impl Asked {
    /// What the relay does not get.
    pub fn bypass(&self) -> Bypass {
        Bypass {
            except_net: self.except_net.clone(),
            except_ports: self.except_ports.clone(),
            except_clients: self.except_clients.clone(),
        }
    }

    /// These settings, where they say something, over those of the file.
    #[must_use]
    pub fn over(self, file: Asked) -> Asked {
        fn either<T: PartialEq>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
            let all = if first.is_empty() { second } else { first };
            let mut once: Vec<T> = Vec::new();
            for one in all {
                if !once.contains(&one) {
                    once.push(one);
                }
            }
            once
        }
        Asked {
            lan: either(self.lan, file.lan),
            lan_address: either(self.lan_address, file.lan_address),
            dhcp: self.dhcp || file.dhcp,
            quic: if self.quic == Quic::default() { file.quic } else { self.quic },
            relay: self.relay.or(file.relay),
            ..file
        }
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting.
    pub fn check(&self) -> Result<(), String> {
        if let Some((dev, _)) = self.weights.iter().find(|(_, weight)| **weight == 0) {
            return Err(format!("the weight of {dev} is 0: leave the uplink out (exclude)"));
        }
        let Limits { connections, per_client, handshakes_s } = self.limits;
        if [connections, per_client, handshakes_s].contains(&0) {
            return Err("a limit of 0 takes no connection".to_owned());
        }
        self.lan_address.iter().try_for_each(usable)
    }
}

/// Can a host have this address in this network?
fn usable(address: &Prefix) -> Result<(), String> {
    let Prefix { address: own, length } = *address;
    let bits = Family::of(own).bits();
    let network = Prefix::network(own, length);
    let special = match own {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_multicast(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_multicast(),
    };
    if length + 2 > bits {
        return Err(format!("lan_address {address} has no network, as in {own}/{}", bits - 8));
    }
    match special || network.address == own {
        true => Err(format!("lan_address {address} is no address of a host")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_lan_is_one_of_a_host_with_a_network() {
        for (text, good) in [
            ("192.168.77.1/24", true),
            ("fd77::1/64", true),
            ("192.168.77.1", false),
            ("192.168.77.0/24", false),
            ("127.0.0.1/8", false),
            ("fe80::1/64", false),
        ] {
            let asked =
                Asked { lan_address: vec![text.parse().expect("a prefix")], ..Asked::default() };
            assert_eq!(asked.check().is_ok(), good, "{text}: {:?}", asked.check());
        }
    }

    #[test]
    fn the_command_line_counts_before_the_file() {
        let named = |name: &str| vec![IfName::new(name).expect("a name")];
        let file = Asked { lan: named("br0"), quic: Quic::Block, ..Asked::default() };
        let both = Asked { lan: named("br1"), ..Asked::default() }.over(file.clone());
        assert_eq!((both.lan, both.quic), (named("br1"), Quic::Block));
        assert_eq!(Asked::default().over(file.clone()), file);
        let twice = Asked { lan: [named("br0"), named("br0")].concat(), ..Asked::default() };
        assert_eq!(twice.over(Asked::default()).lan, named("br0"));
    }
}
