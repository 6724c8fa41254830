//! Where the library that goes into `LD_PRELOAD` lies: installed by a package, or written from
//! this binary into a cache directory, and trusted only after a look at it.
//!
//! A place is taken when nobody else can change it (each directory above it belongs to root or
//! to us and is closed to others, or is sticky like /tmp), when its content is byte for byte the
//! library inside this binary, when programs may be mapped from it (no `noexec`), and when its
//! name can stand in `LD_PRELOAD`. Otherwise the next place is tried. What is looked at and named is
//! the path behind all links: a link could be turned between the look and the load.

pub mod empty;
pub mod service_copy;
pub mod system_copy;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use crate::error::{Error, Exit, reason};
use crate::inject::environment::preload;
use crate::locations::{Cache, Locations};

/// The library, embedded at build time.
pub const BYTES: &[u8] = include_bytes!(env!("MPTCPIZE_SHIM"));
/// Its hash, as sha256sum(1) prints it.
pub const SHA256: &str = env!("MPTCPIZE_SHIM_SHA256");

/// Finds a place for the library, writing it there when needed.
///
/// # Errors
/// Exit 5 with every place that was tried and what was wrong with it.
pub fn place(locations: &Locations) -> Result<PathBuf, Error> {
    let user = rustix::process::geteuid().as_raw();
    let mut refusals = Vec::new();
    for file in locations.installed_libraries() {
        match installed(&file) {
            Ok(file) => return Ok(file),
            Err(Refusal::NotThere) => {}
            Err(refusal) => refusals.push(format!("{}: {refusal}", file.display())),
        }
    }
    for cache in locations.caches(user) {
        match cached(&cache, user) {
            Ok(file) => return Ok(file),
            Err(refusal) => refusals.push(format!("{}: {refusal}", cache.directory.display())),
        }
    }
    let fix = match user {
        0 => "make /var/cache or /run writable for root alone, and mount it without noexec",
        _ => "set XDG_CACHE_HOME to a directory of your own on a file system without noexec",
    };
    Err(Error::new(Exit::Missing, "there is no safe place for the preload library")
        .why(refusals.join("\n       "))
        .fix(fix))
}

/// Why a place was not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    NotThere,
    Name,
    NoExec,
    Content,
    Shared(PathBuf),
    Link(PathBuf),
    Io(&'static str, io::Error),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NotThere => f.write_str("not there"),
            Refusal::Name => f.write_str("its name has a blank, a colon or a dollar sign"),
            Refusal::NoExec => f.write_str("mounted noexec"),
            Refusal::Content => f.write_str("of another release"),
            Refusal::Shared(path) => write!(f, "others can write to {}", path.display()),
            Refusal::Link(path) => write!(f, "{} is a link", path.display()),
            Refusal::Io(doing, error) => write!(f, "cannot {doing}: {}", reason(error)),
        }
    }
}

/// A package's library: root's, and the same as ours.
fn installed(file: &Path) -> Result<PathBuf, Refusal> {
    let looked = |error| Refusal::Io("look at it", error);
    match fs::metadata(file) {
        // One call instead of one for each part of the path: `run` asks for several places.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refusal::NotThere),
        other => other.map_err(looked)?,
    };
    let file = fs::canonicalize(file).map_err(looked)?;
    verify(&file, 0)?;
    Ok(file)
}

