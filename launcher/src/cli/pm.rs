//! The command lines of `endpoint`, `limits` and `monitor`. What follows their verbs are the words
//! of ip-mptcp(8), which are no options: `cli::ip_mptcp` reads them.

use clap::{Args, Subcommand};

/// The flags of an endpoint, below the options of `endpoint` and of `endpoint add`.
macro_rules! flags {
    () => {
        "Flags:
  signal    announce the address to the peer (ADD_ADDR): for servers
  subflow   open subflows from the address (MP_JOIN): for clients
  backup    its subflows carry data only while no other can
  fullmesh  with subflow: one to each address of the peer
  laminar   one subflow to each address that the peer announces (Linux 6.18)
  implicit  set by the kernel alone"
    };
}

/// The exit status of what changes something, for the sections below.
macro_rules! changes {
    () => {
        "Exit status:
  0  done, or nothing was to be done
  1  the kernel refuses, in its own words
  2  wrong usage
  4  not permitted: CAP_NET_ADMIN is missing
  5  the kernel has no MPTCP\n\n"
    };
}

/// That of what shows something.
macro_rules! shows {
    () => {
        "Exit status:
  0  shown
  1  the kernel refuses, in its own words
  2  wrong usage
  5  the kernel has no MPTCP\n\n"
    };
}

/// What `endpoint` does and when one wants it.
pub const ENDPOINT_LONG: &str = "\
Shows and changes the endpoints of the kernel's path manager: the addresses that it may announce \
to peers and open subflows from. Words, abbreviations and output are those of `ip mptcp \
endpoint`, for every flag that the kernel has, and with the kernel's own error texts. `mptcpize \
setup` chooses endpoints for all links and adds the routing that they need; this is for those who \
do so by hand.

Changes count at once, also in connections that exist, and until the boot. What was added is \
undone with `endpoint delete`.";

/// The sections below the options of `endpoint`.
const ENDPOINT_MORE: &str = concat!(
    flags!(),
    "

",
    changes!(),
    "Examples:
  mptcpize endpoint
      Show the endpoints, as `endpoint show` does.
  sudo mptcpize endpoint add 10.64.9.2 dev wwan0 subflow backup
      Open subflows from this address over wwan0, to be used only while no other can.
  sudo mptcpize endpoint change id 1 nobackup
      Use them as all others.
  sudo mptcpize endpoint delete id 1
  sudo mptcpize endpoint delete 192.0.2.1
      Delete one, by its id or its address, and end its subflows.

See also:
  ip-mptcp(8), mptcpize-limits(8), mptcpize-setup(8), mptcpize-subflow(8)"
);

/// What `endpoint add` does.
const ADD_LONG: &str = "\
Adds an endpoint. Connections that exist use it too, as far as the limits allow. `port` is one to \
listen on and to announce, and goes with signal; `dev` binds the subflows to a link; without `id` \
the kernel chooses one. An address that no link of this host has is refused. `endpoint delete` \
undoes it.";

/// The sections below the options of `endpoint add`.
const ADD_MORE: &str = concat!(
    flags!(),
    "

",
    changes!(),
    "Examples:
  sudo mptcpize endpoint add 10.64.9.2 dev wwan0 subflow backup
      A client's second link, to be used only while no other can carry data.
  sudo mptcpize endpoint add 192.0.2.7 signal
      A server's second address, announced to each client.

See also:
  mptcpize-endpoint-delete(8), mptcpize-limits-set(8), ip-mptcp(8)"
);

/// What `endpoint delete` does.
const DELETE_LONG: &str = "\
Deletes the endpoint with this id or address, and ends its subflows in every connection; those go on over \
what is left. Id 0 with an address ends the subflows on which connections began. `endpoint add` \
brings an endpoint back.";

/// The sections below the options of `endpoint delete`.
const DELETE_MORE: &str = concat!(
    changes!(),
    "Examples:
  sudo mptcpize endpoint delete id 2
      Delete the endpoint with id 2.
  sudo mptcpize endpoint delete 192.0.2.1
      Delete the endpoint with this address.
  sudo mptcpize endpoint delete id 0 192.0.2.1
      End the first subflows of connections from this address.

See also:
  mptcpize-endpoint-add(8), ip-mptcp(8)"
);

