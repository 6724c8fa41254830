//! Units of systemd that `enable`, `disable` and `list` are about: where they are.
//!
//! Not here: which ones a name means (`select`).

pub mod apply;
pub mod bring_up;
pub mod c_tool;
pub mod came_up;
mod confined;
pub mod disable;
pub mod enable;
mod in_effect;
pub mod job;
pub mod judged;
pub mod list;
pub mod passed_over;
pub mod plan;
pub mod select;
pub mod socket_row;
pub mod stays_up;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::error::{Error, Exit};
use crate::host::apply::lock::{self, Lock};
use crate::host::systemd::dropins::{Existing, UnitDir};
use crate::host::systemd::systemctl::Systemctl;
use crate::host::systemd::units::Source;
use crate::inject::library::service_copy::{self, For};
use crate::locations::{Locations, Units};
use crate::output;
use crate::root::Root;
use mptcpize_model::container::cdi;
use mptcpize_model::shell;
use mptcpize_model::unit::dropin;

/// How long another run may hold the lock: `--now` restarts services with it.
const PATIENCE: Duration = Duration::from_secs(300);

/// One service manager, or the files of an image.
pub struct Site {
    /// Where to ask.
    pub source: Source,
    /// Locations, re-rooted for an image.
    pub locations: Locations,
    /// The calling user's.
    pub user: bool,
    units: Units,
    /// Where locks are on the running host, whatever the image.
    run: PathBuf,
}

impl Site {
    /// The site that the options name.
    ///
    /// # Errors
    /// 5 where the image does not exist, 2 for a user without a home.
    pub fn new(user: bool, root: Option<&Path>, locations: &Locations) -> Result<Self, Error> {
        let units = locations.unit_places(user).ok_or_else(|| {
            Error::new(Exit::Usage, "cannot tell where this user's units are")
                .why("neither XDG_CONFIG_HOME nor HOME is set")
                .fix("HOME=… mptcpize enable --user …")
        })?;
        let caller = rustix::process::geteuid().as_raw();
        let run = locations.own_run(caller).into_iter().next().unwrap_or_else(|| locations.run());
        let (source, locations) = match root {
            None => (Source::Running(Systemctl { user }, Root::host()?), locations.clone()),
            Some(root) => {
                let root = Root::image(root)?;
                let locations = locations.clone().below(root.path());
                (Source::Image { root, units: units.clone() }, locations)
            }
        };
        Ok(Site { source, locations, user, units, run })
    }

    /// Keeps other runs of ours out, and takes away what a crashed one left. Held until it is
    /// dropped. An ordinary user without a runtime directory has no place for a lock.
    ///
    /// # Errors
    /// Another run does not end, or the run directory is not to be trusted.
    pub fn lock(&self, directories: &[UnitDir]) -> Result<Option<Lock>, Error> {
        let taken = lock::take(&self.run, &self.root().lock_name("units"), PATIENCE, |holder| {
            output::note(&format!("waiting for another mptcpize (process {holder}) to finish"));
        });
        let held = match taken {
            Err(error) if error.exit() == Exit::NotPermitted => None,
            other => Some(other?),
        };
        directories.iter().for_each(UnitDir::sweep);
        Ok(held)
    }

    /// The running manager; `None` for an image.
    pub fn running(&self) -> Option<Systemctl> {
        match self.source {
            Source::Running(systemctl, _) => Some(systemctl),
            Source::Image { .. } => None,
        }
    }

    /// Where drop-ins are written.
    ///
    /// # Errors
    /// The image cannot be looked at; a user without a runtime directory.
    pub fn directory(&self, runtime: bool) -> Result<UnitDir, Error> {
        let seen = match (runtime, &self.units.runtime) {
            (false, _) => &self.units.persistent,
            (true, Some(runtime)) => runtime,
            (true, None) => {
                return Err(Error::new(Exit::Missing, "this user has no runtime directory")
                    .why("XDG_RUNTIME_DIR is not set")
                    .fix("leave out --runtime"));
            }
        };
        UnitDir::new(self.source.root(), seen)
    }

    /// All places where drop-ins of ours can be.
    ///
    /// # Errors
    /// The image cannot be looked at.
    pub fn directories(&self) -> Result<Vec<UnitDir>, Error> {
        let mut all = vec![self.directory(false)?];
        if self.running().is_some() && self.units.runtime.is_some() {
            all.push(self.directory(true)?);
        }
        Ok(all)
    }

    /// Every drop-in of ours.
    ///
    /// # Errors
    /// The image cannot be looked at.
    pub fn enabled(&self) -> Result<Vec<Existing>, Error> {
        Ok(self.directories()?.iter().flat_map(UnitDir::all).collect())
    }

    /// The root of this system.
    pub fn root(&self) -> &Rc<Root> {
        self.source.root()
    }

    /// Removes our files that no unit names any more.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn sweep(&self) -> Result<(), Error> {
        let mut texts: Vec<String> = self.enabled()?.into_iter().map(|one| one.text).collect();
        if !self.user {
            // Containers have the same library.
            let devices = self.root().read(Path::new(cdi::FILE)).unwrap_or_default();
            texts.push(String::from_utf8_lossy(&devices).into_owned());
        }
        service_copy::sweep(self.placing(), &texts)
    }

    /// For whom files are placed.
    pub fn placing(&self) -> For<'_> {
        For { locations: &self.locations, user: self.user, root: self.root() }
    }
}

/// Is the drop-in there, and not ours?
///
/// # Errors
/// 1: it is.
pub fn not_foreign(text: Option<&String>, file: &Path) -> Result<(), Error> {
    match text {
        Some(text) if !dropin::is_ours(text) => {
            Err(Error::new(Exit::Failed, format!("{} is not from mptcpize", file.display()))
                .why("its first line does not say so")
                .fix(format!(
                    "sudo mv {} {}",
                    shell::word(file.display()),
                    shell::word(format_args!("{}.bak", file.display()))
                )))
        }
        _ => Ok(()),
    }
}
