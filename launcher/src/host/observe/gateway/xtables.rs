//! Rules as iptables-save(8) lists them, for one packet.

use std::collections::BTreeMap;

use super::rules::{Applies, Chain, Packet, Rule, Table, Told, Verdict, Way};
use crate::host::observe::firewall;
use mptcpize_model::gateway::filter::MARK;
use mptcpize_model::shell;

/// All tables by their names, as they are to a packet.
pub(super) fn tables(tool: &str, text: &str, packet: Packet<'_>) -> BTreeMap<String, Table> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let mut table = "filter";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.trim();
            continue;
        }
        // A table of nft's that iptables cannot list is named in a comment alone.
        if let Some(rest) = line.strip_prefix(':') {
            let mut words = rest.split_whitespace();
            let (Some(name), Some(policy)) = (words.next(), words.next()) else { continue };
            let chains = tables.entry(table.to_owned()).or_default();
            let chain = chains.entry(name.to_owned()).or_default();
            *chain = base(tool, table, name, policy, packet);
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let words = firewall::words(rule);
            let Some(name) = words.first() else { continue };
            let read = read(tool, table, line, &words, packet);
            let chains = tables.entry(table.to_owned()).or_default();
            chains.entry(name.clone()).or_default().rules.push(read);
        }
    }
    tables
}

/// Is there a rule that sets the size of segments of TCP (MSS)?
pub(super) fn clamps(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("-A ") && line.contains(" -j TCPMSS"))
}

