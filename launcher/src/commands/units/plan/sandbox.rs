//! What a service's sandbox (systemd.exec(5)) does to ours: where a file of ours is seen in it, and
//! whether `mptcpize run` and its filter can work there.

use std::path::{Path, PathBuf};

use crate::inject::library::service_copy::Placed;
use mptcpize_model::unit::dropin::FILE;
use mptcpize_model::unit::file::{UnitText, words};

/// Where our files appear in a unit with a root of its own: systemd mounts an empty /run there
/// (`MountAPIVFS=`), so that nothing is left in that root.
const INSIDE: &str = "/run/mptcpize";

/// The fewest processes (`TasksMax=`, `LimitNPROC=`) that leave room for a supervisor and its
/// standby beside the program.
const FEWEST_TASKS: u64 = 8;

/// A file of ours that a service needs, and what shows it to the service.
#[derive(Clone, Debug)]
pub(super) struct Need {
    /// The file.
    pub(super) placed: Placed,
    /// Its path as the service's processes see it.
    pub(super) inside: PathBuf,
    /// It is hidden there unless `BindReadOnlyPaths=` mounts it.
    pub(super) bound: bool,
    /// It is of no use there unless `ExecPaths=` lists it.
    pub(super) executable: bool,
}

/// The sandboxing settings of a service.
#[derive(Clone, Copy)]
pub(super) struct Sandbox<'a> {
    text: &'a UnitText,
}

impl<'a> Sandbox<'a> {
    /// The sandbox that the files of a service describe.
    pub(super) fn of(text: &'a UnitText) -> Self {
        Sandbox { text }
    }

    fn all(self, key: &'a str) -> Vec<(&'a str, &'a Path)> {
        self.text.list("Service", key)
    }

    fn last(self, key: &'a str) -> Option<&'a str> {
        self.text.last("Service", key)
    }

    /// The directory that is `/` for the service (`RootDirectory=`), if not the system's.
    pub(super) fn own_root(self) -> Option<&'a Path> {
        let root = self.last("RootDirectory")?;
        Some(Path::new(root.trim_start_matches(['-', '+']))).filter(|root| *root != Path::new("/"))
    }

    /// Is its root in an image file (`RootImage=`), which is not looked into?
    pub(super) fn has_image(self) -> bool {
        self.last("RootImage").is_some()
    }

    fn has_own_root(self) -> bool {
        self.own_root().is_some() || self.has_image()
    }

    /// What the service needs in order to see a file of ours and to execute or map it.
    pub(super) fn need(self, placed: Placed) -> Need {
        let executable = !self.all("NoExecPaths").is_empty();
        let file = &placed.seen;
        if self.has_own_root() {
            let inside = Path::new(INSIDE).join(file.file_name().unwrap_or_default());
            return Need { inside, placed, bound: true, executable };
        }
        let bound = self.all("TemporaryFileSystem").iter().any(|(setting, _)| {
            words(setting)
                .iter()
                .any(|word| file.starts_with(word.text.split(':').next().unwrap_or_default()))
        });
        Need { inside: file.clone(), placed, bound, executable }
    }

    /// What of the sandbox does not let `mptcpize run` work, as a clause; with `filter` also what
    /// does not let its seccomp supervisor work.
    pub(super) fn obstacle(self, filter: bool) -> Option<String> {
        if let Some(file) = self.text.reset_behind("ExecStart", FILE) {
            return Some(format!("{} sets ExecStart=, and counts after this", file.display()));
        }
        if self.has_own_root() && (!filter || !Placed::is_static()) {
            return Some("it has a root of its own, in which mptcpize run does not work".into());
        }
        if !filter {
            return None;
        }
        if !self.all("SystemCallFilter").is_empty() {
            // Which calls a supervisor needs is not the same in every release and libc.
            return Some("its SystemCallFilter= is not made for a seccomp supervisor".into());
        }
        let few = |key| {
            let limit = self.last(key)?;
            let number: u64 = limit.split(':').next()?.parse().ok()?;
            (number < FEWEST_TASKS)
                .then(|| format!("its {key}={limit} leaves no room for a supervisor"))
        };
        few("TasksMax").or_else(|| few("LimitNPROC"))
    }
}
