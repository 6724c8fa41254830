//! The root of a system, as a descriptor: the running one's `/`, or a directory with the files of
//! another, an image.
//!
//! An image is not trusted. Each path in it is looked up by the kernel with the image as its root
//! (openat2(2), `RESOLVE_IN_ROOT`), so that no link in it leads out, and what is found is a
//! descriptor, so that nothing is looked up a second time. A link to something that is not there
//! is not taken for something that may be made.
//!
//! Not here: how files are replaced (`host::apply::files`), and running what is in an image
//! (`host::netns::sandbox`).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, mkdirat, openat, openat2, readlinkat,
    renameat, statat, unlinkat,
};

use crate::error::{Error, Exit, reason};

/// How much is read of a file of settings, of units, of variables: none is a tenth as long, and a
/// file without an end must not fill the memory.
pub const MOST: u64 = 1 << 20;

/// The flags of every descriptor that only names something.
const NAME: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// The root of a system.
#[derive(Debug)]
pub struct Root {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// The running system's.
    ///
    /// # Errors
    /// 1: it cannot be opened.
    pub fn host() -> Result<Rc<Self>, Error> {
        Root::open_at(Path::new("/")).map(Rc::new).map_err(|error| {
            Error::new(Exit::Failed, "cannot look at the root directory").why(reason(&error))
        })
    }

    /// An image's.
    ///
    /// # Errors
    /// 5: there is none, or the kernel cannot keep look-ups within it.
    pub fn image(path: &Path) -> Result<Rc<Self>, Error> {
        let unusable = |error: &io::Error| {
            Error::new(Exit::Missing, format!("cannot use the image {}", path.display()))
                .why(reason(error))
        };
        let root = fs::canonicalize(path).and_then(|path| Root::open_at(&path));
        let root = root.map_err(|error| {
            unusable(&error).fix("name a directory with the root of a system in it")
        })?;
        match root.open(Path::new("/"), NAME) {
            Ok(_) => Ok(Rc::new(root)),
            Err(error) => Err(unusable(&error)
                .why(format!(
                    "links in it could lead out of it: openat2(2) says {}",
                    reason(&error)
                ))
                .fix("use a kernel 5.6 or newer, outside of sandboxes that forbid openat2")),
        }
    }

    fn open_at(path: &Path) -> io::Result<Self> {
        let descriptor = openat(CWD, path, NAME | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Root { descriptor, path: path.to_owned() })
    }

    /// A directory in it as a root of its own.
    ///
    /// # Errors
    /// It is not there.
    pub fn within(&self, seen: &Path) -> io::Result<Self> {
        let descriptor = self.open(seen, NAME | OFlags::DIRECTORY)?;
        Ok(Root { descriptor, path: self.shown(seen) })
    }

    /// Is it the running system's?
    pub fn is_host(&self) -> bool {
        self.path == Path::new("/")
    }

    /// Where it is on the host.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of a lock for what is changed in it: each image has its own.
    pub fn lock_name(&self, what: &str) -> String {
        match rustix::fs::fstat(&self.descriptor) {
            Ok(found) if !self.is_host() => format!("{what}-{}-{}", found.st_dev, found.st_ino),
            _ => what.to_owned(),
        }
    }

    /// A path in it as a person on the host would name it. Only to be shown.
    pub fn shown(&self, seen: &Path) -> PathBuf {
        self.path.join(seen.strip_prefix("/").unwrap_or(seen))
    }