/// What `endpoint change` does.
const CHANGE_LONG: &str = "\
Changes the flags backup and fullmesh of an endpoint, also in connections that exist. Flags that \
are not named stay as they are; `nobackup` and `nofullmesh` undo it.";

/// The sections below the options of `endpoint change`.
const CHANGE_MORE: &str = concat!(
    changes!(),
    "Examples:
  sudo mptcpize endpoint change id 2 backup
      Use its subflows only while no other can carry data.
  sudo mptcpize endpoint change 10.64.9.2 nobackup
      Use them as all others.

See also:
  mptcpize-endpoint-show(8), ip-mptcp(8)"
);

/// What `endpoint show` does.
const SHOW_LONG: &str = "\
Shows all endpoints, or the one with this id, one a line in the words of `endpoint add`, in the \
order in which the kernel uses them.";

/// The sections below the options of `endpoint show`.
const SHOW_MORE: &str = concat!(
    shows!(),
    "Examples:
  mptcpize endpoint show id 2
      Show one.
  mptcpize endpoint show --json
      Show all, as JSON, as `ip -j mptcp endpoint show` does.

See also:
  mptcpize-status(8), ip-mptcp(8)"
);

/// What `endpoint flush` does.
const FLUSH_LONG: &str = "\
Deletes all endpoints, also those of others, and ends their subflows. Nothing brings them back: \
those of `mptcpize setup` come with the next one.";

/// The sections below the options of `endpoint flush`.
const FLUSH_MORE: &str = concat!(
    changes!(),
    "Examples:
  sudo mptcpize endpoint flush
      Delete all.

See also:
  mptcpize-endpoint-delete(8), mptcpize-setup-undo(8), ip-mptcp(8)"
);

/// What `limits` does and when one wants it.
pub const LIMITS_LONG: &str = "\
Shows and changes how many subflows the kernel's path manager opens in each connection, beside \
the first, and how many addresses that the peer announces it uses. Words and output are those of \
`ip mptcp limits`. The kernel's defaults are 2 and 0, the most are 8 and 8; `mptcpize setup` \
raises both to 8. A change counts for subflows that are opened from then on, and until the \
boot.";

/// The sections below the options of `limits`.
const LIMITS_MORE: &str = concat!(
    changes!(),
    "Examples:
  mptcpize limits
      Show the limits, as `limits show` does.
  sudo mptcpize limits set subflows 4 add_addr_accepted 4
      Allow four of each.

See also:
  ip-mptcp(8), mptcpize-endpoint(8), mptcpize-setup(8)"
);

/// What `limits set` does.
const SET_LONG: &str = "\
Sets one limit or both, each a number from 0 to 8; one that is not named stays. `subflows` counts \
those beside the first in each connection, `add_addr_accepted` addresses that the peer announces. \
Subflows that are open stay. To undo it, set the numbers that `limits show` showed before.";

/// The sections below the options of `limits set`.
const SET_MORE: &str = concat!(
    changes!(),
    "Examples:
  sudo mptcpize limits set subflows 4 add_addr_accepted 4
      Allow four of each.
  sudo mptcpize limits set add_addr_accepted 0
      Use no address that a peer announces.

See also:
  mptcpize-limits-show(8), ip-mptcp(8)"
);

/// What `limits show` does.
const LIMITS_SHOW_LONG: &str = "Shows both limits on a line, in the words of `limits set`.";

/// The sections below the options of `limits show`.
const LIMITS_SHOW_MORE: &str = concat!(
    shows!(),
    "Examples:
  mptcpize limits show --json
      Show them as JSON, as `ip -j mptcp limits show` does.

See also:
  mptcpize-limits-set(8), ip-mptcp(8)"
);

/// What `monitor` does and when one wants it.
pub const MONITOR_LONG: &str = "\
Prints a line for each event of the kernel's path manager until interrupted: connections and \
subflows that begin, are established, end or change priority, addresses that peers announce and \
withdraw, sockets that listen. Lines are those of `ip mptcp monitor`; with --tell they are \
sentences with the time, the link and the program. Only root may read events. It changes nothing.

