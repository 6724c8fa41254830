//! The command line of `gateway`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use mptcpize_model::gateway::asked::{Asked, Quic};
use mptcpize_model::net::{IfName, Prefix};
use mptcpize_model::relay::name::Name;

/// What `gateway` does and when one wants it.
pub const LONG: &str = "\
Makes this host a router whose clients use all its uplinks, without anything on the clients: their TCP \
connections are taken over here (TPROXY) and carried on over MPTCP, or, where the server has no MPTCP, \
spread over the uplinks, server by server. All else is forwarded, and translated where it leaves.

It sets the uplinks up as `mptcpize setup` does (unless `mptcpize daemon` does it), lets this host \
forward between the LAN and the uplinks, makes a table `inet mptcpize` of the packet filter and a rule \
for the packets that it marks, and starts mptcpize-relay as a user of its own that has CAP_NET_ADMIN \
and nothing else. It runs until it is ended (Ctrl-C, SIGTERM) and then takes all of that back; after a \
crash `mptcpize gateway undo` does. Rules, tables and routes of others are left as they are. While the \
relay is away connections are forwarded. SIGHUP makes it read the settings file again.

With --enable it is a service that starts with the host.";

/// The sections below the options.
const MORE: &str = "\
Exit status:
  0  it was told to end, and the host is as it was
  1  it failed; the host is as it was
  2  the LAN is not named, or cannot be one; the settings file has a mistake
  4  not permitted: CAP_NET_ADMIN is missing
  5  something is missing: a kernel with MPTCP and TPROXY, nft, mptcpize-relay, dnsmasq for --dhcp
  6  it ended, and something could not be taken back; the command that does is printed

Files:
  /etc/mptcpize.toml     the settings, in the section [gateway]: lan = [\"br0\"], quic = \"block\", weights, \
limits, and what the relay does not get (except_net, except_ports, except_clients); see mptcpize.toml(5)
  /run/mptcpize/gateway  what the relay is told, where it tells its state, and the journal of what was \
changed

Examples:
  sudo mptcpize gateway --lan br0 --dry-run
      Show each change and its reason, and change nothing.
  sudo mptcpize gateway --lan br0
      Carry the connections of all devices behind br0 over every uplink, until Ctrl-C.
  sudo mptcpize gateway --lan eth1 --lan-address 192.168.77.1/24 --dhcp
      Make a LAN from nothing: give eth1 an address, and its clients theirs.
  sudo mptcpize gateway --enable --lan br0
      The same from now on and at each boot.

See also:
  mptcpize-setup(8), mptcpize-daemon(8), mptcpize-check(8), mptcpize.toml(5), nft(8), ip-rule(8), dnsmasq(8)";

/// What `gateway undo` does and when one wants it.
const UNDO_LONG: &str = "\
Takes back, newest first, what a gateway changed on this host and could not take back itself, because \
it was killed. What others have changed meanwhile is left alone. The set-up of the uplinks goes too, \
if the gateway made it. A gateway that runs is not touched: end it instead.";

/// The sections below the options of `gateway undo`.
const UNDO_MORE: &str = "\
Exit status:
  0  done, or nothing was to be done
  1  a gateway runs
  4  not permitted: CAP_NET_ADMIN is missing
  6  the kernel refuses a change; the rest is taken back

Files:
  /run/mptcpize/gateway  the journal, from which it is taken back

Examples:
  sudo mptcpize gateway undo -v
      Take everything back, and print each change.

See also:
  mptcpize-setup-undo(8)";

/// `mptcpize gateway`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = MORE)]
pub struct Gateway {
    /// What to do instead.
    #[command(subcommand)]
    pub command: Option<GatewayCommand>,

    /// Show what would change, and change nothing
    #[arg(short = 'n', long, conflicts_with_all = ["enable", "disable"])]
    pub dry_run: bool,

    /// Make it a service that runs now and at each boot
    ///
    /// mptcpize-gateway.service, with the other options of this command line. Default: it runs here
    /// until it is ended.
    #[arg(long, conflicts_with = "disable")]
    pub enable: bool,

    /// End that service, and let it not start again
    #[arg(long)]
    pub disable: bool,

    /// The settings.
    #[command(flatten)]
    pub settings: Settings,

    /// Where and how.
    #[command(flatten)]
    pub place: GatewayPlace,
}

/// What the LAN is, and what its clients get; /etc/mptcpize.toml has the same names in `[gateway]`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The interfaces of the LAN, such as br0
    ///
    /// Without it, and with none in the settings file, those that may be meant are named, and nothing
    /// is done.
    #[arg(long, value_name = "IF,…", value_delimiter = ',')]
    pub lan: Vec<IfName>,

    /// Addresses that the LAN interface gets while it runs
    ///
    /// For example 192.168.77.1/24,fd77:1::1/64. Default: it has some already.
    #[arg(long, value_name = "ADDR/LEN,…", value_delimiter = ',')]
    pub lan_address: Vec<Prefix>,

    /// Give clients addresses and names, by dnsmasq(8)
    ///
    /// It is started with settings of its own and ends with the gateway; clients get IPv6 addresses by
    /// router advertisements. Default: something else does it.
    #[arg(long)]
    pub dhcp: bool,

    /// What is done with QUIC (default: pass)
    ///
    /// QUIC is UDP, which no kernel bonds. Blocked, browsers take TCP at once.
    #[arg(long, value_enum)]
    pub quic: Option<QuicArg>,

    /// Send the LAN through a relay on a rented server
    ///
    /// The name of a stored relay (mptcpize relay list), or auto for the fastest of all. What goes through
    /// it stands in the section relay of the settings file. Default: servers are reached directly.
    #[arg(long, value_name = "RELAY")]
    pub relay: Option<Name>,

    /// The settings file (default: /etc/mptcpize.toml)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Settings {
    /// What the command line asks.
    pub fn asked(&self) -> Asked {
        Asked {
            lan: self.lan.clone(),
            lan_address: self.lan_address.clone(),
            dhcp: self.dhcp,
            quic: self.quic.map(Quic::from).unwrap_or_default(),
            relay: self.relay.clone(),
            ..Asked::default()
        }
    }
}

/// `--quic`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum QuicArg {
    /// It is forwarded over one uplink, as all other UDP.
    Pass,
    /// It is refused, so that browsers take TCP, which is bonded.
    Block,
}

impl QuicArg {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            QuicArg::Pass => "pass",
            QuicArg::Block => "block",
        }
    }
}

impl From<QuicArg> for Quic {
    fn from(quic: QuicArg) -> Quic {
        match quic {
            QuicArg::Pass => Quic::Pass,
            QuicArg::Block => Quic::Block,
        }
    }
}

/// The verbs below `gateway`.
#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// Take back what a gateway left that was killed
    #[command(long_about = UNDO_LONG, after_long_help = UNDO_MORE)]
    Undo {
        /// Where and how.
        #[command(flatten)]
        place: GatewayPlace,
    },
}

/// Where a gateway is, and how much it says.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = None::<&str>)]
pub struct GatewayPlace {
    /// Network namespace: a name or a PID
    ///
    /// A name as of ip-netns(8), or the PID of a process in it. Default: that of mptcpize itself.
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// Print each change as it is made
    #[arg(short, long)]
    pub verbose: bool,
}
