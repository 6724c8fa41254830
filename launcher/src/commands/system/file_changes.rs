//! The files that system-wide use changes, and the order in which: what `enable --system` and
//! `disable --system` want is data first, shown or carried out.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::commands::system::leftovers::{Leftovers, Settled};
use crate::error::{Error, Exit, reason};
use crate::host::apply::files;
use crate::host::process::privilege;
use crate::output::system as screen;
use crate::root::Root;
use mptcpize_model::{environment, shell};

/// One file of the host, as it is and as it shall be.
pub(in crate::commands) struct FileChange {
    pub(in crate::commands) root: Rc<Root>,
    /// Its path in the root.
    pub(in crate::commands) path: PathBuf,
    pub(in crate::commands) before: Option<Vec<u8>>,
    pub(in crate::commands) after: Option<Vec<u8>>,
    pub(in crate::commands) why: &'static str,
}

impl FileChange {
    /// Looks at the file; it shall stay as it is, so far.
    pub(in crate::commands) fn read(
        root: &Rc<Root>,
        path: PathBuf,
        why: &'static str,
    ) -> Result<Self, Error> {
        let before =
            files::read(root, &path).map_err(|error| cannot("read", &root.shown(&path), &error))?;
        Ok(FileChange { root: Rc::clone(root), path, after: before.clone(), before, why })
    }

    fn is_needed(&self) -> bool {
        self.before != self.after
    }

    fn make(&self) -> Result<(), Error> {
        let root = &self.root;
        let alone = |text: &Vec<u8>| text.ends_with(environment::MADE_DIRECTORY.as_bytes());
        let made = match (&self.before, &self.after) {
            (None, Some(bytes)) if alone(bytes) => {
                files::write_with_directory(root, &self.path, bytes)
            }
            (Some(text), None) if alone(text) => files::remove_with_directory(root, &self.path),
            (_, Some(bytes)) => files::write(root, &self.path, bytes),
            (_, None) => files::remove(root, &self.path).map(|_| ()),
        };
        made.map_err(|error| cannot("write", &self.shown(), &error))
    }

    /// Did it give programs a library of ours by their environment?
    pub(in crate::commands) fn was_environment(&self) -> bool {
        let before = self.before.as_deref().unwrap_or_default();
        !self.path.ends_with("ld.so.preload")
            && String::from_utf8_lossy(before).contains("libmptcpize-system-")
    }

    /// The change back.
    fn inverse(&self) -> Self {
        FileChange {
            root: Rc::clone(&self.root),
            path: self.path.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
            why: self.why,
        }
    }

    fn row(&self) -> screen::Row {
        let sign = match (&self.before, &self.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        screen::Row { sign, path: self.shown().display().to_string(), why: self.why }
    }

    fn shown(&self) -> PathBuf {
        self.root.shown(&self.path)
    }
}

/// An error of the file system.
pub(in crate::commands) fn cannot(doing: &str, path: &Path, error: &io::Error) -> Error {
    let what = format!("cannot {doing} {}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::new(Exit::NotPermitted, what)
            .why(reason(error))
            .fix(format!("{}; if that is so, look at: lsattr, mount", privilege::advice())),
        io::ErrorKind::ReadOnlyFilesystem => Error::new(Exit::Failed, what)
            .why(reason(error))
            .fix("mount -o remount,rw the file system, or change the image that it comes from"),
        _ => Error::new(Exit::Failed, what)
            .why(reason(error))
            .fix(format!("look at it: ls -ld {}", shell::operand(path.display()))),
    }
}

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
