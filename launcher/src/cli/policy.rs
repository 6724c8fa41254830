//! The options that say which sockets of a program stay TCP; /etc/mptcpize.toml has the same in
//! its table `[sockets]`. A struct of its own, for every verb that starts or enables programs.

use clap::{Args, ValueEnum};

use mptcpize_model::net::Prefix;
use mptcpize_model::socket_policy::{Loopback, Ports, Program, Side, Sockets};

/// The options.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which sockets stay TCP")]
pub struct Policy {
    /// Sockets on 127.0.0.0/8 and ::1 (default: mptcp)
    ///
    /// Over loopback MPTCP gains nothing, and TCP is faster. With `enable --system` the default is
    /// tcp.
    #[arg(long, value_name = "mptcp|tcp", value_enum, hide_possible_values = true)]
    pub loopback: Option<LoopbackArg>,

    /// MPTCP for these ports alone: 443,8000-8099
    ///
    /// A port is the peer's for a socket that connects, and its own for one that listens.
    #[arg(long, value_name = "PORT,…", value_delimiter = ',')]
    pub only_ports: Vec<Ports>,

    /// TCP for these ports: 22,8000-8099
    ///
    /// A port is the peer's for a socket that connects, and its own for one that listens.
    #[arg(long, value_name = "PORT,…", value_delimiter = ',')]
    pub except_ports: Vec<Ports>,

    /// TCP to these networks: 10.0.0.0/8,2001:db8::/32
    #[arg(long, value_name = "NET,…", value_delimiter = ',')]
    pub except_net: Vec<Prefix>,

    /// MPTCP for sockets that connect, TCP for listeners
    #[arg(long, conflicts_with = "server_only")]
    pub client_only: bool,

    /// MPTCP for listeners, TCP for sockets that connect
    #[arg(long)]
    pub server_only: bool,

    /// Programs that stay TCP, by name; empty for none
    ///
    /// Names are those of ps -o comm. Default: bird, bird6, bgpd, gobgpd, whose listeners carry TCP
    /// MD5 signatures, which MPTCP refuses.
    #[arg(long, value_name = "NAME,…", value_parser = programs)]
    pub tcp_programs: Option<Programs>,
}

/// `--loopback`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LoopbackArg {
    /// MPTCP, as all other sockets.
    Mptcp,
    /// TCP.
    Tcp,
}

/// The list of `--tcp-programs`.
#[derive(Clone, Debug)]
pub struct Programs(Vec<Program>);

fn programs(text: &str) -> Result<Programs, String> {
    let names = text.split(',').filter(|name| !text.is_empty() || !name.is_empty());
    names.map(str::parse).collect::<Result<_, _>>().map(Programs)
}

impl Policy {
    /// The settings of the command line alone.
    pub fn sockets(&self) -> Sockets {
        Sockets {
            loopback: self.loopback.map(|loopback| match loopback {
                LoopbackArg::Mptcp => Loopback::Mptcp,
                LoopbackArg::Tcp => Loopback::Tcp,
            }),
            only_ports: self.only_ports.clone(),
            except_ports: self.except_ports.clone(),
            except_net: self.except_net.clone(),
            side: match (self.client_only, self.server_only) {
                (true, _) => Some(Side::Client),
                (_, true) => Some(Side::Server),
                _ => None,
            },
            tcp_programs: self.tcp_programs.clone().map(|programs| programs.0),
        }
    }
}
