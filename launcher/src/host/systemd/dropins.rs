//! Writing and removing drop-ins, so that a crash at any instant leaves the old state or the new.
//!
//! A directory that is missing is made beside its place, with the file in it, and renamed; in one
//! that is there the file is. Both have names that systemd does not look at, and what a crash
//! leaves of them goes with the next run.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Error, Exit, reason};
use crate::host::process::privilege;
use crate::root::{Dir, Root, is_directory};
use mptcpize_model::unit::dropin::{self, FILE};
use mptcpize_model::unit::dropin_change::DropinChange;
use mptcpize_model::unit::{UnitName, matches};

/// What a directory is called until it is complete, or once it is going.
const HIDDEN: &str = ".mptcpize-";

/// A directory of units that we write to, by its path in a root.
#[derive(Clone, Debug)]
pub struct UnitDir {
    root: Rc<Root>,
    seen: PathBuf,
}

/// A drop-in that is there.
#[derive(Clone, Debug)]
pub struct Existing {
    /// The unit.
    pub unit: UnitName,
    /// The file, as systemd sees it.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
}

impl UnitDir {
    /// The directory, which need not exist.
    ///
    /// # Errors
    /// It cannot be looked at, or a link on the way leads nowhere.
    pub fn new(root: &Rc<Root>, seen: &Path) -> Result<Self, Error> {
        root.directory(seen).map_err(|error| failed("use", seen, &error))?;
        Ok(UnitDir { root: Rc::clone(root), seen: seen.to_owned() })
    }

    /// The drop-in of a unit, as systemd sees it.
    pub fn file(&self, unit: &UnitName) -> PathBuf {
        self.directory(unit).join(FILE)
    }

    fn directory(&self, unit: &UnitName) -> PathBuf {
        self.seen.join(format!("{unit}.d"))
    }

    /// The text of a unit's drop-in, ours or not.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn text(&self, unit: &UnitName) -> Result<Option<String>, Error> {
        let directory = self.root.directory(&self.directory(unit));
        let bytes = directory.and_then(|directory| match directory {
            Some(directory) => directory.read(OsStr::new(FILE)),
            None => Ok(None),
        });
        let bytes = bytes.map_err(|error| failed("read", &self.file(unit), &error))?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Every drop-in of ours in it, by unit.
    pub fn all(&self) -> Vec<Existing> {
        let mut found = Vec::new();
        for name in self.root.names(&self.seen) {
            let name = name.to_string_lossy();
            let Some(Ok(unit)) = name.strip_suffix(".d").map(UnitName::new) else { continue };
            if let Ok(Some(text)) = self.text(&unit)
                && dropin::is_ours(&text)
            {
                found.push(Existing { file: self.file(&unit), unit, text });
            }
        }
        found.sort_by(|one, other| one.unit.cmp(&other.unit));
        found
    }

    /// May we write here? Asked before anything else is touched.
    ///
    /// # Errors
    /// 4 without the right, 1 on a read-only file system.
    pub fn check_writable(&self) -> Result<(), Error> {
        let nearest = self.root.nearest(&self.seen);
        let writable = nearest.and_then(|(directory, _)| directory.check_writable());
        writable.map_err(|error| failed("write to", &self.seen, &error))
    }

    /// Takes away what a run that was killed left. The lock must be held.
    pub fn sweep(&self) {
        let Ok(Some(directory)) = self.root.directory(&self.seen) else { return };
        for name in directory.names() {
            let shown = name.to_string_lossy();
            let Ok(Some(inside)) = directory.directory(&name) else { continue };
            if shown.starts_with(HIDDEN) {
                let _ = clear(&directory, &name, &inside);
            } else if shown.ends_with(".d") {
                remove_leftovers(&inside);
            }
        }
    }

    /// The directories that writing the drop-in of a unit makes, deepest first, as systemd sees
    /// them.
    ///
    /// # Errors
    /// They cannot be looked at, or a link on the way leads nowhere.
    pub fn missing(&self, unit: &UnitName) -> Result<Vec<PathBuf>, Error> {
        let directory = self.directory(unit);
        let nearest = self.root.nearest(&directory);
        let (_, rest) = nearest.map_err(|error| failed("write", &self.file(unit), &error))?;
        Ok(directory.ancestors().take(rest.len()).map(Path::to_owned).collect())
    }

    /// Makes a change of a unit's drop-in: its new text is there, with the directories that it
    /// needs, or it is gone with those that were made for it. One that is gone already is none to
    /// remove.
    ///
    /// # Errors
    /// The system's; then what was there is still there.
    pub fn apply(&self, change: &DropinChange) -> Result<(), Error> {
        match &change.after {
            Some(text) => self.write(&change.unit, text),
            None => self.remove(&change.unit),
        }
    }