    /// Opens something in it; links mean what they mean there.
    ///
    /// # Errors
    /// It is not there, or may not be opened so.
    pub fn open(&self, seen: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        if self.is_host() {
            return Ok(openat(CWD, seen, flags, Mode::empty())?);
        }
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(&self.descriptor, seen, flags, Mode::empty(), within)?)
    }

    /// Opens a regular file for reading; never waits for the other end of a FIFO.
    ///
    /// # Errors
    /// As [`open`](Self::open); it is something else.
    pub fn file(&self, seen: &Path) -> io::Result<File> {
        regular(self.open(seen, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?.into())
    }

    /// Reads a regular file of at most [`MOST`] bytes.
    ///
    /// # Errors
    /// As [`file`](Self::file); it is longer.
    pub fn read(&self, seen: &Path) -> io::Result<Vec<u8>> {
        content(&self.file(seen)?)
    }

    /// What is there, links followed.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn metadata(&self, seen: &Path) -> io::Result<Metadata> {
        File::from(self.open(seen, NAME)?).metadata()
    }

    /// Is there a regular file?
    pub fn has_file(&self, seen: &Path) -> bool {
        self.metadata(seen).is_ok_and(|found| found.is_file())
    }

    /// The names in a directory, sorted; none where it cannot be read.
    pub fn names(&self, seen: &Path) -> Vec<OsString> {
        self.directory(seen).ok().flatten().map(|directory| directory.names()).unwrap_or_default()
    }

    /// The path by which the host knows something in it. To be compared, never to be opened.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn real(&self, seen: &Path) -> io::Result<PathBuf> {
        fs::read_link(own(&self.open(seen, NAME)?))
    }

    /// A directory, or `None` where there is none but could be one.
    ///
    /// # Errors
    /// It cannot be looked at; a link on the way leads to something that is not there.
    pub fn directory(&self, seen: &Path) -> io::Result<Option<Dir>> {
        let (found, rest) = self.nearest(seen)?;
        Ok(rest.is_empty().then_some(found))
    }

    /// The part of a directory's path that is there, and the names that are missing below it.
    ///
    /// # Errors
    /// As [`directory`](Self::directory).
    pub fn nearest(&self, seen: &Path) -> io::Result<(Dir, Vec<OsString>)> {
        for above in seen.ancestors() {
            let directory = match self.open(above, NAME | OFlags::DIRECTORY) {
                Ok(descriptor) => Dir(descriptor),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(io::Error::new(
                        error.kind(),
                        format!("{}: {}", self.shown(above).display(), reason(&error)),
                    ));
                }
            };
            let rest = seen.strip_prefix(above).unwrap_or(Path::new(""));
            let rest: Vec<OsString> = rest.iter().map(OsStr::to_owned).collect();
            if let Some(first) = rest.first() {
                directory.is_free(first, &self.shown(&above.join(first)))?;
            }
            return Ok((directory, rest));
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Makes a directory and those above it, readable by all whatever the umask. Says which were
    /// not there, the deepest first.
    ///
    /// # Errors
    /// As [`nearest`](Self::nearest); one cannot be made.
    pub fn make_directory(&self, seen: &Path) -> io::Result<(Dir, Vec<PathBuf>)> {
        let (mut directory, rest) = self.nearest(seen)?;
        for name in &rest {
            let below = directory.make(name)?;
            directory.sync()?;
            directory = below;
        }
        let made = seen.ancestors().take(rest.len()).map(Path::to_owned).collect();
        Ok((directory, made))
    }

    /// The directory that something is in, and its name there.
    ///
    /// # Errors
    /// As [`directory`](Self::directory); it is not there.
    pub fn parent<'a>(&self, seen: &'a Path) -> io::Result<(Dir, &'a OsStr)> {
        let above = seen.parent().unwrap_or(Path::new("/"));
        let directory = self.directory(above)?.ok_or(io::ErrorKind::NotFound)?;
        Ok((directory, seen.file_name().unwrap_or_default()))
    }
}

/// Opens a file of the host that somebody wrote for us, and reads it: settings, variables.
///
/// # Errors
/// It is not there, is no regular file, or longer than [`MOST`] bytes.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    content(&regular(openat(CWD, path, flags, Mode::empty())?.into())?)
}

fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

