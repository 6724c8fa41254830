//! The command line of `subflow`.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, Subcommand};

use mptcpize_model::net::IfName;

/// The exit status, for the sections below.
macro_rules! changes {
    () => {
        "\
Exit status:
  0  done, or nothing was to be done
  1  no such connection, or the kernel refuses
  2  wrong usage
  4  not permitted: CAP_NET_ADMIN is missing
  5  the kernel has no MPTCP"
    };
}

/// What `subflow` does and when one wants it.
pub const LONG: &str = "\
Opens and ends subflows of one connection, announces addresses to its peer and withdraws them: \
what a path manager in user space does. It works for connections that began while \
net.mptcp.path_manager was `userspace` (before Linux 6.16: net.mptcp.pm_type 1); the kernel \
manages all others by its endpoints. On most hosts `mptcpize setup` is what one wants.

A connection is named by its token, eight hexadecimal digits, as `mptcpize status -j`, `mptcpize \
monitor` and `ss -M` show it. What is changed ends with the connection.";

/// The sections below the options of `subflow`.
const MORE: &str = concat!(
    changes!(),
    "

Examples:
  sudo sysctl -w net.mptcp.path_manager=userspace
      Leave connections that begin from now on to user space; `=kernel` undoes it.
  sudo mptcpize subflow create --token 9f3a01c2 --from 10.64.9.2
      Open a subflow from this address, and wait until the peer has answered.
  sudo mptcpize subflow destroy --token 9f3a01c2 --from 10.64.9.2
      End it.

See also:
  mptcpize-status(8), mptcpize-monitor(8), mptcpize-endpoint(8)"
);

/// What `subflow create` does.
const CREATE_LONG: &str = "\
Opens a subflow (MP_JOIN) from a local address to the peer, and waits up to 8 seconds until the \
peer has answered; if it does not, that is an error. `subflow destroy` ends it again.";

/// The sections below the options of `subflow create`.
const CREATE_MORE: &str = "\
Exit status:
  0  the subflow carries data
  1  no such connection, or the kernel or the peer refuses
  2  wrong usage
  4  not permitted: CAP_NET_ADMIN is missing

Examples:
  sudo mptcpize subflow create --token 9f3a01c2 --from 10.64.9.2
      To where the connection goes.
  sudo mptcpize subflow create --token 9f3a01c2 --from 10.64.9.2 --to 203.0.113.9:443 --dev wwan0 \
--backup
      To another address of the peer, over wwan0, to be used only while no other can carry data.

See also:
  mptcpize-subflow-destroy(8), mptcpize-monitor(8)";

/// What `subflow destroy` does.
const DESTROY_LONG: &str = "\
Ends one subflow of a connection, which goes on over the others. Ending the last one leaves the \
connection without a way to carry data. `subflow create` opens another.";

/// The sections below the options of `subflow destroy`.
const DESTROY_MORE: &str = "\
Exit status:
  0  it is ended
  1  no such connection or subflow, or several fit: name a port, or --to
  2  wrong usage
  4  not permitted: CAP_NET_ADMIN is missing

Examples:
  sudo mptcpize subflow destroy --token 9f3a01c2 --from 10.64.9.2
      End the only subflow from this address.
  sudo mptcpize subflow destroy --token 9f3a01c2 --from 10.64.9.2:40002 --to 203.0.113.9:443
      End the one between these ends.

See also:
  mptcpize-subflow-create(8), mptcpize-status(8)";

/// What `subflow announce` does.
const ANNOUNCE_LONG: &str = "\
Announces an address of this host to the peer of one connection (ADD_ADDR), so that the peer may \
open a subflow to it. `subflow remove` withdraws it, by its id.";

/// The sections below the options of `subflow announce`.
const ANNOUNCE_MORE: &str = concat!(
    changes!(),
    "

Examples:
  sudo mptcpize subflow announce --token 9f3a01c2 --address 192.0.2.7 --id 5
      Announce it under the id 5.

See also:
  mptcpize-subflow-remove(8), mptcpize-endpoint-add(8)"
);

/// What `subflow remove` does.
const REMOVE_LONG: &str = "\
Withdraws an address of this host from the peer of one connection by its id (REMOVE_ADDR), and \
ends the subflows from it. `subflow announce` announces it again.";

/// The sections below the options of `subflow remove`.
const REMOVE_MORE: &str = concat!(
    changes!(),
    "

Examples:
  sudo mptcpize subflow remove --token 9f3a01c2 --id 5
      Withdraw the address that was announced under the id 5.

See also:
  mptcpize-subflow-announce(8)"
);

/// What `subflow backup` does.
const BACKUP_LONG: &str = "\
Makes a subflow carry data only while no other can, and tells the peer (MP_PRIO); with --off, as \
all others again.";

