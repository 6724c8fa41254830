//! What `enable`, `disable` and `list` share: where the units are, and which ones a name means.

pub mod apply;
pub mod bring_up;
pub mod c_tool;
pub mod came_up;
mod confined;
pub mod disable;
pub mod enable;
pub mod job;
pub mod judged;
pub mod list;
pub mod passed_over;
pub mod plan;
pub mod socket_row;
pub mod stays_up;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::error::{Error, Exit};
use crate::host::apply::lock;
use crate::host::systemd::dropins::{Existing, UnitDir};
use crate::host::systemd::systemctl::Systemctl;
use crate::host::systemd::units::{Facts, Source};
use crate::inject::library::service_copy::{self, For};
use crate::locations::{Locations, Units};
use crate::output;
use crate::root::Root;
use mptcpize_model::shell;
use mptcpize_model::unit::{UnitName, dropin};

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

    /// Keeps other runs of ours out, and takes away what a crashed one left. Held until the file is
    /// dropped. An ordinary user without a runtime directory has no place for a lock.
    ///
    /// # Errors
    /// Another run does not end, or the run directory is not to be trusted.
    pub fn lock(&self, directories: &[UnitDir]) -> Result<Option<File>, Error> {
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
        let texts: Vec<String> = self.enabled()?.into_iter().map(|one| one.text).collect();
        service_copy::sweep(self.placing(), &texts)
    }

    /// For whom files are placed.
    pub fn placing(&self) -> For<'_> {
        For { locations: &self.locations, user: self.user, root: self.root() }
    }

    /// What systemd knows of the units that are named: names, patterns, paths of unit files.
    ///
    /// # Errors
    /// 2 for what is no name, 5 for a pattern or path that means no unit.
    pub fn find(&self, asked: &[String]) -> Result<Vec<Facts>, Error> {
        Ok(self.meet(asked)?.into_iter().map(|met| met.facts).collect())
    }

    /// The units that are meant, each with whether it was named or only met by a pattern.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn meet(&self, asked: &[String]) -> Result<Vec<Met>, Error> {
        let mut named = Vec::new();
        let mut names = Vec::new();
        let mut locations = Vec::new();
        for text in asked {
            if text.contains('/') {
                let name = self.name_of(text)?;
                locations.push((text.as_str(), name.clone()));
                named.push(name);
            } else if is_pattern(text) {
                names.extend(self.fitting(text)?);
            } else {
                named.push(name(text)?);
            }
        }
        names.extend(named.iter().cloned());
        names.sort();
        names.dedup();
        let facts = self.source.facts(&names)?;
        for (text, name) in locations {
            let known = names.iter().position(|other| *other == name);
            let facts = known.and_then(|index| facts.get(index));
            self.is_its_file(text, &name, facts)?;
        }
        let mut unique: Vec<Met> = Vec::new();
        for (name, facts) in names.iter().zip(facts) {
            let named = named.contains(name);
            match unique.iter_mut().find(|other| other.facts.name == facts.name) {
                Some(other) => other.named |= named,
                None => unique.push(Met { facts, named }),
            }
        }
        // An alias may have brought one here.
        unique.sort_by(|one, other| one.facts.name.cmp(&other.facts.name));
        Ok(unique)
    }

    fn name_of(&self, text: &str) -> Result<UnitName, Error> {
        let file = Path::new(text).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !file.contains('.') {
            return Err(Error::new(Exit::Usage, format!("{text} is no unit file"))
                .why("its name has no kind, such as .service")
                .fix("name the unit: mptcpize enable NAME"));
        }
        name(file)
    }

    /// Checks that systemd reads the file that was named.
    fn is_its_file(&self, text: &str, name: &UnitName, facts: Option<&Facts>) -> Result<(), Error> {
        let real = match self.running() {
            Some(_) => fs::canonicalize(text).ok(),
            None => self.root().real(Path::new(text)).ok(),
        };
        let Some(real) = real else {
            return Err(Error::new(Exit::Missing, format!("there is no file {text}"))
                .fix("systemctl cat NAME    # shows where units are"));
        };
        let own = facts.and_then(|facts| facts.files.first());
        let own = own.and_then(|file| self.root().real(file).ok());
        if own.as_ref() == Some(&real) {
            return Ok(());
        }
        let other = own.map_or("none".to_owned(), |own| own.display().to_string());
        Err(Error::new(Exit::Usage, format!("systemd does not read {text}"))
            .why(format!("its file for {name} is {other}"))
            .fix("put it where systemd looks, then: systemctl daemon-reload"))
    }

    /// The services and sockets that fit a pattern, also such as cannot be enabled.
    fn fitting(&self, pattern: &str) -> Result<Vec<UnitName>, Error> {
        let mut names = self.source.matching(pattern)?;
        names.retain(|name| ["service", "socket"].contains(&name.kind()) && !name.is_template());
        // What others only speak of is not there.
        let facts = self.source.facts(&names)?;
        let there = names.into_iter().zip(&facts).filter(|(_, facts)| facts.load != "not-found");
        let there: Vec<UnitName> = there.map(|(name, _)| name).collect();
        if there.is_empty() {
            return Err(Error::new(Exit::Missing, format!("no service fits {pattern}")).fix(
                format!(
                    "systemctl list-unit-files {}    # shows what there is",
                    shell::operand(pattern)
                ),
            ));
        }
        Ok(there)
    }
}

/// A unit that is asked about.
pub struct Met {
    /// What is known of it.
    pub facts: Facts,
    /// By its name, and not by a pattern alone.
    pub named: bool,
}

impl Met {
    /// How it is called.
    pub fn unit(&self) -> String {
        self.facts.name.as_ref().map_or_else(String::new, UnitName::to_string)
    }
}

/// Does a word stand for all units that fit?
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[']) && !text.contains('/')
}

/// The name that was typed.
///
/// # Errors
/// 2: it is none.
pub fn name(text: &str) -> Result<UnitName, Error> {
    UnitName::new(text).map_err(|why| {
        Error::new(Exit::Usage, format!("{text:?} is no unit"))
            .why(why)
            .fix("systemctl list-units    # shows them")
    })
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
