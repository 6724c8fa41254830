//! Rules as `nft -j list ruleset` lists them (libnftables-json(5)), for one packet.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rules::{Applies, Chain, Packet, Rule, Table, Told, Verdict, Way};
use crate::host::observe::firewall;
use mptcpize_model::gateway::filter::MARK;
use mptcpize_model::shell;

/// Tables by family and name.
pub(super) type Tables = BTreeMap<(String, String), Table>;

fn objects(ruleset: &Value) -> &[Value] {
    ruleset["nftables"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Is there a rule that gives connections to this port (tproxy)?
pub(super) fn hands_over(ruleset: &Value, port: u16) -> bool {
    let rules = objects(ruleset).iter().filter_map(|object| object["rule"]["expr"].as_array());
    rules.flatten().any(|expression| is_ours(expression, port))
}

fn is_ours(expression: &Value, port: u16) -> bool {
    expression["tproxy"]["port"] == port
}

/// Is there a rule that sets the size of segments of TCP (MSS)?
pub(super) fn clamps(ruleset: &Value) -> bool {
    let rules = objects(ruleset).iter().filter_map(|object| object["rule"]["expr"].as_array());
    rules.flatten().any(|expression| expression["mangle"]["key"]["tcp option"]["name"] == "maxseg")
}

/// All tables, as they are to a packet. A rule that gives to `port` is the gateway's own.
pub(super) fn tables(ruleset: &Value, packet: Packet<'_>, port: u16) -> Tables {
    let mut tables = Tables::new();
    for object in objects(ruleset) {
        let (chain, rule) = (&object["chain"], &object["rule"]);
        let of = if chain.is_object() { chain } else { rule };
        if !of.is_object() {
            continue;
        }
        let (family, table) = (text(&of["family"]), text(&of["table"]));
        // Packets that are bridged are not forwarded by this host, and those of one link are not the LAN's.
        if !["ip", "ip6", "inet"].contains(&family.as_str()) {
            continue;
        }
        let name = text(&of[if chain.is_object() { "name" } else { "chain" }]);
        let place = Place { family: &family, table: &table, chain: &name };
        let chains = tables.entry((family.clone(), table.clone())).or_default();
        let known = chains.entry(name.clone()).or_default();
        if chain.is_object() {
            *known =
                Chain { rules: std::mem::take(&mut known.rules), ..base(chain, place, packet) };
        } else {
            known.rules.push(read(rule, place, packet, port));
        }
    }
    tables
}

#[derive(Clone, Copy)]
struct Place<'a> {
    family: &'a str,
    table: &'a str,
    chain: &'a str,
}

fn base(chain: &Value, place: Place<'_>, packet: Packet<'_>) -> Chain {
    let Place { family, table, chain: name } = place;
    let drops = (chain["policy"] == "drop")
        .then(|| format!("the policy of chain {name} in nftables' table {family} {table}"));
    let hook = chain["hook"].as_str().map(str::to_owned);
    Chain { rules: vec![], hook, drops, admit: accept(place, packet) }
}

/// The commands that let such packets, and the answers to them, through before all else.
fn accept(place: Place<'_>, packet: Packet<'_>) -> Vec<String> {
    let Place { family, table, chain } = place;
    let lan = packet.lan.as_str();
    let matches = |left: Value, op: &str, right: Value| json!({"match": {"op": op, "left": left, "right": right}});
    let meta = |key: &str, right: Value| matches(json!({"meta": {"key": key}}), "==", right);
    // An interface stands within quotes, for its name may be one of nft's own words.
    let name = shell::word(format!("\"{lan}\""));
    let rules = match packet.way {
        Way::Relayed => vec![(format!("meta mark {MARK:#x}"), vec![meta("mark", json!(MARK))])],
        Way::Served(port) => {
            let left = json!({"payload": {"protocol": "tcp", "field": "dport"}});
            vec![(format!("tcp dport {port}"), vec![matches(left, "==", json!(port))])]
        }
        Way::Forwarded(_) => {
            let state =
                matches(json!({"ct": {"key": "state"}}), "in", json!(["established", "related"]));
            vec![
                (format!("iifname {name}"), vec![meta("iifname", json!(lan))]),
                (
                    format!("oifname {name} ct state established,related"),
                    vec![meta("oifname", json!(lan)), state],
                ),
            ]
        }
    };
    let plain = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter))
    };
    let quotable = !lan.contains(['"', '\\', '*']) && !lan.contains(char::is_control);
    let in_words = [family, table, chain].into_iter().all(plain) && quotable;
    let insert = |(words, mut expr): (String, Vec<Value>)| {
        if in_words {
            return format!("nft insert rule {family} {table} {chain} {words} accept");
        }
        expr.push(json!({"accept": null}));
        let rule = json!({"family": family, "table": table, "chain": chain, "expr": expr});
        let command = json!({"nftables": [{"insert": {"rule": rule}}]});
        format!("nft -j {}", shell::word(command))
    };
    rules.into_iter().map(insert).collect()
}

