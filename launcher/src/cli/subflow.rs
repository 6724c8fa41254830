//! The command line of `subflow`.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, Subcommand};

use mptcpize_model::net::IfName;

/// The text under the options of `subflow`.
const TOKENS: &str = "\
Tokens are those of mptcpize status -j, mptcpize monitor and ss -M, in hexadecimal.
Only for connections that began under a path manager in user space:
  sudo sysctl -w net.mptcp.path_manager=userspace     # before Linux 6.16: net.mptcp.pm_type=1";

/// `mptcpize subflow`.
#[derive(Debug, Args)]
#[command(
    about = "Make and end the subflows of one connection (userspace path manager)",
    after_help = TOKENS
)]
pub struct Subflow {
    /// Work in this network namespace: its name (ip-netns(8)), a path, or a process in it
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
    Create {
        /// The connection
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// The local address it leaves from
        #[arg(long, value_name = "ADDRESS")]
        from: IpAddr,
        /// Where to, with the port; by default where the connection goes
        #[arg(long, value_name = "ADDRESS:PORT", value_parser = Place::parse)]
        to: Option<Place>,
        /// The local address's id, 1 to 255; by default one that is free
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
        id: Option<u8>,
        /// Bind it to a link
        #[arg(long, value_name = "IF")]
        dev: Option<IfName>,
        /// To be used only when no other can
        #[arg(long)]
        backup: bool,
    },
    /// End a subflow
    Destroy {
        /// The connection
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// Its local end; the port may be left out where the address tells it
        #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = Place::parse)]
        from: Place,
        /// Its remote end, where the local one does not tell it
        #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = Place::parse)]
        to: Option<Place>,
    },
    /// Tell the peer of an address of this host (ADD_ADDR)
    Announce {
        /// The connection
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// The address
        #[arg(long, value_name = "ADDRESS")]
        address: IpAddr,
        /// Its id, 1 to 255; by default one that is free
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
        id: Option<u8>,
        /// Its port, where that is not the connection's
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
        /// Its link
        #[arg(long, value_name = "IF")]
        dev: Option<IfName>,
    },
    /// Withdraw an address by its id (REMOVE_ADDR), and end its subflows
    Remove {
        /// The connection
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// The id
        #[arg(long, value_name = "N")]
        id: u8,
    },
    /// Use a subflow only when no other can be, and tell the peer (MP_PRIO)
    Backup {
        /// The connection
        #[arg(long, value_name = "TOKEN", value_parser = token)]
        token: u32,
        /// Its local end; the port may be left out where the address tells it
        #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = Place::parse)]
        from: Place,
        /// Its remote end, where the local one does not tell it
        #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = Place::parse)]
        to: Option<Place>,
        /// The reverse
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
