//! The command line of `daemon`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::setup::Settings;

/// What `daemon` does and when one wants it.
pub const LONG: &str = "\
Configures this host as `mptcpize setup` does, and again whenever links, addresses, routes or rules \
change: a link that was off or unplugged, another address or gateway. It waits where one path is \
left, and leaves out for a while a link that comes and goes more than five times in a minute. What \
it does is logged, one line a decision, and shown by `mptcpize status`.

It runs until SIGTERM and leaves what is set up; `mptcpize setup undo` undoes that. SIGHUP makes it \
read the settings file again. Where a package installed it, mptcpized.service runs it: \
systemctl enable --now mptcpized.";

/// The sections below the options.
const MORE: &str = "\
Exit status:
  0  it was told to end
  1  another daemon runs in this network namespace, or the kernel cannot be listened to
  2  the settings file has a mistake
  4  not permitted: CAP_NET_ADMIN is missing
  5  the kernel has no MPTCP, or none that tells events (before Linux 5.12)

Files:
  /etc/mptcpize.toml  the settings, under the names of the options; see mptcpize.toml(5)
  /run/mptcpize       the journal of what was changed, and what `status` shows of the daemon

Examples:
  sudo mptcpize daemon --verbose
      Run it in a terminal, and print each change.
  sudo mptcpize daemon --backup wwan0
      Use every link, wwan0 only while no other can carry data.

See also:
  mptcpize-setup(8), mptcpize-status(8), mptcpize-monitor(8), mptcpize.toml(5), systemctl(1)";

/// `mptcpize daemon`.
#[derive(Debug, Args)]
#[command(after_long_help = MORE)]
pub struct Daemon {
    /// Network namespace: a name or a PID
    ///
    /// A name as of ip-netns(8), or the PID of a process in it. Default: that of mptcpize itself.
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// Print each change as it is made
    #[arg(short, long)]
    pub verbose: bool,

    /// Write each event with its time to FILE, for a report
    ///
    /// One JSON object a line; FILE is emptied first. The decisions follow from the events alone, so
    /// that they can be looked at again elsewhere. It names the links and addresses of this host.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    // Last, because its heading would hold for the options after it.
    /// The settings.
    #[command(flatten)]
    pub settings: Settings,
}
