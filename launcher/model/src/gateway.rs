//! What the launcher tells the relay of a gateway: where to listen, over which uplinks to go out, and
//! how much to take on. The file of `mptcpize-relay gateway --settings`, in JSON.
//!
//! Not here: rules of the packet filter and routes, which are in the rooms below. The relay configures
//! nothing of the host, so it is told nothing of them.

pub mod asked;
pub mod dhcp;
pub mod filter;
pub mod lan;
pub mod made;
pub mod part;
pub mod wanted;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::net::{Family, IfName};
use crate::relay::agent::Terms;

/// Uplinks that the relay tells apart. The kernel's path manager takes eight.
pub const MOST_UPLINKS: usize = 32;

/// All that the relay is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The TCP port at which the packet filter hands connections over: `tproxy ip to 127.0.0.1:PORT`,
    /// `tproxy ip6 to [::1]:PORT`. Addresses of the loopback interface, for nothing that comes over a
    /// link reaches them without the filter.
    pub port: u16,
    /// The interfaces of the LAN. Connections over any other are not taken.
    pub lan: Vec<IfName>,
    /// The uplinks, the preferred one first.
    pub uplinks: Vec<Uplink>,
    /// How much is taken on.
    #[serde(default)]
    pub limits: Limits,
    /// For how long connections live on after the relay was told to end, in seconds.
    #[serde(default = "an_hour")]
    pub drain_s: u32,
    /// Write a line for each connection that ended.
    #[serde(default)]
    pub log: bool,
    /// The relays on rented servers, and what goes through them; nothing: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relays: Option<Terms>,
}

fn an_hour() -> u32 {
    3600
}

/// A link to the internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uplink {
    /// The link.
    pub dev: IfName,
    /// Its addresses; the first of a family is the source of what goes out here. The host has a rule
    /// for each (`from ADDRESS lookup TABLE`).
    pub addresses: Vec<IpAddr>,
    /// Its share of new connections beside the others'.
    #[serde(default = "one")]
    pub weight: u32,
    /// Used only when no other uplink works.
    #[serde(default)]
    pub backup: bool,
}

fn one() -> u32 {
    1
}

impl Uplink {
    /// The source address of what goes out here in a family.
    pub fn source(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| Family::of(*address) == family)
    }
}

crate::settings! {
    /// How much the relay takes on. At a limit new connections are refused and old ones live.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct Limits {
        /// Connections of all clients together.
        pub connections: u32 { default "16384", example "1000" },
        /// Connections of one client address.
        pub per_client: u32 { default "4096", example "500" },
        /// New connections in a second, of all clients together.
        pub handshakes_s: u32 { default "2000", example "100" },
    }
}

impl Default for Limits {
    /// More than a household opens: a browser holds some hundred connections, a client of a file
    /// sharing network some thousand.
    fn default() -> Self {
        Limits { connections: 16_384, per_client: 4_096, handshakes_s: 2_000 }
    }
}

impl Settings {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting.
    pub fn check(&self) -> Result<(), String> {
        let Limits { connections, per_client, handshakes_s } = self.limits;
        if self.port == 0 {
            return Err("port is 0: the packet filter has to know it".to_owned());
        }
        if self.lan.is_empty() {
            return Err("lan names no interface".to_owned());
        }
        if self.uplinks.is_empty() {
            return Err("uplinks names no link".to_owned());
        }
        if self.uplinks.len() > MOST_UPLINKS {
            return Err(format!("uplinks names more than {MOST_UPLINKS} links"));
        }
        if [connections, per_client, handshakes_s].contains(&0) {
            return Err("a limit of 0 takes no connection".to_owned());
        }
        self.relays.iter().try_for_each(Terms::check)?;
        for (place, uplink) in self.uplinks.iter().enumerate() {
            let dev = &uplink.dev;
            if self.lan.contains(dev) {
                return Err(format!("{dev} is of the LAN and an uplink"));
            }
            if self.uplinks.iter().take(place).any(|other| other.dev == *dev) {
                return Err(format!("the uplink {dev} is named twice"));
            }
            if uplink.weight == 0 {
                return Err(format!("the weight of {dev} is 0: leave the uplink out"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str =
        r#"{"port": 7, "lan": ["br0"], "uplinks": [{"dev": "w1", "addresses": []}]}"#;

    fn read(text: &str) -> Result<Settings, String> {
        let settings: Settings = serde_json::from_str(text).map_err(|error| error.to_string())?;
        settings.check().map(|()| settings)
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let settings = read(LEAST).expect("it is enough");
        assert_eq!(settings.limits, Limits::default());
        let weights: Vec<_> = settings.uplinks.iter().map(|one| (one.weight, one.backup)).collect();
        assert_eq!((settings.drain_s, settings.log, weights), (3600, false, vec![(1, false)]));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (old, new, why) in [
            ("7", "0", "port is 0"),
            (r#""br0""#, "", "lan names no interface"),
            (r#""br0""#, r#""w1""#, "w1 is of the LAN and an uplink"),
            (r#"{"dev": "w1", "addresses": []}"#, "", "uplinks names no link"),
            (r#""addresses": []"#, r#""addresses": [], "weight": 0"#, "the weight of w1 is 0"),
            (r#""port""#, r#""limits": {"per_client": 0}, "port""#, "a limit of 0"),
            (r#""port""#, r#""quic": "block", "port""#, "unknown field `quic`"),
        ] {
            let text = LEAST.replacen(old, new, 1);
            let said = read(&text).expect_err(&text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn the_first_address_of_a_family_is_the_source() {
        let addresses = ["fe80::1", "10.1.0.1", "10.1.0.2"].map(|one| one.parse().expect("one"));
        let dev = IfName::new("w1").expect("a name");
        let uplink = Uplink { dev, addresses: addresses.to_vec(), weight: 1, backup: false };
        assert_eq!(uplink.source(Family::V4), Some(addresses[1]));
        assert_eq!(uplink.source(Family::V6), Some(addresses[0]));
    }
}