/// The sections below the options of `subflow backup`.
const BACKUP_MORE: &str = concat!(
    changes!(),
    "

Examples:
  sudo mptcpize subflow backup --token 9f3a01c2 --from 10.64.9.2
      Make the subflow from this address a backup.
  sudo mptcpize subflow backup --token 9f3a01c2 --from 10.64.9.2 --off
      Use it as all others.

See also:
  mptcpize-endpoint-change(8), mptcpize-status(8)"
);

/// `mptcpize subflow`.
#[derive(Debug, Args)]
#[command(after_long_help = MORE)]
pub struct Subflow {
    /// Network namespace: a name, a path, or a PID
    ///
    /// A name as of ip-netns(8), a path such as /proc/PID/ns/net, or the PID of a process in it.
    /// Default: that of mptcpize itself.
    #[arg(long, value_name = "NAME|PID", global = true)]
    pub netns: Option<String>,

    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// The verbs of `subflow`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Open a subflow, and wait until the peer has answered
    #[command(long_about = CREATE_LONG, after_long_help = CREATE_MORE)]
    Create {
        /// The connection: eight hexadecimal digits
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// The local address
        #[arg(long, value_name = "ADDRESS")]
        from: IpAddr,
        /// The remote address and port (default: those of the connection)
        #[arg(long, value_name = "ADDRESS:PORT", value_parser = Place::parse)]
        to: Option<Place>,
        /// The id of the local address, 1 to 255 (default: one that is free)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
        id: Option<u8>,
        /// The link to bind it to (default: none; routes and rules decide)
        #[arg(long, value_name = "IF")]
        dev: Option<IfName>,
        /// Make it a backup, for when no other can carry data
        #[arg(long)]
        backup: bool,
    },
    /// End a subflow
    #[command(long_about = DESTROY_LONG, after_long_help = DESTROY_MORE)]
    Destroy {
        /// The connection: eight hexadecimal digits
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// Its local end; the port is needed where several have this address
        #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = Place::parse)]
        from: Place,
        /// Its remote end, needed where several have the local end
        #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = Place::parse)]
        to: Option<Place>,
    },
    /// Announce an address of this host to the peer (ADD_ADDR)
    #[command(long_about = ANNOUNCE_LONG, after_long_help = ANNOUNCE_MORE)]
    Announce {
        /// The connection: eight hexadecimal digits
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// The address to announce
        #[arg(long, value_name = "ADDRESS")]
        address: IpAddr,
        /// Its id, 1 to 255 (default: one that is free)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
        id: Option<u8>,
        /// Its port (default: that of the connection)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
        /// The link that has it (default: none is named)
        #[arg(long, value_name = "IF")]
        dev: Option<IfName>,
    },
    /// Withdraw an address by its id (REMOVE_ADDR), and end its subflows
    #[command(long_about = REMOVE_LONG, after_long_help = REMOVE_MORE)]
    Remove {
        /// The connection: eight hexadecimal digits
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// The id under which the address was announced, or a subflow opened
        #[arg(long, value_name = "N")]
        id: u8,
    },
    /// Use a subflow only while no other can carry data (MP_PRIO)
    #[command(long_about = BACKUP_LONG, after_long_help = BACKUP_MORE)]
    Backup {
        /// The connection: eight hexadecimal digits
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// Its local end; the port is needed where several have this address
        #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = Place::parse)]
        from: Place,
        /// Its remote end, needed where several have the local end
        #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = Place::parse)]
        to: Option<Place>,
        /// Use it as all others again
        #[arg(long)]
        off: bool,
    },
}

impl Action {
    /// The connection.
    pub fn token(&self) -> u32 {
        match self {
            Action::Create { token, .. }
            | Action::Destroy { token, .. }
            | Action::Announce { token, .. }
            | Action::Remove { token, .. }
            | Action::Backup { token, .. } => *token,
        }
    }
}

/// An address, with its port or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// The port, if it was said.
    pub port: Option<u16>,
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(whole) = text.parse::<SocketAddr>() {
            let port = Some(whole.port()).filter(|port| *port != 0);
            return Ok(Place { address: whole.ip(), port });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let address = bare.parse().map_err(|_| {
            format!("{text:?} is not an address such as 192.0.2.1:443 or [2001:db8::1]:443")
        })?;
        Ok(Place { address, port: None })
    }

    /// Is this the place, as far as it was said?
    pub fn is(&self, other: SocketAddr) -> bool {
        self.address == other.ip() && self.port.is_none_or(|port| port == other.port())
    }
}

fn token(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u32::from_str_radix(digits, 16).map_err(|_| format!("{text:?} is not a token such as 9f3a01c2"))
}
