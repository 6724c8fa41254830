//! `mptcpize enable --containers` and `disable --containers`: devices of the Container Device Interface, by
//! which podman, Docker, containerd and CRI-O give the library to a container.
//!
//! The library is there before the file names it, and the file goes before the library does. The library is
//! the one that units have; it stays as long as either names it.

mod devices;
mod file;
mod handover;
mod profile;
mod sender;
mod service;
pub mod state;
mod supervisor;

use std::path::Path;

pub use supervisor::supervise;

use crate::cli::unit::{Disable, Enable, Place, Via};
use crate::commands::setup::settings;
use crate::commands::system::file_change;
use crate::commands::units::Site;
use crate::error::{Error, Exit};
use crate::host::observe::kernel::MptcpSocket;
use crate::host::observe::{engines, selinux};
use crate::host::process::privilege;
use crate::locations::Locations;
use crate::output::system::Row;
use crate::output::{self, containers as screen};
use mptcpize_model::container::cdi;
use mptcpize_model::file_change::FileChange;

/// Writes the devices.
///
/// # Errors
/// 1 a file cannot be written, or somebody else's has devices of this kind: nothing was changed; 2 settings
/// that cannot be; 4 not permitted; 5 no MPTCP, or no place for the library.
pub fn enable(arguments: &Enable, locations: &Locations) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let site = site(place, locations)?;
    if place.root.is_none() && MptcpSocket::probe() == MptcpSocket::Absent {
        return Err(Error::new(Exit::Missing, "this kernel has no MPTCP")
            .fix("boot a kernel 5.6 or newer built with CONFIG_MPTCP")
            .into());
    }
    let _lock = if place.dry_run { None } else { site.lock(&[])? };
    let second = match arguments.via {
        Via::Auto | Via::Preload => None,
        Via::Seccomp => Some(profile::plan(&site)?),
        Via::Environment => {
            return Err(Error::new(Exit::Usage, "containers are not reached by --via environment")
                .why("a device sets LD_PRELOAD in each container by itself")
                .fix("sudo mptcpize enable --containers")
                .into());
        }
    };
    let config = settings::file(None, &site.locations)?;
    let wanted = devices::wanted(&config, arguments.policy.sockets())?;
    let library = site.placing().library()?;
    file::nobody_else_has_it(site.root())?;
    let before = file::read(site.root())?;
    let path = library.seen.display().to_string();
    let change = file::with(site.root(), before, &wanted, &path)?;
    let mut changes = Vec::new();
    if library.kept && !site.root().has_file(&library.seen) {
        let path = site.root().shown(&library.seen).display().to_string();
        changes.push(Row { sign: '+', path, why: "the library, as units have it" });
    }
    changes.extend(row(&site, &change));
    if let Some(second) = &second {
        changes.extend(service::row(&site));
        changes.extend(row(&site, second));
    }
    if !place.dry_run {
        file::sweep(site.root())?;
        library.ensure()?;
        if let Err(error) = apply(&site, &change) {
            // Units may have it all the same.
            let _ = site.sweep();
            return Err(error.into());
        }
        if let Some(second) = &second {
            service::enable(&site)?;
            profile::apply(&site, second)?;
        }
    }
    let mut notes = Vec::new();
    if second.is_some() {
        notes.extend(service::remark());
    }
    if site.root().is_host() {
        notes.extend(engines::remarks());
        notes.extend(selinux::remark(&library.seen));
    }
    let done = screen::Done {
        changes,
        text: String::from_utf8_lossy(change.after.as_deref().unwrap_or_default()).into_owned(),
        devices: devices::shown(&wanted),
        profile: second.map(|_| profile::FILE),
        notes,
        dry_run: place.dry_run,
    };
    output::text(&if place.json { screen::enabled_json(&done) } else { screen::enabled(&done) })?;
    Ok(Exit::Done)
}

/// Removes them, and the library where nothing else names it.
///
/// # Errors
/// 1 a file cannot be removed, or is somebody else's; 4 not permitted.
pub fn disable(arguments: &Disable, locations: &Locations) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let site = site(place, locations)?;
    let _lock = if place.dry_run { None } else { site.lock(&[])? };
    let change = FileChange { after: None, ..file::read(site.root())? };
    let second = FileChange { after: None, ..profile::read(&site)? };
    let mut rows: Vec<Row> = row(&site, &change).into_iter().collect();
    rows.extend(row(&site, &second));
    rows.extend(service::row_of_removal(&site));
    if !place.dry_run {
        profile::apply(&site, &second)?;
        service::disable(&site)?;
        file::sweep(site.root())?;
        apply(&site, &change)?;
        // Also where no file was: a run that was killed may have left the library.
        site.sweep()?;
    }
    let profile = second.is_needed().then_some(profile::FILE);
    output::text(&screen::disabled(&rows, profile, place.dry_run, place.json))?;
    Ok(Exit::Done)
}

/// The host or image whose engines are meant.
fn site(place: &Place, locations: &Locations) -> Result<Site, Error> {
    let site = Site::new(false, place.root.as_deref(), locations)?;
    if !site.root().metadata(Path::new("/etc")).is_ok_and(|found| found.is_dir()) {
        let shown = site.root().path().display().to_string();
        return Err(Error::new(Exit::Usage, format!("there is no image in {shown}"))
            .why("it has no directory etc")
            .fix("name the directory that is / in the image"));
    }
    if !place.dry_run && !rustix::process::geteuid().is_root() {
        return Err(Error::new(Exit::NotPermitted, format!("cannot change {}", cdi::FILE))
            .why("only root may; it is for the engines of all users")
            .fix(format!("{}    # --dry-run shows what it would do", privilege::advice())));
    }
    Ok(site)
}

fn apply(site: &Site, change: &FileChange) -> Result<(), Error> {
    if change.is_needed() { file_change::apply(site.root(), change) } else { Ok(()) }
}

fn row(site: &Site, change: &FileChange) -> Option<Row> {
    change.is_needed().then(|| file_change::row(site.root(), change))
}
