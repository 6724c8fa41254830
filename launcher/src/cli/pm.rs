//! The command lines of `endpoint`, `limits` and `monitor`. What follows their verbs are the words
//! of ip-mptcp(8), which are no options: `commands::words` reads them.

use clap::{Args, Subcommand};

/// The text under the options of `endpoint`.
const FLAGS: &str = "\
Flags:
  signal      announce the address to the peer (ADD_ADDR)
  subflow     open subflows from the address (MP_JOIN)
  backup      its subflows carry data only when no other can
  fullmesh    a subflow to each address of the peer
  laminar     one subflow to each address that the peer announces (Linux 6.18)
  implicit    set by the kernel alone

The words are those of ip-mptcp(8), and so is what `show` prints.";

/// What all of them take.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Work in this network namespace: its name (ip-netns(8)), a path, or a process in it
    #[arg(long, value_name = "NAME|PID", global = true)]
    pub netns: Option<String>,

    /// Print JSON
    #[arg(short, long, global = true)]
    pub json: bool,
}

/// `mptcpize endpoint`.
#[derive(Debug, Args)]
#[command(infer_subcommands = true, after_help = FLAGS)]
pub struct Endpoint {
    /// What all verbs take.
    #[command(flatten)]
    pub common: Common,

    /// What to do; `show` by default.
    #[command(subcommand)]
    pub action: Option<EndpointAction>,
}

/// The verbs of `endpoint`.
#[derive(Debug, Subcommand)]
pub enum EndpointAction {
    /// Add an endpoint
    #[command(
        override_usage = "mptcpize endpoint add [--force] ADDRESS [port N] [dev IF] [id N] [FLAG]...",
        after_help = FLAGS
    )]
    Add {
        /// Add an address that this host, or the interface, does not have (yet)
        #[arg(short, long)]
        force: bool,
        /// An address, and the words that describe it.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Delete an endpoint and its subflows
    #[command(override_usage = "mptcpize endpoint delete id N [ADDRESS]")]
    Delete {
        /// An id; for id 0 an address too.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Change the flags of an endpoint; flags that are not named stay
    #[command(
        override_usage = "mptcpize endpoint change {id N | ADDRESS [port N]} {[no]backup | [no]fullmesh}..."
    )]
    Change {
        /// An id or an address, and the flags to change.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Show the endpoints, or one
    #[command(override_usage = "mptcpize endpoint show [-j] [id N]")]
    Show {
        /// An id, or nothing.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Delete all endpoints
    Flush,
}

/// `mptcpize limits`.
#[derive(Debug, Args)]
#[command(infer_subcommands = true)]
pub struct Limits {
    /// What all verbs take.
    #[command(flatten)]
    pub common: Common,

    /// What to do; `show` by default.
    #[command(subcommand)]
    pub action: Option<LimitsAction>,
}

/// The verbs of `limits`.
#[derive(Debug, Subcommand)]
pub enum LimitsAction {
    /// Set limits; one that is not named stays
    #[command(override_usage = "mptcpize limits set [subflows N] [add_addr_accepted N]")]
    Set {
        /// Names of limits, each with its number.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Show the limits
    Show,
}

/// `mptcpize monitor`.
#[derive(Debug, Args)]
#[command(
    about = "Print connections and subflows as they come and go, as ip mptcp monitor does",
    after_help = "\
Where events came faster than they were read, some are lost: it says so, and prints a line PRESENT
for each subflow that there is."
)]
pub struct Monitor {
    /// Say when, on which link, what happened and to which program, in words
    #[arg(short, long)]
    pub tell: bool,

    /// What all verbs take.
    #[command(flatten)]
    pub common: Common,
}
