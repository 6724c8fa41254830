//! The relay that this host is for others, as `status` shows it: from what its server said when it was asked.
//!
//! The server has no privileges and talks to strangers, so its lists are bounded and its reasons are words.
//! Not here: how this host's own connections go ([`relays`](super::relays)).

use serde::{Deserialize, Serialize};

use crate::relay::server::MOST_USERS;
use crate::relay::status::{Server, VERSION};
use crate::status::Seen;

/// Reasons to turn somebody away that are told apart, with their clauses.
const REASONS: [(&str, &str); 8] = [
    ("key", "with a wrong key, or no Shadowsocks at all"),
    ("clock", "with a clock that is more than 30 s off"),
    ("replay", "that had come before (a replay)"),
    ("slow", "too slow to say who they are"),
    ("crowd", "in a crowd of strangers"),
    ("private", "to a private address or one of this host"),
    ("limit", "beyond a limit"),
    ("unreachable", "to where nothing answered"),
];

/// Clocks that are told.
const MOST_CLOCKS: usize = 16;

/// What came of asking the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// None was ever started here, or it has ended.
    #[default]
    Nothing,
    /// Only root is answered.
    Hidden,
    /// It does not answer, as a clause that says why.
    Silent(String),
    /// Its state.
    State(Box<Server>),
}

/// The relay on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Served {
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// It did not tell because of who asked, which is no fault.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// What it said.
    #[serde(flatten)]
    pub told: Option<Server>,
}

/// Takes what a server said, as far as a server says it.
///
/// # Errors
/// A clause.
pub fn checked(mut server: Server) -> Result<Server, String> {
    if server.version != VERSION {
        return Err(format!("it speaks version {}, not {VERSION}", server.version));
    }
    let named = |name: &str| name.is_empty() || name.parse::<crate::relay::name::Name>().is_ok();
    server.users.retain(|name, _| named(name));
    while server.users.len() > MOST_USERS {
        server.users.pop_last();
    }
    server.refused.retain(|reason, _| REASONS.iter().any(|(known, _)| known == reason));
    server.clocks.truncate(MOST_CLOCKS);
    Ok(server)
}

/// What is shown of it.
pub fn served(seen: &Seen) -> Option<Served> {
    let quiet = |why, hidden| Some(Served { why, hidden, told: None });
    match &seen.served {
        Heard::Nothing => None,
        Heard::Hidden => quiet(None, true),
        Heard::Silent(why) => quiet(Some(why.clone()), false),
        Heard::State(state) => {
            Some(Served { why: None, hidden: false, told: Some((**state).clone()) })
        }
    }
}

/// What was turned away, with why, in the order of [`REASONS`].
pub fn refusals(told: &Server) -> Vec<(u64, &'static str)> {
    let count = |reason| told.refused.get(reason).copied().filter(|count| *count > 0);
    REASONS.iter().filter_map(|(reason, clause)| Some((count(*reason)?, *clause))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::relay::status::UserState;

    fn hostile() -> Server {
        let name = |number: u32| (format!("user{number:05}"), UserState::default());
        let mut users: BTreeMap<_, _> = (0..5_000).map(name).collect();
        users.insert("\x1b[2J".to_owned(), UserState::default());
        let refused = [("key", 7), ("limit", 0), ("\x1b[2J", 9)];
        Server {
            version: VERSION,
            users,
            refused: refused.map(|(reason, count)| (reason.to_owned(), count)).into(),
            clocks: vec![(std::net::Ipv4Addr::LOCALHOST.into(), -40); 99],
            ..Server::default()
        }
    }

    #[test]
    fn an_answer_is_taken_as_far_as_a_server_says_such_a_thing() {
        let told = checked(hostile()).expect("it speaks our version");
        assert_eq!((told.users.len(), told.clocks.len()), (MOST_USERS, MOST_CLOCKS));
        assert!(told.users.keys().all(|name| name.starts_with("user")));
        assert_eq!(refusals(&told), [(7, "with a wrong key, or no Shadowsocks at all")]);
        assert!(checked(Server { version: 9, ..Server::default() }).is_err());
    }
}
