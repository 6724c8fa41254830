//! Drop-ins that are written together: each is noted once it is there, and what was written is
//! taken back in one loop, newest first, all of it or that of some units.
//!
//! Kept in memory alone: after a crash a drop-in that was written is whole, and `disable` removes
//! it by what stands in it ([`dropins`](crate::host::systemd::dropins)).

use std::path::PathBuf;

use crate::error::Error;
use crate::host::systemd::dropins::UnitDir;
use mptcpize_model::unit::UnitName;
use mptcpize_model::unit::dropin_change::DropinChange;

/// The changes made so far in one directory of units.
#[derive(Debug)]
pub struct Transaction<'a> {
    directory: &'a UnitDir,
    made: Vec<DropinChange>,
}

/// A drop-in that could not be taken back.
#[derive(Debug)]
pub struct Left {
    /// The file, as systemd sees it.
    pub file: PathBuf,
    /// Why it is still there.
    pub error: Error,
}

impl<'a> Transaction<'a> {
    /// Begins without a change.
    pub fn new(directory: &'a UnitDir) -> Self {
        Transaction { directory, made: Vec::new() }
    }

    /// Makes a change and notes it; one that is not needed is passed over.
    ///
    /// # Errors
    /// The system's; then this change was not made, and those before it stand.
    pub fn make(&mut self, change: &DropinChange) -> Result<(), Error> {
        if change.is_needed() {
            self.directory.apply(change)?;
            self.made.push(change.clone());
        }
        Ok(())
    }

    /// Was nothing changed, or all of it taken back?
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Takes back the changes of the units that `which` names, newest first. One that cannot be
    /// taken back keeps no other from it; those are returned, the first to have been made first.
    pub fn take_back(&mut self, which: impl Fn(&UnitName) -> bool) -> Vec<Left> {
        let (back, kept) = self.made.drain(..).partition(|change| which(&change.unit));
        self.made = kept;
        let back: Vec<DropinChange> = back;
        let mut left = Vec::new();
        for change in back.iter().rev() {
            if let Err(error) = self.directory.apply(&change.inverse()) {
                left.push(Left { file: self.directory.file(&change.unit), error });
            }
        }
        left.reverse();
        left
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::rc::Rc;

    use super::*;
    use crate::root::Root;

    fn change(unit: &str, before: Option<&str>, after: Option<&str>) -> DropinChange {
        let unit = UnitName::new(unit).expect("a name");
        DropinChange { unit, before: before.map(str::to_owned), after: after.map(str::to_owned) }
    }

    #[test]
    fn what_was_made_is_taken_back_of_some_units_or_of_all_and_what_was_not_made_is_left() {
        let image = tempfile::tempdir().expect("a directory");
        let root = Rc::new(Root::image(image.path()).expect("it is there"));
        let units = UnitDir::new(&root, Path::new("/units")).expect("it need not be there");
        let text =
            |unit: &str| units.text(&UnitName::new(unit).expect("a name")).expect("readable");
        units.apply(&change("old.service", None, Some("old"))).expect("it is ours");

        let mut files = Transaction::new(&units);
        files.make(&change("same.service", Some("x"), Some("x"))).expect("it is not needed");
        assert!(files.is_empty());
        files.make(&change("old.service", Some("old"), Some("new"))).expect("it is ours");
        files.make(&change("one.service", None, Some("one"))).expect("it is ours");
        files.make(&change("two.service", None, Some("two"))).expect("it is ours");
        // A file where the directory of its drop-in should be.
        fs::write(image.path().join("units/bad.service.d"), "").expect("it is ours");
        files.make(&change("bad.service", None, Some("bad"))).expect_err("it cannot be written");

        assert!(files.take_back(|unit| unit.as_str() == "one.service").is_empty());
        assert_eq!(text("one.service"), None);
        assert_eq!(text("two.service").as_deref(), Some("two"));
        assert!(files.take_back(|_| true).is_empty());
        assert!(files.is_empty());
        assert_eq!(text("two.service"), None);
        assert_eq!(text("old.service").as_deref(), Some("old"));
    }

    #[test]
    fn one_that_cannot_be_taken_back_keeps_no_other_from_it_and_is_named() {
        let image = tempfile::tempdir().expect("a directory");
        let root = Rc::new(Root::image(image.path()).expect("it is there"));
        let units = UnitDir::new(&root, Path::new("/units")).expect("it need not be there");
        let mut files = Transaction::new(&units);
        for unit in ["one.service", "two.service"] {
            files.make(&change(unit, None, Some("text"))).expect("it is ours");
        }
        // It was a file, and somebody made a directory of it.
        let two = image.path().join("units/two.service.d/50-mptcpize.conf");
        fs::remove_file(&two).and_then(|()| fs::create_dir(&two)).expect("it is ours");

        let left = files.take_back(|_| true);
        let left: Vec<&Path> = left.iter().map(|left| left.file.as_path()).collect();
        assert_eq!(left, [Path::new("/units/two.service.d/50-mptcpize.conf")]);
        assert!(!image.path().join("units/one.service.d/50-mptcpize.conf").exists());
    }
}
