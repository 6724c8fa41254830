//! The relays that were stored by `mptcpize relay add`: one file, closed to others, for it holds keys.
//!
//! Root's is /etc/mptcpize-relays.toml, a user's lies below XDG_CONFIG_HOME. What others could have
//! written is refused: a relay that others named sees every byte. Not here: what a relay is (the model's
//! `relay`), and asking one.

use std::fs;
use std::path::Path;

use crate::error::{Error, Exit};
use crate::host::apply::lock;
use crate::host::private_file::{self, user};
use crate::locations::Locations;
use mptcpize_model::nearest::nearest;
use mptcpize_model::relay::agent::{MOST_RELAYS, Relay};
use mptcpize_model::relay::name::Name;
use mptcpize_model::relay::stored::Stored;
use mptcpize_model::relay::url;
use mptcpize_model::shell;

/// Stands for all stored relays where a name could stand.
pub const AUTO: &str = "auto";

/// The longest file that is read: sixteen relays take a tenth of it.
const MOST: u64 = 1 << 16;

/// What a relay is added by, for whoever has none.
pub const ADD: &str = "mptcpize relay add 'ss://…'    # the line that mptcpize relay serve prints";

/// The name of the lock while the file is changed.
const LOCK: &str = "relays";

/// The stored relays of this user; none where no file is.
///
/// # Errors
/// 1: the file is open to others or cannot be read, or has a mistake (2); never with a key in the text.
pub fn load(locations: &Locations) -> Result<Stored, Error> {
    match locations.relays(user()) {
        Some(file) => read(&file),
        None => Ok(Stored::default()),
    }
}

/// The relays that a word of the command line means: an ss:// URL, a stored relay's name, or
/// [`AUTO`] for all that are stored.
///
/// # Errors
/// 2: the URL is none; 5: there is no relay of that name, or none at all; as [`load`].
pub fn resolve(wanted: &str, locations: &Locations) -> Result<Vec<Relay>, Error> {
    if wanted.trim_start().starts_with(url::SCHEME) {
        return of_url(wanted).map(|relay| vec![relay]);
    }
    let stored = load(locations)?;
    if wanted == AUTO {
        return match stored.relays.is_empty() {
            true => Err(Error::new(Exit::Missing, "no relay is stored")
                .why(nowhere(locations))
                .fix(ADD)),
            false => Ok(stored.relays),
        };
    }
    let name = wanted.parse::<Name>().map_err(|why| {
        Error::new(Exit::Usage, format!("{wanted} is no name of a relay and no ss:// URL")).why(why)
    })?;
    match stored.find(&name) {
        Some(relay) => Ok(vec![relay.clone()]),
        None => Err(unknown(&name, &stored, locations)),
    }
}

/// The relay of a URL.
///
/// # Errors
/// 2, with what is wrong about it and without its key.
pub fn of_url(text: &str) -> Result<Relay, Error> {
    url::read(text).map_err(|why| {
        let error = Error::new(Exit::Usage, "this is no ss:// URL of a relay").why(&why);
        error.fix(match why {
            why if why.contains("is no method") || why.contains("plugin") => {
                "use a server of Shadowsocks 2022, such as: sudo mptcpize relay serve"
            }
            _ => "copy the whole line that mptcpize relay serve prints, within single quotes",
        })
    })
}

/// There is no relay of that name.
pub fn unknown(name: &Name, stored: &Stored, locations: &Locations) -> Error {
    let error = Error::new(Exit::Missing, format!("there is no relay {name}"));
    let names: Vec<_> = stored.relays.iter().map(|relay| relay.name.as_str()).collect();
    match names.is_empty() {
        true => error.why(nowhere(locations)).fix(ADD),
        false => {
            let near = nearest(name.as_str(), names.iter().copied());
            let near = match near.as_slice() {
                [] => String::new(),
                near => format!("; the nearest is {}", near.join(" or ")),
            };
            error.why(format!("stored are: {}{near}", names.join(", "))).fix("mptcpize relay list")
        }
    }
}

fn nowhere(locations: &Locations) -> String {
    let others = user() != 0 && locations.relays(0).is_some_and(|file| file.exists());
    match (locations.relays(user()), others) {
        (Some(file), false) => format!("{} has none", file.display()),
        (Some(file), true) => {
            format!("{} has none; those of root are for sudo mptcpize", file.display())
        }
        (None, _) => "HOME and XDG_CONFIG_HOME name no directory".to_owned(),
    }
}