    fn write(&self, unit: &UnitName, text: &str) -> Result<(), Error> {
        self.try_write(unit, text).map_err(|error| failed("write", &self.file(unit), &error))
    }

    fn try_write(&self, unit: &UnitName, text: &str) -> io::Result<()> {
        if let Some(directory) = self.root.directory(&self.directory(unit))? {
            let temporary = OsString::from(format!(".{FILE}.{}", std::process::id()));
            let written = fill(&directory, &temporary, text)
                .and_then(|()| directory.rename(&temporary, &directory, OsStr::new(FILE)));
            if written.is_err() {
                let _ = directory.remove(&temporary);
            }
            written?;
            return directory.sync();
        }
        let (units, _) = self.root.make_directory(&self.seen)?;
        let name = hidden();
        let directory = units.make(&name)?;
        let written = fill(&directory, OsStr::new(FILE), text)
            .and_then(|()| directory.sync())
            .and_then(|()| units.rename(&name, &units, OsStr::new(&format!("{unit}.d"))));
        if written.is_err() {
            let _ = clear(&units, &name, &directory);
        }
        written?;
        units.sync()
    }

    fn remove(&self, unit: &UnitName) -> Result<(), Error> {
        let file = self.file(unit);
        let Some(text) = self.text(unit)? else { return Ok(()) };
        self.try_remove(unit, &dropin::made(&text, &file))
            .map_err(|error| failed("remove", &file, &error))
    }

    fn try_remove(&self, unit: &UnitName, made: &[&Path]) -> io::Result<()> {
        let seen = self.directory(unit);
        let file = OsStr::new(FILE);
        let units = self.root.directory(&self.seen)?.ok_or(io::ErrorKind::NotFound)?;
        let directory = self.root.directory(&seen)?.ok_or(io::ErrorKind::NotFound)?;
        let name = OsString::from(format!("{unit}.d"));
        let is_own = units.stat(&name).is_some_and(|found| is_directory(&found));
        let alone = |directory: &Dir| directory.names().len() == 1;
        if is_own && made.contains(&seen.as_path()) && alone(&directory) {
            let going = hidden();
            units.rename(&name, &units, &going)?;
            if alone(&directory) {
                clear(&units, &going, &directory)?;
            } else {
                // Somebody wrote into it at this very moment.
                units.rename(&going, &units, &name)?;
                directory.remove(file)?;
            }
        } else {
            directory.remove(file)?;
            directory.sync()?;
        }
        for above in made.iter().filter(|above| **above != seen && self.seen.starts_with(above)) {
            if let Ok((parent, name)) = self.root.parent(above) {
                let _ = parent.remove_directory(name);
            }
        }
        // Gone with what was made for it, if it was itself.
        self.root.directory(&self.seen)?.map_or(Ok(()), |directory| directory.sync())
    }
}

/// A name that systemd does not look at.
fn hidden() -> OsString {
    OsString::from(format!("{HIDDEN}{}", std::process::id()))
}

/// Removes a hidden directory with the files in it.
fn clear(above: &Dir, name: &OsStr, directory: &Dir) -> io::Result<()> {
    for inside in directory.names() {
        directory.remove(&inside)?;
    }
    above.remove_directory(name)
}

fn fill(directory: &Dir, name: &OsStr, text: &str) -> io::Result<()> {
    let mut file: File = directory.create(name)?;
    file.write_all(text.as_bytes())?;
    // Everybody may read it, as `systemctl cat` does, whatever the umask.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.sync_all()
}

fn remove_leftovers(directory: &Dir) {
    for name in directory.names() {
        if matches(&format!(".{FILE}.*"), &name.to_string_lossy()) {
            let _ = directory.remove(&name);
        }
    }
}

/// An error about a file, with the remedy that its kind has.
pub fn failed(doing: &str, path: &Path, error: &io::Error) -> Error {
    let error_of =
        |exit| Error::new(exit, format!("cannot {doing} {}", path.display())).why(reason(error));
    match error.kind() {
        io::ErrorKind::PermissionDenied => error_of(Exit::NotPermitted).fix(privilege::advice()),
        io::ErrorKind::ReadOnlyFilesystem => error_of(Exit::Failed)
            .fix("until the next boot: --runtime; for good: in the image that it is made from, with --root DIR"),
        _ => error_of(Exit::Failed),
    }
}
