//! The command line of `setup`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use mptcpize_model::asked::Asked;
use mptcpize_model::config::Role;
use mptcpize_model::net::IfName;

/// `mptcpize setup`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Setup {
    /// What to do instead.
    #[command(subcommand)]
    pub command: Option<SetupCommand>,

    /// Show what would change, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// With --dry-run: exit 3 when something would change
    #[arg(long, requires = "dry_run")]
    pub exit_code: bool,

    /// Undo everything after SECONDS unless `mptcpize setup confirm` is run (for remote hosts)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86400))]
    pub confirm: Option<u32>,

    /// Forget what earlier set-ups of this boot were asked: the settings file counts again
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
    /// Take back everything that setup and run changed since the boot
    Undo {
        /// With a corrupt journal: undo what is readable, and all routes and rules marked as ours
        #[arg(long)]
        salvage: bool,
        /// Where and how.
        #[command(flatten)]
        place: Place,
    },
    /// Keep what `setup --confirm` made
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
pub struct Settings {
    /// client opens subflows, server announces its addresses
    #[arg(long, value_enum)]
    pub role: Option<RoleArg>,

    /// Use these links and no others
    #[arg(long, value_name = "IF,…", value_delimiter = ',')]
    pub only: Vec<IfName>,

    /// Leave these links out
    #[arg(long, value_name = "IF,…", value_delimiter = ',')]
    pub exclude: Vec<IfName>,

    /// Links that carry data only when no other can
    #[arg(long, value_name = "IF,…", value_delimiter = ',')]
    pub backup: Vec<IfName>,

    /// The gateway of a link that has no default route
    #[arg(long, value_name = "IF=ADDR", value_parser = gateway)]
    pub gateway: Vec<(IfName, IpAddr)>,

    /// A subflow from each endpoint to each address of the peer
    #[arg(long)]
    pub fullmesh: bool,

    /// Additional subflows in one connection, 0 to 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=8))]
    pub max_subflows: Option<u32>,

    /// Set up although a VPN takes the host's traffic: subflows then leave outside of it
    #[arg(long)]
    pub beside_vpn: bool,

    /// The settings file
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
            fullmesh: self.fullmesh,
            max_subflows: self.max_subflows,
            beside_vpn: self.beside_vpn,
        }
    }
}

/// `--role`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleArg {
    /// Opens subflows.
    Client,
    /// Announces its addresses.
    Server,
    /// Both.
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
pub struct Place {
    /// Work in this network namespace: a name of `ip netns`, or a process id
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// Show each change as it happens
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
