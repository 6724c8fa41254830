//! What a user said to a set-up that nobody asked for: signs in the run directory, for each network namespace,
//! until the host boots or its set-up is undone.

use std::fs;
use std::path::PathBuf;

use crate::host::apply::lock;
use crate::host::netns::identity;
use crate::locations::Locations;

/// What happened once and is not to happen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A user was asked, and did not say yes.
    Refused,
    /// Nobody could be asked, and a line said so.
    Told,
}

impl Sign {
    fn file(self, locations: &Locations) -> PathBuf {
        let what = match self {
            Sign::Refused => "refused",
            Sign::Told => "told",
        };
        locations.run().join(format!("netns-{}.run-{what}", identity::netns()))
    }

    /// Did it happen?
    pub fn stands(self, locations: &Locations) -> bool {
        self.file(locations).exists()
    }

    /// Notes that it happened. Where that cannot be noted it happens again, which harms nobody.
    pub fn put(self, locations: &Locations) {
        if lock::make(&locations.run()).is_ok() {
            let _ = lock::sign(&self.file(locations));
        }
    }
}

/// Takes all of them back.
pub fn forget(locations: &Locations) {
    for sign in [Sign::Refused, Sign::Told] {
        let _ = fs::remove_file(sign.file(locations));
    }
}