/// The path behind all links. What does not exist yet has none.
pub(super) fn resolved(path: &Path) -> io::Result<PathBuf> {
    for above in path.ancestors() {
        match fs::canonicalize(above) {
            Ok(real) => {
                let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
                // With nothing to join, `join` would add a slash.
                return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// A cache directory's library, written if it is missing or wrong.
fn cached(cache: &Cache, user: u32) -> Result<PathBuf, Refusal> {
    // Sixteen hexadecimal digits tell releases apart; the content is compared anyway.
    let hash = SHA256.get(..16).unwrap_or(SHA256);
    // Those above: what is a link itself is not ours.
    let above = cache.directory.parent().unwrap_or(Path::new("/"));
    let above = resolved(above).map_err(|error| Refusal::Io("look above it", error))?;
    let name = cache.directory.file_name().unwrap_or_default();
    let cache = &Cache { directory: above.join(name), mode: cache.mode };
    let file = cache.directory.join(format!("libmptcpize-{hash}.so"));
    // Not by trust alone: root could have put it there, and then it is not for us.
    let own = |found: Metadata| found.is_dir() && found.uid() == user;
    if fs::symlink_metadata(&cache.directory).is_ok_and(own) && verify(&file, user).is_ok() {
        return Ok(file);
    }
    if !preload::can_name(&file) {
        return Err(Refusal::Name);
    }
    make(cache, user)?;
    write(cache, &file)?;
    verify(&file, user)?;
    Ok(file)
}

/// Makes the directory, and the one above it (`~/.cache` of a new user), and checks that it is
/// ours alone.
fn make(cache: &Cache, user: u32) -> Result<(), Refusal> {
    if let Some(above) = cache.directory.parent() {
        safe_above(above, user)?;
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(cache.mode);
    builder.create(&cache.directory).map_err(|error| Refusal::Io("make the directory", error))?;
    let found = fs::symlink_metadata(&cache.directory)
        .map_err(|error| Refusal::Io("look at the directory", error))?;
    if !found.is_dir() || found.uid() != user {
        return Err(Refusal::Shared(cache.directory.clone()));
    }
    if found.mode() & 0o777 != cache.mode {
        // An earlier umask, or somebody's chmod; the directory is ours, so put it right.
        fs::set_permissions(&cache.directory, fs::Permissions::from_mode(cache.mode))
            .map_err(|error| Refusal::Io("close the directory to others", error))?;
    }
    Ok(())
}

/// Writes the library: a temporary file, then a rename, so that no reader sees a part of it.
fn write(cache: &Cache, file: &Path) -> Result<(), Refusal> {
    let failed = |error| Refusal::Io("write", error);
    let mut temporary = tempfile::Builder::new()
        .prefix(".libmptcpize-")
        .permissions(fs::Permissions::from_mode(cache.mode & 0o555))
        .tempfile_in(&cache.directory)
        .map_err(failed)?;
    temporary.write_all(BYTES).map_err(failed)?;
    // The umask took bits that other users of root's cache need.
    let mode = fs::Permissions::from_mode(cache.mode & 0o555);
    temporary.as_file().set_permissions(mode).map_err(failed)?;
    temporary.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Is this file what we would write, where only `user` and root could have put it?
pub(super) fn verify(file: &Path, user: u32) -> Result<(), Refusal> {
    if !preload::can_name(file) {
        return Err(Refusal::Name);
    }
    let mut open = OpenOptions::new()
        .read(true)
        // A FIFO in its place must not hold us up, a link must not lead elsewhere.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(file)
        .map_err(|error| Refusal::Io("open it", error))?;
    let found = open.metadata().map_err(|error| Refusal::Io("look at it", error))?;
    if !found.is_file() || !closed_to_others(file, &found, user) {
        return Err(Refusal::Shared(file.to_owned()));
    }
    if let Some(directory) = file.parent() {
        safe_above(directory, user)?;
    }
    same_content(&mut open, &found)?;
    let mount = rustix::fs::fstatvfs(&open)
        .map_err(|error| Refusal::Io("ask about its file system", error.into()))?;
    if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Err(Refusal::NoExec);
    }
    Ok(())
}

fn same_content(file: &mut File, found: &Metadata) -> Result<(), Refusal> {
    if found.len() != BYTES.len() as u64 {
        return Err(Refusal::Content);
    }
    let mut bytes = Vec::with_capacity(BYTES.len() + 1);
    // One byte more than ours: a file that grew meanwhile differs.
    file.take(BYTES.len() as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Refusal::Io("read it", error))?;
    if bytes == BYTES { Ok(()) } else { Err(Refusal::Content) }
}

/// Owned by root or by `user`, writable by nobody else.
pub(super) fn closed_to_others(path: &Path, found: &Metadata, user: u32) -> bool {
    is_trusted(path, found.uid(), user) && found.mode() & 0o022 == 0
}

/// Directories that belong to root on every system (FHS 3.0), whoever lives in them.
const ROOTS: [&str; 10] =
    ["/", "/dev", "/dev/shm", "/home", "/mnt", "/run", "/run/user", "/tmp", "/var", "/var/tmp"];
/// Where packages and the administrator install, and nobody else.
const INSTALLED: &str = "/usr";

/// Root, or the user. In a user namespace the true root has another number, the owner of `/`; but
/// so has everybody who is not mapped. There that number is believed of what is root's on every
/// system, and of nothing that somebody else can have made.
fn is_trusted(path: &Path, owner: u32, user: u32) -> bool {
    if owner == 0 || owner == user {
        return true;
    }
    let of_root = ROOTS.iter().any(|known| path == Path::new(known)) || path.starts_with(INSTALLED);
    of_root && fs::metadata("/").is_ok_and(|root| root.uid() == owner)
}

/// Checks every directory from `directory` up to the root: nobody but root and `user` may rename
/// what lies below, and none is a link. Directories that do not exist yet are left to whoever makes
/// them.
pub(super) fn safe_above(directory: &Path, user: u32) -> Result<(), Refusal> {
    for above in directory.ancestors() {
        let found = match fs::symlink_metadata(above) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(|error| Refusal::Io("look above it", error))?,
        };
        if found.is_symlink() {
            return Err(Refusal::Link(above.to_owned()));
        }
        let sticky =
            found.is_dir() && found.mode() & 0o1000 != 0 && is_trusted(above, found.uid(), user);
        if !sticky && !closed_to_others(above, &found, user) {
            return Err(Refusal::Shared(above.to_owned()));
        }
    }
    Ok(())
}
