//! `mptcpize enable --system` and `disable --system`: every program of the host.
//!
//! The order keeps the host bootable wherever it stops: the library is on the medium before
//! anything names it, nothing names it before the self-test has passed, and the names go before
//! the library does, which stays for those that name it still (`commands::system::leftovers`). What
//! stops half-way is finished by the next run of either.

pub mod file_change;
mod file_changes;
mod image;
mod leftovers;
mod libraries;
mod names;
mod roots;
pub mod state;
mod trial;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::cli::unit::{Disable, Enable, Via};
use crate::commands::setup::settings;
use crate::commands::system::file_change::cannot;
use crate::commands::system::file_changes::{Files, carry_out};
use crate::commands::system::image::{Image, alone, find};
use crate::commands::system::leftovers::Leftovers;
use crate::commands::system::libraries::{directories, installed};
use crate::commands::system::trial::Candidate;
use crate::error::{Error, Exit};
use crate::host::apply::files;
use crate::host::observe::kernel::MptcpSocket;
use crate::host::observe::pam;
use crate::inject::library::system_copy;
use crate::locations::Locations;
use crate::output::{self, system as screen};
use crate::root;
use mptcpize_model::config::Config;
use mptcpize_model::socket_policy::{Loopback, Sockets, VARIABLE};
use mptcpize_model::system::{self, System};
use mptcpize_model::unit::UnitName;

/// Switches MPTCP on for every program.
///
/// # Errors
/// 1 the self-test fails or a file cannot be written: nothing was changed; 2 settings that cannot
/// be; 4 not permitted; 5 no MPTCP, or no loader that could do it.
pub fn enable(arguments: &Enable, locations: &Locations) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let image = find(place, locations)?;
    let by_preload = match arguments.via {
        Via::Auto | Via::Preload => true,
        Via::Environment => false,
        Via::Seccomp => {
            return Err(Error::new(Exit::Usage, "there is no seccomp filter for every program")
                .why("a filter covers what its program starts, and would cost every system call")
                .fix("mptcpize enable --system, or mptcpize enable --via seccomp UNIT")
                .into());
        }
    };
    if place.root.is_none() && MptcpSocket::probe() == MptcpSocket::Absent {
        return Err(Error::new(Exit::Missing, "this kernel has no MPTCP")
            .fix("boot a kernel 5.6 or newer built with CONFIG_MPTCP")
            .into());
    }
    // Before anything is looked at, so that nothing changes in between.
    let _lock = if place.dry_run { None } else { Some(alone(&image.root, locations)?) };
    let mut config = settings::file(None, &image.locations)?;
    config.sockets = config.sockets.overridden(arguments.policy.sockets());
    let settings = settings(&image, &config)?;
    let source = match &arguments.library {
        None => system_copy::BYTES.to_vec(),
        Some(file) => root::read(file).map_err(|error| cannot("read", file, &error))?,
    };
    let (name, libraries) = libraries::wanted(&image, &source, &settings)?;
    let names = names::wanted(&image, by_preload.then_some(&name), (!by_preload).then_some(&name))?;
    let current = |path: &PathBuf| libraries.iter().any(|library| library.path == *path);
    let obsolete = installed(&image.root).into_iter().filter(|path| !current(path)).collect();
    let library = libraries.first().and_then(|library| library.after.clone());
    let obsolete = Leftovers::new(&image.root, obsolete, &names, library);
    let wanted = Files { root: Rc::clone(&image.root), libraries, names, obsolete };

    let rows = wanted.rows(wanted.obsolete.rows());
    if !place.dry_run {
        wanted.sweep()?;
    }
    if rows.is_empty() || place.dry_run {
        output::text(&screen::enabled(&rows, by_preload, place.dry_run, None, place.json))?;
        reach(&image, by_preload || place.json || rows.is_empty())?;
        return Ok(Exit::Done);
    }
    let done = carry_out(&wanted, || match arguments.no_trial {
        true => Ok(0),
        false => try_out(&image, &wanted, &name, by_preload, &config),
    })?;
    let tried = Some(done.tried).filter(|_| !arguments.no_trial);
    output::text(&screen::enabled(&rows, by_preload, false, tried, place.json))?;
    reach(&image, by_preload || place.json)?;
    Ok(Exit::Done)
}

/// Says whom the environment reaches, which is less than everybody.
fn reach(image: &Image, silent: bool) -> anyhow::Result<()> {
    if silent {
        return Ok(());
    }
    let log_ins = pam::log_ins(&image.root);
    let roots = roots::units(&image.root, &image.locations)?;
    let roots: Vec<String> = roots.iter().map(UnitName::to_string).collect();
    output::text(&screen::reach(&log_ins.with, &log_ins.without, &roots))
}

/// Switches it off.
///
/// # Errors
/// 1 a file cannot be written, 4 not permitted. What was taken away already stays away.
pub fn disable(arguments: &Disable, locations: &Locations) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let image = find(place, locations)?;
    let _lock = if place.dry_run { None } else { Some(alone(&image.root, locations)?) };
    let names = names::wanted(&image, None, None)?;
    let obsolete = Leftovers::new(&image.root, installed(&image.root), &names, None);
    let wanted = Files { root: Rc::clone(&image.root), libraries: Vec::new(), names, obsolete };
    let mut still_named = false;
    let rows = if place.dry_run {
        wanted.rows(wanted.obsolete.rows())
    } else {
        wanted.sweep()?;
        let settled = carry_out(&wanted, || Ok(0))?.settled;
        still_named = settled.still_named;
        // What was killed before it wrote a library left its directory.
        for directory in directories(&image.root) {
            files::remove_if_empty(&image.root, &directory);
        }
        wanted.rows(settled.rows)
    };
    output::text(&screen::disabled(&rows, place.dry_run, place.json))?;
    if still_named && !place.json {
        output::line(
            "what runs hands the name of the library on: one that does nothing has that name until the next boot",
        )?;
    }
    Ok(Exit::Done)
}

/// The settings that go into the library.
fn settings(image: &Image, config: &Config) -> Result<Vec<String>, Error> {
    let passwd = image.root.read(Path::new("/etc/passwd")).unwrap_or_default();
    let users = system::users(&String::from_utf8_lossy(&passwd));
    // Within the host there is nothing to gain, and every program would pay for it.
    let sockets = Sockets {
        loopback: config.sockets.loopback.or(Some(Loopback::Tcp)),
        ..config.sockets.clone()
    };
    let all = config.system.settings(&users).and_then(|mut all| {
        all.push(format!("{VARIABLE}={}", sockets.text()?));
        Ok(all)
    });
    all.map_err(|why| {
        let file = image.locations.config();
        Error::new(Exit::Usage, format!("{} has a mistake", file.display()))
            .why(why)
            .fix(format!("correct {}", file.display()))
    })
}

fn try_out(
    image: &Image,
    wanted: &Files,
    name: &str,
    by_preload: bool,
    config: &Config,
) -> Result<usize, Error> {
    let file = wanted.names.iter().find(|change| change.path.ends_with("ld.so.preload"));
    let candidate = Candidate {
        file: file
            .filter(|_| by_preload)
            .and_then(|change| Some((PathBuf::from("/etc/ld.so.preload"), change.after.clone()?))),
        environment: match by_preload {
            true => Vec::new(),
            false => vec![(String::from("LD_PRELOAD"), OsString::from(name))],
        },
        library: OsString::from(name),
    };
    let excluded: &System = &config.system;
    trial::self_test(image.root.path(), &candidate, excluded)
}
