//! Which connections of this host's programs come to an agent: tables of the packet filter, as text for
//! nft(8).
//!
//! Three kinds: of one cgroup, of the whole host, and of a network namespace that holds a program alone.
//! The first two redirect at the output hook, so that a program that has connected sees the address that
//! it asked for (getpeername(2)), and the agent finds it by `SO_ORIGINAL_DST`. In the namespace every
//! address is a local one, and the agent's listener takes them by TPROXY.
//!
//! Not here: who loads them, and when they go.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use crate::net::{Family, Prefix};

/// Networks that no relay on the Internet reaches: private, shared and link-local addresses (RFC 1918,
/// RFC 6598, RFC 3927, RFC 4193, RFC 4291).
const PRIVATE: [&str; 7] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// Those networks.
pub fn private() -> Vec<Prefix> {
    PRIVATE.iter().filter_map(|text| text.parse().ok()).collect()
}

/// The ports of an agent's listeners on the loopback interface, one for each family that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// At 127.0.0.1.
    pub v4: Option<u16>,
    /// At ::1.
    pub v6: Option<u16>,
}

impl Ports {
    fn each(self) -> impl Iterator<Item = (&'static str, &'static str, u16)> {
        let v4 = self.v4.map(|port| ("ipv4", "ip", port));
        v4.into_iter().chain(self.v6.map(|port| ("ipv6", "ip6", port)))
    }
}

/// Whose connections are redirected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Those of a cgroup of version 2 and of all below it: its path without the first `/`.
    Cgroup(&'a str),
    /// Those of this host but for an agent's own, which has this user.
    Host(u32),
}

/// Can nft name this cgroup?
pub fn can_name(cgroup: &str) -> bool {
    !cgroup.is_empty() && !cgroup.contains(['"', '\\', '*']) && !cgroup.contains(char::is_control)
}

/// The table `name` that redirects to `ports`, but for what goes to `never`. It goes with the socket by
/// which it was made (`flags owner`, Linux 5.12).
pub fn redirect(name: &str, whose: &Whose<'_>, ports: Ports, never: &[Prefix]) -> String {
    let mut text = format!(
        "table inet {name} {{\nflags owner;\nchain output {{\n\
         type nat hook output priority -100; policy accept;\n"
    );
    match whose {
        Whose::Cgroup(path) => {
            let level = path.split('/').count();
            let _ = writeln!(
                text,
                "meta l4proto tcp socket cgroupv2 level {level} \"{path}\" goto relayed"
            );
        }
        Whose::Host(user) => {
            // A subflow that the kernel itself begins has no file, hence no user: no rule holds for it.
            let _ = writeln!(text, "meta l4proto tcp meta skuid != {user} goto relayed");
        }
    }
    text.push_str("}\nchain relayed {\nfib daddr type { local, broadcast, multicast } accept\n");
    for (family, word) in [(Family::V4, "ip"), (Family::V6, "ip6")] {
        for network in never.iter().filter(|one| Family::of(one.address) == family) {
            let Prefix { address, length } = network;
            let _ = writeln!(text, "{word} daddr {address}/{length} accept");
        }
    }
    for (family, _, port) in ports.each() {
        let _ = writeln!(text, "meta nfproto {family} meta l4proto tcp redirect to :{port}");
    }
    text.push_str("}\n}\n");
    text
}

/// What a namespace that holds a program is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside<'a> {
    /// The listeners of the agent there, with IP_TRANSPARENT.
    pub taken: Ports,
    /// Its sockets for questions to a name server.
    pub names: Ports,
    /// The addresses of the host, which the namespace has too.
    pub own: &'a [IpAddr],
}

