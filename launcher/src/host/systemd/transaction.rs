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
