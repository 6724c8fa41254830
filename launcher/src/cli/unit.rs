//! The command lines of `enable`, `disable` and `list`: services, and every program of the host.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::policy::Policy;

/// What `enable` does and when one wants it.
pub const ENABLE_LONG: &str = "\
Makes services use MPTCP, permanently: one drop-in file beside each unit (see systemctl cat \
UNIT), which survives upgrades of the package; no other file of the unit is touched. It counts \
when the unit is next started, or at once with --now. Afterwards the kernel is asked which \
sockets are MPTCP. A unit that does not stay up with --now is put back as it was, and its last log \
lines are shown. Clients without MPTCP are served over TCP as before.

With --system instead of units: every program that starts from then on, by a line in \
/etc/ld.so.preload, after the programs that a host needs to boot and to be mended have been tried \
with it.

With --containers: a device for containers, by the Container Device Interface (CDI) that podman, \
Docker, containerd and CRI-O read. A container that is given it has the library in its file system \
and LD_PRELOAD and GODEBUG in its environment; its image stays as it is. With --via seccomp in addition \
a seccomp profile for podman, the engine's own with one addition, and a service: static programs \
and others that no library reaches use MPTCP in containers with that profile.

`mptcpize disable` undoes each and leaves no trace.";

/// The sections below the options of `enable`.
const ENABLE_MORE: &str = "\
Exit status:
  0  done, or it was so already
  1  a unit is masked, transient or broken, or did not stay up (it is as it was)
  2  a unit has neither programs nor sockets of IP
  4  not permitted
  5  no such unit, or nothing reaches its programs
  6  units that a pattern met did not stay up, and are as they were; the others are on

Environment:
  MPTCPIZE=off  leave a program and its children alone: in a unit's Environment=, with --system in the \
environment of any program, with --containers in that of a container (podman run --env MPTCPIZE=off)
  LD_PRELOAD, GODEBUG
      what is set in a unit is kept; ours stands before it

Files:
  /etc/systemd/system/UNIT.d/50-mptcpize.conf
      the drop-in (--runtime: below /run; --user: ~/.config/systemd/user)
  /etc/ld.so.preload  --system: one line; others stay as they are
  /etc/cdi/mptcpize.json
      --containers: the devices, of the kind mptcpize.org/shim
  /etc/containers/mptcpize-seccomp.json, /etc/systemd/system/mptcpize-containers.service
      --containers --via seccomp: the profile, and what answers its calls
  /usr/lib/mptcpize   what is enabled needs of mptcpize, where no package has installed it
  /etc/mptcpize.toml  what --system leaves alone ([system]), which sockets stay TCP \
([sockets]), and devices for containers with settings of their own ([containers.NAME]); see \
mptcpize.toml(5)

Examples:
  mptcpize enable --dry-run nginx
      Show the drop-in, and write nothing.
  sudo mptcpize enable --now nginx
      Write it, restart nginx, and say which of its sockets are MPTCP.
  sudo mptcpize enable --loopback=tcp haproxy
      Enable haproxy, but keep its connections within this host on TCP.
  sudo mptcpize enable --system
      Enable every program that starts from now on.
  sudo mptcpize enable --containers
  podman run --device mptcpize.org/shim=run IMAGE
      Make devices for containers, and start a container whose programs use MPTCP.
  sudo mptcpize enable --containers --via seccomp
  podman run --security-opt seccomp=/etc/containers/mptcpize-seccomp.json IMAGE
      The same for programs that no library reaches.

See also:
  mptcpize-disable(8), mptcpize-list(8), mptcpize.toml(5), systemctl(1), systemd.unit(5), ld.so(8)";

/// What `disable` does and when one wants it.
pub const DISABLE_LONG: &str = "\
Undoes `mptcpize enable`: removes the drop-in of each unit, and with the last one what the \
drop-ins need. It counts when the unit is next started, or at once with --now; until then its \
processes go on with MPTCP. With --system, removes the line in /etc/ld.so.preload and then the \
library; programs that run keep MPTCP until they end. With --containers, removes the devices: an \
engine refuses to start a container that names one. The profile and its service go too: containers \
that run keep MPTCP until they end, and those that were made with the profile do not start again.";

/// The sections below the options of `disable`.
const DISABLE_MORE: &str = "\
Exit status:
  0  done, or it was so already
  1  a unit did not come up again; a file cannot be changed
  2  wrong usage
  4  not permitted
  5  no such unit, or none that is enabled fits the pattern

Files:
  /etc/systemd/system/UNIT.d/50-mptcpize.conf, /etc/ld.so.preload, /etc/cdi/mptcpize.json
      what `enable` wrote: it is taken away

Examples:
  sudo mptcpize disable --now nginx
      Remove the drop-in of nginx and restart it with plain TCP.
  sudo mptcpize disable --all
      Remove every drop-in.
  sudo mptcpize disable --system
      No program uses MPTCP any more once it is started again.
  sudo mptcpize disable --containers
      Remove the devices for containers.

See also:
  mptcpize-enable(8), mptcpize-list(8), systemctl(1)";

/// What `list` does and when one wants it.
pub const LIST_LONG: &str = "\
Shows the units that `mptcpize enable` has enabled and whether that is in effect: not by files, \
but by the sockets that the kernel has for each unit's processes. Sockets that stayed TCP are \
named with the cause and, where there is one, the command that mends it. When `enable --system` \
is in effect, the first line says so; another names the devices that containers can be given. It \
changes nothing.";

