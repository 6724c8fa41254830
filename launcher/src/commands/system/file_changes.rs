//! The files that system-wide use changes, and the order in which: what `enable --system` and
//! `disable --system` want is data first, shown or carried out.

use std::path::PathBuf;
use std::rc::Rc;

use crate::commands::system::file_change::{apply, cannot, row};
use crate::commands::system::leftovers::{Leftovers, Settled};
use crate::error::{Error, Exit};
use crate::host::apply::files;
use crate::output::system as screen;
use crate::root::Root;
use mptcpize_model::file_change::FileChange;

/// Everything that is on a host of ours, or shall be.
pub(in crate::commands) struct Files {
    /// What they are in.
    pub(in crate::commands) root: Rc<Root>,
    /// New libraries.
    pub(in crate::commands) libraries: Vec<FileChange>,
    /// Files that name a library, or did. Those that name one come first.
    pub(in crate::commands) names: Vec<FileChange>,
    /// Libraries that no file names any more.
    pub(in crate::commands) obsolete: Leftovers,
}

impl Files {
    /// Removes what a run that was killed left beside the files.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(in crate::commands) fn sweep(&self) -> Result<(), Error> {
        for change in &self.names {
            files::sweep(&self.root, &change.path)
                .map_err(|error| cannot("write", &self.root.shown(&change.path), &error))?;
        }
        Ok(())
    }

    /// The changes, for the screen; `obsolete` those of the libraries that are to go.
    pub(in crate::commands) fn rows(&self, obsolete: Vec<screen::Row>) -> Vec<screen::Row> {
        let needed = self.libraries.iter().chain(&self.names).filter(|change| change.is_needed());
        needed.map(|change| row(&self.root, change)).chain(obsolete).collect()
    }
}

/// What was done.
pub(in crate::commands) struct Done {
    /// Commands that were tried.
    pub(in crate::commands) tried: usize,
    /// What became of libraries that were to go.
    pub(in crate::commands) settled: Settled,
}

/// A step that was made, as it is taken back.
enum Made<'a> {
    /// A directory that was not there.
    Directory(PathBuf),
    /// A library that nothing named yet.
    Library(&'a FileChange),
    /// A file that names a library, or did.
    Name(&'a FileChange),
}

/// Makes the changes in the order that `commands::system` tells; `try_out` when the libraries are
/// there and nothing names them.
///
/// # Errors
/// A file cannot be written, or what `try_out` says; everything was taken back. 6: some of it could
/// not be.
pub(in crate::commands) fn carry_out(
    wanted: &Files,
    try_out: impl FnOnce() -> Result<usize, Error>,
) -> Result<Done, Error> {
    wanted.obsolete.keep_all()?;
    let mut made = Vec::new();
    let tried = make_all(wanted, &mut made, try_out)
        .map_err(|error| take_back(&wanted.root, &made, error))?;
    Ok(Done { tried, settled: wanted.obsolete.settle()? })
}

/// Makes the changes; `made` has those that were made, whatever comes after them.
fn make_all<'a>(
    wanted: &'a Files,
    made: &mut Vec<Made<'a>>,
    try_out: impl FnOnce() -> Result<usize, Error>,
) -> Result<usize, Error> {
    let root = &wanted.root;
    for library in wanted.libraries.iter().filter(|library| library.is_needed()) {
        if let Some(directory) = library.path.parent() {
            let new = files::make_directory(root, directory)
                .map_err(|error| cannot("make", &root.shown(directory), &error))?;
            // They come the deepest first.
            made.extend(new.into_iter().rev().map(Made::Directory));
        }
        apply(root, library)?;
        made.push(Made::Library(library));
    }
    let tried = try_out()?;
    for change in wanted.names.iter().filter(|change| change.is_needed()) {
        apply(root, change)?;
        made.push(Made::Name(change));
    }
    Ok(tried)
}

/// Takes back what was made, newest first: the libraries only when nothing names them any more.
/// Returns the error that made it necessary.
fn take_back(root: &Root, made: &[Made<'_>], error: Error) -> Error {
    for step in made.iter().rev() {
        match step {
            Made::Name(change) if apply(root, &change.inverse()).is_err() => {
                return error.with_exit(Exit::Partial).fix("mptcpize disable --system");
            }
            Made::Name(_) => {}
            Made::Library(change) => {
                let _ = files::remove(root, &change.path);
            }
            Made::Directory(path) => files::remove_if_empty(root, path),
        }
    }
    error
}
