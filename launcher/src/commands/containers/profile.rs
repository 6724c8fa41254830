//! The seccomp profile on the host: made from the engine's own, and removed.

use std::path::Path;

use crate::commands::system::file_change::{self, cannot};
use crate::commands::units::Site;
use crate::error::{Error, Exit};
use crate::host::apply::files;
use crate::host::observe::selinux;
use crate::inject::seccomp::profile;
use crate::inject::seccomp::refused::Refused;
use mptcpize_model::file_change::FileChange;
use mptcpize_model::shell;

/// The profile.
pub(super) const FILE: &str = profile::FILE;

/// The profile as it shall be.
///
/// # Errors
/// 1: another file has its name; 2: it is meant for an image; 5: no engine has a profile of its own here, or
/// nothing can be made of it, or SELinux is on.
pub(super) fn plan(site: &Site) -> Result<FileChange, Error> {
    if !site.root().is_host() {
        return Err(Error::new(Exit::Usage, "an image gets no seccomp profile")
            .why("without the service that answers its calls no container with it would start")
            .fix("sudo mptcpize enable --containers --via seccomp    # on the host itself"));
    }
    if selinux::is_on() {
        return Err(Error::new(Exit::Missing, "containers cannot be supervised here")
            .why("SELinux is on, and would not let a container use the sockets that another makes")
            .fix("sudo mptcpize enable --containers    # by the library, which is not held up"));
    }
    let change = read(site)?;
    let found = profile::DEFAULTS
        .iter()
        .find_map(|path| Some((path, site.root().read(Path::new(path)).ok()?)));
    let Some((path, text)) = found else {
        return Err(Error::new(Exit::Missing, "there is no seccomp profile to begin with")
            .why(format!(
                "none of {} is there; Docker's is a part of its program",
                profile::DEFAULTS.join(", ")
            ))
            .fix("sudo apt-get install podman    # brings its own"));
    };
    let socket = site.locations.runtimes().display().to_string();
    let made = match text.len() > profile::MOST {
        true => Err("it is too long".to_owned()),
        false => {
            profile::with_supervisor(&String::from_utf8_lossy(&text), &socket, &Refused::ask())
        }
    };
    let after = made.map_err(|why| {
        Error::new(Exit::Missing, format!("cannot make a profile from {path}"))
            .why(why)
            .fix("sudo mptcpize enable --containers    # by the library, without a profile")
    })?;
    Ok(FileChange { after: Some(after.into_bytes()), ..change })
}

/// Looks at the file; it shall stay as it is, so far.
///
/// # Errors
/// It cannot be read, or is not ours.
pub(super) fn read(site: &Site) -> Result<FileChange, Error> {
    let change = file_change::read(site.root(), FILE.into(), "the seccomp profile for containers")?;
    let socket = site.locations.runtimes().display().to_string();
    let is_ours = |text: &Vec<u8>| profile::is_ours(&String::from_utf8_lossy(text), &socket);
    if change.before.as_ref().is_some_and(|text| !is_ours(text)) {
        let shown = site.root().shown(Path::new(FILE));
        let aside = format!("{}.bak", shown.display());
        return Err(Error::new(Exit::Failed, format!("{} is not from mptcpize", shown.display()))
            .why("its calls do not come to our service (listenerPath)")
            .fix(format!(
                "sudo mv {} {}",
                shell::operand(shown.display()),
                shell::operand(aside)
            )));
    }
    Ok(change)
}

/// Makes the change, and removes what a run that was killed left beside the file.
///
/// # Errors
/// The file cannot be written, and is as it was.
pub(super) fn apply(site: &Site, change: &FileChange) -> Result<(), Error> {
    let path = Path::new(FILE);
    files::sweep(site.root(), path)
        .map_err(|error| cannot("write", &site.root().shown(path), &error))?;
    if change.is_needed() { file_change::apply(site.root(), change) } else { Ok(()) }
}
