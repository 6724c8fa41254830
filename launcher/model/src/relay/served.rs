//! The relay that this host is, as it is kept from one start to the next: what its process is told, and
//! what the lines for its clients need. In JSON, in a file of mode 0600, for it holds keys.

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::agent::Relay;
use super::key::{Key, Method};
use super::name::Name;
use super::server::{Settings, User};
use super::url;

/// The form that is written and read.
pub const VERSION: u32 = 1;

/// What a relay is called whose host has no name that could stand in a URL.
const NAMELESS: &str = "relay";

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// [`VERSION`].
    pub version: u32,
    /// The name or address by which clients reach this host, where somebody said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the process is told.
    pub settings: Settings,
}

impl Served {
    /// Of a first start.
    pub fn new(port: u16, method: Method, key: Key) -> Self {
        let settings = Settings {
            port,
            method,
            key,
            users: vec![],
            allow_private: false,
            limits: super::server::Limits::default(),
            counts: None,
            drain_s: 0,
            log: false,
        };
        Served { version: VERSION, address: None, settings }
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting.
    pub fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("it has the form {}, known here is {VERSION}", self.version));
        }
        self.settings.check()?;
        self.address.as_deref().map_or(Ok(()), check_address)
    }

    /// The user of that name.
    pub fn user(&self, name: &Name) -> Option<&User> {
        self.settings.users.iter().find(|user| user.name == *name)
    }

    /// The relay as a client knows it that reaches this host by `host`: one with the key of this user, or
    /// where there are no users, with the server's.
    pub fn known(&self, name: Name, host: &str, user: Option<&User>) -> Relay {
        let Settings { port, method, ref key, .. } = self.settings;
        let keys = std::iter::once(key).chain(user.map(|user| &user.key)).cloned().collect();
        Relay { name, host: host.to_owned(), port, method, keys }
    }
}

/// The name of a relay on a host of this name.
///
/// # Panics
/// Never: the stand-in is a name.
pub fn name_of(host: &str) -> Name {
    let first = host.split('.').next().unwrap_or_default();
    let sound: String =
        first.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(32).collect();
    let sound = sound.trim_start_matches(['-', '_']);
    sound.parse().unwrap_or_else(|_| NAMELESS.parse().expect("it is one"))
}

/// Can this stand in a URL as the host?
///
/// # Errors
/// A clause.
pub fn check_address(host: &str) -> Result<(), String> {
    let key = Key::new(vec![0; Method::Aes128.key_length()]);
    let name = NAMELESS.parse()?;
    let (port, method) = (super::server::PORT, Method::Aes128);
    let relay = Relay { name, host: host.to_owned(), port, method, keys: vec![key] };
    let sound = !host.contains(':') || host.parse::<Ipv6Addr>().is_ok();
    match url::read(&url::write(&relay)) {
        Ok(same) if same.host == host && sound => Ok(()),
        _ => Err(format!("{host:?} is no host name and no address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Served {
        Served::new(8686, Method::Aes128, Key::new(vec![7; 16]))
    }

    #[test]
    fn a_client_has_the_key_of_the_server_and_that_of_its_user() {
        let kept = served();
        let user = User {
            name: "alice".parse().expect("a name"),
            key: Key::new(vec![8; 16]),
            limits: Default::default(),
        };
        let name = || "vps".parse().expect("a name");
        assert_eq!(kept.known(name(), "h", None).keys.len(), 1);
        let line = url::write(&kept.known(name(), "2001:db8::1", Some(&user)));
        let read = url::read(&line).expect("it is one");
        assert_eq!(read.keys, [kept.settings.key, user.key]);
        assert_eq!(read.host, "2001:db8::1");
    }

    #[test]
    fn a_host_gives_its_relay_the_first_part_of_its_name() {
        for (host, name) in [
            ("vps1.example.org", "vps1"),
            ("-x", "x"),
            ("", "relay"),
            ("(none)", "none"),
            ("é", "relay"),
            (&"a".repeat(64), &"a".repeat(32)),
        ] {
            assert_eq!(name_of(host).as_str(), name, "{host}");
        }
    }

    #[test]
    fn an_address_is_what_can_stand_in_a_url() {
        for good in ["relay.example", "192.0.2.1", "2001:db8::1", "vps-1", "xn--bcher-kva.example"]
        {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a/b", "[::1]", "a@b", "a#b", "h:8686", "é.example", "a\nb", "$(id)"]
        {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }
}
