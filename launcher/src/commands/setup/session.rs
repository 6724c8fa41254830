//! What `setup` and its undo begin with: the network namespace that was named, and the journal.

use crate::cli::setup::Place;
use crate::error::Error;
use crate::host::apply::journal::Journal;
use crate::host::netns;
use crate::host::netns::identity;
use crate::locations::Locations;
use crate::output;

/// Moves into the network namespace that was named, if one was.
///
/// # Errors
/// As [`netns::enter`].
pub fn enter(place: &Place) -> Result<(), Error> {
    match &place.netns {
        Some(name) => netns::enter(name),
        None => Ok(()),
    }
}

/// Opens the journal of this namespace, and says so when another run holds it.
///
/// # Errors
/// 4 without privilege, 1 where it is corrupt or held too long by another run: see
/// [`Journal::open`].
pub fn open_journal(locations: &Locations) -> Result<Journal, Error> {
    Journal::open(&locations.run(), identity::netns(), |holder| {
        output::note(&format!("waiting for another mptcpize (process {holder}) to finish"));
    })
}
