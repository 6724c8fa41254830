//! Paths inside an image: a directory that is the root of another system. Symbolic links in it
//! mean what they mean there, so they are followed by the kernel with that root.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

/// The real path of something inside the image, which exists.
///
/// # Errors
/// It does not exist, or may not be looked at.
pub fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    if root == Path::new("/") {
        return fs::metadata(path).map(|_| path.to_owned());
    }
    let directory = openat(CWD, root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let inside = path.strip_prefix("/").unwrap_or(path);
    let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = openat2(directory, inside, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
    fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

/// The real path of something that may not exist yet: the part that exists is resolved.
///
/// # Errors
/// The image itself cannot be looked at.
pub fn place(root: &Path, path: &Path) -> io::Result<PathBuf> {
    for above in path.ancestors() {
        match resolve(root, above) {
            Ok(real) => {
                let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
                return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && above != Path::new("/") => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
