//! The command lines of what only looks: `status` and `top`.

use clap::{Args, ValueEnum};

/// How a screen is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also into a pipe
    Always,
    /// Not at all
    Never,
}

/// What `status` does and when one wants it.
pub const STATUS_LONG: &str = "\
Answers whether connections use MPTCP, over which links, and if not, why not: as ss(8) would, \
with subflows joined to their connections and to the links of this host (paths), and with \
programs, limits and services beside them; and where connections go through relays, which of them, and \
how each is doing. Everybody may ask; the programs of other users show as \
`?`, except to root. It changes nothing.

A path is a link with an address and a gateway, however many addresses it has: those of the other \
family stand below it. Paths without a carrier are shown and not counted. What is wrong with paths, \
endpoints, routing, limits and packet filter is what `mptcpize check` finds; `check` looks further.

Rates are the byte counters of the link, whoever sends. They are measured for 0.2 s, and only \
while MPTCP connections carry data, else the columns say `idle`, as they do below 1 kbit/s; with --watch, \
from one look to the next. Where the screen cannot be cleared, as in a pipe, a line with the time \
stands between two looks.";

/// The sections below the options of `status`.
const STATUS_MORE: &str = "\
Exit status:
  0  fine
  3  something wants attention: lines with a cross (a problem) or `!`
  2  wrong usage, or the settings file has a mistake
  5  the kernel has no MPTCP

Environment:
  NO_COLOR, COLUMNS  no colour, and how wide the screen is

Files:
  /etc/mptcpize.toml  the settings; see mptcpize.toml(5)
  /run/mptcpize       the state of this boot: what the daemon, the gateway and relays tell

Examples:
  mptcpize status
      Show paths, and the 20 connections that carried most.
  mptcpize status --watch=5
      Show them again every 5 seconds.
  mptcpize status --json
      Print all connections with tokens, subflows and bytes as one JSON object.
  sudo mptcpize status --all-netns
      Show the connections of containers too.

See also:
  mptcpize-top(8), mptcpize-check(8), ss(8)";

/// `mptcpize status`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = STATUS_MORE)]
pub struct Status {
    /// Look again every SECONDS (1 to 3600; default: 1) until interrupted
    #[arg(
        short,
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    pub watch: Option<u32>,

    /// Show all connections, not only the 20 that carried most
    #[arg(short, long)]
    pub all: bool,

    /// Print JSON, with all connections; with --watch one object a line
    #[arg(short, long)]
    pub json: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Colour,

    /// Network namespace: a name, a path, or a PID
    ///
    /// A name as of ip-netns(8), a path such as /proc/PID/ns/net, or the PID of a process in it.
    /// Default: that of mptcpize itself.
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// Show connections of all network namespaces, with their containers
    ///
    /// A namespace is found by its processes: as root all, otherwise those of your own processes.
    /// Paths, limits and remarks stay those of this namespace.
    #[arg(long, conflicts_with = "netns")]
    pub all_netns: bool,
}

/// What `top` does and when one wants it.
#[cfg(feature = "top")]
pub const TOP_LONG: &str = "\
Shows what `mptcpize status` shows, live, as top(1) shows processes: throughput of each path and \
connection, with the Enter key of each subflow, and the last events of the path manager (as \
root). The key ? shows the keys, q ends it. It changes nothing.";

/// The sections below the options of `top`.
#[cfg(feature = "top")]
const TOP_MORE: &str = "\
Exit status:
  0  it was told to end; with --once: fine
  1  the terminal cannot be used
  2  wrong usage, or standard output is no terminal
  3  with --once: something wants attention, as `status` has it
  5  with --once: the kernel has no MPTCP

Environment:
  NO_COLOR  no colour

Files:
  /etc/mptcpize.toml  the settings; see mptcpize.toml(5)
  /run/mptcpize       the state of this boot: what the daemon, the gateway and relays tell

Examples:
  sudo mptcpize top
      Watch this host, with the events that only root may read.
  mptcpize top --once
      Print one frame and end.

See also:
  mptcpize-status(8), mptcpize-monitor(8)";

/// `mptcpize top`.
#[cfg(feature = "top")]
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = TOP_MORE)]
pub struct Top {
    /// Print one frame and end; also into a pipe
    #[arg(long)]
    pub once: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Colour,

    /// Network namespace: a name, a path, or a PID
    ///
    /// A name as of ip-netns(8), a path such as /proc/PID/ns/net, or the PID of a process in it.
    /// Default: that of mptcpize itself.
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,
}
