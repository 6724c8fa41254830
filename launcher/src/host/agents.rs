//! Asking the agents of relays what they do: the agent of the whole host, and those of programs under
//! `run --relay`, each at a socket in a directory of its own.
//!
//! A user asks its own agents, and finds those of root silent to it. Directories that others could have
//! made are passed over; what an agent says is bounded in size and time. Not here: what is made of it
//! (the model's `status::relays`).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::reason;
use crate::host::relay;
use crate::locations::Locations;
use mptcpize_model::relay::status::Agent;
use mptcpize_model::status::relays::{Asked, HOST, Heard, PROGRAM, checked};

/// How long all agents together may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// More programs than this are not asked.
const MOST: usize = 64;

/// Asks all agents of network namespace `netns`.
pub fn ask(locations: &Locations, netns: u64) -> Vec<Asked> {
    let user = rustix::process::geteuid().as_raw();
    let until = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    let mut places: Vec<_> = [0, user].iter().filter_map(|it| locations.agents(*it)).collect();
    places.dedup();
    for place in places {
        if !is_ours(&place, user) {
            continue;
        }
        let mut names: Vec<String> = fs::read_dir(&place)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_agent(name) && is_ours(&place.join(name), user))
            .collect();
        // That of the host first, for it has most.
        names.sort_by_key(|name| (name != HOST, name.clone()));
        names.truncate(MOST);
        for agent in names {
            let heard = one(&place.join(&agent).join("state"), &agent, netns, until);
            all.extend(heard.map(|heard| Asked { agent, heard }));
        }
    }
    all
}

fn is_agent(name: &str) -> bool {
    let number = name.strip_prefix(PROGRAM);
    let digits =
        |text: &str| (1..=10).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    name == HOST || number.is_some_and(digits)
}

/// Did root or this user make a directory that nobody else can write to?
fn is_ours(directory: &Path, user: u32) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|found| {
        found.is_dir() && [0, user].contains(&found.uid()) && found.mode() & 0o022 == 0
    })
}

/// Asks one. Nothing where it is of another namespace, or a program's that has ended.
fn one(socket: &Path, agent: &str, netns: u64, until: Instant) -> Option<Heard> {
    let silent = |why: String| Some(Heard::Silent(why));
    let text = match relay::told_by(socket, until) {
        Ok(text) => text,
        Err(error) => {
            return match error.raw_os_error() {
                Some(libc::EACCES | libc::EPERM) => Some(Heard::Hidden),
                Some(libc::ENOENT) => None,
                Some(libc::ECONNREFUSED) if agent != HOST => None,
                Some(libc::ECONNREFUSED) => silent("nobody listens at its socket".to_owned()),
                Some(libc::ETIMEDOUT) => silent("it does not answer in a second".to_owned()),
                _ => silent(reason(&error)),
            };
        }
    };
    // To whoever may not know it says nothing.
    if text.is_empty() {
        return Some(Heard::Hidden);
    }
    match understood(&text) {
        Ok(state) if state.netns == netns => Some(Heard::State(Box::new(state))),
        Ok(_) => None,
        Err(why) => silent(format!("its answer is not understood: {why}")),
    }
}

fn understood(text: &[u8]) -> Result<Agent, String> {
    checked(serde_json::from_slice(text).map_err(|error| error.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_known_by_their_names() {
        for (name, expected) in [
            ("host", true),
            ("run-1", true),
            ("run-4194304", true),
            ("run-", false),
            ("run-1a", false),
            ("run-12345678901", false),
            ("journal", false),
            ("\u{1b}[2J", false),
        ] {
            assert_eq!(is_agent(name), expected, "{name}");
        }
    }
}
