//! The gateway's table of the packet filter, as text for nft(8): what is handed to the relay, and what
//! is translated.
//!
//! It fails open. Where no relay listens, `tproxy` finds no socket and the rule does not hold
//! (nft_tproxy_eval_v4, net/netfilter/nft_tproxy.c), so the packet goes on to be forwarded and
//! translated as all others.
//!
//! Not here: when it is loaded; the relay, which has no part in it.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use super::asked::{Bypass, Quic};
use crate::net::{Family, IfName, Prefix};
use crate::phrase;

/// The table's name, in the family `inet`: ours alone.
pub const TABLE: &str = "mptcpize";

/// The mark of packets that are delivered to the relay: 8684 after the RFC, in hexadecimal. Others use
/// single bits (mwan3, tailscale) or 51820 (wg-quick).
pub const MARK: u32 = 0x8684;

/// How the chain begins whose name tells the rules of the table from others.
pub const MADE: &str = "made_";

/// What the rules depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The interfaces of the LAN.
    pub lan: Vec<IfName>,
    /// Those by which traffic of the LAN leaves, translated.
    pub out: Vec<IfName>,
    /// Where the relay listens.
    pub port: u16,
    /// What is done with QUIC.
    #[serde(default)]
    pub quic: Quic,
    /// What the relay does not get.
    #[serde(default)]
    pub bypass: Bypass,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |all: &[IfName]| phrase::list(&all.iter().collect::<Vec<_>>());
        write!(f, "table inet {TABLE}: TCP from {} to port {}", names(&self.lan), self.port)?;
        if !self.out.is_empty() {
            write!(f, ", masquerade on {}", names(&self.out))?;
        }
        match self.quic {
            Quic::Pass => Ok(()),
            Quic::Block => f.write_str(", QUIC refused"),
        }
    }
}

/// Can nft name this interface? A `*` stands for all that begin so.
pub fn can_name(dev: &IfName) -> bool {
    !dev.as_str().contains(['"', '\\', '*']) && !dev.as_str().contains(char::is_control)
}

impl Filter {
    /// A name that other rules do not have: their hash (FNV-1a, 64 bits), in hexadecimal.
    pub fn name(&self) -> String {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        format!("{:016x}", self.chains().bytes().fold(0xcbf2_9ce4_8422_2325, step))
    }

    /// Replaces the table by this one, in one step (nft(8)).
    pub fn script(&self) -> String {
        format!(
            "table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n\
             chain {MADE}{} {{\n}}\n{}}}\n",
            self.name(),
            self.chains()
        )
    }

    fn chains(&self) -> String {
        let (lan, out) = (names(&self.lan), names(&self.out));
        let Filter { port, .. } = self;
        let mut text = format!(
            "chain prerouting {{\n\
             type filter hook prerouting priority -150; policy accept;\n\
             iifname != {lan} accept\n\
             meta l4proto != tcp accept\n\
             fib daddr type local accept\n\
             ct direction reply accept\n\
             fib daddr oifname {lan} accept\n"
        );
        self.bypass(&mut text);
        let _ = write!(
            text,
            // A first packet goes to tproxy, which forgets an old connection of its ports; the socket of
            // one that ended would accept it, and no listener answer. And what began while no relay
            // listened goes on as it is.
            "tcp flags & (syn | ack) != syn socket transparent 1 meta mark set {MARK:#x} accept\n\
             ct status snat accept\n\
             meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:{port} \
             meta mark set {MARK:#x} accept\n\
             meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:{port} \
             meta mark set {MARK:#x} accept\n}}\n"
        );
        if self.out.is_empty() {
            return text;
        }
        text.push_str("chain forward {\ntype filter hook forward priority 0; policy accept;\n");
        if self.quic == Quic::Block {
            // A browser takes TCP at once when it is told, and after some seconds when it is not.
            let _ = writeln!(text, "iifname {lan} oifname {out} udp dport 443 reject");
        }
        for (from, to) in [(&lan, &out), (&out, &lan)] {
            let _ = writeln!(
                text,
                "iifname {from} oifname {to} tcp flags & (syn | rst) == syn \
                 tcp option maxseg size set rt mtu"
            );
        }
        let _ = write!(
            text,
            "}}\nchain postrouting {{\n\
             type nat hook postrouting priority 100; policy accept;\n\
             iifname {lan} oifname {out} meta nfproto ipv4 masquerade\n\
             iifname {lan} oifname {out} ip6 saddr fc00::/7 masquerade\n}}\n"
        );
        text
    }

    fn bypass(&self, text: &mut String) {
        let Bypass { except_net, except_ports, except_clients } = &self.bypass;
        for (word, all) in [("daddr", except_net), ("saddr", except_clients)] {
            for (family, name) in [(Family::V4, "ip"), (Family::V6, "ip6")] {
                for network in all.iter().filter(|one| Family::of(one.address) == family) {
                    let Prefix { address, length } = *network;
                    let network = Prefix::network(address, length);
                    let _ = writeln!(text, "{name} {word} {network} accept");
                }
            }
        }
        for ports in except_ports {
            let _ = writeln!(text, "tcp dport {ports} accept");
        }
    }
}

/// A set of interfaces.
fn names(all: &[IfName]) -> String {
    let quoted: Vec<String> = all.iter().map(|dev| format!("\"{dev}\"")).collect();
    format!("{{ {} }}", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> Filter {
        let names =
            |all: &[&str]| all.iter().map(|one| IfName::new(one).expect("a name")).collect();
        Filter {
            lan: names(&["br0"]),
            out: names(&["w1", "w2"]),
            port: 8684,
            quic: Quic::Pass,
            bypass: Bypass::default(),
        }
    }

    #[test]
    fn other_rules_have_another_name() {
        let one = filter();
        let mut other = filter();
        assert_eq!(one.name(), other.name());
        other.quic = Quic::Block;
        assert_ne!(one.name(), other.name());
        assert!(other.script().contains("udp dport 443 reject"));
    }

    #[test]
    fn what_bypasses_the_relay_is_said_before_what_it_gets() {
        let mut filter = filter();
        filter.bypass.except_net = vec!["10.1.2.3/8".parse().expect("a network")];
        filter.bypass.except_clients = vec!["fd77::2".parse().expect("an address")];
        filter.bypass.except_ports = vec!["22".parse().expect("a port")];
        let text = filter.script();
        let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
        let first = place("socket transparent");
        for words in ["ip daddr 10.0.0.0/8 accept", "ip6 saddr fd77::2 accept", "tcp dport 22 acc"]
        {
            assert!(place(words) < first, "{words}");
        }
    }

    #[test]
    fn names_that_mean_several_interfaces_are_not_for_nft() {
        let can = |name: &str| can_name(&IfName::new(name).expect("a name"));
        assert_eq!([can("br0"), can("a*"), can("a\"b"), can("a\x1b")], [true, false, false, false]);
    }
}
