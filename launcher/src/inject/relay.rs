//! Where the relay lies: beside this program, or where a package puts it. Never by PATH, and never a file
//! that somebody else could change: root executes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::library::{Refusal, closed_to_others, safe_above};
use crate::error::{Error, Exit};
use crate::locations::Locations;
use mptcpize_model::shell;

/// The name of the program.
const NAME: &str = "mptcpize-relay";

/// What puts it where it is found, whoever installed mptcpize and where.
const INSTALL: &str = "cargo build --release -p mptcpize-relay && sudo install -D -m755 \
                       target/release/mptcpize-relay /usr/local/libexec/mptcpize/mptcpize-relay";

/// Why a place was not taken, and what mends that where a file is there.
#[derive(Debug)]
struct Refused {
    why: String,
    fix: Option<String>,
}

/// Finds it.
///
/// # Errors
/// 5 where there is none that may be executed, with every place that was tried and what was wrong there.
pub fn find(locations: &Locations) -> Result<PathBuf, Error> {
    let own = std::env::current_exe().ok();
    let mut refusals = Vec::new();
    let mut fix = None;
    for place in places(own.as_deref(), locations) {
        match look(&place) {
            Ok(file) => return Ok(file),
            Err(Refused { why, fix: of_place }) => {
                refusals.push(format!("{}: {why}", place.display()));
                fix = fix.or(of_place);
            }
        }
    }
    Err(Error::new(Exit::Missing, format!("there is no {NAME} that may be executed"))
        .why(refusals.join("\n       "))
        .fix(fix.unwrap_or_else(|| INSTALL.to_owned())))
}

/// Where it may be, best first: beside this program, where a package puts it in the tree that this program was
/// installed into, as Nix and Guix give each package one, and in those that every host has.
fn places(own: Option<&Path>, locations: &Locations) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    if let Some(directory) = own.and_then(Path::parent) {
        all.push(directory.join(NAME));
        let prefix = directory.parent().filter(|_| directory.ends_with("bin"));
        all.extend(prefix.into_iter().flat_map(|prefix| {
            ["libexec", "lib"].map(|below| prefix.join(below).join("mptcpize").join(NAME))
        }));
    }
    let installed = locations.installed_relays();
    let new = installed.into_iter().filter(|place| !all.contains(place)).collect::<Vec<_>>();
    all.extend(new);
    all
}

/// The file behind all links, if only this user or root could have put it there.
fn look(place: &Path) -> Result<PathBuf, Refused> {
    let user = rustix::process::geteuid().as_raw();
    let plain = |why: String| Refused { why, fix: None };
    let unseen = |error| plain(crate::error::reason(&error));
    let file = fs::canonicalize(place).map_err(unseen)?;
    let found = fs::metadata(&file).map_err(unseen)?;
    let (true, Some(directory)) = (found.is_file(), file.parent()) else {
        return Err(plain("it is no program".to_owned()));
    };
    if found.permissions().mode() & 0o111 == 0 {
        let fix = Some(format!("sudo chmod 755 {}", word(&file)));
        return Err(Refused { why: "it is no program".to_owned(), fix });
    }
    if !closed_to_others(&file, &found, user) {
        return Err(Refused {
            why: "others can write to it".to_owned(),
            fix: Some(closing(&file)),
        });
    }
    safe_above(directory, user).map_err(|refusal| Refused {
        fix: match &refusal {
            Refusal::Shared(above) => Some(closing(above)),
            _ => None,
        },
        why: refusal.to_string(),
    })?;
    Ok(file)
}

/// What lets root alone write to something: by its mode, or where that says so already, by its owner.
fn closing(path: &Path) -> String {
    let shared = fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o022 != 0);
    format!("sudo {} {}", if shared { "chmod go-w" } else { "chown root:" }, word(path))
}

fn word(path: &Path) -> String {
    shell::word(path.display().to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_in_the_tree_of_this_program_first() {
        let locations = Locations::from_env(|_| None);
        let all = |own: &str| -> Vec<String> {
            let places = places(Some(Path::new(own)), &locations);
            places.iter().map(|place| place.display().to_string()).collect()
        };
        let store = all("/nix/store/abc-mptcpize/bin/mptcpize");
        assert_eq!(
            store[..3],
            [
                "/nix/store/abc-mptcpize/bin/mptcpize-relay",
                "/nix/store/abc-mptcpize/libexec/mptcpize/mptcpize-relay",
                "/nix/store/abc-mptcpize/lib/mptcpize/mptcpize-relay",
            ]
        );
        assert!(store.contains(&"/usr/libexec/mptcpize/mptcpize-relay".to_owned()));
        let usual = all("/usr/bin/mptcpize");
        let libexec = "/usr/libexec/mptcpize/mptcpize-relay";
        assert_eq!(usual.iter().filter(|place| *place == libexec).count(), 1, "{usual:?}");
        assert_eq!(
            all("/build/target/debug/mptcpize").len(),
            1 + locations.installed_relays().len()
        );
    }

    #[test]
    fn what_is_wrong_with_a_place_is_mended_by_a_line_of_its_own() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let directory = fs::canonicalize(scratch.path()).expect("it is there").join("bin");
        fs::create_dir(&directory).expect("it is ours");
        let file = directory.join(NAME);
        assert!(look(&file).expect_err("it is not there").fix.is_none());
        fs::write(&file, "").expect("it is ours");
        let (path, above) = (file.display(), directory.display());
        for (of_file, of_directory, fix) in [
            (0o644, 0o755, format!("sudo chmod 755 {path}")),
            (0o777, 0o755, format!("sudo chmod go-w {path}")),
            (0o755, 0o777, format!("sudo chmod go-w {above}")),
        ] {
            for (path, mode) in [(&file, of_file), (&directory, of_directory)] {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
            }
            let said = look(&file).expect_err("it is refused");
            assert_eq!(said.fix.as_deref(), Some(fix.as_str()), "{said:?}");
        }
    }
}
