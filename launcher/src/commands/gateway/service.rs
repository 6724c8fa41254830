//! `gateway --enable` and `--disable`: the gateway as a service that starts with the host.
//!
//! Where a package has the unit, options of the command line go into a drop-in of it; elsewhere the
//! unit is written. Both are ours by their names, and go with `--disable`.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::cli::gateway::{Gateway, Settings};
use crate::commands::gateway::pass::Pass;
use crate::commands::gateway::terms::Terms;
use crate::error::{Error, Exit, reason};
use crate::host::apply::files;
use crate::host::gateway::place;
use crate::host::process::privilege;
use crate::host::systemd::systemctl::Systemctl;
use crate::locations::Locations;
use crate::output;
use crate::root::Root;
use mptcpize_model::unit::file::{literal, quoted};
use mptcpize_model::{phrase, shell};

/// The unit.
pub const UNIT: &str = "mptcpize-gateway.service";

/// What the package installs, and what is written where none did.
const TEXT: &str = include_str!("mptcpize-gateway.service");

/// What `ExecStart=` says in it.
const COMMAND: &str = "/usr/bin/mptcpize gateway";

/// The system's own service manager.
const SYSTEM: Systemctl = Systemctl { user: false };

/// Starts it now and at each boot.
///
/// # Errors
/// The host cannot be a gateway with these settings; there is no systemd (5); the service does not start,
/// and then everything is as before.
pub fn enable(arguments: &Gateway, locations: &Locations) -> anyhow::Result<Exit> {
    if arguments.place.netns.is_some() {
        return Err(Error::new(Exit::Usage, "a service has no --netns")
            .why("it runs in the network namespace of the host")
            .fix("mptcpize gateway --netns …    # without --enable")
            .into());
    }
    if !is_booted() {
        let here = shell_command(&arguments.settings)?;
        return Err(no_systemd(&format!("{here}    # runs here until it is ended")).into());
    }
    SYSTEM.version()?;
    // What is wrong is told here, and not in the service's log.
    let terms = Terms::read(&arguments.settings, locations)?;
    let mut pass = Pass::open(locations)?;
    let look = pass.look(&terms)?;
    pass.check(&look)?;
    let root = Root::host()?;
    let place = Place::of(locations);
    let before = [&place.unit, &place.drop_in].map(|path| files::read(&root, path).ok().flatten());
    place.write(&root, &command(&arguments.settings)?)?;
    let started =
        SYSTEM.reload().and_then(|()| SYSTEM.enable(UNIT)).and_then(|()| SYSTEM.start_anew(UNIT));
    if let Err(error) = started {
        let _ = SYSTEM.disable(UNIT);
        for (path, bytes) in [&place.unit, &place.drop_in].into_iter().zip(before) {
            let _ = match bytes {
                Some(bytes) => files::write(&root, path, &bytes),
                None => files::remove(&root, path).map(drop),
            };
        }
        place.tidy(&root);
        let _ = SYSTEM.reload();
        return Err(error
            .fix(format!("journalctl -u {UNIT}    # says more; nothing is enabled"))
            .into());
    }
    output::line(&format!(
        "{UNIT} runs, now and at each boot: TCP of {} goes over {}    (end it: sudo mptcpize gateway \
         --disable)",
        phrase::list(&terms.asked.lan),
        phrase::list(&look.links())
    ))?;
    Ok(Exit::Done)
}

/// Ends it, and lets it not start again.
///
/// # Errors
/// 5 without systemd, 4 without privilege.
pub fn disable(locations: &Locations) -> anyhow::Result<Exit> {
    if !is_booted() {
        let end = place::running(locations);
        let end = end.unwrap_or_else(|| "sudo mptcpize gateway undo".to_owned());
        return Err(no_systemd(&format!("{end}    # ends what there is of a gateway")).into());
    }
    let root = Root::host()?;
    let place = Place::of(locations);
    SYSTEM.disable(UNIT)?;
    for path in [&place.unit, &place.drop_in] {
        if path == &place.drop_in || !place.packaged {
            files::remove(&root, path).map_err(|error| unwritten(path, &error))?;
        }
    }
    place.tidy(&root);
    SYSTEM.reload()?;
    output::line(&format!("{UNIT} has ended, and does not start again"))?;
    Ok(Exit::Done)
}

