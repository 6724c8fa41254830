//! Which sockets of a program stay TCP: what the command line and /etc/mptcpize.toml say, and the
//! text that the library reads. The decision itself is the library's (`shim/src/policy.rs`, which
//! describes the text), for only it knows where a socket goes.
//!
//! A mistake is told here, with its place: the library ignores what it does not understand.

pub mod encode;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::net::Prefix;

/// The environment variable that holds the text.
pub const VARIABLE: &str = "MPTCPIZE_POLICY";

/// Programs that stay TCP unless the list is set: their listeners must carry MD5 signatures of
/// BGP (RFC 2385), which MPTCP has not. The library has the same list.
const BY_DEFAULT: [&str; 4] = ["bird", "bird6", "bgpd", "gobgpd"];

crate::settings! {
    /// The settings, each unset by default.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct Sockets {
        /// What connections within the host are, those on 127.0.0.0/8 and ::1. MPTCP gains nothing there, and
        /// TCP is faster.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub loopback: Option<Loopback> {
            default "\"mptcp\"; with `enable --system` \"tcp\"", example "\"tcp\""
        },
        /// MPTCP for these ports and no others. A port is the peer's for a socket that connects, and its own
        /// for one that listens.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub only_ports: Vec<Ports> { default "all", example "[443, \"8000-8099\"]" },
        /// TCP for these ports.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub except_ports: Vec<Ports> { default "[]", example "[22]" },
        /// TCP to these networks.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub except_net: Vec<Prefix> { default "[]", example "[\"10.0.0.0/8\", \"2001:db8::/32\"]" },
        /// MPTCP for one side of connections: for sockets that connect, or for those that listen.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub side: Option<Side> { default "both", example "\"client\"" },
        /// Programs that stay TCP, by their names (ps -o comm); an empty list for none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub tcp_programs: Option<Vec<Program>> {
            default "[\"bird\", \"bird6\", \"bgpd\", \"gobgpd\"]", example "[\"bird\", \"vsftpd\"]"
        },
    }
}

crate::kind! {
    Loopback: "\"mptcp\" or \"tcp\"",
    Side: "\"client\" or \"server\"",
    Ports: "a port, or a range of ports as a text",
    Program: "the name of a program",
}

/// What connections within the host are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loopback {
    /// As all others, so that a first try on 127.0.0.1 shows it.
    Mptcp,
    /// There is nothing to gain, and TCP is faster.
    Tcp,
}

/// The side of a connection that gets MPTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Sockets that connect.
    Client,
    /// Sockets that listen, and what they accept.
    Server,
}

/// A port, or those from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "PortsText", into = "String")]
pub struct Ports {
    first: u16,
    last: u16,
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Ports { first, last }),
            (Ok(first), Ok(last)) => Err(format!("{first} is behind {last}: {last}-{first}?")),
            _ => Err(format!("{text:?} is no port (0 to 65535) and no range such as 8000-8099")),
        }
    }
}

/// In TOML a port is a number too.
#[derive(Deserialize)]
#[serde(untagged)]
enum PortsText {
    Number(u16),
    Text(String),
}

impl TryFrom<PortsText> for Ports {
    type Error = String;

    fn try_from(text: PortsText) -> Result<Self, String> {
        match text {
            PortsText::Number(port) => Ok(Ports { first: port, last: port }),
            PortsText::Text(text) => text.parse(),
        }
    }
}

impl From<Ports> for String {
    fn from(ports: Ports) -> String {
        ports.to_string()
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// The name of a program: that of its file, of which the kernel keeps 15 bytes (`ps -o comm`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Program(String);

/// Bytes of a name that the kernel keeps (proc(5), comm).
const COMM: usize = 15;

impl FromStr for Program {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty()
            || !text.bytes().all(|byte| byte.is_ascii_graphic() && !b",/".contains(&byte))
        {
            return Err(format!(
                "{text:?} is no name of a program here: letters, digits and signs, but no comma, \
                 slash or blank"
            ));
        }
        Ok(Program(text.to_owned()))
    }
}

impl Program {
    fn short(&self) -> &[u8] {
        let bytes = self.0.as_bytes();
        bytes.get(..COMM).unwrap_or(bytes)
    }
}

impl TryFrom<String> for Program {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Program> for String {
    fn from(program: Program) -> String {
        program.0
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Sockets {
    /// Puts what the command line says over what the file says.
    #[must_use]
    pub fn overridden(self, by: Sockets) -> Sockets {
        fn either<T>(file: Vec<T>, line: Vec<T>) -> Vec<T> {
            if line.is_empty() { file } else { line }
        }
        Sockets {
            loopback: by.loopback.or(self.loopback),
            only_ports: either(self.only_ports, by.only_ports),
            except_ports: either(self.except_ports, by.except_ports),
            except_net: either(self.except_net, by.except_net),
            side: by.side.or(self.side),
            tcp_programs: by.tcp_programs.or(self.tcp_programs),
        }
    }

    /// Is nothing set, or only to what it would be?
    pub fn is_default(&self) -> bool {
        self.tcp_programs.is_none() && !self.has_rules()
    }

    /// Is there more than names of programs?
    pub fn has_rules(&self) -> bool {
        let Sockets { loopback, only_ports, except_ports, except_net, side, .. } = self;
        *loopback == Some(Loopback::Tcp)
            || !(only_ports.is_empty() && except_ports.is_empty() && except_net.is_empty())
            || side.is_some()
    }

    /// The programs that stay TCP.
    pub fn programs(&self) -> Vec<Program> {
        let by_default = || BY_DEFAULT.map(|name| Program(name.to_owned())).to_vec();
        self.tcp_programs.clone().unwrap_or_else(by_default)
    }

    /// Is this the file name of one of those programs?
    pub fn names(&self, file: &[u8]) -> bool {
        let file = file.get(..COMM).unwrap_or(file);
        self.programs().iter().any(|program| program.short() == file)
    }
}

impl fmt::Display for Sockets {
    /// What is set, as a list: `TCP over loopback; MPTCP for the ports 443 alone; …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(items: &[T]) -> String {
            items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
        }
        let mut parts = Vec::new();
        match self.side {
            Some(Side::Client) => parts.push("MPTCP for sockets that connect alone".to_owned()),
            Some(Side::Server) => parts.push("MPTCP for sockets that listen alone".to_owned()),
            None => {}
        }
        if self.loopback == Some(Loopback::Tcp) {
            parts.push("TCP over loopback".to_owned());
        }
        if !self.only_ports.is_empty() {
            parts.push(format!("MPTCP for port {} alone", list(&self.only_ports)));
        }
        if !self.except_ports.is_empty() {
            parts.push(format!("TCP for port {}", list(&self.except_ports)));
        }
        if !self.except_net.is_empty() {
            parts.push(format!("TCP to {}", list(&self.except_net)));
        }
        let programs = self.programs();
        if !programs.is_empty() {
            parts.push(format!("TCP in {}", list(&programs)));
        }
        f.write_str(&parts.join("; "))
    }
}
