//! The command line of `setup`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use mptcpize_model::asked::Asked;
use mptcpize_model::config::Role;
use mptcpize_model::congestion::Congestion;
use mptcpize_model::net::IfName;

/// What `setup` does and when one wants it.
pub const LONG: &str = "\
Configures this host so that MPTCP connections use all its links. `setup` finds the links that \
have a usable address and a gateway, makes what is missing for each (an endpoint as of \
ip-mptcp(8); a routing table with its rules, so that packets leave by the link of their address), \
raises the limits to 8 subflows, then looks again whether the host came out as planned. What is \
there already, also of others, is kept. Look first with --dry-run.

It looks once: a link that comes later wants another `mptcpize setup`, or `mptcpize daemon`, which \
goes on. The set-up ends with the boot (mptcpized.service makes it at each). Each change is written to a journal before it \
is made. If one fails, all are undone; `mptcpize setup undo` undoes them at any later time, also \
after a crash. Where a VPN takes the traffic of the host, `setup` refuses and names it.";

/// The sections below the options.
pub const MORE: &str = "\
Exit status:
  0  the host is set up, or has nothing to bond
  1  it failed; the host is as it was
  2  wrong usage, or the settings file has a mistake
  3  --dry-run --exit-code: something would change
  4  not permitted: CAP_NET_ADMIN is missing
  5  the kernel has no MPTCP
  6  it failed, and undoing it failed too; the command that undoes the rest is printed

Files:
  /etc/mptcpize.toml  the settings, under the names of the options: role = \"client\", backup = \
[\"wwan0\"]; see mptcpize.toml(5)
  /run/mptcpize       the journal; it ends with the boot, as the set-up does

Examples:
  mptcpize setup --dry-run
      Show each change and its reason, and change nothing.
  sudo mptcpize setup --backup wwan0
      Use every link, wwan0 only while no other can carry data.
  sudo mptcpize setup --confirm 60
      Undo it after a minute, unless `mptcpize setup confirm` is run: for a host that one is \
logged in to over its network.
  sudo mptcpize setup undo
      Undo it.

See also:
  mptcpize-check(8), mptcpize-run(8), mptcpize-daemon(8), mptcpize.toml(5), ip-mptcp(8), ip-rule(8), ip-route(8)";

/// What `setup undo` does and when one wants it.
const UNDO_LONG: &str = "\
Undoes, newest first, every change that `mptcpize setup` and `mptcpize run` made in this network \
namespace since the boot. It needs no settings and works after a crash at any point. What others \
have changed meanwhile is left alone and named. Endpoints that go take their subflows with them; \
connections go on over those that are left.";

/// The sections below the options of `setup undo`.
const UNDO_MORE: &str = "\
Exit status:
  0  done, or nothing was to be done
  1  the journal is damaged: --salvage undoes what can be read of it
  4  not permitted: CAP_NET_ADMIN is missing
  6  the kernel refuses a change; the rest is undone, and the command that goes on is printed

Files:
  /run/mptcpize  the journal, from which it is undone

Examples:
  sudo mptcpize setup undo -v
      Undo everything, and print each change.
  sudo mptcpize setup undo --netns lab
      Undo what was set up in the network namespace lab (ip-netns(8)).

See also:
  mptcpize-gateway-undo(8), mptcpize-disable(8)";

/// What `setup confirm` does and when one wants it.
const CONFIRM_LONG: &str = "\
Keeps what `mptcpize setup --confirm SECONDS` made. Without it the set-up is undone when that \
time is over: so a mistake that cuts the administrator off mends itself.";

/// The sections below the options of `setup confirm`.
const CONFIRM_MORE: &str = "\
Exit status:
  0  the set-up stays
  1  nothing waits to be confirmed, or it was undone already
  4  not permitted

Files:
  /run/mptcpize  what waits to be confirmed

Examples:
  sudo mptcpize setup confirm
      Keep the set-up, when the host still answers.

See also:
  mptcpize-setup-undo(8)";

/// `mptcpize setup`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = MORE)]
pub struct Setup {
    /// What to do instead.
    #[command(subcommand)]
    pub command: Option<SetupCommand>,

    /// Show what would change, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// With --dry-run: exit 3 if something would change
    #[arg(long, requires = "dry_run")]
    pub exit_code: bool,

    /// Undo it after SECONDS unless `setup confirm` is run
    ///
    /// 1 to 86400. For hosts that are administered over the links that change. Default:
    /// it stays until the boot.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86400))]
    pub confirm: Option<u32>,

    /// Forget the options of earlier set-ups of this boot
    ///
    /// Without this, options that an earlier `setup` was given hold for later ones, and for `run`,
    /// `check` and `status`, until `setup undo` or the boot. With it the settings file counts again.
    #[arg(long)]
    pub forget: bool,

    /// The settings.
    #[command(flatten)]
    pub settings: Settings,

    /// Where and how.
    #[command(flatten)]
    pub place: Place,
}

