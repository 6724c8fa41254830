//! The command line of `relay agent`.

use std::net::SocketAddr;

use clap::Args;

/// What `relay agent` does and when one wants it.
pub const LONG: &str = "\
Sends connections of this host through a relay while it runs: those of programs that speak to its port of \
SOCKS5 and HTTP CONNECT (--proxy), and with --host every TCP connection of this host. What goes to this \
host itself, to networks without a gateway and to private ones, and what the section [relay] of \
/etc/mptcpize.toml names in never, goes as ever; so does what a VPN takes, and all but TCP.

The fastest of the stored relays that answers is taken, the next one when it fails; where none can be \
reached connections go directly, or are refused with fallback = \"refuse\".

With --host a table of the packet filter redirects to mptcpize-relay, which has a user of its own and no \
privilege. The table goes with the process that holds it, whatever way that ends. SIGHUP makes it read \
/etc/mptcpize.toml and the stored relays again. With --enable it is a service that starts with the host. \
--proxy alone needs no root.";

/// The sections below the options.
const MORE: &str = "\
Exit status:
  0  it was told to end, and the host is as it was
  1  it failed: the port is taken, the packet filter refuses; the host is as it was
  2  wrong usage, or a mistake in the settings file
  4  not permitted
  5  something is missing: a stored relay, mptcpize-relay, nft, systemd for --enable

Files:
  /etc/mptcpize.toml, section [relay]
      host = true, proxy = \"127.0.0.1:1080\", use = \"NAME\", policy = \"without-mptcp\", \
never = [\"198.51.100.0/24\"], fallback = \"refuse\"

Environment:
  MPTCPIZE=off  has no effect here: with --host the packet filter leads connections to the relay, \
whatever program opens them; never, in the section [relay] of the settings file, leaves networks out

Examples:
  mptcpize relay agent --proxy 127.0.0.1:1080
      As any user: a port for programs that have a proxy setting.
  sudo mptcpize relay agent --host --dry-run
      Show what would be redirected, and change nothing.
  sudo mptcpize relay agent --host --enable
      All TCP of this host, now and at each boot.

See also:
  mptcpize-relay(8), mptcpize-run(8), mptcpize-gateway(8), mptcpize.toml(5), nft(8)";

/// `mptcpize relay agent`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = MORE)]
pub struct Agent {
    /// Send all TCP of this host through a relay
    #[arg(long)]
    pub host: bool,

    /// Speak SOCKS5 and HTTP CONNECT at this loopback address
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub proxy: Option<SocketAddr>,

    /// The relay: a stored one's name, or auto for the fastest of all
    ///
    /// Default: what the settings file says, else auto.
    #[arg(long, value_name = "RELAY")]
    pub relay: Option<String>,

    /// Show what would be redirected; change nothing
    #[arg(long, conflicts_with_all = ["enable", "disable"])]
    pub dry_run: bool,

    /// Start it as a service, now and at each boot
    #[arg(long, conflicts_with = "disable")]
    pub enable: bool,

    /// End the service, and let it not start again
    #[arg(long, conflicts_with_all = ["host", "proxy", "relay"])]
    pub disable: bool,

    /// Say what is done
    #[arg(short, long)]
    pub verbose: bool,
}