Where `mptcpize daemon` runs, its decisions stand among them, in lines that begin with DAEMON.

Where events came faster than they were read, some are lost: a line says so, and a line PRESENT \
for each open subflow says where things stand.";

/// The sections below the options of `monitor`.
const MONITOR_MORE: &str = "\
Exit status:
  0  it was told to end
  1  the kernel cannot be listened to
  2  wrong usage
  4  not permitted: CAP_NET_ADMIN is missing
  5  the kernel has no MPTCP, or none that tells events (before Linux 5.12)

Files:
  /run/mptcpize  the state of this boot, in which the daemon tells its decisions

Examples:
  sudo mptcpize monitor
      Print events in the words of `ip mptcp monitor`.
  sudo mptcpize monitor --tell
      Say when, over which link, what happened to which program.
  sudo mptcpize monitor --json
      Print all of that as one JSON object a line.

See also:
  ip-mptcp(8), mptcpize-top(8)";

/// What all of them take.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Network namespace: a name, a path, or a PID
    ///
    /// A name as of ip-netns(8), a path such as /proc/PID/ns/net, or the PID of a process in it.
    /// Default: that of mptcpize itself.
    #[arg(long, value_name = "NAME|PID", global = true)]
    pub netns: Option<String>,

    /// Print JSON; of `monitor` an object a line
    ///
    /// `endpoint show` and `limits show` print what `ip -j mptcp` prints. Verbs that change something
    /// print an object with what has become of it.
    #[arg(short, long, global = true)]
    pub json: bool,
}

/// `mptcpize endpoint`.
#[derive(Debug, Args)]
#[command(infer_subcommands = true, after_help = flags!(), after_long_help = ENDPOINT_MORE)]
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
        long_about = ADD_LONG,
        after_help = flags!(),
        after_long_help = ADD_MORE
    )]
    Add {
        /// Add an address that this host, or the link of `dev`, does not have (yet)
        #[arg(short, long)]
        force: bool,
        /// An address, and the words that describe it.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Delete an endpoint and its subflows
    #[command(
        override_usage = "mptcpize endpoint delete {id N | id 0 ADDRESS | ADDRESS [port N] [dev IF]}",
        long_about = DELETE_LONG,
        after_long_help = DELETE_MORE
    )]
    Delete {
        /// An id, and for id 0 an address too; or an address.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Change the flags of an endpoint; flags that are not named stay
    #[command(
        override_usage = "mptcpize endpoint change {id N | ADDRESS [port N]} {[no]backup | [no]fullmesh}...",
        long_about = CHANGE_LONG,
        after_long_help = CHANGE_MORE
    )]
    Change {
        /// An id or an address, and the flags to change.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Show the endpoints, or one
    #[command(
        override_usage = "mptcpize endpoint show [-j] [id N]",
        long_about = SHOW_LONG,
        after_long_help = SHOW_MORE
    )]
    Show {
        /// An id, or nothing.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Delete all endpoints
    #[command(long_about = FLUSH_LONG, after_long_help = FLUSH_MORE)]
    Flush,
}

/// `mptcpize limits`.
#[derive(Debug, Args)]
#[command(infer_subcommands = true, after_long_help = LIMITS_MORE)]
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
    #[command(
        override_usage = "mptcpize limits set [subflows N] [add_addr_accepted N]",
        long_about = SET_LONG,
        after_long_help = SET_MORE
    )]
    Set {
        /// Names of limits, each with its number.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Show the limits
    #[command(long_about = LIMITS_SHOW_LONG, after_long_help = LIMITS_SHOW_MORE)]
    Show,
}

/// `mptcpize monitor`.
#[derive(Debug, Args)]
#[command(after_long_help = MONITOR_MORE)]
pub struct Monitor {
    /// Print sentences: when, on which link, what happened to which program
    #[arg(short, long)]
    pub tell: bool,

    /// What all verbs take.
    #[command(flatten)]
    pub common: Common,
}
