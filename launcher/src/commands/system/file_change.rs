//! One file that system-wide use changes: read first, then written, and back.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

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

    pub(in crate::commands) fn is_needed(&self) -> bool {
        self.before != self.after
    }

    pub(in crate::commands) fn make(&self) -> Result<(), Error> {
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
    pub(in crate::commands) fn inverse(&self) -> Self {
        FileChange {
            root: Rc::clone(&self.root),
            path: self.path.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
            why: self.why,
        }
    }

    pub(in crate::commands) fn row(&self) -> screen::Row {
        let sign = match (&self.before, &self.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        screen::Row { sign, path: self.shown().display().to_string(), why: self.why }
    }

    pub(in crate::commands) fn shown(&self) -> PathBuf {
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