fn read(rule: &Value, place: Place<'_>, packet: Packet<'_>, port: u16) -> Rule {
    let Place { family, table, chain } = place;
    let handle = rule["handle"].as_u64().unwrap_or(0);
    let mut read = Rule {
        applies: Applies::Yes,
        verdict: Verdict::Nothing,
        udp: false,
        told: Told {
            place: format!("rule {handle} of chain {chain} in nftables' table {family} {table}"),
            fix: vec![firewall::delete(family, table, chain, handle)],
        },
    };
    for expression in rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let Some((word, value)) = expression.as_object().and_then(|map| map.iter().next()) else {
            read.applies = read.applies.min(Applies::Maybe);
            continue;
        };
        match word.as_str() {
            "accept" => read.verdict = Verdict::Accept,
            "drop" | "reject" => read.verdict = Verdict::Drop,
            "return" => read.verdict = Verdict::Return,
            "jump" => read.verdict = Verdict::Jump(text(&value["target"])),
            "goto" => read.verdict = Verdict::Goto(text(&value["target"])),
            "tproxy" | "redirect" if !is_ours(expression, port) => read.verdict = Verdict::Take,
            "match" => {
                read.udp |= is_udp(value);
                read.applies = read.applies.min(matches(value, packet));
            }
            "vmap" => verdicts(value, packet, &mut read),
            // These ask nothing.
            "counter" | "log" | "mangle" | "tproxy" | "redirect" | "comment" => {}
            _ => read.applies = read.applies.min(Applies::Maybe),
        }
    }
    read
}

/// Is this condition that the packet is of UDP?
fn is_udp(condition: &Value) -> bool {
    let left = &condition["left"];
    left["payload"]["protocol"] == "udp"
        || ["l4proto", "protocol", "nexthdr"].iter().any(|key| {
            (left["meta"]["key"] == *key || left["payload"]["field"] == *key)
                && condition["right"] == "udp"
        })
}

fn matches(condition: &Value, packet: Packet<'_>) -> Applies {
    let answer = asked(&condition["left"], &condition["right"], packet);
    match condition["op"].as_str() {
        Some("!=") => answer.not(),
        Some("==" | "in") | None => answer,
        _ => Applies::Maybe,
    }
}

/// Is what is asked (`left`) of the packet one of these?
fn asked(left: &Value, right: &Value, packet: Packet<'_>) -> Applies {
    let list = || match right {
        Value::Object(_) => right["set"].as_array().map(Vec::as_slice),
        _ => Some(std::slice::from_ref(right)),
    };
    let names = || -> Option<Vec<&str>> {
        let names: Option<Vec<&str>> = list()?.iter().map(Value::as_str).collect();
        names.filter(|names| !names.iter().any(|name| name.starts_with('@')))
    };
    let meta = left["meta"]["key"].as_str();
    let (protocol, field) =
        (left["payload"]["protocol"].as_str(), left["payload"]["field"].as_str());
    match (meta, protocol, field) {
        (Some("iifname" | "iif"), ..) => names().map(|names| packet.comes_over(&names)),
        (Some("oifname" | "oif"), ..) => names().map(|names| packet.leaves_over(&names)),
        (Some("l4proto"), ..)
        | (_, Some("ip"), Some("protocol"))
        | (_, Some("ip6"), Some("nexthdr")) => {
            names().and_then(|names| names.iter().map(|name| packet.is_of(name)).max())
        }
        (_, Some("tcp"), Some("dport")) => list().and_then(|list| {
            list.iter()
                .map(|one| ports(one).map(|ports| packet.is_to(ports)))
                .try_fold(Applies::No, |best, one| Some(best.max(one?)))
        }),
        // A question about another protocol is about no packet of TCP.
        (
            _,
            Some(other @ ("udp" | "icmp" | "icmpv6" | "sctp" | "dccp" | "udplite" | "esp" | "ah")),
            _,
        ) => Some(packet.is_of(other)),
        _ if left["ct"]["key"] == "state" => Some(state(right)),
        _ => None,
    }
    .unwrap_or(Applies::Maybe)
}

/// A port, or a range of them.
fn ports(value: &Value) -> Option<std::ops::RangeInclusive<u64>> {
    match value["range"].as_array().map(Vec::as_slice) {
        Some([first, last]) => Some(first.as_u64()?..=last.as_u64()?),
        _ => value.as_u64().map(|port| port..=port),
    }
}

