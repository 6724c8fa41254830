//! A file that a scraper reads at any moment: it is written beside its place and renamed, so that nobody
//! reads half of it. It is not synced, for the next one follows within minutes.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The collector reads as a user of its own.
const MODE: u32 = 0o644;

/// Puts `text` at `path`, readable by everybody.
///
/// # Errors
/// `InvalidInput` where something other than a file is there, such as a device or a link, which a rename
/// would replace; else whatever fails. `path` is then as it was.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is there and no regular file"));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    // A collector of `*.prom` files passes over a name with this ending.
    let mut builder = tempfile::Builder::new();
    let mut new = builder
        .prefix(".mptcpize-")
        .suffix(".new")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    // Apart from the mode of its creation, from which the umask takes bits.
    new.as_file().set_permissions(Permissions::from_mode(MODE))?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("mptcpize.prom");
        for text in ["one\n", "two\n"] {
            write(&path, text).expect("it can be written");
            assert_eq!(fs::read_to_string(&path).expect("it was written"), text);
        }
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o7777, MODE);
        assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), 1);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a new name");
        assert!(write(&link, "three\n").is_err());
        assert!(write(directory.path(), "three\n").is_err());
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "two\n");
    }
}