/// The verbs below `setup`.
#[derive(Debug, Subcommand)]
pub enum SetupCommand {
    /// Undo everything that setup and run changed since the boot
    #[command(long_about = UNDO_LONG, after_long_help = UNDO_MORE)]
    Undo {
        /// With a damaged journal: undo what can be read of it
        ///
        /// And all routes and rules of protocol 86, which is ours. Default: a damaged journal is
        /// refused, and nothing changes.
        #[arg(long)]
        salvage: bool,
        /// Where and how.
        #[command(flatten)]
        place: Place,
    },
    /// Keep what `setup --confirm` made
    #[command(long_about = CONFIRM_LONG, after_long_help = CONFIRM_MORE)]
    Confirm {
        /// Where and how.
        #[command(flatten)]
        place: Place,
    },
    /// Wait, then undo unless confirmed: the process that `setup --confirm` leaves behind
    #[command(hide = true)]
    Guard {
        /// How long to wait.
        seconds: u32,
        /// Where and how.
        #[command(flatten)]
        place: Place,
    },
}

/// Which links to use and how; /etc/mptcpize.toml has the same names.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// What this host is (default: client)
    #[arg(long, value_enum)]
    pub role: Option<RoleArg>,

    /// Use these links alone (default: all with a gateway)
    #[arg(long, value_name = "IF,…", value_delimiter = ',')]
    pub only: Vec<IfName>,

    /// Leave these links out
    #[arg(long, value_name = "IF,…", value_delimiter = ',')]
    pub exclude: Vec<IfName>,

    /// Links that carry data only while no other can
    #[arg(long, value_name = "IF,…", value_delimiter = ',')]
    pub backup: Vec<IfName>,

    /// The gateway of a link that has no default route
    ///
    /// For example wwan0=10.64.9.1; once for each such link. Default: a link without
    /// one is left out.
    #[arg(long, value_name = "IF=ADDR", value_parser = gateway)]
    pub gateway: Vec<(IfName, IpAddr)>,

    /// The congestion control of a link: bbr, cubic, …
    ///
    /// For example wwan0=bbr, for a link that loses packets; once for each such link. Subflows that
    /// begin later have it, but for the first of an IPv6 connection, and where a program chooses its
    /// own. With IF=auto mptcpize daemon gives the link bbr while it loses packets without a queue.
    /// Default: a link keeps what it has.
    #[arg(long, value_name = "IF=NAME", value_parser = congestion)]
    pub congestion: Vec<(IfName, Congestion)>,

    /// A subflow from each endpoint to each peer address
    ///
    /// Default: the flags of endpoints are chosen by the address families of the links.
    #[arg(long)]
    pub fullmesh: bool,

    /// Subflows beside the first, 0 to 8 (default: 8)
    ///
    /// The number holds for each connection.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=8))]
    pub max_subflows: Option<u32>,

    /// Set up although a VPN takes the traffic of the host
    ///
    /// Subflows then leave outside of the VPN. Default: such a host is refused.
    #[arg(long)]
    pub beside_vpn: bool,

    /// The settings file (default: /etc/mptcpize.toml)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Settings {
    /// What the command line asks.
    pub fn asked(&self) -> Asked {
        Asked {
            role: self.role.map(Role::from),
            only: self.only.clone(),
            exclude: self.exclude.clone(),
            backup: self.backup.clone(),
            gateway: self.gateway.iter().cloned().collect(),
            congestion: self.congestion.iter().cloned().collect(),
            fullmesh: self.fullmesh,
            max_subflows: self.max_subflows,
            beside_vpn: self.beside_vpn,
        }
    }
}

/// `--role`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleArg {
    /// It connects: endpoints are `subflow`, from which the kernel opens subflows.
    Client,
    /// It is connected to: endpoints are `signal`, which the kernel announces to the peer.
    Server,
    /// It does both: endpoints are `subflow signal`.
    Both,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Role {
        match role {
            RoleArg::Client => Role::Client,
            RoleArg::Server => Role::Server,
            RoleArg::Both => Role::Both,
        }
    }
}

/// What every verb that looks at the host takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = None::<&str>)]
pub struct Place {
    /// Network namespace: a name or a PID
    ///
    /// A name as of ip-netns(8), or the PID of a process in it. Default: that of mptcpize itself.
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// Print each change as it is made
    #[arg(short, long)]
    pub verbose: bool,

    /// Print one JSON object
    #[arg(short, long)]
    pub json: bool,
}

fn gateway(text: &str) -> Result<(IfName, IpAddr), String> {
    // An interface may have a `=` in its name, an address has none.
    let Some((link, address)) = text.rsplit_once('=') else {
        return Err("it is not of the form IF=ADDR".into());
    };
    let address = address.parse().map_err(|_| format!("{address:?} is not an address"))?;
    Ok((IfName::new(link)?, address))
}

fn congestion(text: &str) -> Result<(IfName, Congestion), String> {
    let Some((link, algorithm)) = text.rsplit_once('=') else {
        return Err("it is not of the form IF=NAME".into());
    };
    Ok((IfName::new(link)?, algorithm.parse()?))
}
