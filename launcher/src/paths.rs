//! Every file location, in one place and below a root that tests and images can move.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The name of the library where a package installs it.
pub const LIBRARY: &str = "libmptcpize.so";

/// The multiarch name of this architecture (Debian policy 9.1.1); empty where it has none.
const MULTIARCH: &str = if cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
    "x86_64-linux-gnu"
} else if cfg!(all(target_arch = "aarch64", target_env = "gnu")) {
    "aarch64-linux-gnu"
} else {
    ""
};

/// Where things are.
#[derive(Clone, Debug)]
pub struct Paths {
    root: PathBuf,
    xdg_cache: Option<PathBuf>,
    home: Option<PathBuf>,
    runtime: Option<PathBuf>,
}

impl Paths {
    /// The locations of this host and user. A variable that is empty or relative counts as unset
    /// (XDG Base Directory Specification).
    pub fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let absolute =
            |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Paths {
            root: PathBuf::from("/"),
            xdg_cache: absolute("XDG_CACHE_HOME"),
            home: absolute("HOME"),
            runtime: absolute("XDG_RUNTIME_DIR"),
        }
    }

    /// The same locations with the system's below `root`.
    #[must_use]
    pub fn below(mut self, root: &Path) -> Self {
        self.root = root.to_owned();
        self
    }

    /// Where a package puts the library, best first.
    pub fn installed_libraries(&self) -> Vec<PathBuf> {
        let multiarch = Path::new("usr/lib").join(MULTIARCH);
        [multiarch.as_path(), Path::new("usr/lib"), Path::new("usr/local/lib")]
            .iter()
            .map(|directory| self.root.join(directory).join("mptcpize").join(LIBRARY))
            .collect()
    }

    /// Where the state of this boot is kept: journals and locks.
    pub fn run(&self) -> PathBuf {
        self.root.join("run/mptcpize")
    }

    /// Where a user's own state of this boot is kept, best first to read; the first may be written.
    pub fn own_run(&self, user: u32) -> Vec<PathBuf> {
        let own = self.runtime.as_ref().map(|runtime| runtime.join("mptcpize"));
        own.filter(|_| user != 0).into_iter().chain([self.run()]).collect()
    }

    /// The mark that a user has had the hint of this boot; the runtime directory ends with it.
    pub fn hinted(&self) -> Option<PathBuf> {
        self.runtime.as_ref().map(|runtime| runtime.join("mptcpize/hinted"))
    }

    /// The administrator's settings.
    pub fn config(&self) -> PathBuf {
        self.root.join("etc/mptcpize.toml")
    }

    /// Where drop-in files of systemd units are made: for good, and until the next boot.
    pub fn units(&self) -> [PathBuf; 2] {
        ["etc", "run"].map(|base| self.root.join(base).join("systemd/system"))
    }

    /// Directories of our own in which the embedded library may be kept, best first.
    ///
    /// Root's are readable by all: what root starts often changes its user and executes more
    /// programs, and those must still be able to load the library.
    pub fn caches(&self, user: u32) -> Vec<Cache> {
        let private = |base: PathBuf| Cache { directory: base.join("mptcpize"), mode: 0o700 };
        let public =
            |base: &str| Cache { directory: self.root.join(base).join("mptcpize"), mode: 0o755 };
        let mut found = Vec::new();
        found.extend(self.xdg_cache.clone().map(private));
        if user == 0 {
            found.push(public("var/cache"));
            found.push(public("run"));
        }
        found.extend(self.home.as_ref().map(|home| private(home.join(".cache"))));
        found.extend(self.runtime.clone().map(private));
        let shared = format!("mptcpize-{user}");
        for base in ["var/tmp", "tmp", "dev/shm"] {
            found.push(Cache { directory: self.root.join(base).join(&shared), mode: 0o700 });
        }
        found
    }
}

/// A directory that may hold the embedded library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The directory, made when missing.
    pub directory: PathBuf,
    /// Its permission bits, set when it is made.
    pub mode: u32,
}
