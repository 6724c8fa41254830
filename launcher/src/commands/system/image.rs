//! The host, or the image of one, whose every program is meant.

use std::path::Path;
use std::rc::Rc;

use crate::cli::unit::Place;
use crate::error::{Error, Exit};
use crate::host::apply::lock::{self, Lock};
use crate::host::process::privilege;
use crate::locations::Locations;
use crate::output;
use crate::root::Root;

/// The host, or the image below `--root`.
pub(super) struct Image {
    /// Its files.
    pub(super) root: Rc<Root>,
    /// Where files lie in it.
    pub(super) locations: Locations,
}

/// The host or image that was named.
///
/// # Errors
/// 2: there is no image; 4: it may not be changed.
pub(super) fn find(place: &Place, locations: &Locations) -> Result<Image, Error> {
    let root = match &place.root {
        None => Root::host()?,
        Some(path) => {
            let root = Root::image(path)?;
            if !root.metadata(Path::new("/etc")).is_ok_and(|found| found.is_dir()) {
                return Err(Error::new(
                    Exit::Usage,
                    format!("there is no image in {}", path.display()),
                )
                .why("it has no directory etc")
                .fix("name the directory that is / in the image"));
            }
            root
        }
    };
    if !place.dry_run && !rustix::process::geteuid().is_root() {
        return Err(Error::new(Exit::NotPermitted, "cannot change every program of this host")
            .why("only root may")
            .fix(format!("{}    # --dry-run shows what it would do", privilege::advice())));
    }
    Ok(Image { locations: locations.clone().below(root.path()), root })
}

/// Keeps other runs for this image out, until it is dropped. The lock lies in the running host's
/// directory for the state of this boot.
///
/// # Errors
/// Another run does not end, or the directory is not to be trusted.
pub(super) fn alone(root: &Root, locations: &Locations) -> Result<Lock, Error> {
    lock::take(&locations.run(), &root.lock_name("system"), lock::PATIENCE, |holder| {
        output::note(&format!("waiting for another mptcpize (process {holder}) to finish"));
    })
}
