//! The files of ours that services need, at a place that stays: the library, and this binary for
//! units that start under `mptcpize run`.
//!
//! What a package installed is taken where it is. Otherwise a copy is kept, in a directory that
//! only root (or the user) can change, that sandboxes show, and that is not mounted noexec; it
//! goes again with the last unit that names it. Unlike with [`library`] no hash is in
//! the name: a unit keeps its line when we are upgraded.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags};

use crate::error::{Error, Exit, reason};
use crate::inject::library::{self, Refusal};
use crate::inject::{elf, preload};
use crate::paths::{LIBRARY, Paths};

/// The directories of a kept file that bear our name: `mptcpize/units`.
const OWN_LEVELS: usize = 2;
/// The file that names the directories above them that had to be made.
const MADE: &str = "made";

/// The name of the binary where it is kept.
const BINARY: &str = "mptcpize";

/// Where a file is, or is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// As units name it: the root of an image left out.
    pub seen: PathBuf,
    /// As we reach it.
    real: PathBuf,
    /// It is ours to write and remove; else a package's.
    pub kept: bool,
}

/// Whose units, and in which system.
#[derive(Clone, Copy)]
pub struct For<'a> {
    /// Locations, with the root of the image.
    pub paths: &'a Paths,
    /// The calling user's units.
    pub user: bool,
    /// Where a path of that system really is, its symbolic links followed within it.
    pub real: &'a dyn Fn(&Path) -> PathBuf,
}

impl For<'_> {
    fn is_image(&self) -> bool {
        self.paths.root() != Path::new("/")
    }

    fn owner(&self) -> u32 {
        if self.user { rustix::process::geteuid().as_raw() } else { 0 }
    }

    /// The library's place. Nothing is written.
    ///
    /// # Errors
    /// Exit 5: no place will do, with each and what is wrong with it.
    pub fn library(&self) -> Result<Placed, Error> {
        for path in self.paths.installed_libraries() {
            let inside = path.strip_prefix(self.paths.root()).unwrap_or(&path);
            let seen = Path::new("/").join(inside);
            let real = (self.real)(&seen);
            let good = match self.is_image() {
                true => fs::read(&real).is_ok_and(|bytes| bytes == library::BYTES),
                false => library::verify(&real, 0).is_ok(),
            };
            // Our own copy is found below; it is there only as long as units name it.
            let kept = self.paths.kept_for_units(false).iter().any(|kept| seen.starts_with(kept));
            if good && !kept {
                return Ok(Placed { seen, real, kept: false });
            }
        }
        self.kept(LIBRARY)
    }

    /// This binary's place: where it is when that is a system directory, else a copy's.
    ///
    /// # Errors
    /// As [`library`](Self::library).
    pub fn binary(&self) -> Result<Placed, Error> {
        let own = std::env::current_exe().unwrap_or_default();
        let installed = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
        let system = own
            .parent()
            .is_some_and(|directory| installed.iter().any(|known| directory == Path::new(known)));
        if system && !self.is_image() && library::safe_above(&own, 0).is_ok() {
            return Ok(Placed { seen: own.clone(), real: own, kept: false });
        }
        self.kept(BINARY)
    }

    fn kept(&self, name: &str) -> Result<Placed, Error> {
        let mut refusals = Vec::new();
        for directory in self.paths.kept_for_units(self.user) {
            let placed = Placed {
                real: (self.real)(&directory.join(name)),
                seen: directory.join(name),
                kept: true,
            };
            match self.suits(&placed) {
                Ok(()) => return Ok(placed),
                Err(refusal) => refusals.push(format!("{}: {refusal}", directory.display())),
            }
        }
        Err(Error::new(Exit::Missing, "there is no place for what services need of mptcpize")
            .why(refusals.join("\n       "))
            .fix("install the mptcpize package, which brings it along"))
    }

    /// Can it be there? Asked of the nearest directory that exists.
    fn suits(&self, placed: &Placed) -> Result<(), Refusal> {
        if !preload::can_name(&placed.seen) {
            return Err(Refusal::Name);
        }
        let above = placed.real.ancestors().skip(1).find(|above| above.is_dir());
        let above = above.unwrap_or(Path::new("/"));
        if self.is_image() {
            return Ok(());
        }
        let mount = rustix::fs::statvfs(above)
            .map_err(|error| Refusal::Io("ask about its file system", error.into()))?;
        if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Err(Refusal::NoExec);
        }
        library::safe_above(above, self.owner())?;
        // Already there and right: it need not be writable.
        if placed.is_current().unwrap_or(false) {
            return Ok(());
        }
        rustix::fs::accessat(CWD, above, Access::WRITE_OK, AtFlags::EACCESS)
            .map_err(|error| Refusal::Io("write there", error.into()))
    }
}

