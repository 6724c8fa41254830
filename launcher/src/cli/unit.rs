//! The command lines of `enable`, `disable` and `list`: services, and every program of the host.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::policy::Policy;

/// `mptcpize enable`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "mptcpize enable [OPTIONS] UNIT...\n       mptcpize enable --system \
                            [--via preload|environment] [-n] [-j] [--root DIR]")]
pub struct Enable {
    /// Units as systemctl takes them: names, patterns, instances; or the path of a unit file
    #[arg(value_name = "UNIT", required_unless_present = "system")]
    pub units: Vec<String>,

    /// Every program of the host instead of units
    #[arg(long, conflicts_with_all = ["units", "now", "user", "runtime"])]
    pub system: bool,

    /// So that it counts at once: restart the units that run, start those that are named and do not
    #[arg(long, conflicts_with = "root")]
    pub now: bool,

    /// Only until the next boot
    #[arg(long, conflicts_with = "root")]
    pub runtime: bool,

    /// With --system: this library instead of the one inside
    #[arg(long, value_name = "FILE", requires = "system", hide = true)]
    pub library: Option<PathBuf>,

    /// With --system: do not run the programs of the host or image first to see that they still work
    #[arg(long, requires = "system")]
    pub no_trial: bool,

    /// How programs are reached; `environment` goes with --system alone
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub via: Via,

    /// Which sockets stay TCP.
    #[command(flatten)]
    pub policy: Policy,

    /// Where and how.
    #[command(flatten)]
    pub place: Place,
}

/// `mptcpize disable`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "mptcpize disable [OPTIONS] UNIT...\n       mptcpize disable --system \
                            [-n] [-j] [--root DIR]")]
pub struct Disable {
    /// Units as systemctl takes them: names, patterns, instances; or the path of a unit file
    #[arg(value_name = "UNIT", required_unless_present_any = ["system", "all"])]
    pub units: Vec<String>,

    /// Every program of the host instead of units
    #[arg(long, conflicts_with_all = ["units", "now", "user", "all"])]
    pub system: bool,

    /// Every unit that is on
    #[arg(long, conflicts_with = "units")]
    pub all: bool,

    /// Restart the units that run, so that it counts at once
    #[arg(long, conflicts_with = "root")]
    pub now: bool,

    /// Where and how.
    #[command(flatten)]
    pub place: Place,
}

/// `mptcpize list`.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Units of the calling user's own service manager
    #[arg(long, conflicts_with = "root")]
    pub user: bool,

    /// Look at the image below DIR instead of this host
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Print one JSON object
    #[arg(short, long)]
    pub json: bool,
}

/// What `enable` and `disable` both take.
#[derive(Clone, Debug, Default, Args)]
pub struct Place {
    /// Units of the calling user's own service manager
    #[arg(long, conflicts_with = "root")]
    pub user: bool,

    /// Work on the image below DIR instead of this host
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Show what would change, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Print one JSON object
    #[arg(short, long)]
    pub json: bool,
}

/// `enable --via`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// The cheapest that reaches the unit's programs
    #[default]
    Auto,
    /// A library in LD_PRELOAD (with --system: /etc/ld.so.preload), and GODEBUG
    Preload,
    /// A seccomp filter: any program, 20 to 50 µs for each TCP socket
    Seccomp,
    /// With --system: the environment of services and sessions instead of /etc/ld.so.preload
    Environment,
}