/// The table `name` of a namespace in which every address is a local one.
///
/// * TCP to other hosts: to the agent.
/// * TCP to the host itself: to a listener in the namespace, to the agent where the host has one
///   ([`listening`]), else refused as usual.
/// * UDP to port 53 of anybody: to the agent. All else to other hosts: refused by ICMP, so that QUIC
///   gives way to TCP at once.
pub fn inside(name: &str, inside: &Inside<'_>) -> String {
    let Inside { taken, names, own } = inside;
    let mut text = format!("table inet {name} {{\n");
    for (set, kind, first, family) in
        [("own4", "ipv4_addr", "127.0.0.0/8", Family::V4), ("own6", "ipv6_addr", "::1", Family::V6)]
    {
        let mut all = vec![first.to_owned()];
        all.extend(own.iter().filter(|one| Family::of(**one) == family).map(IpAddr::to_string));
        let all = all.join(", ");
        let _ = writeln!(
            text,
            "set {set} {{ type {kind}; flags interval; auto-merge; elements = {{ {all} }} }}"
        );
    }
    text.push_str(
        "set here4 { type inet_service; }\nset here6 { type inet_service; }\n\
         chain names {\ntype nat hook output priority -100; policy accept;\n",
    );
    for (family, _, port) in names.each() {
        let _ = writeln!(text, "meta nfproto {family} udp dport 53 redirect to :{port}");
    }
    text.push_str(
        "}\nchain refused {\ntype filter hook input priority 0; policy accept;\n\
         meta l4proto tcp accept\nip daddr @own4 accept\nip6 daddr @own6 accept\n\
         meta l4proto udp reject with icmpx type port-unreachable\n\
         reject with icmpx type admin-prohibited\n}\n\
         chain inside {\n\
         socket transparent 0 accept\nsocket transparent 1 accept\n\
         meta nfproto ipv4 tcp dport != @here4 accept\n\
         meta nfproto ipv6 tcp dport != @here6 accept\n}\n\
         chain taken {\ntype filter hook prerouting priority -150; policy accept;\n\
         meta l4proto != tcp accept\nip daddr @own4 jump inside\nip6 daddr @own6 jump inside\n",
    );
    for (family, word, port) in taken.each() {
        let loopback = if word == "ip" { "127.0.0.1" } else { "[::1]" };
        let _ = writeln!(
            text,
            "meta nfproto {family} meta l4proto tcp tproxy {word} to {loopback}:{port} accept"
        );
    }
    text.push_str("}\n}\n");
    text
}

/// Lines for nft(8), each a command: at which ports the host listens on its own addresses.
pub fn listening(name: &str, v4: &BTreeSet<u16>, v6: &BTreeSet<u16>) -> Vec<String> {
    let mut lines = Vec::new();
    for (set, ports) in [("here4", v4), ("here6", v6)] {
        lines.push(format!("flush set inet {name} {set}"));
        if !ports.is_empty() {
            let all: Vec<_> = ports.iter().map(u16::to_string).collect();
            lines.push(format!("add element inet {name} {set} {{ {} }}", all.join(", ")));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: Ports = Ports { v4: Some(4000), v6: Some(6000) };

    #[test]
    fn a_cgroup_is_named_with_its_level() {
        let never = ["10.0.0.0/8".parse().expect("a network")];
        let text = redirect("t", &Whose::Cgroup("a.slice/b.scope/c"), PORTS, &never);
        assert!(text.contains("socket cgroupv2 level 3 \"a.slice/b.scope/c\" goto"), "{text}");
        assert!(text.contains("ip daddr 10.0.0.0/8 accept\n"), "{text}");
        assert!(text.contains("ipv6 meta l4proto tcp redirect to :6000\n"), "{text}");
        for bad in ["", "a\"b", "a\nb", "a*"] {
            assert!(!can_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_family_without_a_listener_is_left_alone() {
        let one = Ports { v6: None, ..PORTS };
        let text = redirect("t", &Whose::Host(61_184), one, &[]);
        assert!(!text.contains("ipv6") && text.contains("meta skuid != 61184 goto"), "{text}");
        let own = [IpAddr::from([192, 0, 2, 1])];
        let text = inside("t", &Inside { taken: one, names: one, own: &own });
        assert!(!text.contains("tproxy ip6") && text.contains("127.0.0.0/8, 192.0.2.1"), "{text}");
    }

    #[test]
    fn ports_of_the_host_replace_those_before() {
        let some = BTreeSet::from([22, 5432]);
        let lines = listening("t", &some, &BTreeSet::new());
        assert_eq!(
            lines,
            [
                "flush set inet t here4",
                "add element inet t here4 { 22, 5432 }",
                "flush set inet t here6"
            ]
        );
    }

    #[test]
    fn private_networks_are_all_understood() {
        assert_eq!(private().len(), PRIVATE.len());
    }
}
