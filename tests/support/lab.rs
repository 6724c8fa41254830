//! The laboratory: a client with several links to a router, and a server behind it.
//!
//! ```text
//!            ┌─ w1 10.1.0.1 ──── 10.1.0.254 r1 ─┐
//!   client ──┤                                  ├── router ── core 10.99.0.254 ── 10.99.0.1 eth  server
//!            └─ w2 10.2.0.1 ──── 10.2.0.254 r2 ─┘
//! ```
//!
//! Three namespaces without names. Each link is shaped by tbf at both ends; the client's default
//! route goes over the first link. A new laboratory has no MPTCP configuration but the kernel's
//! own: [`Lab::multipath`] adds what a client needs, and a test of the tool leaves that to it.

use super::kernel::{self, Traffic};
use super::{Cmd, Netns};

/// The server's address.
pub const SERVER: &str = "10.99.0.1";

/// Routing tables 101, 102, … hold the routes of links 1, 2, …; main (254) keeps its own.
const FIRST_TABLE: usize = 100;

/// A client, a router and a server.
#[derive(Debug)]
pub struct Lab {
    pub client: Netns,
    pub router: Netns,
    pub server: Netns,
    links: usize,
}

impl Lab {
    /// Two links with these rates, in the words of tc(8), such as `50mbit`.
    pub fn two_paths(rates: &[&str; 2]) -> Self {
        Lab::new(rates)
    }

    /// One link for each rate.
    pub fn new(rates: &[&str]) -> Self {
        let lab = Lab {
            client: Netns::new(),
            router: Netns::new(),
            server: Netns::new(),
            links: rates.len(),
        };
        let hosts = [&lab.client, &lab.router, &lab.server];
        for host in hosts {
            // Addresses are usable at once; the tests are not about duplicates.
            host.sysctl("net/ipv6/conf/default/accept_dad", "0");
        }
        lab.router.sysctl("net/ipv4/ip_forward", "1");
        lab.router
            .ip(&format!("link add core type veth peer name eth netns {}", lab.server.path()));
        lab.router.ip("address add 10.99.0.254/24 dev core");
        lab.router.ip("link set core up");
        lab.server.ip("address add 10.99.0.1/24 dev eth");
        lab.server.ip("link set eth up");
        lab.server.ip("route add default via 10.99.0.254");
        for (link, rate) in (1..).zip(rates) {
            lab.add_link(link, rate);
        }
        lab.client.ip("route add default via 10.1.0.254 dev w1");
        hosts.into_iter().for_each(Netns::settle);
        lab
    }

    fn add_link(&self, link: usize, rate: &str) {
        let router = self.router.path();
        self.client.ip(&format!("link add w{link} type veth peer name r{link} netns {router}"));
        for (namespace, interface, host) in [(&self.client, 'w', 1), (&self.router, 'r', 254)] {
            let device = format!("{interface}{link}");
            namespace.ip(&format!("address add 10.{link}.0.{host}/24 dev {device}"));
            namespace.ip(&format!("link set {device} up"));
            // 50 ms of queue, as a home router has; a burst of a few packets, above what the
            // clock lets through at once.
            namespace.tc(&format!(
                "qdisc add dev {device} root tbf rate {rate} burst 32kb latency 50ms"
            ));
        }
    }

    /// The client's links: w1, w2, …
    pub fn links(&self) -> impl Iterator<Item = String> {
        (1..=self.links).map(|link| format!("w{link}"))
    }

    /// The client's address on a link (1, 2, …).
    pub fn address(&self, link: usize) -> String {
        format!("10.{link}.0.1")
    }

    /// Everything that makes the client use all its links.
    pub fn multipath(&self) {
        self.source_rules();
        self.limits(8, 8);
        self.endpoints("subflow");
    }

    /// A table for each link and a rule for its address: packets leave by the link that their
    /// source address belongs to.
    pub fn source_rules(&self) {
        for link in 1..=self.links {
            let table = FIRST_TABLE + link;
            self.client
                .ip(&format!("route add default via 10.{link}.0.254 dev w{link} table {table}"));
            self.client.ip(&format!("rule add from {} lookup {table}", self.address(link)));
        }
    }

    /// `ip mptcp limits` of client and server.
    pub fn limits(&self, subflows: u8, add_addr_accepted: u8) {
        for namespace in [&self.client, &self.server] {
            namespace.ip(&format!(
                "mptcp limits set subflows {subflows} add_addr_accepted {add_addr_accepted}"
            ));
        }
    }

    /// An endpoint with these flags for each link of the client but the first, which the default
    /// route takes anyway.
    pub fn endpoints(&self, flags: &str) {
        for link in 2..=self.links {
            let address = self.address(link);
            self.client.ip(&format!("mptcp endpoint add {address} dev w{link} {flags}"));
        }
    }

    /// The byte counters of the client's links.
    pub fn traffic(&self) -> Vec<Traffic> {
        self.links().map(|link| kernel::traffic(&self.client, &link)).collect()
    }

    /// Puts a command on the client.
    pub fn on_client(&self, command: Cmd) -> Cmd {
        command.within(&self.client)
    }

    /// Puts a command on the server.
    pub fn on_server(&self, command: Cmd) -> Cmd {
        command.within(&self.server)
    }
}
