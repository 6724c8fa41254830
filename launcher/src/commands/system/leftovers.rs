//! Libraries for the whole host that no file names any more, and that programs may name all the same:
//! with `--via environment` every shell, session and service hands `LD_PRELOAD` on until it ends.
//! Where the library is gone, the loader complains at each start of a program.
//!
//! So a library goes when nothing names it. Until then something stands in for it under its name: one
//! that does nothing, or, when only settings changed, the library with the new ones. A rule of
//! tmpfiles.d(5) takes that and itself away at the next boot, when nothing can name it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::commands::system::file_change::cannot;
use crate::commands::system::libraries::NAME;
use crate::error::Error;
use crate::host::apply::files;
use crate::host::procfs::preload_names;
use crate::inject::library::empty::{self, Kind};
use crate::output::system as screen;
use crate::root::Root;
use mptcpize_model::file_change::FileChange;

/// What takes the rest away at the next boot.
const RULE: &str = "/etc/tmpfiles.d/mptcpize-system.conf";
/// Of an ELF file: the class, and the one of 64-bit files.
const CLASS: (usize, u8) = (4, 2);

/// The libraries that are to go.
pub(in crate::commands) struct Leftovers {
    root: Rc<Root>,
    paths: Vec<PathBuf>,
    /// What stands in for one of this machine's own word size; others do nothing anyway.
    stand_in: Option<Vec<u8>>,
    /// Some file gave the name to service managers: before this change, or before an earlier one
    /// since the boot.
    by_environment: bool,
    /// Programs shall have a library.
    is_on: bool,
}

/// What became of them.
pub(in crate::commands) struct Settled {
    /// For the screen.
    pub(in crate::commands) rows: Vec<screen::Row>,
    /// Something that runs names one of them.
    pub(in crate::commands) still_named: bool,
}

impl Leftovers {
    /// Looks at the libraries `paths`; `library` is what programs shall have now, if anything.
    pub(in crate::commands) fn new(
        root: &Rc<Root>,
        paths: Vec<PathBuf>,
        names: &[FileChange],
        library: Option<Vec<u8>>,
    ) -> Self {
        let told = names.iter().any(was_environment);
        let by_environment = told || root.has_file(Path::new(RULE));
        let is_on = library.is_some();
        let stand_in = library.or_else(|| Kind::own().map(empty::bytes));
        Leftovers { root: Rc::clone(root), paths, stand_in, by_environment, is_on }
    }

    /// Those that something which runs still names.
    fn named(&self) -> Vec<&PathBuf> {
        // Nothing of an image runs.
        if !self.root.is_host() || self.paths.is_empty() {
            return Vec::new();
        }
        let name = |path: &PathBuf| path.file_name().map(OsStr::to_owned).unwrap_or_default();
        let mut found = Vec::new();
        let mut rest: Vec<&PathBuf> = self.paths.iter().collect();
        while let Some(first) = rest.first().map(|path| name(path)) {
            // One name leads each loader to its own.
            let (alike, others): (Vec<&PathBuf>, Vec<&PathBuf>) =
                rest.into_iter().partition(|path| name(path) == first);
            let files: Vec<PathBuf> = alike.iter().copied().cloned().collect();
            if preload_names::is_named(&first, &files, self.by_environment) {
                found.extend(alike);
            }
            rest = others;
        }
        found
    }

    /// What stands in for the file that is there; `None` where it may stay as it is.
    fn instead(&self, path: &Path) -> Option<&Vec<u8>> {
        let now = self.root.read(path).unwrap_or_default();
        let own = now.get(CLASS.0) == Some(&CLASS.1);
        self.stand_in.as_ref().filter(|bytes| own && now != **bytes)
    }

    /// What will happen, for the screen.
    pub(in crate::commands) fn rows(&self) -> Vec<screen::Row> {
        self.rows_of(&self.named())
    }

    fn rows_of(&self, named: &[&PathBuf]) -> Vec<screen::Row> {
        let row = |path: &PathBuf| {
            let (sign, why) = match (named.contains(&path), self.instead(path)) {
                (false, _) => ('-', "nothing names it any more"),
                (true, Some(_)) => ('~', "what runs names it: until the next boot"),
                (true, None) => return None,
            };
            Some(screen::Row { sign, path: self.root.shown(path).display().to_string(), why })
        };
        self.paths.iter().filter_map(row).collect()
    }

    /// Takes back what would remove a library at the next boot, before one is written. The rest of the
    /// rule stays, and tells a later run that managers of users may still name one.
    pub(in crate::commands) fn keep_all(&self) -> Result<(), Error> {
        match self.root.has_file(Path::new(RULE)) {
            true => self.write_rule(&[]),
            false => Ok(()),
        }
    }

    /// Removes what nothing names, and sees to the others.
    pub(in crate::commands) fn settle(&self) -> Result<Settled, Error> {
        let root = &self.root;
        if root.is_host() && self.by_environment {
            preload_names::reload_managers();
        }
        let named = self.named();
        let settled = Settled { rows: self.rows_of(&named), still_named: !named.is_empty() };
        if !named.is_empty() {
            self.write_rule(&named)?;
        } else if !self.is_on {
            let rule = Path::new(RULE);
            files::remove(root, rule)
                .map_err(|error| cannot("remove", &root.shown(rule), &error))?;
        }
        for path in &self.paths {
            if !named.contains(&path) {
                files::remove(root, path)
                    .map_err(|error| cannot("remove", &root.shown(path), &error))?;
                if let Some(directory) = path.parent() {
                    files::remove_if_empty(root, directory);
                }
            } else if let Some(bytes) = self.instead(path) {
                files::write(root, path, bytes)
                    .map_err(|error| cannot("write", &root.shown(path), &error))?;
            }
        }
        Ok(settled)
    }

    fn write_rule(&self, named: &[&PathBuf]) -> Result<(), Error> {
        let rule = Path::new(RULE);
        let mut text = String::from(
            "# What programs of this boot may name, after: mptcpize disable --system\n",
        );
        for path in named.iter().map(|path| path.as_path()).chain([rule]) {
            text.push_str(&format!("r! {}\n", path.display()));
        }
        let directory = rule.parent().unwrap_or(rule);
        files::make_directory(&self.root, directory)
            .and_then(|_| files::write(&self.root, rule, text.as_bytes()))
            .map_err(|error| cannot("write", &self.root.shown(rule), &error))
    }
}

/// Did the file give programs a library of ours by their environment?
fn was_environment(change: &FileChange) -> bool {
    let before = change.before.as_deref().unwrap_or_default();
    !change.path.ends_with("ld.so.preload") && String::from_utf8_lossy(before).contains(NAME)
}