/// Changes the stored relays: nobody else does meanwhile, and readers see the old file or the new one.
///
/// # Errors
/// As [`load`]; 4 or 1 where it cannot be written; and those of `change`, which leave the file as it is.
pub fn change<T>(
    locations: &Locations,
    change: impl FnOnce(&mut Stored) -> Result<T, Error>,
) -> Result<T, Error> {
    let file = locations.relays(user()).ok_or_else(|| {
        Error::new(Exit::Missing, "there is no place to store a relay")
            .why("HOME and XDG_CONFIG_HOME name no directory")
            .fix("export HOME=/home/NAME")
    })?;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let locks = match user() {
        0 => locations.run(),
        _ => directory.to_owned(),
    };
    if user() != 0 {
        private_file::make_directory(directory)?;
    }
    let _lock = lock::take(&locks, LOCK, lock::PATIENCE, |_| {})?;
    let mut stored = read(&file)?;
    let outcome = change(&mut stored)?;
    write(&file, &stored)?;
    Ok(outcome)
}

fn read(file: &Path) -> Result<Stored, Error> {
    let Some(text) = private_file::read(file, MOST)? else { return Ok(Stored::default()) };
    understood(&text).map_err(|why| {
        Error::new(Exit::Usage, format!("{} has a mistake", file.display())).why(why).fix(format!(
            "correct {}, or remove it and add the relays again",
            shell::word(file.display())
        ))
    })
}

/// What the text says. A mistake is told with its line alone: the reader's own words quote the text, and
/// that has keys in it.
fn understood(text: &str) -> Result<Stored, String> {
    let stored: Stored = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("line {line}: {}", without_values(error.message()))
    })?;
    if stored.relays.len() > MOST_RELAYS {
        return Err(format!("it has more than {MOST_RELAYS} relays"));
    }
    for relay in &stored.relays {
        relay.check().map_err(|why| format!("relay {}: {why}", relay.name))?;
    }
    Ok(stored)
}

/// A message without what it quotes.
fn without_values(message: &str) -> String {
    let parts: Vec<&str> = message.split('"').step_by(2).collect();
    parts.join("\"…\"")
}

/// Writes the file; without a relay there is none. One that is a link stays, for somebody made it.
fn write(file: &Path, stored: &Stored) -> Result<(), Error> {
    if stored.relays.is_empty() && fs::symlink_metadata(file).is_ok_and(|found| found.is_file()) {
        return private_file::remove(file);
    }
    private_file::write(file, &toml::to_string(stored).expect("plain data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[relay]]\nname = \"home\"\nhost = \"192.0.2.1\"\nport = 8686\n\
                       method = \"2022-blake3-aes-128-gcm\"\nkeys = [\"AAECAwQFBgcICQoLDA0ODw==\"]\n";

    #[test]
    fn what_is_written_is_what_is_read() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let file = place.path().join("relays.toml");
        let stored = understood(ONE).expect("it has no mistake");
        write(&file, &stored).expect("it is ours");
        assert_eq!(read(&file).expect("it is closed"), stored);
        assert_eq!(fs::read_to_string(&file).expect("it is ours").trim(), ONE.trim());
    }

    #[test]
    fn a_mistake_is_told_by_its_line_and_no_key_with_it() {
        for (from, to, line) in [
            ("keys = [", "kyes = [", 6),
            ("[\"AAECAwQFBgcICQoLDA0ODw==\"]", "\"AAECAwQFBgcICQoLDA0ODw==\"", 6),
            ("ODw==\"]", "ODw\"]", 6),
            ("name = \"home\"", "name = \"AAECAwQFBgcICQoLDA0ODw==\"", 2),
            ("2022-blake3-aes-128-gcm", "aes-128-gcm", 5),
            ("8686", "99999", 4),
        ] {
            let said = understood(&ONE.replace(from, to)).expect_err(to);
            assert!(said.starts_with(&format!("line {line}: ")), "{to}: {said}");
            assert!(!said.contains("AAECAw"), "{said}");
        }
        let twice = understood(&ONE.replace("ODw==\"]", "\"]")).expect_err("it is short");
        assert!(!twice.contains("AAECAw"), "{twice}");
    }
}
