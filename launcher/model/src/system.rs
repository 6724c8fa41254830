//! What the administrator asked for every program of the host: `[system]` in /etc/mptcpize.toml.

mod standing;

pub use standing::Standing;

use serde::{Deserialize, Serialize};

/// How every program of the host gets the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemMechanism {
    /// By `/etc/ld.so.preload`.
    Preload,
    /// By the environment of services, sessions and log-ins.
    Environment,
}

crate::settings! {
    /// The settings of `enable --system`.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct System {
        /// Programs that are left alone: whole paths, or names (of scripts too).
        pub exclude_programs: Vec<String> { default "[]", example "[\"/usr/sbin/bird\", \"vsftpd\"]" },
        /// Users whose programs are left alone, by name or number.
        pub exclude_users: Vec<String> { default "[]", example "[\"postgres\"]" },
        /// Units of systemd that are left alone.
        pub exclude_units: Vec<String> { default "[]", example "[\"chrony.service\"]" },
    }
}

/// A user of the host, from passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The number.
    pub id: u32,
}

/// The users in the text of passwd(5); lines that are none are passed over.
pub fn users(passwd: &str) -> Vec<User> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let id = fields.nth(1)?.parse().ok()?;
        Some(User { name, id })
    };
    passwd.lines().filter_map(user).collect()
}

impl System {
    /// The settings as the library reads them, `NAME=value` each (`shim/src/system.rs`).
    ///
    /// # Errors
    /// A clause that names the entry: a user that is not there, or an entry with a colon.
    pub fn settings(&self, users: &[User]) -> Result<Vec<String>, String> {
        let mut numbers = Vec::new();
        for wanted in &self.exclude_users {
            let known = users.iter().find(|user| user.name == *wanted).map(|user| user.id);
            let id = known.or_else(|| wanted.parse().ok());
            let id = id.ok_or_else(|| format!("exclude_users: there is no user {wanted:?}"))?;
            // The library writes its own number as a signed one, to compare.
            numbers.push(id.cast_signed().to_string());
        }
        let lists = [
            ("MPTCPIZE_NOT_PROGRAMS", "exclude_programs", &self.exclude_programs),
            ("MPTCPIZE_NOT_USERS", "exclude_users", &numbers),
            ("MPTCPIZE_NOT_UNITS", "exclude_units", &self.exclude_units),
        ];
        let mut settings = Vec::new();
        for (name, key, entries) in lists {
            let bad = |entry: &&String| entry.is_empty() || entry.contains([':', '\0', '\n']);
            if let Some(entry) = entries.iter().find(bad) {
                return Err(format!("{key}: {entry:?} is empty, or has a colon or line feed"));
            }
            if !entries.is_empty() {
                settings.push(format!("{name}={}", entries.join(":")));
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lists_of_what_is_left_alone() {
        let users = users("root:x:0:0:root:/root:/bin/sh\nbroken\npostgres:x:105:110::/:/bin/sh\n");
        let list = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect();
        let system = System {
            exclude_programs: list(&["vsftpd", "/usr/sbin/bird"]),
            exclude_users: list(&["postgres", "1000"]),
            exclude_units: list(&[]),
        };
        let wanted = ["MPTCPIZE_NOT_PROGRAMS=vsftpd:/usr/sbin/bird", "MPTCPIZE_NOT_USERS=105:1000"];
        assert_eq!(system.settings(&users).expect("good"), wanted);
        assert!(System::default().settings(&users).expect("good").is_empty());
        for (programs, user) in [(&["a:b"][..], &[][..]), (&[""], &[]), (&[], &["nobody-here"])] {
            let system = System {
                exclude_programs: list(programs),
                exclude_users: list(user),
                ..System::default()
            };
            assert!(system.settings(&users).is_err(), "{system:?}");
        }
    }
}
