//! Every file location, in one place and below a root that tests and images can move.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The name of the library where a package installs it.
pub const LIBRARY: &str = "libmptcpize.so";

/// Is this, by its name, a library of ours, of whatever release?
pub fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == LIBRARY || (name.starts_with("libmptcpize-") && name.ends_with(".so"))
}

/// The multiarch name of this architecture (Debian policy 9.1.1), by which the package of a binary that is
/// linked with another C library goes too; empty where it has none.
const MULTIARCH: &str = if cfg!(target_arch = "x86_64") {
    "x86_64-linux-gnu"
} else if cfg!(target_arch = "aarch64") {
    "aarch64-linux-gnu"
} else {
    ""
};

/// Where things are.
#[derive(Clone, Debug)]
pub struct Locations {
    root: PathBuf,
    xdg_cache: Option<PathBuf>,
    xdg_config: Option<PathBuf>,
    xdg_data: Option<PathBuf>,
    home: Option<PathBuf>,
    runtime: Option<PathBuf>,
}

impl Locations {
    /// The locations of this host and user. A variable that is empty or relative counts as unset
    /// (XDG Base Directory Specification).
    pub fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let absolute =
            |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Locations {
            root: PathBuf::from("/"),
            xdg_cache: absolute("XDG_CACHE_HOME"),
            xdg_config: absolute("XDG_CONFIG_HOME"),
            xdg_data: absolute("XDG_DATA_HOME"),
            home: absolute("HOME"),
            runtime: absolute("XDG_RUNTIME_DIR"),
        }
    }

    /// Moves the system's locations below `root`, and leaves those of the user where they are.
    #[must_use]
    pub fn below(mut self, root: &Path) -> Self {
        self.root = root.to_owned();
        self
    }

    /// The root of the system's locations: `/`, or that of an image.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where units are, of the system or of the calling user; `None` for a user without a home.
    /// Below the root for the system's, with the root left out: as systemd there sees them.
    pub fn unit_places(&self, user: bool) -> Option<Units> {
        let absolute = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
        if !user {
            return Some(Units {
                persistent: PathBuf::from("/etc/systemd/system"),
                runtime: Some(PathBuf::from("/run/systemd/system")),
                vendor: absolute(&[
                    "/usr/local/lib/systemd/system",
                    "/usr/lib/systemd/system",
                    "/lib/systemd/system",
                ]),
            });
        }
        let config =
            self.xdg_config.clone().or_else(|| Some(self.home.as_ref()?.join(".config")))?;
        Some(Units {
            persistent: config.join("systemd/user"),
            runtime: self.runtime.as_ref().map(|runtime| runtime.join("systemd/user")),
            vendor: absolute(&[
                "/etc/systemd/user",
                "/usr/local/lib/systemd/user",
                "/usr/lib/systemd/user",
                "/lib/systemd/user",
            ]),
        })
    }

    /// Directories in which `enable` keeps what services need of us, where no package put it;
    /// best first, the root left out. Not the caches: those may be emptied at any time.
    pub fn kept_for_units(&self, user: bool) -> Vec<PathBuf> {
        if !user {
            // Below /usr/lib every profile of AppArmor lets libraries be mapped (abstractions/base),
            // and not below /usr/local; /var where /usr is read-only.
            return vec!["/usr/lib/mptcpize/units".into(), "/var/lib/mptcpize/units".into()];
        }
        let home = || Some(self.home.as_ref()?.join(".local/share"));
        let data = self.xdg_data.clone().or_else(home);
        data.map(|data| data.join("mptcpize/units")).into_iter().collect()
    }

    /// Where earlier releases kept it: nothing new goes there, and what nothing names any more is
    /// removed.
    pub fn once_kept_for_units(&self, user: bool) -> Vec<PathBuf> {
        if user { vec![] } else { vec!["/usr/local/lib/mptcpize/units".into()] }
    }

    /// Where a package puts the library, best first.
    pub fn installed_libraries(&self) -> Vec<PathBuf> {
        let multiarch = Path::new("usr/lib").join(MULTIARCH);
        let packaged = [multiarch.as_path(), Path::new("usr/lib"), Path::new("usr/local/lib")]
            .map(|directory| self.root.join(directory).join("mptcpize").join(LIBRARY));
        // What a unit starts under `run` may have no place to write another copy to.
        let all = self.kept_for_units(false).into_iter().chain(self.once_kept_for_units(false));
        let kept = all.map(|directory| {
            self.root.join(directory.strip_prefix("/").unwrap_or(&directory)).join(LIBRARY)
        });
        packaged.into_iter().chain(kept).collect()
    }

    /// Where a package puts the relay, best first.
    pub fn installed_relays(&self) -> Vec<PathBuf> {
        let places = ["usr/libexec/mptcpize", "usr/lib/mptcpize", "usr/local/libexec/mptcpize"];
        places.map(|directory| self.root.join(directory).join("mptcpize-relay")).to_vec()
    }

    /// Where a running gateway keeps what its relay is told, and where that answers.
    pub fn gateway(&self) -> PathBuf {
        self.run().join("gateway")
    }

    /// The run directory of the gateway's journal. Not beside its sockets, which none has.
    pub fn gateway_journal(&self) -> PathBuf {
        self.gateway().join("journal")
    }

    /// Where agents of relays answer, a directory each: the administrator's, or those of a user; `None`
    /// for a user without a directory for this boot.
    pub fn agents(&self, user: u32) -> Option<PathBuf> {
        match user {
            0 => Some(self.run().join("relay")),
            _ => self.runtime.as_ref().map(|runtime| runtime.join("mptcpize/relay")),
        }
    }

    /// Where it is kept over boots what the relay that this host is goes by, its key among it: the
    /// administrator's, or a user's own; `None` for a user without a home.
    pub fn served(&self, user: u32) -> Option<PathBuf> {
        Some(self.state(user)?.join("relay"))
    }

    /// Where that relay counts bytes by user.
    pub fn served_counts(&self, user: u32) -> Option<PathBuf> {
        Some(self.state(user)?.join("relay-counts"))
    }

    /// Where that relay keeps what it needs while it runs, and where it tells its state.
    pub fn served_run(&self, user: u32) -> Option<PathBuf> {
        if user == 0 {
            return Some(self.run().join("relay-server"));
        }
        let own = self.runtime.as_ref().map(|runtime| runtime.join("mptcpize"));
        Some(own.or_else(|| self.state(user))?.join("relay-server"))
    }

    fn state(&self, user: u32) -> Option<PathBuf> {
        if user == 0 {
            return Some(self.root.join("var/lib/mptcpize"));
        }
        let home = || Some(self.home.as_ref()?.join(".local/share"));
        Some(self.xdg_data.clone().or_else(home)?.join("mptcpize"))
    }

    /// Where it is kept over boots which addresses a gateway has given to its clients.
    pub fn leases(&self) -> PathBuf {
        self.root.join("var/lib/mptcpize/gateway/leases")
    }

    /// Where the state of this boot is kept: journals and locks.
    pub fn run(&self) -> PathBuf {
        self.root.join("run/mptcpize")
    }

    /// The socket at which container runtimes hand over the filters of their containers. Not beside the
    /// state of the boot, where nothing but files of ours is trusted.
    pub fn runtimes(&self) -> PathBuf {
        self.root.join("run/mptcpize-containers.sock")
    }

    /// Where it is kept over boots what links with a budget have carried.
    pub fn usage(&self) -> PathBuf {
        self.root.join("var/lib/mptcpize/daemon/usage.json")
    }

    /// Where a user's own state of this boot is kept, best first to read; the first may be written.
    pub fn own_run(&self, user: u32) -> Vec<PathBuf> {
        let own = self.runtime.as_ref().map(|runtime| runtime.join("mptcpize"));
        own.filter(|_| user != 0).into_iter().chain([self.run()]).collect()
    }

    /// Where a user's last look at the counters is kept, best first: nobody else's is looked at, so that
    /// two users do not take each other's. The last is for a user without a home, as services have.
    pub fn counters(&self, user: u32) -> Vec<PathBuf> {
        if user == 0 {
            return vec![self.run()];
        }
        let caches = [self.xdg_cache.clone(), self.home.as_ref().map(|home| home.join(".cache"))];
        let bases = [self.runtime.clone()].into_iter().chain(caches).flatten();
        let shared = self.root.join("var/tmp").join(format!("mptcpize-{user}"));
        bases.map(|base| base.join("mptcpize")).chain([shared]).collect()
    }

    /// The mark that a user has had the hint of this boot; the runtime directory ends with it.
    pub fn hinted(&self) -> Option<PathBuf> {
        self.runtime.as_ref().map(|runtime| runtime.join("mptcpize/hinted"))
    }

    /// The administrator's settings.
    pub fn config(&self) -> PathBuf {
        self.root.join("etc/mptcpize.toml")
    }

    /// The relays that were stored: the administrator's, or those of a user; `None` for a user without
    /// a home.
    pub fn relays(&self, user: u32) -> Option<PathBuf> {
        if user == 0 {
            return Some(self.root.join("etc/mptcpize-relays.toml"));
        }
        let home = || Some(self.home.as_ref()?.join(".config"));
        let config = self.xdg_config.clone().or_else(home);
        config.map(|config| config.join("mptcpize/relays.toml"))
    }

    /// Where drop-in files of systemd units are made: for good, and until the next boot.
    pub fn units(&self) -> [PathBuf; 2] {
        ["etc", "run"].map(|base| self.root.join(base).join("systemd/system"))
    }

    /// Directories of our own in which the embedded library may be kept, best first.
    ///
    /// Root's are readable by all: what root starts often changes its user and executes more
    /// programs, and those must still be able to load the library. No variable of the environment
    /// names one of them: it may be somebody else's, as `sudo -E` leaves it.
    pub fn caches(&self, user: u32) -> Vec<Cache> {
        let private = |base: PathBuf| Cache { directory: base.join("mptcpize"), mode: 0o700 };
        let public =
            |base: &str| Cache { directory: self.root.join(base).join("mptcpize"), mode: 0o755 };
        let mut found = Vec::new();
        if user == 0 {
            found.push(public("var/cache"));
            found.push(public("run"));
        } else {
            found.extend(self.xdg_cache.clone().map(private));
            found.extend(self.home.as_ref().map(|home| private(home.join(".cache"))));
            found.extend(self.runtime.clone().map(private));
        }
        let shared = format!("mptcpize-{user}");
        for base in ["var/tmp", "tmp", "dev/shm"] {
            found.push(Cache { directory: self.root.join(base).join(&shared), mode: 0o700 });
        }
        found
    }
}

/// The directories of units of one service manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    /// The administrator's, kept over boots.
    pub persistent: PathBuf,
    /// Those that end with the boot.
    pub runtime: Option<PathBuf>,
    /// Those of packages, which count least.
    pub vendor: Vec<PathBuf>,
}

impl Units {
    /// All, in the order in which they count.
    pub fn search(&self) -> impl Iterator<Item = &Path> {
        let own = std::iter::once(&self.persistent).chain(&self.runtime);
        own.chain(&self.vendor).map(PathBuf::as_path)
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
