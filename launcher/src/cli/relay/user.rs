//! The command line of `relay user`: who may use the relay that this host is.

use clap::{Args, Subcommand};

use mptcpize_model::budget;
use mptcpize_model::relay::name::Name;

/// The exit status, and where users are kept, for the sections below.
macro_rules! ends {
    () => {
        "\
Exit status:
  0  done
  1  a file cannot be trusted or written, or the relay's method has no users
  2  wrong usage, or what changes who may connect was not confirmed
  4  not permitted
  5  this host is no relay, or there is no such user

Files:
  /var/lib/mptcpize/relay/server.json
      the users with their keys and limits; mode 0600"
    };
}

/// What `relay user` does and when one wants it.
pub const LONG: &str = "\
Users of the relay that this host is: each has a key of its own (SIP023), so that one can be taken away \
without the others, each may have limits, and bytes are counted by user.

Without users whoever has the server's key may use the relay. With the first user that ends: the server's \
key alone opens nothing then.";

/// The sections below the verbs.
const MORE: &str = concat!(
    ends!(),
    "

Examples:
  sudo mptcpize relay user add alice
      Make a key for alice, and print the line to paste on her side.
  sudo mptcpize relay user list
      Show users, their limits, and what they have carried.

See also:
  mptcpize-relay-serve(8)"
);

/// What `relay user add` does and when one wants it.
const ADD_LONG: &str = "\
Makes a key for a user, and prints the line to paste on its side. A relay that runs takes it at once, and \
connections that there are live on. For a user that exists it changes the limits that are named, and prints \
the same line again.

The first user changes who may connect: the server's own key opens nothing alone any more. That is asked \
for on a terminal, elsewhere --yes is wanted.";

/// The sections below the options of `relay user add`.
const ADD_MORE: &str = concat!(
    ends!(),
    "

Examples:
  sudo mptcpize relay user add alice
      A key without limits.
  sudo mptcpize relay user add bob --connections 200 --month 100GB --rate 50
      A key with limits: connections at a time, bytes in a calendar month, Mbit/s.

See also:
  mptcpize-relay-user-remove(8), mptcpize-relay-add(8)"
);

/// What `relay user remove` does and when one wants it.
const REMOVE_LONG: &str = "\
Takes a user's key away. Its connections end at once where a relay runs. With the last user whoever has \
the server's key may use the relay again: that is asked for, as with the first one.";

/// The sections below the options of `relay user remove`.
const REMOVE_MORE: &str = concat!(
    ends!(),
    "

Examples:
  sudo mptcpize relay user remove bob
      End bob's connections, and take no more.

See also:
  mptcpize-relay-user-add(8)"
);

/// What `relay user list` does and when one wants it.
const LIST_LONG: &str = "\
Shows users, their limits, their open connections, and what they have carried in this calendar month (UTC) \
and in all. No key is shown.";

/// The sections below the options of `relay user list`.
const LIST_MORE: &str = concat!(
    ends!(),
    "

Examples:
  sudo mptcpize relay user list --json
      The same for a program.

See also:
  mptcpize-relay-user-add(8), mptcpize-status(8)"
);

/// `mptcpize relay user`.
#[derive(Debug, Args)]
#[command(after_long_help = MORE, subcommand_required = true, arg_required_else_help = true)]
pub struct User {
    /// What to do.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// The verbs below `relay user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a key for a user, or change its limits
    #[command(long_about = ADD_LONG, after_long_help = ADD_MORE)]
    Add(Add),
    /// Take a user's key away, and end its connections
    #[command(long_about = REMOVE_LONG, after_long_help = REMOVE_MORE)]
    Remove(Remove),
    /// Show users, their limits and what they carried
    #[command(long_about = LIST_LONG, after_long_help = LIST_MORE)]
    List(List),
}

/// `mptcpize relay user add`.
#[derive(Clone, Debug, Args)]
pub struct Add {
    /// What the user is called: letters, digits, - _ and .
    #[arg(value_name = "NAME")]
    pub name: Name,

    /// Connections at a time (default: no limit)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: Option<u32>,

    /// Bytes both ways in a calendar month, such as 100GB
    ///
    /// Connections end when it is used up. Default: no limit.
    #[arg(long, value_name = "SIZE", value_parser = budget::size)]
    pub month: Option<u64>,

    /// Mbit/s of all its connections together (default: no limit)
    #[arg(long, value_name = "MBIT", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,

    /// Print the QR code also where the output is no terminal
    #[arg(long, conflicts_with = "no_qr")]
    pub qr: bool,

    /// Print no QR code
    #[arg(long)]
    pub no_qr: bool,

    /// Ask nothing, also where it changes who may connect
    #[arg(short, long)]
    pub yes: bool,
}

/// `mptcpize relay user remove`.
#[derive(Clone, Debug, Args)]
pub struct Remove {
    /// What the user is called
    #[arg(value_name = "NAME")]
    pub name: Name,

    /// Ask nothing, also where it changes who may connect
    #[arg(short, long)]
    pub yes: bool,
}

/// `mptcpize relay user list`.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Print JSON
    #[arg(short, long)]
    pub json: bool,
}
