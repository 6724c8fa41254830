//! A verb as a service that starts with the host (`--enable`, `--disable`).
//!
//! Where a package has the unit, options of the command line go into a drop-in of it; elsewhere the
//! unit is written. Both are ours by their names, and go with `--disable`.
//!
//! Not here: which unit, and what is checked before (each verb's own `service`).

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Error, Exit, reason};
use crate::host::apply::files;
use crate::host::process::privilege;
use crate::host::systemd::systemctl::Systemctl;
use crate::locations::Locations;
use crate::root::Root;
use mptcpize_model::shell;
use mptcpize_model::unit::file::{literal, quoted};

/// The system's own service manager.
const SYSTEM: Systemctl = Systemctl { user: false };

/// A unit of ours.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name.
    pub unit: &'static str,
    /// What the package installs, and what is written where none did.
    pub text: &'static str,
    /// What `ExecStart=` says in it.
    pub command: &'static str,
    /// The verb that does the same without a service.
    pub verb: &'static str,
}

impl Service {
    /// Starts it now and at each boot, by this command line (as [`command`] writes it).
    ///
    /// # Errors
    /// It cannot be written, or does not start; then everything is as before.
    pub fn enable(&self, locations: &Locations, command: &str) -> Result<(), Error> {
        SYSTEM.version()?;
        let root = Root::host()?;
        let place = Place::of(self, locations);
        let before =
            [&place.unit, &place.drop_in].map(|path| files::read(&root, path).ok().flatten());
        self.write(&place, &root, command)?;
        let started = SYSTEM
            .reload()
            .and_then(|()| SYSTEM.enable(self.unit))
            .and_then(|()| SYSTEM.start_anew(self.unit));
        let Err(error) = started else { return Ok(()) };
        let _ = SYSTEM.disable(self.unit);
        for (path, bytes) in [&place.unit, &place.drop_in].into_iter().zip(before) {
            let _ = match bytes {
                Some(bytes) => files::write(&root, path, &bytes),
                None => files::remove(&root, path).map(drop),
            };
        }
        place.tidy(&root);
        let _ = SYSTEM.reload();
        Err(error.fix(format!("journalctl -u {}    # says more; nothing is enabled", self.unit)))
    }

    /// Ends it, and lets it not start again.
    ///
    /// # Errors
    /// 4 without privilege.
    pub fn disable(&self, locations: &Locations) -> Result<(), Error> {
        let root = Root::host()?;
        let place = Place::of(self, locations);
        SYSTEM.disable(self.unit)?;
        for path in [&place.unit, &place.drop_in] {
            if path == &place.drop_in || !place.packaged {
                files::remove(&root, path).map_err(|error| self.unwritten(path, &error))?;
            }
        }
        place.tidy(&root);
        SYSTEM.reload()
    }

    fn write(&self, place: &Place, root: &Rc<Root>, command: &str) -> Result<(), Error> {
        let write = |path: &Path, text: &str| {
            files::make_directory(root, path.parent().unwrap_or(path))
                .and_then(|_| files::write(root, path, text.as_bytes()))
                .map_err(|error| self.unwritten(path, &error))
        };
        if !place.packaged {
            return write(&place.unit, &self.text.replace(self.command, command));
        }
        if command == self.command {
            return files::remove(root, &place.drop_in)
                .map(drop)
                .map_err(|error| self.unwritten(&place.drop_in, &error));
        }
        let text = format!(
            "# Options of {} --enable; --disable removes this file.\n\
             [Service]\nExecStart=\nExecStart={command}\n",
            self.verb
        );
        write(&place.drop_in, &text)
    }

    fn unwritten(&self, path: &Path, error: &io::Error) -> Error {
        let what = format!("cannot write {}", path.display());
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                Error::new(Exit::NotPermitted, what).why(reason(error)).fix(privilege::advice())
            }
            _ => Error::new(Exit::Failed, what)
                .why(reason(error))
                .fix(format!("{}    # without a service", self.verb)),
        }
    }
}

/// Did systemd start this host (sd_booted(3))?
///
/// # Errors
/// 5 where it did not; `fix` is what can be done without.
pub fn check_systemd(fix: impl FnOnce() -> String) -> Result<(), Error> {
    if Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    Err(Error::new(Exit::Missing, "no systemd runs here, which a service needs")
        .why("/run/systemd/system is not there")
        .fix(fix()))
}

/// Where the files of a service are.
struct Place {
    unit: PathBuf,
    drop_in: PathBuf,
    /// A package has the unit.
    packaged: bool,
}

impl Place {
    fn of(service: &Service, locations: &Locations) -> Self {
        let units = locations.unit_places(false);
        let vendor = units.as_ref().map(|units| units.vendor.as_slice()).unwrap_or_default();
        let own = Path::new("/etc/systemd/system");
        Place {
            unit: own.join(service.unit),
            drop_in: own.join(format!("{}.d", service.unit)).join("mptcpize.conf"),
            packaged: vendor.iter().any(|directory| directory.join(service.unit).exists()),
        }
    }

    fn tidy(&self, root: &Rc<Root>) {
        if let Some(directory) = self.drop_in.parent() {
            files::remove_if_empty(root, directory);
        }
    }
}

/// This program with these arguments, as words.
///
/// # Errors
/// It cannot be told where this program lies.
pub fn words(arguments: Vec<String>) -> Result<Vec<String>, Error> {
    let own = std::env::current_exe().map_err(|error| {
        Error::new(Exit::Failed, "cannot tell where this program lies").why(reason(&error))
    })?;
    Ok(std::iter::once(own.display().to_string()).chain(arguments).collect())
}

/// Words as `ExecStart=` takes them, where specifiers and variables are resolved (systemd.service(5)).
pub fn command(words: &[String]) -> String {
    words.iter().map(|word| escaped(word)).collect::<Vec<_>>().join(" ")
}

/// The same for the shell of a user.
pub fn shell_command(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(shell::word).collect();
    format!("sudo {}", words.join(" "))
}

fn escaped(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.,:=".contains(&byte);
    match word.bytes().all(plain) {
        true => word.to_owned(),
        false => quoted(&literal(word).replace('$', "$$")),
    }
}
