//! What there is of `enable --system` on a host: read from the files that it writes, whoever wrote them.

use serde::{Deserialize, Serialize};

use super::SystemMechanism;

/// Every program of the host is to have the library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// How they get it.
    pub mechanism: SystemMechanism,
    /// Everything is there that the mechanism needs.
    pub complete: bool,
    /// The library, as the files name it: the loader puts its own directory for `$LIB` (ld.so(8)).
    pub library: String,
    /// The release of mptcpize that the library is of; none where it is another than the one that looked.
    pub version: Option<String>,
    /// The files that name it.
    pub named_in: Vec<String>,
    /// Files of the library that are not there, and that a loader would open.
    pub gone: Vec<String>,
    /// Files that should name it and do not, or that name another one.
    pub unnamed: Vec<String>,
}

impl Standing {
    /// The command that makes it whole again.
    pub fn again(&self) -> &'static str {
        match self.mechanism {
            SystemMechanism::Preload => "mptcpize enable --system",
            SystemMechanism::Environment => "mptcpize enable --system --via environment",
        }
    }

    /// `by /etc/ld.so.preload`
    pub fn by(&self) -> &'static str {
        match self.mechanism {
            SystemMechanism::Preload => "by /etc/ld.so.preload",
            SystemMechanism::Environment => "by the environment of services and log-ins",
        }
    }

    /// The release, in words.
    pub fn release(&self) -> String {
        match &self.version {
            Some(version) => version.clone(),
            None if self.gone.is_empty() => "of another release".to_owned(),
            None => "gone".to_owned(),
        }
    }
}