fn content(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // The size is not asked: it may grow, and files of procfs have none.
    let count = file.take(MOST + 1).read_to_end(&mut bytes)?;
    match u64::try_from(count) {
        Ok(count) if count <= MOST => Ok(bytes),
        _ => Err(io::Error::other(format!("it is longer than {MOST} bytes"))),
    }
}

/// A descriptor as a path of this process.
fn own(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

/// A directory that was found. Names in it are taken as they are: no link is followed.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl Dir {
    /// What has this name.
    pub fn stat(&self, name: &OsStr) -> Option<Stat> {
        statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// The target of a link.
    pub fn link(&self, name: &OsStr) -> Option<PathBuf> {
        let target = readlinkat(&self.0, name, Vec::new()).ok()?;
        Some(PathBuf::from(OsStr::from_bytes(target.to_bytes())))
    }

    /// Is nothing of this name there? `shown` is for the refusal.
    fn is_free(&self, name: &OsStr, shown: &Path) -> io::Result<()> {
        match self.link(name) {
            None => Ok(()),
            Some(target) => Err(io::Error::other(format!(
                "{} is a symbolic link to {}, which is not there",
                shown.display(),
                target.display()
            ))),
        }
    }

    /// Every name in it, sorted.
    pub fn names(&self) -> Vec<OsString> {
        let Ok(open) = self.readable() else { return Vec::new() };
        let Ok(entries) = rustix::fs::Dir::read_from(&open) else { return Vec::new() };
        let mut names: Vec<OsString> = entries
            .flatten()
            .map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
            .filter(|name| name != "." && name != "..")
            .collect();
        names.sort();
        names
    }

    fn readable(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&self.0, ".", flags, Mode::empty())?.into())
    }

    /// A directory in it; `None` where nothing of this name is.
    ///
    /// # Errors
    /// It is something else, a link too.
    pub fn directory(&self, name: &OsStr) -> io::Result<Option<Dir>> {
        let flags = NAME | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        match openat(&self.0, name, flags, Mode::empty()) {
            Ok(descriptor) => Ok(Some(Dir(descriptor))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a directory in it, which all may read.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self, name: &OsStr) -> io::Result<Dir> {
        let open = Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
        mkdirat(&self.0, name, open)?;
        let made = self.directory(name)?.ok_or(io::ErrorKind::NotFound)?;
        // Apart from the mode of its creation, from which the umask takes bits.
        made.readable()?.set_permissions(Permissions::from_mode(0o755))?;
        Ok(made)
    }

    /// The content of a regular file of at most [`MOST`] bytes; `None` where nothing of this name
    /// is.
    ///
    /// # Errors
    /// It is something else, a link too, or longer.
    pub fn read(&self, name: &OsStr) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.0, name, flags, Mode::empty()) {
            Ok(descriptor) => content(&regular(descriptor.into())?).map(Some),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(rustix::io::Errno::LOOP) => Err(io::Error::other("it is not a regular file")),
            Err(error) => Err(error.into()),
        }
    }

    /// A new file, for nobody else as yet.
    ///
    /// # Errors
    /// The name is taken; it cannot be made.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Gives something another name, in this directory or another one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rename(&self, name: &OsStr, to: &Dir, new: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.0, name, &to.0, new)?)
    }

    /// Removes a file or a link.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove_directory(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// A rename or removal is on the medium when its directory is.
    ///
    /// # Errors
    /// The kernel's.
    pub fn sync(&self) -> io::Result<()> {
        self.readable()?.sync_all()
    }

    /// May we make files in it?
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn check_writable(&self) -> io::Result<()> {
        use rustix::fs::{Access, accessat};
        Ok(accessat(CWD, own(&self.0), Access::WRITE_OK, AtFlags::EACCESS)?)
    }
}

/// Is it a directory, and no link to one?
pub fn is_directory(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Directory
}

/// Is it a regular file, and no link to one?
pub fn is_file(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
}
