//! The files that system-wide use changes, and the order in which: what `enable --system` and
//! `disable --system` want is data first, shown or carried out.

use std::rc::Rc;

use crate::commands::system::file_change::{FileChange, cannot};
use crate::commands::system::leftovers::{Leftovers, Settled};
use crate::error::{Error, Exit};
use crate::host::apply::files;
use crate::output::system as screen;
use crate::root::Root;

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
                .map_err(|error| cannot("write", &change.shown(), &error))?;
        }
        Ok(())
    }

    /// The changes, for the screen; `obsolete` those of the libraries that are to go.
    pub(in crate::commands) fn rows(&self, obsolete: Vec<screen::Row>) -> Vec<screen::Row> {
        let needed = self.libraries.iter().chain(&self.names).filter(|change| change.is_needed());
        needed.map(FileChange::row).chain(obsolete).collect()
    }
}

/// What was done.
pub(in crate::commands) struct Done {
    /// Commands that were tried.
    pub(in crate::commands) tried: usize,
    /// What became of libraries that were to go.
    pub(in crate::commands) settled: Settled,
}

/// Makes the changes in the order that `commands::system` tells; `try_out` when the libraries are
/// there and nothing names them.
pub(in crate::commands) fn carry_out(
    wanted: &Files,
    try_out: impl FnOnce() -> Result<usize, Error>,
) -> Result<Done, Error> {
    let root = &wanted.root;
    wanted.obsolete.keep_all()?;
    let mut made = Vec::new();
    let mut directories = Vec::new();
    let mut named = Vec::new();
    let make_all = || -> Result<usize, Error> {
        for library in wanted.libraries.iter().filter(|library| library.is_needed()) {
            if let Some(directory) = library.path.parent() {
                let new = files::make_directory(root, directory)
                    .map_err(|error| cannot("make", &root.shown(directory), &error))?;
                directories.extend(new);
            }
            library.make()?;
            made.push(&library.path);
        }
        let tried = try_out()?;
        for change in wanted.names.iter().filter(|change| change.is_needed()) {
            change.make()?;
            named.push(change.inverse());
        }
        Ok(tried)
    };
    let done = make_all();
    let tried = match done {
        Ok(tried) => tried,
        Err(error) => {
            // Newest first, and the libraries only when nothing names them any more.
            for change in named.iter().rev() {
                if change.make().is_err() {
                    return Err(error.with_exit(Exit::Partial).fix("mptcpize disable --system"));
                }
            }
            for library in &made {
                let _ = files::remove(root, library);
            }
            for directory in &directories {
                files::remove_if_empty(root, directory);
            }
            return Err(error);
        }
    };
    Ok(Done { tried, settled: wanted.obsolete.settle()? })
}