/// Is `new`, which the packet is, among these states of conntrack?
fn state(right: &Value) -> Applies {
    let list = right["set"].as_array().or_else(|| right.as_array());
    let new = match list {
        Some(list) => list.iter().any(|one| one == "new"),
        None => right == "new",
    };
    if new { Applies::Yes } else { Applies::No }
}

/// A map of verdicts: by a name or a state that are known here, or by what is not.
fn verdicts(map: &Value, packet: Packet<'_>, read: &mut Rule) {
    let entries = map["data"]["set"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut best = Applies::No;
    for entry in entries {
        let applies = asked(&map["key"], &entry[0], packet);
        if applies > best {
            best = applies;
            let verdict = &entry[1];
            let target = |word: &str| text(&verdict[word]["target"]);
            read.verdict = match verdict.as_object().and_then(|map| map.keys().next()) {
                Some(word) if word == "accept" => Verdict::Accept,
                Some(word) if word == "drop" => Verdict::Drop,
                Some(word) if word == "jump" => Verdict::Jump(target("jump")),
                Some(word) if word == "goto" => Verdict::Goto(target("goto")),
                _ => Verdict::Nothing,
            };
        }
    }
    if entries.is_empty() {
        // A named map, which is listed elsewhere: it may accept.
        (best, read.verdict) = (Applies::Maybe, Verdict::Accept);
    }
    read.applies = read.applies.min(best);
}

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;
    use mptcpize_model::net::IfName;

    /// A table of iptables as nft lists it: what is an extension has no more than a name.
    fn dropped(rules: &[Value]) -> usize {
        let name = |name: &str| IfName::new(name).expect("a name");
        let (lan, uplink) = (name("br0"), name("w1"));
        let packet = Packet { lan: &lan, way: Way::Forwarded(&uplink) };
        let at = json!({"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 7});
        let mut all = vec![json!({"chain": {"family": "ip", "table": "filter", "name": "FORWARD",
            "hook": "forward", "policy": "drop"}})];
        for expr in rules {
            let mut rule = at.clone();
            rule["expr"] = expr.clone();
            all.push(json!({"rule": rule}));
        }
        let ruleset = json!({"nftables": all});
        tables(&ruleset, packet, 1).values().flat_map(|table| rules::drops(table, packet)).count()
    }

    #[test]
    fn an_extension_of_iptables_may_match_and_ends_nothing() {
        let from = |dev: &str| json!({"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": dev}});
        let xt = |kind: &str, name: &str| json!({"xt": {"type": kind, "name": name}});
        let accept = json!({"accept": null});
        for (rules, expected) in [
            (vec![], 1),
            (vec![json!([from("docker0"), xt("match", "conntrack"), accept])], 1),
            (vec![json!([from("br0"), xt("match", "conntrack"), accept])], 0),
            (vec![json!([from("br0"), xt("target", "REJECT")])], 1),
        ] {
            assert_eq!(dropped(&rules), expected, "{rules:?}");
        }
    }

    #[test]
    fn a_port_that_is_let_in_is_one_that_is_named_or_in_a_range() {
        let at = json!({"family": "inet", "table": "filter", "chain": "input", "handle": 7});
        let dropped = |rule: Option<Value>| {
            let mut all = vec![json!({"chain": {"family": "inet", "table": "filter",
                "name": "input", "hook": "input", "policy": "drop"}})];
            if let Some(expr) = rule {
                let mut rule = at.clone();
                rule["expr"] = expr;
                all.push(json!({"rule": rule}));
            }
            let dev = IfName::new("eth0").expect("a name");
            let packet = Packet { lan: &dev, way: Way::Served(8686) };
            let tables = tables(&json!({"nftables": all}), packet, 0);
            tables.values().flat_map(|table| rules::drops(table, packet)).collect::<Vec<_>>()
        };
        let port = |right: Value| {
            let left = json!({"payload": {"protocol": "tcp", "field": "dport"}});
            json!([{"match": {"op": "==", "left": left, "right": right}}, {"accept": null}])
        };
        let told = dropped(Some(port(json!(22))));
        assert_eq!(told[0].fix, ["nft insert rule inet filter input tcp dport 8686 accept"]);
        assert_eq!(dropped(None), told);
        for right in [json!(8686), json!({"set": [22, 8686]}), json!({"range": [8000, 9000]})] {
            assert_eq!(dropped(Some(port(right.clone()))), [], "{right}");
        }
    }

    #[test]
    fn what_is_no_ruleset_has_no_tables() {
        for odd in [json!(null), json!([]), json!({"nftables": [{"rule": 1}, {"chain": {}}, 7]})] {
            let lan = IfName::new("br0").expect("a name");
            let packet = Packet { lan: &lan, way: Way::Relayed };
            let all = tables(&odd, packet, 1);
            assert!(all.values().all(|table| rules::drops(table, packet).is_empty()), "{odd}");
        }
    }
}
