//! The files of ours that services need, at a place that stays: the library, and this binary for
//! units that start under `mptcpize run`.
//!
//! What a package installed is taken where it is. Otherwise a copy is kept, in a directory that
//! only root (or the user) can change, that sandboxes show, and that is not mounted noexec; it
//! goes again with the last unit that names it. Unlike with [`library`] no hash is in
//! the name: a unit keeps its line when we are upgraded.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags};

use crate::error::{Error, Exit, reason};
use crate::inject::environment::preload;
use crate::inject::library::{self, Refusal};
use crate::inject::target::elf;
use crate::locations::{LIBRARY, Locations};
use crate::root::{Dir, Root};

/// The directories of a kept file that bear our name: `mptcpize/units`.
const OWN_LEVELS: usize = 2;
/// The file that names the directories above them that had to be made.
const MADE: &str = "made";

/// What a file's name begins with while it is being written.
const LEFT: &str = ".new-";

/// The name of the binary where it is kept.
const BINARY: &str = "mptcpize";

/// Where a file is, or is to be.
#[derive(Clone, Debug)]
pub struct Placed {
    /// As units name it: the root of an image left out.
    pub seen: PathBuf,
    root: Rc<Root>,
    /// It is ours to write and remove; else a package's.
    pub kept: bool,
}

/// Whose units, and in which system.
#[derive(Clone, Copy)]
pub struct For<'a> {
    /// Locations, with the root of the image.
    pub locations: &'a Locations,
    /// The calling user's units.
    pub user: bool,
    /// The root of that system.
    pub root: &'a Rc<Root>,
}

