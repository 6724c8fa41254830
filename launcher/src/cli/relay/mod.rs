//! The command line of `relay`: one verb below it, one file.

pub mod agent;
pub mod serve;
pub mod stored;
pub mod test;
pub mod user;

use clap::{Args, Subcommand};

/// What `relay` does and when one wants it.
pub const LONG: &str = "\
A relay is an ordinary rented server that ends MPTCP and goes on in TCP, so that every connection uses \
all links, also to the many servers that have no MPTCP themselves. It speaks Shadowsocks 2022 (SIP022), \
encrypted and authenticated, so that other clients and servers of that protocol can be used with it.

On the rented server: `relay serve`. It prints the line to paste on the hosts that are to use it.";

/// The sections below the verbs.
const MORE: &str = "\
Exit status:
  0  done
  1  it failed
  2  wrong usage
  3  relay test: something wants attention
  4  not permitted
  5  something is missing: a stored relay, mptcpize-relay, systemd for --enable

Files:
  /etc/mptcpize-relays.toml, ~/.config/mptcpize/relays.toml
      the relays that root and a user have stored, with their keys; mode 0600
  /var/lib/mptcpize/relay/server.json
      what this host is as a relay

Examples:
  sudo mptcpize relay serve
      On a rented server: be a relay, until Ctrl-C, and print the line for the other side.
  sudo mptcpize relay serve --enable
      The same as a service, from now on and at each boot.
  sudo mptcpize relay user add alice
      On the relay: one key more, for one person.
  mptcpize relay agent --proxy 127.0.0.1:1080
      On the other side: a port for programs that have a proxy setting.

See also:
  mptcpize-run(8), mptcpize-gateway(8), mptcpize-status(8), mptcpize.toml(5); SIP022 at https://shadowsocks.org";

/// `mptcpize relay`.
#[derive(Debug, Args)]
#[command(after_long_help = MORE, subcommand_required = true, arg_required_else_help = true)]
pub struct Relay {
    /// What to do.
    #[command(subcommand)]
    pub command: RelayCommand,
}

/// The verbs below `relay`.
#[derive(Debug, Subcommand)]
pub enum RelayCommand {
    /// Be a relay: end MPTCP here and go on in TCP
    #[cfg(feature = "serve")]
    #[command(long_about = serve::LONG)]
    Serve(serve::Serve),
    /// Store a relay by its URL
    #[command(long_about = stored::ADD_LONG)]
    Add(stored::Add),
    /// Show the stored relays
    #[command(long_about = stored::LIST_LONG)]
    List(stored::List),
    /// Forget a stored relay
    #[command(long_about = stored::REMOVE_LONG)]
    Remove(stored::Remove),
    /// Send connections of this host through a relay
    #[command(long_about = agent::LONG)]
    Agent(agent::Agent),
    /// Try a relay path by path, and say what is wrong
    #[command(long_about = test::LONG)]
    Test(test::Test),
    /// Add, remove and list users of the relay that this host is
    #[cfg(feature = "serve")]
    #[command(long_about = user::LONG)]
    User(user::User),
}
