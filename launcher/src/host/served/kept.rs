//! The file of the relay that this host is: /var/lib/mptcpize/relay/server.json, of an ordinary user below
//! XDG_DATA_HOME. Not below /etc: the relay makes it itself, and nobody has to edit it.
//!
//! It holds keys: its directory is nobody else's to write, and the file nobody else's to read.

use std::path::{Path, PathBuf};

use serde_json::error::Category;

use crate::error::{Error, Exit};
use crate::host::apply::lock;
use crate::host::private_file::{self, user};
use crate::locations::Locations;
use mptcpize_model::relay::served::Served;
use mptcpize_model::shell;

/// The name of the file.
const NAME: &str = "server.json";

/// The name of the lock while it is changed.
const LOCK: &str = "server";

/// The longest file that is read: 1,024 users take a quarter of it.
const MOST: u64 = 1 << 20;

/// Where things of the relay are for this user.
#[derive(Clone, Debug)]
pub struct Kept {
    directory: PathBuf,
}

impl Kept {
    /// Finds the place of this user's.
    ///
    /// # Errors
    /// 5 for a user without a home.
    pub fn of(locations: &Locations) -> Result<Self, Error> {
        let directory = locations.served(user()).ok_or_else(|| {
            Error::new(Exit::Missing, "there is no place to keep the key of a relay")
                .why("HOME and XDG_DATA_HOME name no directory")
                .fix("export HOME=/home/NAME")
        })?;
        Ok(Kept { directory })
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    /// Reads it; nothing where there is none yet.
    ///
    /// # Errors
    /// 1: others could have written or read it; 2: it has a mistake; 4: it may not be read.
    pub fn load(&self) -> Result<Option<Served>, Error> {
        let file = self.file();
        // Before it, for a user who may not enter is told so and not that there is none.
        let Some(text) = private_file::read(&file, MOST)? else { return Ok(None) };
        lock::check(&self.directory)?;
        understood(&text).map(Some).map_err(|why| mistaken(&file, why))
    }

    /// Changes it, or makes it: nobody else does meanwhile, and readers see the old one or the new one.
    ///
    /// # Errors
    /// As [`Kept::load`]; it cannot be written; and those of `change`, which leave it as it is.
    pub fn change<T>(
        &self,
        change: impl FnOnce(&mut Option<Served>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _lock = lock::take(&self.directory, LOCK, lock::PATIENCE, |_| {})?;
        let before = self.load()?;
        let mut after = before.clone();
        let outcome = change(&mut after)?;
        if let Some(served) = after.filter(|after| before.as_ref() != Some(after)) {
            served
                .check()
                .map_err(|why| Error::new(Exit::Usage, "a relay cannot be served so").why(why))?;
            private_file::write(&self.file(), &text(&served))?;
        }
        Ok(outcome)
    }
}

fn mistaken(file: &Path, why: String) -> Error {
    let word = shell::word(file.display());
    Error::new(Exit::Usage, format!("{} has a mistake", file.display())).why(why).fix(format!(
        "correct {word}, or move it away: the next start makes another key, and all clients need it"
    ))
}

/// What the text says. A mistake is told by its place, without what stands there, which may be a key.
fn understood(text: &str) -> Result<Served, String> {
    let served: Served = serde_json::from_str(text).map_err(|error| {
        let kind = match error.classify() {
            Category::Data => "a setting is missing, unknown or has no such value",
            _ => "it is no JSON",
        };
        format!("line {}, column {}: {kind}", error.line(), error.column())
    })?;
    served.check()?;
    Ok(served)
}

fn text(served: &Served) -> String {
    let mut text = serde_json::to_string_pretty(served).expect("plain data");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use mptcpize_model::relay::key::{Key, Method};

    fn served() -> Served {
        Served::new(8686, Method::Aes128, Key::new(vec![7; 16]))
    }

    #[test]
    fn a_mistake_is_told_by_its_place_and_without_a_key() {
        let text = text(&served());
        let key = Key::new(vec![7; 16]).base64();
        for (from, to) in [
            ("\"key\"", "\"kye\""),
            ("\"port\": 8686", "\"port\": 99999"),
            (key.as_str(), &key[1..]),
            ("2022-blake3-aes-128-gcm", &key),
            ("\n}", "\n"),
        ] {
            let said = understood(&text.replacen(from, to, 1)).expect_err(to);
            assert!(said.starts_with("line "), "{to}: {said}");
            assert!(!said.contains(&key[2..]), "{said}");
        }
        let short = understood(&text.replace(&key, "BwcH")).expect_err("3 bytes");
        assert_eq!(short, "the key has 3 bytes, 2022-blake3-aes-128-gcm takes 16");
        let newer = understood(&text.replace("\"version\": 1", "\"version\": 2"));
        assert_eq!(newer, Err("it has the form 2, known here is 1".to_owned()));
    }

    #[test]
    fn it_is_closed_to_others_and_its_directory_is_nobody_elses() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let kept = Kept { directory: place.path().join("relay") };
        assert_eq!(kept.load().expect("there is none"), None);
        let make = |kept: &Kept| {
            kept.change(|there| {
                there.get_or_insert_with(served).address = Some("relay.example".to_owned());
                Ok(())
            })
        };
        make(&kept).expect("it is ours");
        let mode = fs::metadata(kept.file()).expect("it is there").mode() & 0o7777;
        assert_eq!(mode, 0o600);
        let read = kept.load().expect("it is closed").expect("it is there");
        assert_eq!(read.address.as_deref(), Some("relay.example"));
        let open = |mode| fs::set_permissions(&kept.directory, fs::Permissions::from_mode(mode));
        open(0o777).expect("it is ours");
        for said in [kept.load().map(drop), make(&kept)] {
            let said = said.expect_err("others could have put it there").to_string();
            assert!(said.contains("others can write to it (mode 777)"), "{said}");
        }
        open(0o755).expect("it is ours");
        fs::set_permissions(kept.file(), fs::Permissions::from_mode(0o640)).expect("it is ours");
        assert!(kept.load().expect_err("others read it").to_string().contains("chmod 600"));
    }
}