/// Did systemd start this host (sd_booted(3))?
fn is_booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn no_systemd(fix: &str) -> Error {
    Error::new(Exit::Missing, "no systemd runs here, which a service needs")
        .why("/run/systemd/system is not there")
        .fix(fix)
}

/// Where the files of the service are.
struct Place {
    unit: PathBuf,
    drop_in: PathBuf,
    /// A package has the unit.
    packaged: bool,
}

impl Place {
    fn of(locations: &Locations) -> Self {
        let units = locations.unit_places(false);
        let vendor = units.as_ref().map(|units| units.vendor.as_slice()).unwrap_or_default();
        let own = Path::new("/etc/systemd/system");
        Place {
            unit: own.join(UNIT),
            drop_in: own.join(format!("{UNIT}.d")).join("mptcpize.conf"),
            packaged: vendor.iter().any(|directory| directory.join(UNIT).exists()),
        }
    }

    fn write(&self, root: &Rc<Root>, command: &str) -> Result<(), Error> {
        let write = |path: &Path, text: &str| {
            files::make_directory(root, path.parent().unwrap_or(path))
                .and_then(|_| files::write(root, path, text.as_bytes()))
                .map_err(|error| unwritten(path, &error))
        };
        if !self.packaged {
            return write(&self.unit, &TEXT.replace(COMMAND, command));
        }
        if command == COMMAND {
            return files::remove(root, &self.drop_in)
                .map(drop)
                .map_err(|error| unwritten(&self.drop_in, &error));
        }
        let text = format!(
            "# Options of mptcpize gateway --enable; --disable removes this file.\n\
             [Service]\nExecStart=\nExecStart={command}\n"
        );
        write(&self.drop_in, &text)
    }

    fn tidy(&self, root: &Rc<Root>) {
        if let Some(directory) = self.drop_in.parent() {
            files::remove_if_empty(root, directory);
        }
    }
}

/// The service's command line.
fn command(settings: &Settings) -> Result<String, Error> {
    Ok(words(settings)?.iter().map(|word| escaped(word)).collect::<Vec<_>>().join(" "))
}

/// The same for a shell.
fn shell_command(settings: &Settings) -> Result<String, Error> {
    let words = words(settings)?;
    let words: Vec<_> = words.iter().map(shell::word).collect();
    Ok(format!("sudo {}", words.join(" ")))
}

fn words(settings: &Settings) -> Result<Vec<String>, Error> {
    let own = std::env::current_exe().map_err(|error| {
        Error::new(Exit::Failed, "cannot tell where this program lies").why(reason(&error))
    })?;
    let mut words = vec![own.display().to_string(), "gateway".to_owned()];
    let mut option = |name: &str, value: String| {
        if !value.is_empty() {
            words.push(format!("--{name}={value}"));
        }
    };
    let joined = |all: Vec<String>| all.join(",");
    let asked = settings.asked();
    option("lan", joined(asked.lan.iter().map(ToString::to_string).collect()));
    option("lan-address", joined(asked.lan_address.iter().map(ToString::to_string).collect()));
    option("quic", settings.quic.map(|quic| quic.word().to_owned()).unwrap_or_default());
    option(
        "config",
        settings.config.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
    );
    if settings.dhcp {
        words.push("--dhcp".to_owned());
    }
    Ok(words)
}

/// A word of `ExecStart=`, where specifiers and variables are resolved (systemd.service(5)).
fn escaped(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.,:=".contains(&byte);
    match word.bytes().all(plain) {
        true => word.to_owned(),
        false => quoted(&literal(word).replace('$', "$$")),
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    let what = format!("cannot write {}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::new(Exit::NotPermitted, what).why(reason(error)).fix(privilege::advice())
        }
        _ => Error::new(Exit::Failed, what)
            .why(reason(error))
            .fix("mptcpize gateway    # without a service"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_of_the_service_is_that_of_the_caller() {
        assert!(TEXT.contains(&format!("ExecStart={COMMAND}\n")));
        let settings = Settings {
            lan: vec![mptcpize_model::net::IfName::new("br0").expect("a name")],
            dhcp: true,
            ..Settings::default()
        };
        let text = command(&settings).expect("there is one");
        assert!(text.ends_with(" gateway --lan=br0 --dhcp"), "{text}");
    }
}
