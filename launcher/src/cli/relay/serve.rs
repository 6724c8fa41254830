//! The command line of `relay serve`.

use clap::{Args, Subcommand};

use mptcpize_model::relay::key::Method;
use mptcpize_model::relay::server;

/// What `relay serve` does and when one wants it.
pub const LONG: &str = "\
Makes this host a relay: it takes connections from those who have a key, over MPTCP on one port, and goes \
on in TCP to wherever they ask. On the first start it makes a key and keeps it; each start prints the line \
to paste on the other side (`mptcpize relay add 'ss://…'`), and the same as a QR code on a terminal.

Without a key not a byte is relayed, and whoever tries is answered by silence. Destinations that are \
loopback, link-local or private, and addresses of this host, are refused unless --allow-private is given.

It lets the kernel take more subflows in one connection, and announces further addresses where this host \
has several, as `mptcpize setup --role server` does. It runs until it is ended (Ctrl-C, SIGTERM) and then \
takes that back; after a crash `mptcpize relay serve undo` does. SIGHUP makes it read users and settings \
again. What carries the bytes is mptcpize-relay, as a user of its own without any privilege.

With --enable it is a service that starts with the host. Any user may run it on a port above 1023, with a \
key of their own; then the host is left as it is.";

/// The sections below the options.
const MORE: &str = "\
Exit status:
  0  it was told to end, and the host is as it was
  1  it failed: the port is taken, a file cannot be trusted; the host is as it was
  2  wrong usage
  4  not permitted
  5  something is missing: mptcpize-relay, systemd for --enable
  6  it ended, and something could not be taken back; the command that does is printed

Files:
  /var/lib/mptcpize/relay/server.json
      port, method, key, users and their limits; mode 0600. Of an ordinary user: \
mptcpize/relay/server.json below $XDG_DATA_HOME
  /run/mptcpize/relay-server
      where the relay tells its state, and the journal of what was changed

Examples:
  sudo mptcpize relay serve --dry-run
      Show each change of the host and its reason, and change nothing.
  sudo mptcpize relay serve
      Be a relay on port 8686 until Ctrl-C.
  sudo mptcpize relay serve --port 443 --address relay.example.org --enable
      Be one on port 443, called by that name in what is printed, now and at each boot.
  mptcpize relay serve --port 8686 --no-qr
      Be one as an ordinary user.

See also:
  mptcpize-relay(8), mptcpize-setup(8), mptcpize-status(8), systemd.exec(5)";

/// What `relay serve undo` does and when one wants it.
const UNDO_LONG: &str = "\
Takes back what a relay changed on this host and could not take back itself, because it was killed. The \
key and the users stay. A relay that runs is not touched: end it instead.";

/// The sections below the options of `relay serve undo`.
const UNDO_MORE: &str = "\
Exit status:
  0  done, or nothing was to be done
  1  a relay runs
  4  not permitted
  6  the kernel refuses a change; the rest is taken back

Files:
  /run/mptcpize/relay-server  the journal, from which it is taken back

Examples:
  sudo mptcpize relay serve undo -v
      Take everything back, and print each change.

See also:
  mptcpize-setup-undo(8)";

/// `mptcpize relay serve`.
#[derive(Clone, Debug, Default, Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = MORE)]
pub struct Serve {
    /// What to do instead.
    #[command(subcommand)]
    pub command: Option<ServeCommand>,

    /// The TCP port (default: that of the last start, at first 8686)
    ///
    /// One port, of every address of both families.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// Name or address by which clients reach this host
    ///
    /// It stands in the line that is printed. Default: that of the last start, else the address of the
    /// default route.
    #[arg(long, value_name = "HOST")]
    pub address: Option<String>,

    /// How it encrypts, on the first start (default: by the processor)
    ///
    /// 2022-blake3-aes-128-gcm where it has instructions for AES, else 2022-blake3-chacha20-poly1305, which
    /// has no users; or 2022-blake3-aes-256-gcm.
    #[arg(long, value_name = "METHOD")]
    pub method: Option<Method>,

    /// Connect to private, loopback and own addresses too
    ///
    /// For whoever has a key; the networks of this host are open to them then.
    #[arg(long)]
    pub allow_private: bool,

    /// Make it a service that runs now and at each boot
    ///
    /// mptcpize-relay.service. Default: it runs here until it is ended.
    #[arg(long, conflicts_with = "disable")]
    pub enable: bool,

    /// End that service, and let it not start again
    ///
    /// Key and users stay, in /var/lib/mptcpize/relay.
    #[arg(long)]
    pub disable: bool,

    /// Print the QR code also where the output is no terminal
    #[arg(long, conflicts_with = "no_qr")]
    pub qr: bool,

    /// Print no QR code
    #[arg(long)]
    pub no_qr: bool,

    /// Show what would change, and change nothing
    #[arg(short = 'n', long, conflicts_with_all = ["enable", "disable"])]
    pub dry_run: bool,

    /// Print each change as it is made
    #[arg(short, long)]
    pub verbose: bool,
}

impl Serve {
    /// The port that a first start takes.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(server::PORT)
    }
}

/// The verbs below `relay serve`.
#[derive(Clone, Debug, Subcommand)]
pub enum ServeCommand {
    /// Take back what a relay left that was killed
    #[command(long_about = UNDO_LONG, after_long_help = UNDO_MORE)]
    Undo {
        /// Print each change as it is made
        #[arg(short, long)]
        verbose: bool,
    },
}
