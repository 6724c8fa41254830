//! The command lines of `relay add`, `relay list` and `relay remove`: the relays that this host knows.

use clap::Args;

use mptcpize_model::relay::name::Name;

/// What `relay add` does and when one wants it.
pub const ADD_LONG: &str = "\
Stores a relay by the ss:// URL that `mptcpize relay serve` prints on the rented server, or that of any \
other server of Shadowsocks 2022, so that it can be used by its name. Nothing is sent: `relay test` tries \
it.

The URL has the key. It is kept in a file of mode 0600: root's in /etc/mptcpize-relays.toml, a user's \
below ~/.config. On the command line it stands in the history of the shell; with - it is read from \
standard input instead.";

/// The sections below the options of `relay add`.
const ADD_MORE: &str = "\
Exit status:
  0  stored, or it was already
  1  a relay of that name is stored and differs; the file cannot be trusted
  2  it is no URL of a relay: cut short, a key of the wrong length, a method older than 2022, a plugin

Files:
  /etc/mptcpize-relays.toml, ~/.config/mptcpize/relays.toml
      the relays that root and a user have stored, with their keys; mode 0600

Examples:
  sudo mptcpize relay add -
      Ask for the URL, and store it for root: for gateway, for the whole host, for sudo.
  mptcpize relay add 'ss://METHOD:KEY@198.51.100.7:8686#home'
      Store it for this user as home.

See also:
  mptcpize-relay-test(8), mptcpize-run(8)";

/// What `relay list` does and when one wants it.
pub const LIST_LONG: &str = "\
Prints the stored relays with their addresses and methods, and never their keys. Root and each user have \
their own.";

/// The sections below the options of `relay list`.
const LIST_MORE: &str = "\
Exit status:
  0  shown, also where there is none
  1  the file cannot be trusted

Files:
  /etc/mptcpize-relays.toml, ~/.config/mptcpize/relays.toml
      the relays that root and a user have stored, with their keys; mode 0600

Examples:
  mptcpize relay list
      Those of this user.
  sudo mptcpize relay list --json
      Those of root, for a program.

See also:
  mptcpize-relay-add(8), mptcpize-relay-test(8)";

/// What `relay remove` does and when one wants it.
pub const REMOVE_LONG: &str = "\
Forgets a stored relay, and its key with it. Connections that go through it stay as they are.";

/// The sections below the options of `relay remove`.
const REMOVE_MORE: &str = "\
Exit status:
  0  it is forgotten
  1  the file cannot be trusted
  2  it is no name of a relay
  4  not permitted
  5  there is no relay of that name

Files:
  /etc/mptcpize-relays.toml, ~/.config/mptcpize/relays.toml
      the relays that root and a user have stored, with their keys; mode 0600

Examples:
  sudo mptcpize relay remove home
      Forget the relay home.

See also:
  mptcpize-relay-list(8), mptcpize-relay-add(8)";

/// `mptcpize relay add`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = ADD_MORE)]
pub struct Add {
    /// The ss:// URL, within single quotes; - reads it from standard input
    #[arg(value_name = "URL")]
    pub url: String,

    /// What to call it (default: what the URL says behind #, or its host)
    #[arg(long, value_name = "NAME")]
    pub name: Option<Name>,

    /// Take the place of a relay of that name
    #[arg(long)]
    pub replace: bool,
}

/// `mptcpize relay list`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = LIST_MORE)]
pub struct List {
    /// Print JSON
    #[arg(short, long)]
    pub json: bool,
}

/// `mptcpize relay remove`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = REMOVE_MORE)]
pub struct Remove {
    /// What it is called in `relay list`
    #[arg(value_name = "RELAY")]
    pub name: Name,
}