/// The sections below the options of `list`.
const LIST_MORE: &str = "\
In effect:
  yes     all listeners, and all connections that it opened, are MPTCP
  partly  some are; a line below says which are not, and why
  no      none is
  ready   it has no socket yet, and what opens one has what it needs
  ?       its processes may not be looked at

Exit status:
  0  shown, also where there is none
  1  systemd does not answer
  2  wrong usage

Environment:
  NO_COLOR, COLUMNS  no colour, and how wide the screen is

Files:
  /etc/systemd/system/UNIT.d/50-mptcpize.conf, /etc/ld.so.preload, /etc/cdi/mptcpize.json
      what `enable` wrote

Examples:
  sudo mptcpize list
      Show all units; as root, because only root may look at the processes of others.
  mptcpize list --user
      Show the units of your own service manager.
  sudo mptcpize list --json
      Print one JSON object, for scripts.

See also:
  mptcpize-enable(8), mptcpize-status(8), systemctl(1)";

/// `mptcpize enable`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "mptcpize enable [OPTIONS] UNIT...\n       mptcpize enable --system \
                            [--via preload|environment] [-n] [-j] [--root DIR]\n       mptcpize enable \
                            --containers [--via preload|seccomp] [-n] [-j] [--root DIR]",
          after_long_help = ENABLE_MORE)]
pub struct Enable {
    /// Units as systemctl takes them, or the path of a unit file
    ///
    /// Names, aliases, instances, templates, patterns. A pattern means services and sockets, and
    /// passes over what cannot be enabled.
    #[arg(value_name = "UNIT", required_unless_present_any = ["system", "containers"])]
    pub units: Vec<String>,

    /// Every program of the host, instead of units
    #[arg(long, conflicts_with_all = ["units", "now", "user", "runtime"])]
    pub system: bool,

    /// Containers that are given a device, instead of units
    ///
    /// `podman run --device mptcpize.org/shim=run IMAGE`, and the same with docker. What the options
    /// below say of sockets holds for the device `run`; [containers.NAME] in /etc/mptcpize.toml makes
    /// others. With --via seccomp also a seccomp profile, and a service that supervises containers
    /// with it.
    #[arg(long, conflicts_with_all = ["units", "now", "user", "runtime", "system"])]
    pub containers: bool,

    /// Restart the units, so that it counts at once
    ///
    /// Units that run are restarted, units that are named and do not run are started; those that a
    /// pattern met and that do not run stay as they are. Each is watched until it has come to rest.
    #[arg(long, conflicts_with = "root")]
    pub now: bool,

    /// Only until the next boot: the drop-in is written below /run
    #[arg(long, conflicts_with = "root")]
    pub runtime: bool,

    /// With --system: this library instead of the one inside
    #[arg(long, value_name = "FILE", requires = "system", hide = true)]
    pub library: Option<PathBuf>,

    /// With --system: do not try programs with it first
    ///
    /// For images in which mounts and namespaces are forbidden. Default: what a host needs to boot
    /// and to be mended is run in a private view of it, and any difference is a refusal.
    #[arg(long, requires = "system")]
    pub no_trial: bool,

    /// By which mechanism programs are reached
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub via: Via,

    /// Where and how.
    #[command(flatten)]
    pub place: Place,

    // Last, because its heading would hold for the options after it.
    /// Which sockets stay TCP.
    #[command(flatten)]
    pub policy: Policy,
}

/// `mptcpize disable`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "mptcpize disable [OPTIONS] UNIT...\n       mptcpize disable --system \
                            [-n] [-j] [--root DIR]\n       mptcpize disable --containers [-n] [-j] \
                            [--root DIR]",
          after_long_help = DISABLE_MORE)]
pub struct Disable {
    /// Units as systemctl takes them, or the path of a unit file
    ///
    /// Names, aliases, instances, templates, patterns.
    #[arg(value_name = "UNIT", required_unless_present_any = ["system", "containers", "all"])]
    pub units: Vec<String>,

    /// Every program of the host, instead of units
    #[arg(long, conflicts_with_all = ["units", "now", "user", "all"])]
    pub system: bool,

    /// The devices for containers, instead of units
    #[arg(long, conflicts_with_all = ["units", "now", "user", "all", "system"])]
    pub containers: bool,

    /// Every unit that is enabled
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
#[command(after_long_help = LIST_MORE)]
pub struct List {
    /// Units of the calling user's service manager (systemctl --user)
    #[arg(long, conflicts_with = "root")]
    pub user: bool,

    /// Look at the image below DIR instead of this host
    ///
    /// No systemd needs to run. Every path is resolved within the image, also through its links.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Print one JSON object
    #[arg(short, long)]
    pub json: bool,
}

/// What `enable` and `disable` both take.
#[derive(Clone, Debug, Default, Args)]
pub struct Place {
    /// Units of the calling user's service manager (systemctl --user)
    #[arg(long, conflicts_with = "root")]
    pub user: bool,

    /// Work on the image below DIR instead of this host
    ///
    /// No systemd needs to run. Every path is resolved within the image, also through its links.
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
    /// The cheapest of the others that reaches the unit's programs
    #[default]
    Auto,
    /// A library in LD_PRELOAD (with --system: /etc/ld.so.preload), and GODEBUG
    Preload,
    /// A filter on socket(2): any program; about 15 µs for each TCP socket
    Seccomp,
    /// With --system alone: LD_PRELOAD in the environment of services and sessions
    Environment,
}