fn base(tool: &str, table: &str, name: &str, policy: &str, packet: Packet<'_>) -> Chain {
    let hook = ["INPUT", "FORWARD", "PREROUTING"].iter().find(|hook| **hook == name);
    let lan = shell::word(packet.lan);
    let insert = format!("{tool} -t {} -I {}", shell::word(table), shell::word(name));
    let drops =
        (policy == "DROP").then(|| format!("{tool}'s table {table}: the policy of {name} is DROP"));
    let admit = match packet.way {
        Way::Relayed => vec![format!("{insert} -m mark --mark {MARK:#x} -j ACCEPT")],
        Way::Served(port) => vec![format!("{insert} -p tcp -m tcp --dport {port} -j ACCEPT")],
        Way::Forwarded(_) => vec![
            format!("{insert} -i {lan} -j ACCEPT"),
            format!("{insert} -o {lan} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
        ],
    };
    Chain { rules: vec![], hook: hook.map(|hook| hook.to_lowercase()), drops, admit }
}

fn read(tool: &str, table: &str, line: &str, words: &[String], packet: Packet<'_>) -> Rule {
    let mut read = Rule {
        applies: Applies::Yes,
        verdict: Verdict::Nothing,
        udp: false,
        told: Told {
            place: format!("{tool}'s table {table}: {line}"),
            fix: vec![format!("{tool} -t {} -D {}", shell::word(table), shell::line(words))],
        },
    };
    let mut rest = words.iter().skip(1).map(String::as_str);
    let mut negated = false;
    while let Some(word) = rest.next() {
        let mut value = || rest.next().unwrap_or_default();
        let applies = match word {
            "!" => {
                negated = true;
                continue;
            }
            "-i" => packet.comes_over(&[value()]),
            "-o" => packet.leaves_over(&[value()]),
            "--ctstate" | "--state" => {
                let new = value().split(',').any(|state| state == "NEW");
                if new { Applies::Yes } else { Applies::No }
            }
            "-j" => {
                read.verdict = verdict(value());
                continue;
            }
            "-g" => {
                read.verdict = Verdict::Goto(value().to_owned());
                continue;
            }
            // Nothing but the options that follow; `-m tcp` and `-m udp` say what `-p` says.
            "-m" if MODULES.contains(&value()) => continue,
            "--comment" => {
                value();
                continue;
            }
            "-p" => {
                let protocol = value();
                read.udp = protocol == "udp" && !negated;
                packet.is_of(protocol)
            }
            "--dport" | "--dports" => ports(value(), packet),
            // What belongs to the target follows it and asks nothing.
            _ if read.verdict != Verdict::Nothing => continue,
            _ => Applies::Maybe,
        };
        let applies = if std::mem::take(&mut negated) { applies.not() } else { applies };
        read.applies = read.applies.min(applies);
    }
    read
}

/// Modules that ask nothing by themselves.
const MODULES: [&str; 6] = ["conntrack", "state", "comment", "tcp", "udp", "multiport"];

/// Is the packet to one of these ports (`22`, `80,443`, `1024:65535`)?
fn ports(list: &str, packet: Packet<'_>) -> Applies {
    let range = |one: &str| {
        let (first, last) = one.split_once(':').unwrap_or((one, one));
        Some(packet.is_to(first.parse().ok()?..=last.parse().ok()?))
    };
    let all: Option<Vec<Applies>> = list.split(',').map(range).collect();
    all.and_then(|all| all.into_iter().max()).unwrap_or(Applies::Maybe)
}

/// What a target does; one that is no target of the kernel's is a chain.
fn verdict(target: &str) -> Verdict {
    match target {
        "ACCEPT" => Verdict::Accept,
        "DROP" | "REJECT" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        "REDIRECT" | "TPROXY" => Verdict::Take,
        "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TCPMSS" | "CT" | "NOTRACK" | "DNAT" | "SNAT"
        | "MASQUERADE" | "TRACE" | "SET" | "TOS" | "DSCP" | "TTL" | "HL" => Verdict::Nothing,
        chain => Verdict::Jump(chain.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;
    use mptcpize_model::net::IfName;

    /// What Docker leaves, with one rule more.
    fn saved(rule: &str) -> String {
        format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             :DOCKER-USER - [0:0]\n{rule}\n-A FORWARD -j DOCKER-USER\n\
             -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
             -A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n-A FORWARD -i docker0 -o docker0 -j ACCEPT\n\
             -A DOCKER-USER -j RETURN\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n\
             -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n{rule}\nCOMMIT\n"
        )
    }

    fn of(rule: &str, table: &str, look: fn(&Table, Packet<'_>) -> Vec<Told>) -> Vec<Told> {
        let name = |name: &str| IfName::new(name).expect("a name");
        let (lan, uplink) = (name("br0"), name("w1"));
        let packet = Packet { lan: &lan, way: Way::Forwarded(&uplink) };
        let tables = tables("iptables", &saved(rule), packet);
        tables.get(table).map(|table| look(table, packet)).unwrap_or_default()
    }

    #[test]
    fn a_policy_that_drops_is_told_where_nothing_lets_the_lan_through() {
        let drops = |rule| of(rule, "filter", rules::drops).len();
        for (rule, expected) in [
            ("", 1),
            ("-A FORWARD -i br+ -j ACCEPT", 0),
            ("-A DOCKER-USER -i br0 -m comment --comment \"a -j b\" -j ACCEPT", 0),
            ("-A FORWARD -s 192.168.77.0/24 -j ACCEPT", 0),
            ("-A FORWARD ! -i br0 -j ACCEPT", 1),
            ("-A FORWARD -i br0 -o w1 -j DROP", 1),
            ("-A FORWARD -m conntrack --ctstate INVALID -j ACCEPT", 1),
            ("-A FORWARD -g DOCKER-USER", 1),
        ] {
            assert_eq!(drops(rule), expected, "{rule}");
        }
        let told = of("", "filter", rules::drops);
        assert_eq!(told[0].place, "iptables's table filter: the policy of FORWARD is DROP");
        assert_eq!(told[0].fix[0], "iptables -t filter -I FORWARD -i br0 -j ACCEPT");
    }

    /// As ufw leaves it: what is not for the host itself is dropped in a chain of its own.
    #[test]
    fn a_firewall_that_lets_in_ssh_alone_drops_what_is_relayed() {
        let drops = |rule: &str| {
            let text = format!(
                "*filter\n:INPUT DROP [0:0]\n:local - [0:0]\n{rule}\n-A INPUT -i lo -j ACCEPT\n\
                 -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
                 -A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT\n\
                 -A INPUT -p udp -m udp --sport 67 --dport 68 -j ACCEPT\n\
                 -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n\
                 -A INPUT -p tcp -m multiport --dports 80,8000:8080 -j ACCEPT\n\
                 -A INPUT -j local\n-A local -m addrtype --dst-type LOCAL -j RETURN\n\
                 -A local -j DROP\nCOMMIT\n"
            );
            let lan = IfName::new("br0").expect("a name");
            let packet = Packet { lan: &lan, way: Way::Relayed };
            rules::drops(&tables("iptables", &text, packet)["filter"], packet)
        };
        let told = drops("");
        assert_eq!(told[0].place, "iptables's table filter: -A local -j DROP");
        assert_eq!(told[0].fix, ["iptables -t filter -I INPUT -m mark --mark 0x8684 -j ACCEPT"]);
        let lan = IfName::new("eth0").expect("a name");
        let packet = Packet { lan: &lan, way: Way::Served(8686) };
        let text =
            "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
        let told = rules::drops(&tables("iptables", text, packet)["filter"], packet);
        let fix = ["iptables -t filter -I INPUT -p tcp -m tcp --dport 8686 -j ACCEPT"];
        assert_eq!(told[0].fix, fix);
        for rule in [
            "-A INPUT -m mark --mark 0x8684 -j ACCEPT",
            "-A INPUT -i br0 -j ACCEPT",
            "-A INPUT -i br0 -p tcp -m tcp --dport 1:65535 -j ACCEPT",
            "-A INPUT -s 192.168.77.0/24 -j ACCEPT",
        ] {
            assert_eq!(drops(rule), [], "{rule}");
        }
    }

    #[test]
    fn a_table_that_iptables_cannot_list_is_left_to_nft() {
        let lan = IfName::new("br0").expect("a name");
        let packet = Packet { lan: &lan, way: Way::Relayed };
        let text = "# Generated by iptables-nft-save v1.8.9 (nf_tables)\n\
                    # Table `filter' is incompatible, use 'nft' tool.\n*nat\n:INPUT ACCEPT [0:0]\n\
                    COMMIT\n# Completed\n";
        let tables = tables("iptables", text, packet);
        assert_eq!(tables.keys().collect::<Vec<_>>(), ["nat"]);
    }

    #[test]
    fn what_takes_tcp_of_the_lan_is_told() {
        let takes = |rule| of(rule, "nat", |table, _| rules::takes(table));
        for rule in [
            "-A PREROUTING -i w1 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128",
            "-A PREROUTING -i br0 -p udp -m udp --dport 53 -j REDIRECT --to-ports 53",
            "-A PREROUTING -i br0 -j DNAT --to-destination 192.168.77.9",
        ] {
            assert_eq!(takes(rule), [], "{rule}");
        }
        let rule = "-A PREROUTING -i br0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128";
        let told = takes(rule);
        assert_eq!(told[0].place, format!("iptables's table nat: {rule}"));
        assert_eq!(told[0].fix[0], format!("iptables -t nat -D {}", &rule[3..]));
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in
            ["-A", "-A ", ":", ": ", "*\n-A \"", "-A FORWARD -j", "-A FORWARD ! -i", "-A a -m"]
        {
            let lan = IfName::new("br0").expect("a name");
            let _ = tables("iptables", text, Packet { lan: &lan, way: Way::Relayed });
        }
    }
}
