//! The file of the Container Device Interface on the host: whether it is ours, who else has devices of our
//! kind, and the change to it.

use std::path::{Path, PathBuf};

use crate::commands::containers::devices::Wanted;
use crate::commands::system::file_change::{self, cannot};
use crate::error::{Error, Exit};
use crate::host::apply::files;
use crate::root::Root;
use mptcpize_model::container::cdi;
use mptcpize_model::file_change::FileChange;
use mptcpize_model::shell;

/// The devices of a text that is ours.
pub(super) fn devices(text: &[u8]) -> Option<Vec<cdi::Device>> {
    serde_json::from_slice::<cdi::File>(text).ok()?.devices()
}

/// Looks at the file; it shall stay as it is, so far.
///
/// # Errors
/// It cannot be read, or is not ours.
pub(super) fn read(root: &Root) -> Result<FileChange, Error> {
    let change = file_change::read(root, cdi::FILE.into(), "devices for containers")?;
    match &change.before {
        Some(text) if devices(text).is_none() => {
            let shown = root.shown(Path::new(cdi::FILE));
            Err(Error::new(Exit::Failed, format!("{} is not from mptcpize", shown.display()))
                .why(format!("it has other fields than ours, or another kind than {}", cdi::KIND))
                .fix(set_aside(&shown)))
        }
        _ => Ok(change),
    }
}

/// The line that sets a file aside: engines read none with another ending than .json and .yaml.
fn set_aside(file: &Path) -> String {
    let aside = format!("{}.bak", file.display());
    format!("sudo mv {} {}", shell::operand(file.display()), shell::operand(aside))
}

/// The file with these devices; the library is at `library` on the host.
///
/// # Errors
/// The text cannot be made.
pub(super) fn with(
    root: &Root,
    change: FileChange,
    wanted: &[Wanted],
    library: &str,
) -> Result<FileChange, Error> {
    let all: Vec<cdi::Device> = wanted.iter().map(|one| one.device.clone()).collect();
    let text = serde_json::to_string_pretty(&cdi::File::new(&all, library));
    let mut text = text.map_err(|error| {
        Error::new(Exit::Failed, format!("cannot make {}", cdi::FILE)).why(error)
    })?;
    text.push('\n');
    let mark = cdi::MADE_DIRECTORY.as_bytes();
    let directory = change.path.parent().unwrap_or(Path::new("/"));
    let made = match &change.before {
        Some(before) => before.ends_with(mark),
        None => root.metadata(directory).is_err(),
    };
    if made {
        text.push('\n');
    }
    Ok(FileChange { after: Some(text.into_bytes()), ..change })
}

/// Removes what a run that was killed left beside the file.
///
/// # Errors
/// It cannot be removed.
pub(super) fn sweep(root: &Root) -> Result<(), Error> {
    let path = Path::new(cdi::FILE);
    files::sweep(root, path).map_err(|error| cannot("write", &root.shown(path), &error))
}

/// Of two files with the same device in one directory engines take none, otherwise that in /var/run/cdi.
///
/// # Errors
/// 1: another file has devices of our kind.
pub(super) fn nobody_else_has_it(root: &Root) -> Result<(), Error> {
    let paths = cdi::DIRECTORIES.map(PathBuf::from).into_iter().flat_map(|directory| {
        root.names(&directory).into_iter().map(move |name| directory.join(name))
    });
    let is_read = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        matches!(ending, Some("json" | "yaml")) && path != Path::new(cdi::FILE)
    };
    for path in paths.filter(is_read) {
        let text = root.read(&path).unwrap_or_default();
        if cdi::has_our_kind(&String::from_utf8_lossy(&text)) {
            let shown = root.shown(&path);
            return Err(Error::new(Exit::Failed, "there are devices of this kind already")
                .why(format!(
                    "{} has the kind {}, and of a device in two files engines take the other one, or none",
                    shown.display(),
                    cdi::KIND
                ))
                .fix(set_aside(&shown)));
        }
    }
    Ok(())
}
