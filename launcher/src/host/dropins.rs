//! Writing and removing drop-ins, so that a crash at any instant leaves the old state or the new.
//!
//! A directory that is missing is made beside its place, with the file in it, and renamed; in one
//! that is there the file is. Both have names that systemd does not look at, and what a crash
//! leaves of them goes with the next run.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::error::{Error, Exit, reason};
use crate::host::image;
use crate::model::unit::dropin::{self, FILE};
use crate::model::unit::{UnitName, matches};

/// What a directory is called until it is complete, or once it is going.
const HIDDEN: &str = ".mptcpize-";
/// Directories and drop-ins are there for everybody to read, as `systemctl cat` does.
const OPEN: u32 = 0o755;

/// A directory of units that we write to, by its path inside the image and in reality.
#[derive(Clone, Debug)]
pub struct UnitDir {
    seen: PathBuf,
    real: PathBuf,
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
    /// The image cannot be looked at.
    pub fn new(root: &Path, seen: &Path) -> Result<Self, Error> {
        let real = image::place(root, seen).map_err(|error| {
            Error::new(Exit::Missing, format!("cannot look at the image {}", root.display()))
                .why(reason(&error))
                .fix("name a directory with the root of a system in it")
        })?;
        Ok(UnitDir { seen: seen.to_owned(), real })
    }

    /// The drop-in of a unit, as systemd sees it.
    pub fn file(&self, unit: &UnitName) -> PathBuf {
        self.seen.join(format!("{unit}.d")).join(FILE)
    }

    fn real_directory(&self, unit: &UnitName) -> PathBuf {
        self.real.join(format!("{unit}.d"))
    }

    /// The text of a unit's drop-in, ours or not.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn text(&self, unit: &UnitName) -> Result<Option<String>, Error> {
        match fs::read(self.real_directory(unit).join(FILE)) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &self.file(unit), &error)),
        }
    }

    /// Every drop-in of ours in it, by unit.
    pub fn all(&self) -> Vec<Existing> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.real).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
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
        for above in self.real.ancestors() {
            match accessat(CWD, above, Access::WRITE_OK, AtFlags::EACCESS) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::NOENT) => {}
                Err(errno) => return Err(failed("write to", &self.seen, &errno.into())),
            }
        }
        Ok(())
    }

    /// Takes away what a run that was killed left. The lock must be held.
    pub fn sweep(&self) {
        for entry in fs::read_dir(&self.real).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(HIDDEN) {
                let _ = fs::remove_dir_all(entry.path());
            } else if name.ends_with(".d") {
                remove_leftovers(&entry.path());
            }
        }
    }

    /// The directories that writing the drop-in of a unit makes, deepest first, as systemd sees
    /// them.
    pub fn missing(&self, unit: &UnitName) -> Vec<PathBuf> {
        let directory = format!("{unit}.d");
        let (seen, real) = (self.seen.join(&directory), self.real.join(&directory));
        let pairs = seen.ancestors().zip(real.ancestors());
        let missing = pairs.take_while(|(_, real)| fs::symlink_metadata(real).is_err());
        missing.map(|(seen, _)| seen.to_owned()).collect()
    }

    /// Writes the drop-in of a unit.
    ///
    /// # Errors
    /// The system's; then what was there is still there.
    pub fn write(&self, unit: &UnitName, text: &str) -> Result<(), Error> {
        self.try_write(unit, text).map_err(|error| failed("write", &self.file(unit), &error))
    }

    fn try_write(&self, unit: &UnitName, text: &str) -> io::Result<()> {
        let directory = self.real_directory(unit);
        if directory.is_dir() {
            let temporary = tempfile::Builder::new()
                .prefix(&format!(".{FILE}."))
                .permissions(Permissions::from_mode(0o644))
                .tempfile_in(&directory)?;
            fill(temporary.as_file(), text)?;
            temporary.persist(directory.join(FILE)).map_err(|error| error.error)?;
            return File::open(&directory)?.sync_all();
        }
        fs::create_dir_all(&self.real)?;
        let hidden = tempfile::Builder::new().prefix(HIDDEN).tempdir_in(&self.real)?;
        fs::set_permissions(hidden.path(), Permissions::from_mode(OPEN))?;
        fill(&File::create(hidden.path().join(FILE))?, text)?;
        File::open(hidden.path())?.sync_all()?;
        fs::rename(hidden.path(), &directory)?;
        // It has another name now; nothing of that one is left to remove.
        let _ = hidden.keep();
        File::open(&self.real)?.sync_all()
    }

    /// Removes the drop-in of a unit, and the directories that were made for it and hold nothing
    /// else. One that is not there is none to remove.
    ///
    /// # Errors
    /// The system's; then it is still there.
    pub fn remove(&self, unit: &UnitName) -> Result<(), Error> {
        let file = self.file(unit);
        let Some(text) = self.text(unit)? else { return Ok(()) };
        self.try_remove(unit, &dropin::made(&text, &file))
            .map_err(|error| failed("remove", &file, &error))
    }

    fn try_remove(&self, unit: &UnitName, made: &[&Path]) -> io::Result<()> {
        let directory = self.real_directory(unit);
        let seen = self.seen.join(format!("{unit}.d"));
        let alone = |directory: &Path| fs::read_dir(directory).is_ok_and(|all| all.count() == 1);
        if made.contains(&seen.as_path()) && alone(&directory) {
            let hidden = tempfile::Builder::new().prefix(HIDDEN).tempdir_in(&self.real)?;
            fs::rename(&directory, hidden.path())?;
            if alone(hidden.path()) {
                hidden.close()?;
            } else {
                // Somebody wrote into it at this very moment.
                fs::rename(hidden.path(), &directory)?;
                let _ = hidden.keep();
                fs::remove_file(directory.join(FILE))?;
            }
        } else {
            fs::remove_file(directory.join(FILE))?;
            File::open(&directory)?.sync_all()?;
        }
        for above in made.iter().filter(|above| **above != seen) {
            let depth = self.seen.ancestors().position(|path| path == *above);
            if let Some(real) = depth.and_then(|depth| self.real.ancestors().nth(depth)) {
                let _ = fs::remove_dir(real);
            }
        }
        // Gone with what was made for it, if it was itself.
        File::open(&self.real).map_or(Ok(()), |directory| directory.sync_all())
    }
}

fn fill(mut file: &File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    // The umask took bits that readers need.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.sync_all()
}

fn remove_leftovers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if matches(&format!(".{FILE}.*"), &entry.file_name().to_string_lossy()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// An error about a file, with the remedy that its kind has.
pub fn failed(doing: &str, path: &Path, error: &io::Error) -> Error {
    let error_of =
        |exit| Error::new(exit, format!("cannot {doing} {}", path.display())).why(reason(error));
    match error.kind() {
        io::ErrorKind::PermissionDenied => error_of(Exit::NotPermitted).fix("run it with sudo"),
        io::ErrorKind::ReadOnlyFilesystem => error_of(Exit::Failed)
            .fix("until the next boot: --runtime; for good: in the image that it is made from, with --root DIR"),
        _ => error_of(Exit::Failed),
    }
}
