//! What the server end of a relay is told: the file of `mptcpize-relay server --settings`, in JSON.
//! It holds keys: mode 0600.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::key::{Key, Method};
use super::name::Name;

/// The port where nothing else is asked for: 8686, after RFC 8684 and two ends.
pub const PORT: u16 = 8686;

/// Users that a server tells apart.
pub const MOST_USERS: usize = 1_024;

/// All that the server is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The TCP port, of every address of both families, unless sockets are handed over (`LISTEN_FDS`).
    pub port: u16,
    /// How it encrypts.
    pub method: Method,
    /// The key of the server. Without users whoever has it may use the relay; with users it opens
    /// nothing alone, and stands before each user's own in their URLs (SIP023).
    pub key: Key,
    /// Those who may use it by keys of their own.
    #[serde(default)]
    pub users: Vec<User>,
    /// Connect to private, loopback, link-local addresses and those of this host too.
    #[serde(default)]
    pub allow_private: bool,
    /// How much is taken on.
    #[serde(default)]
    pub limits: Limits,
    /// Where bytes are counted by user from one start to the next; nowhere without.
    #[serde(default)]
    pub counts: Option<PathBuf>,
    /// For how long connections live on after it was told to end, in seconds.
    #[serde(default = "ten_minutes")]
    pub drain_s: u32,
    /// Write a line for each connection that ended.
    #[serde(default)]
    pub log: bool,
}

fn ten_minutes() -> u32 {
    600
}

/// One who may use the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// What it is called in counts and logs.
    pub name: Name,
    /// Its key.
    pub key: Key,
    /// What it may take.
    #[serde(default)]
    pub limits: UserLimits,
}

/// What one user may take; nothing said is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserLimits {
    /// Connections at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Bytes both ways in a calendar month (UTC); connections end when it is used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month_bytes: Option<u64>,
    /// Both ways together, in megabits a second (10^6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_mbit: Option<u32>,
}

/// How much is taken on. At a limit what is new is turned away and what is there lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Authenticated connections of all users together.
    pub connections: u32,
    /// Connections of one address (of a /64 in IPv6) that have not authenticated yet.
    pub strangers_per_address: u32,
    /// Those of all addresses together; beyond it the oldest one goes.
    pub strangers: u32,
    /// How long one may take to authenticate, in seconds.
    pub handshake_s: u32,
}

impl Default for Limits {
    /// For a household or a small office behind one address.
    fn default() -> Self {
        Limits {
            connections: 16_384,
            strangers_per_address: 256,
            strangers: 2_048,
            handshake_s: 30,
        }
    }
}

impl Settings {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting.
    pub fn check(&self) -> Result<(), String> {
        self.key.check(self.method)?;
        let Limits { connections, strangers_per_address, strangers, handshake_s } = self.limits;
        if [connections, strangers_per_address, strangers, handshake_s].contains(&0) {
            return Err("a limit of 0 takes no connection".to_owned());
        }
        if !self.users.is_empty() && !self.method.has_users() {
            return Err(format!("{} has no keys of users", self.method));
        }
        if self.users.len() > MOST_USERS {
            return Err(format!("there are more than {MOST_USERS} users"));
        }
        for (place, user) in self.users.iter().enumerate() {
            user.key.check(self.method).map_err(|why| format!("user {}: {why}", user.name))?;
            let mut before = self.users.iter().take(place);
            if before.clone().any(|other| other.name == user.name) {
                return Err(format!("the user {} is named twice", user.name));
            }
            if user.key == self.key || before.any(|other| other.key == user.key) {
                return Err(format!("the key of the user {} is not its own", user.name));
            }
        }
        Ok(())
    }
}
