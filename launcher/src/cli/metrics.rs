//! The command line of `metrics`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What `metrics` does and when one wants it.
pub const LONG: &str = "\
Prints, for Prometheus, what there is of MPTCP on this host: paths, connections, bytes over each \
link, the kernel's MPTCP counters, and what `mptcpize daemon` decided and healed. Everybody may ask; \
it changes nothing. It goes to standard output, to a file that node_exporter's textfile collector \
reads, or out on request over HTTP.

There is no name of a program or a peer in it; `mptcpize status -j` has these.";

/// The sections below the options.
const MORE: &str = "\
Forms:
  openmetrics  OpenMetrics 1.0
  prometheus   the older text of Prometheus (version 0.0.4), which node_exporter's textfile \
collector and `promtool check metrics` read
  The samples are the same in both. Over HTTP the scraper's Accept header decides.

Exit status:
  0  printed, also where the kernel has no MPTCP (mptcpize_enabled 0)
  1  the file cannot be written, or the address cannot be listened on
  2  --listen names an address that others can reach, without --listen-any; FILE is a device, a link or a directory
  4  the file or the namespace is not yours

Files:
  /var/lib/prometheus/node-exporter
      where Debian's node_exporter looks for files

Examples:
  mptcpize metrics --output /var/lib/prometheus/node-exporter/mptcpize.prom
      Replace the file that the textfile collector reads; run it every minute from a timer.
  mptcpize metrics --listen 127.0.0.1:9586
      Serve http://127.0.0.1:9586/metrics until interrupted.
  mptcpize metrics --form prometheus | promtool check metrics
      Check the names.

See also:
  mptcpize-status(8), mptcpize-counters(8), mptcpize-daemon(8), promtool(1)";

/// Which form is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// OpenMetrics 1.0
    Openmetrics,
    /// The older text of Prometheus
    Prometheus,
}

/// `mptcpize metrics`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = MORE)]
pub struct Metrics {
    /// Replace FILE with it, readable by everybody
    ///
    /// Its successor is written beside it and renamed, so that nobody reads half of it.
    #[arg(short, long, value_name = "FILE", conflicts_with = "listen")]
    pub output: Option<PathBuf>,

    /// Serve it at http://ADDRESS:PORT/metrics
    ///
    /// ADDRESS is one of this host's own loopback addresses, such as 127.0.0.1; one of IPv6 stands in
    /// brackets. One request at a time is answered, and each must come within 2 s.
    #[arg(short, long, value_name = "ADDRESS:PORT", conflicts_with = "form")]
    pub listen: Option<SocketAddr>,

    /// Let --listen name an address that others can reach
    ///
    /// It shows them links, addresses and traffic of this host; nobody is asked for a password.
    #[arg(long, requires = "listen")]
    pub listen_any: bool,

    /// Which form of the text to print
    ///
    /// Default: openmetrics to standard output, prometheus to a file, because that is what
    /// node_exporter reads.
    #[arg(long, value_name = "FORM", value_enum)]
    pub form: Option<Form>,

    /// Network namespace: a name, a path, or a PID
    ///
    /// A name as of ip-netns(8), a path such as /proc/PID/ns/net, or the PID of a process in it.
    /// Default: that of mptcpize itself. --listen listens where mptcpize was started.
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,
}