impl For<'_> {
    fn is_image(&self) -> bool {
        !self.root.is_host()
    }

    fn owner(&self) -> u32 {
        if self.user { rustix::process::geteuid().as_raw() } else { 0 }
    }

    /// The library's place. Nothing is written.
    ///
    /// # Errors
    /// Exit 5: no place will do, with each and what is wrong with it.
    pub fn library(&self) -> Result<Placed, Error> {
        for path in self.locations.installed_libraries() {
            let inside = path.strip_prefix(self.locations.root()).unwrap_or(&path);
            let seen = Path::new("/").join(inside);
            let good = match self.is_image() {
                true => self.root.read(&seen).is_ok_and(|bytes| bytes == library::BYTES),
                false => {
                    library::resolved(&seen).is_ok_and(|real| library::verify(&real, 0).is_ok())
                }
            };
            // Our own copy is found below; it is there only as long as units name it.
            let kept = self.all_kept(false).any(|kept| seen.starts_with(kept));
            if good && !kept {
                return Ok(self.placed(seen, false));
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
            return Ok(self.placed(own, false));
        }
        self.kept(BINARY)
    }

    /// Where files are kept, and where they were.
    fn all_kept(&self, user: bool) -> impl Iterator<Item = PathBuf> {
        let kept = self.locations.kept_for_units(user).into_iter();
        kept.chain(self.locations.once_kept_for_units(user))
    }

    /// Behind all links, where units are started by what these are now.
    fn real(&self, path: PathBuf) -> PathBuf {
        match self.is_image() {
            true => path,
            false => library::resolved(&path).unwrap_or(path),
        }
    }

    fn placed(&self, seen: PathBuf, kept: bool) -> Placed {
        Placed { seen, root: Rc::clone(self.root), kept }
    }

    fn kept(&self, name: &str) -> Result<Placed, Error> {
        let mut refusals = Vec::new();
        for directory in self.locations.kept_for_units(self.user) {
            let directory = self.real(directory);
            // A link that leads nowhere is no place that may be passed over: who laid it wants us
            // to go somewhere.
            self.root.nearest(&directory).map_err(|error| {
                Error::new(Exit::Failed, format!("cannot use {}", directory.display()))
                    .why(reason(&error))
            })?;
            let placed = self.placed(directory.join(name), true);
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
        if self.is_image() {
            return Ok(());
        }
        let above = placed.seen.ancestors().skip(1).find(|above| above.is_dir());
        let above = above.unwrap_or(Path::new("/"));
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
        self.seen.file_name().is_some_and(|name| name == BINARY)
    }

    fn is_current(&self) -> io::Result<bool> {
        if !self.is_binary() {
            return Ok(self.root.read(&self.seen)? == library::BYTES);
        }
        let (kept, own) = (self.root.file(&self.seen)?, File::open("/proc/self/exe")?);
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
        let above = self.seen.parent().unwrap_or(Path::new("/"));
        let (directory, made) = self.root.make_directory(above)?;
        // Those of our own name go by it; these would not be known again.
        let others: Vec<&str> =
            made.iter().skip(OWN_LEVELS).filter_map(|path| path.to_str()).collect();
        if !others.is_empty() {
            put(&directory, OsStr::new(MADE), 0o644, |file| {
                file.write_all(others.join("\n").as_bytes())
            })?;
        }
        let name = self.seen.file_name().unwrap_or_default();
        if self.is_binary() {
            put(&directory, name, 0o755, |file| {
                io::copy(&mut File::open("/proc/self/exe")?, file).map(drop)
            })?;
        } else {
            put(&directory, name, 0o644, |file| file.write_all(library::BYTES))?;
        }
        directory.sync()
    }

    /// Is the binary there, or the one that would be put there, free of a loader? Then it runs in
    /// any root.
    pub fn is_static() -> bool {
        File::open("/proc/self/exe")
            .is_ok_and(|own| elf::read(&own).is_ok_and(|own| own.interpreter.is_none()))
    }
}

/// Writes a file beside its place and renames it, so that no reader sees a part of it.
fn put(
    directory: &Dir,
    name: &OsStr,
    mode: u32,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = OsString::from(format!("{LEFT}{}", std::process::id()));
    let mut file = directory.create(&temporary)?;
    let written = fill(&mut file)
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| file.sync_all())
        .and_then(|()| directory.rename(&temporary, directory, name));
    if written.is_err() {
        let _ = directory.remove(&temporary);
    }
    written
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
    for directory in target.all_kept(target.user).map(|path| target.real(path)) {
        for name in [LIBRARY, BINARY] {
            let seen = directory.join(name);
            let named = seen.to_string_lossy().into_owned();
            if texts.iter().any(|text| names(text, &named)) {
                continue;
            }
            let removed =
                target.root.parent(&seen).and_then(|(directory, name)| directory.remove(name));
            match removed {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) if target.root.metadata(&seen).is_err() => {}
                Err(error) => {
                    return Err(Error::new(Exit::Failed, format!("cannot remove {named}"))
                        .why(reason(&error)));
                }
            }
        }
        let empty = |directory: &Path| {
            // Not empty: somebody's; not there: fine.
            if let Ok((above, name)) = target.root.parent(directory) {
                let _ = above.remove_directory(name);
            }
        };
        let Ok(Some(kept)) = target.root.directory(&directory) else {
            // A run that was killed may have made the one above alone.
            directory.ancestors().take(OWN_LEVELS).for_each(empty);
            continue;
        };
        remove_leftovers(&kept);
        if [LIBRARY, BINARY].iter().any(|name| kept.stat(OsStr::new(name)).is_some()) {
            continue;
        }
        let made = kept.read(OsStr::new(MADE)).ok().flatten().unwrap_or_default();
        let made = String::from_utf8_lossy(&made).into_owned();
        let _ = kept.remove(OsStr::new(MADE));
        let others = made.lines().map(Path::new).filter(|made| directory.starts_with(made));
        directory.ancestors().take(OWN_LEVELS).chain(others).for_each(empty);
    }
    Ok(())
}

/// Does a drop-in name this file? A command of systemd's may have signs in front of its path
/// (systemd.service(5), "special executable prefixes"), as in `ExecStart=-/usr/…`.
fn names(text: &str, file: &str) -> bool {
    let words = text.split([' ', ':', '"', '=', '\n']);
    words.map(|word| word.trim_start_matches(['-', '@', '+', '!', '|'])).any(|word| word == file)
}

/// What a crash left of a file that was being written.
fn remove_leftovers(directory: &Dir) {
    for name in directory.names() {
        if name.to_string_lossy().starts_with(LEFT) {
            let _ = directory.remove(&name);
        }
    }
}
