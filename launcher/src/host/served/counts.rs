//! What the relay that this host is has carried: asked at its socket while it runs, else read from the file
//! in which it counts.
//!
//! Its process has no privileges and talks to strangers, and both the answer and the file are its own: they
//! are bounded, and nothing in them is taken for granted.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::error::reason;
use crate::host::relay::told_at;
use mptcpize_model::relay::status::{MOST_BYTES, Server};
use mptcpize_model::status::served::{self, Heard};

/// The name of the file.
const NAME: &str = "counts.json";

/// Asks the one that keeps its socket in this directory.
pub fn ask(run: &Path) -> Heard {
    match told_at(&run.join("state")) {
        Ok(text) if text.is_empty() => Heard::Silent("it closed without an answer".to_owned()),
        Ok(text) => match understood(&text) {
            Ok(state) if is_elsewhere(state.pid) => Heard::Nothing,
            Ok(state) => Heard::State(Box::new(state)),
            Err(why) => Heard::Silent(format!("its answer is not understood: {why}")),
        },
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT) => Heard::Nothing,
            Some(libc::EACCES | libc::EPERM) => Heard::Hidden,
            Some(libc::ECONNREFUSED) => Heard::Silent("nobody listens at its socket".to_owned()),
            Some(libc::ETIMEDOUT) => Heard::Silent("it does not answer in a second".to_owned()),
            _ => Heard::Silent(reason(&error)),
        },
    }
}

/// Reads an answer.
pub(in crate::host) fn understood(text: &[u8]) -> Result<Server, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string()).and_then(served::checked)
}

/// Is a process in another network namespace, whose run directory is the same?
fn is_elsewhere(process: u32) -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    match (of("thread-self"), of(&process.to_string())) {
        (Some(own), Some(other)) => own != other,
        // Who may not know that is not root.
        _ => false,
    }
}

/// Makes the directory in which a process of this user counts, and gives it what one before it counted
/// there under another number.
///
/// # Errors
/// It cannot be made, or is somebody else's.
pub fn prepare(directory: &Path, user: Option<u32>) -> io::Result<PathBuf> {
    if let Some(above) = directory.parent().filter(|above| !above.exists()) {
        fs::create_dir_all(above)?;
        // Apart from the mode of its creation, from which the umask takes bits: its process passes here.
        fs::set_permissions(above, fs::Permissions::from_mode(0o755))?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let opened =
        OpenOptions::new().read(true).custom_flags(flags | libc::O_DIRECTORY).open(directory)?;
    let file = directory.join(NAME);
    // First: without CAP_FOWNER, as in a unit, root cannot once it is somebody else's.
    opened.set_permissions(fs::Permissions::from_mode(0o700))?;
    if user.is_some() {
        // A file by this name that the process itself put there is its own, whatever it is; one with a
        // second name might be another one's.
        if let Ok(counts) = OpenOptions::new().read(true).custom_flags(flags).open(&file) {
            let found = counts.metadata()?;
            if found.is_file() && found.nlink() == 1 {
                fchown(&counts, user, user)?;
            }
        }
        fchown(&opened, user, user)?;
    }
    Ok(file)
}

/// The text of the file in which a server that has ended counted; nothing where there is none.
///
/// # Errors
/// It cannot be read.
pub fn text(directory: &Path) -> io::Result<Option<Vec<u8>>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(directory.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut text)?;
    Ok(Some(text))
}
