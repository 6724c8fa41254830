//! Temporary files: one directory for each test process, removed when it exits.
//!
//! Under /tmp and not under cargo's target directory, because the launcher trusts a place only
//! when nobody else can write above it, and nobody knows who owns the checkout. Open to all for
//! reading, because some tests run programs as an ordinary user.

#![allow(unsafe_code, reason = "atexit(3), so that a finished run leaves nothing behind")]

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::process::FORKING;

/// An ordinary user: Debian's `nobody` and `nogroup`.
pub const NOBODY: u32 = 65534;

/// A new directory of this name (and a number).
pub fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = root().join(format!("{name}-{count}"));
    fs::create_dir(&path).expect("the scratch directory is ours, the name is new");
    path
}

/// The directory of this test process.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    extern "C" fn remove() {
        if let Some(root) = ROOT.get() {
            let _ = fs::remove_dir_all(root);
        }
    }
    ROOT.get_or_init(|| {
        let made = tempfile::Builder::new()
            .prefix("mptcpize-test-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .expect("a directory for temporary files can be written");
        // SAFETY: `remove` is a plain function without arguments that does not panic.
        unsafe { libc::atexit(remove) };
        made.keep()
    })
}

/// Writes a file and makes it executable.
pub fn executable(path: &Path, bytes: impl AsRef<[u8]>) -> PathBuf {
    file(path, bytes, 0o755)
}

/// Writes a file with these permission bits, set-user-ID and the like included.
pub fn file(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) -> PathBuf {
    // A fork at this moment would carry our descriptor for writing into a child, and executing
    // the file would then be ETXTBSY.
    let _no_fork = FORKING.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut file = fs::File::create(path).expect("a scratch file can be made");
    file.write_all(bytes.as_ref()).expect("a scratch file can be written");
    file.set_permissions(Permissions::from_mode(mode)).expect("a scratch file is ours");
    path.to_owned()
}

/// A copy with other permission bits.
pub fn copy(from: &Path, to: &Path, mode: u32) -> PathBuf {
    let bytes = fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    file(to, bytes, mode)
}

/// A directory that belongs to an ordinary user.
pub fn of_nobody(path: PathBuf) -> PathBuf {
    chown(&path, Some(NOBODY), Some(NOBODY)).expect("the tests run as root");
    path
}