impl Placed {
    fn is_binary(&self) -> bool {
        self.real.file_name().is_some_and(|name| name == BINARY)
    }

    fn is_current(&self) -> io::Result<bool> {
        if !self.is_binary() {
            return Ok(fs::read(&self.real)? == library::BYTES);
        }
        let (kept, own) = (File::open(&self.real)?, File::open("/proc/self/exe")?);
        same(kept, own)
    }

    /// Sees to it that the file is there and ours.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn ensure(&self) -> Result<(), Error> {
        if !self.kept || self.is_current().unwrap_or(false) {
            return Ok(());
        }
        self.write().map_err(|error| {
            let exit = match error.kind() {
                io::ErrorKind::PermissionDenied => Exit::NotPermitted,
                _ => Exit::Failed,
            };
            Error::new(exit, format!("cannot write {}", self.seen.display())).why(reason(&error))
        })
    }

    fn write(&self) -> io::Result<()> {
        let directory = self.real.parent().unwrap_or(Path::new("/"));
        let made = make_open(directory)?;
        // Those of our own name go by it; these would not be known again.
        let others: Vec<&str> =
            made.iter().skip(OWN_LEVELS).filter_map(|path| path.to_str()).collect();
        if !others.is_empty() {
            fs::write(directory.join(MADE), others.join("\n"))?;
        }
        let mode = Permissions::from_mode(if self.is_binary() { 0o755 } else { 0o644 });
        let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
        if self.is_binary() {
            io::copy(&mut File::open("/proc/self/exe")?, &mut temporary)?;
        } else {
            temporary.write_all(library::BYTES)?;
        }
        temporary.as_file().set_permissions(mode)?;
        temporary.as_file().sync_all()?;
        temporary.persist(&self.real).map_err(|error| error.error)?;
        File::open(directory)?.sync_all()
    }

    /// Is the binary there, or the one that would be put there, free of a loader? Then it runs in
    /// any root.
    pub fn is_static() -> bool {
        File::open("/proc/self/exe")
            .is_ok_and(|own| elf::read(&own).is_ok_and(|own| own.interpreter.is_none()))
    }
}

/// Makes a directory and those above it that all may look into, whatever the umask. Says which it
/// made, deepest first.
fn make_open(directory: &Path) -> io::Result<Vec<&Path>> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|above| !above.exists()).collect();
    for directory in missing.iter().rev() {
        fs::create_dir(directory)?;
        fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    }
    Ok(missing)
}

fn same(one: File, other: File) -> io::Result<bool> {
    if one.metadata()?.size() != other.metadata()?.size() {
        return Ok(false);
    }
    let (mut one, mut other) = (io::BufReader::new(one), io::BufReader::new(other));
    let (mut first, mut second) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = one.read(&mut first)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(second.get_mut(..count).unwrap_or_default())?;
        if first.get(..count) != second.get(..count) {
            return Ok(false);
        }
    }
}

/// Removes the kept files that no drop-in of `texts` names, and the directories that hold nothing
/// then.
///
/// # Errors
/// One cannot be removed.
pub fn sweep(target: For<'_>, texts: &[String]) -> Result<(), Error> {
    for directory in target.paths.kept_for_units(target.user) {
        for name in [LIBRARY, BINARY] {
            let seen = directory.join(name);
            let named = seen.to_string_lossy().into_owned();
            let real = (target.real)(&seen);
            if texts
                .iter()
                .any(|text| text.split([' ', ':', '"', '=', '\n']).any(|word| word == named))
            {
                continue;
            }
            match fs::remove_file(&real) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) if !real.exists() => {}
                Err(error) => {
                    return Err(Error::new(Exit::Failed, format!("cannot remove {named}"))
                        .why(reason(&error)));
                }
            }
        }
        let real = (target.real)(&directory);
        remove_leftovers(&real);
        let in_use = [LIBRARY, BINARY].iter().any(|name| real.join(name).exists());
        if in_use {
            continue;
        }
        let made = fs::read_to_string(real.join(MADE)).unwrap_or_default();
        let _ = fs::remove_file(real.join(MADE));
        let others = made.lines().map(Path::new).filter(|made| real.starts_with(made));
        // Not empty: somebody's; not there: fine.
        for directory in real.ancestors().take(OWN_LEVELS).chain(others) {
            let _ = fs::remove_dir(directory);
        }
    }
    Ok(())
}

/// What a crash left of a file that was being written.
fn remove_leftovers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(".new-") {
            let _ = fs::remove_file(entry.path());
        }
    }
}
