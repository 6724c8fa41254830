//! Rules of this host's packet filter that harm MPTCP, as nft(8) and iptables-save(8) list them.
//!
//! Only rules that name TCP option 30 are found. One that drops packets for another reason shows
//! when a peer is tried.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::error::reason;
use crate::host::process::helper;
use mptcp_netlink::netfilter;
use mptcpize_model::checks::{Firewall, FirewallRule, Harm};
use mptcpize_model::shell;

/// Reads the rules of this network namespace. Only root may.
pub fn read(until: Instant) -> Firewall {
    let mut firewall = Firewall::default();
    let mut nft = Command::new("nft");
    nft.args(["-j", "list", "ruleset"]);
    let mut tools = 0;
    match helper::run(nft, until) {
        Ok(said) if said.success => {
            tools += 1;
            let rules = serde_json::from_slice(&said.stdout).map(|value: Value| nftables(&value));
            match rules {
                Ok(rules) => firewall.rules.extend(rules),
                Err(_) => firewall.unread = Some("nft has no JSON output here".into()),
            }
        }
        Ok(said) => firewall.unread = Some(refusal(&said.stderr)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => firewall.unread = Some(format!("nft: {}", reason(&error))),
    }
    for tool in ["iptables", "ip6tables"] {
        match helper::run(Command::new(format!("{tool}-save")), until) {
            Ok(said) if said.success => {
                tools += 1;
                let text = String::from_utf8_lossy(&said.stdout).into_owned();
                firewall.rules.extend(xtables(tool, &text));
            }
            // Its own tables are not in this kernel, or only root may.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => firewall.unread = Some(format!("{tool}-save: {}", reason(&error))),
        }
    }
    if tools == 0 && firewall.unread.is_none() {
        firewall.unread = Some("neither nft nor iptables-save is here".into());
    }
    firewall
}

/// The tables of iptables-legacy(8), which has each of them since it was first used in this namespace.
const LEGACY: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

/// Is it known that there is no table, and so no rule?
pub(super) fn is_empty() -> bool {
    let legacy = || LEGACY.iter().any(|file| fs::read(file).is_ok_and(|names| !names.is_empty()));
    matches!(netfilter::has_tables(), Ok(false)) && !legacy()
}

fn refusal(stderr: &str) -> String {
    if stderr.contains("not permitted") || stderr.contains("must be root") {
        return "only root may read them".into();
    }
    format!("nft: {}", stderr.lines().next().unwrap_or("it failed"))
}

/// The harmful rules in the output of `nft -j list ruleset` (libnftables-json(5)).
pub(in crate::host) fn nftables(ruleset: &Value) -> Vec<FirewallRule> {
    let objects = ruleset["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let key = |value: &Value| {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        (text("family"), text("table"))
    };
    let mut hooks = BTreeMap::new();
    let mut chains: BTreeMap<_, Vec<&Value>> = BTreeMap::new();
    for object in objects {
        if let (Some(name), Some(hook)) =
            (object["chain"]["name"].as_str(), object["chain"]["hook"].as_str())
        {
            hooks.insert((key(&object["chain"]), name.to_owned()), hook.to_owned());
        }
        let rule = &object["rule"];
        if let Some(chain) = rule["chain"].as_str() {
            chains.entry((key(rule), chain.to_owned())).or_default().push(rule);
        }
    }
    let mut found = Vec::new();
    for (place, rules) in &chains {
        for rule in rules {
            let ends = |target: &str| drops_in(&chains, (place.0.clone(), target.to_owned()));
            let Some((harm, joins_only)) = harm(&rule["expr"], ends) else { continue };
            let ((family, table), chain) = place;
            let handle = rule["handle"].as_u64().unwrap_or(0);
            found.push(FirewallRule {
                place: format!(
                    "rule {handle} of chain {chain} in nftables' table {family} {table}"
                ),
                hook: hooks.get(place).cloned(),
                harm,
                joins_only,
                delete: delete(family, table, chain, handle),
            });
        }
    }
    found
}

/// The command that deletes a rule. What nft(8) reads as a name is one of its identifiers; tables and
/// chains that other programs made may be called otherwise, and have their names in JSON.
pub(super) fn delete(family: &str, table: &str, chain: &str, handle: u64) -> String {
    let plain = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter))
    };
    if [family, table, chain].into_iter().all(plain) {
        return format!("nft delete rule {family} {table} {chain} handle {handle}");
    }
    let rule = json!({"family": family, "table": table, "chain": chain, "handle": handle});
    let command = json!({"nftables": [{"delete": {"rule": rule}}]});
    format!("nft -j {}", shell::word(command))
}

type Place = ((String, String), String);

/// Does a chain drop anything, or one that it leads to? Each is looked at once, for chains may lead
/// to each other in more ways than can be counted.
fn drops_in(chains: &BTreeMap<Place, Vec<&Value>>, chain: Place) -> bool {
    let mut seen = BTreeSet::new();
    let mut left = vec![chain];
    while let Some(chain) = left.pop() {
        if !seen.insert(chain.clone()) {
            continue;
        }
        for rule in chains.get(&chain).into_iter().flatten() {
            let targets = RefCell::new(Vec::new());
            let later = |target: &str| {
                targets.borrow_mut().push((chain.0.clone(), target.to_owned()));
                false
            };
            if ends_in_drop(&rule["expr"], &later) {
                return true;
            }
            left.extend(targets.into_inner());
        }
    }
    false
}

/// What a rule does to MPTCP, and whether to joins alone; `ends` says whether a chain drops.
fn harm(expressions: &Value, ends: impl Fn(&str) -> bool) -> Option<(Harm, bool)> {
    let list = expressions.as_array()?;
    if list.iter().any(|expression| names_mptcp(&expression["reset"])) {
        return Some((Harm::Strips, false));
    }
    let matches = list.iter().filter(|expression| names_mptcp(expression)).collect::<Vec<_>>();
    // `tcp option mptcp missing`
    let about = |expression: &&&Value| expression["match"]["right"] != Value::Bool(false);
    let first = matches.iter().find(about)?;
    if !ends_in_drop(expressions, &ends) {
        return None;
    }
    let right = &first["match"]["right"];
    let one = right["set"].as_array().filter(|set| set.len() == 1).map_or(right, |set| &set[0]);
    let is_join = one.as_u64() == Some(1) || one.as_str() == Some("mp-join");
    Some((Harm::Drops, is_join && first["match"]["op"] != "!="))
}

/// Is there TCP option 30 in it?
fn names_mptcp(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(name, inner)| {
            let option = name == "tcp option";
            option && (inner["name"] == "mptcp" || inner["base"] == 30) || names_mptcp(inner)
        }),
        Value::Array(list) => list.iter().any(names_mptcp),
        _ => false,
    }
}

/// Is there a `drop` or `reject` in it, or a way to a chain that has one?
fn ends_in_drop(value: &Value, ends: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(name, inner)| match name.as_str() {
            "drop" | "reject" => true,
            "jump" | "goto" => inner["target"].as_str().is_some_and(ends),
            _ => ends_in_drop(inner, ends),
        }),
        Value::Array(list) => list.iter().any(|inner| ends_in_drop(inner, ends)),
        _ => false,
    }
}

/// The harmful rules in the output of iptables-save(8) (`--tcp-option 30`, the target TCPOPTSTRIP).
pub(in crate::host) fn xtables(tool: &str, text: &str) -> Vec<FirewallRule> {
    let mut table = "filter";
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.trim();
        }
        let Some(rule) = line.strip_prefix("-A ") else { continue };
        let words = words(rule);
        let after = |option: &str| {
            let at = words.iter().position(|word| *word == option)?;
            // `! --tcp-option 30` is about all others.
            let negated = at > 0 && words[at - 1] == "!";
            words.get(at + 1).map(String::as_str).filter(|_| !negated)
        };
        let drops = matches!(after("-j"), Some("DROP" | "REJECT"));
        let strips = after("--strip-options");
        let strips =
            strips.is_some_and(|list| list.split(',').any(|it| it == "30" || it == "mptcp"));
        let harm = match (after("--tcp-option"), drops, strips) {
            (_, _, true) => Harm::Strips,
            (Some("30"), true, _) => Harm::Drops,
            _ => continue,
        };
        let chain = words.first().map(String::as_str).unwrap_or_default();
        found.push(FirewallRule {
            place: format!("{tool}'s table {table}: {line}"),
            hook: chain
                .chars()
                .all(|letter| letter.is_ascii_uppercase())
                .then(|| chain.to_lowercase()),
            harm,
            joins_only: false,
            delete: format!("{tool} -t {} -D {}", shell::word(table), shell::line(&words)),
        });
    }
    found
}

/// The words of a line of iptables-save(8). One that has more than letters, digits, `-` and `_` may
/// stand within double quotes, in which a backslash takes the next letter as it is
/// (`xtables_save_string`).
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
            continue;
        };
        let mut word = String::new();
        let mut letters = quoted.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '"' => break,
                '\\' => word.extend(letters.next()),
                other => word.push(other),
            }
        }
        words.push(word);
        rest = letters.as_str().trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rule: Value) -> Vec<(Harm, bool)> {
        let chain = |name: &str| json!({"chain": {"family": "inet", "table": "f", "name": name}});
        let place = |chain: &str, handle: u32, expr: Value| {
            let (family, table) = ("inet", "f");
            json!({"rule": {"family": family, "table": table, "chain": chain, "handle": handle, "expr": expr}})
        };
        let rules = json!({"nftables": [
            {"metainfo": {}}, chain("o"), chain("bad"), chain("loop"),
            place("bad", 1, json!([{"jump": {"target": "worse"}}])),
            place("worse", 2, json!([{"reject": null}])),
            place("loop", 3, json!([{"jump": {"target": "loop"}}])),
            place("o", 4, rule),
        ]});
        nftables(&rules).iter().map(|rule| (rule.harm, rule.joins_only)).collect()
    }

    #[test]
    fn rules_of_nftables_are_told_apart_by_what_they_do_to_mptcp() {
        let option = json!({"tcp option": {"name": "mptcp"}});
        let exists = json!({"match": {"op": "==", "left": option, "right": true}});
        let missing = json!({"match": {"op": "==", "left": option, "right": false}});
        let subtype = |op: &str, right: Value| {
            let left = json!({"tcp option": {"name": "mptcp", "field": "subtype"}});
            json!({"match": {"op": op, "left": left, "right": right}})
        };
        let raw = json!({"tcp option": {"base": 30, "offset": 16, "len": 4}});
        let raw = json!({"match": {"op": "==", "left": raw, "right": 1}});
        let verdicts = json!({"vmap": {"key": {"tcp option": {"name": "mptcp", "field": "subtype"}},
            "data": {"set": [[1, {"drop": null}]]}}});
        let sack = json!({"match": {"op": "==", "left": {"tcp option": {"name": "sack-perm"}}, "right": true}});
        let table = [
            ("dropped", json!([exists, {"drop": null}]), Some((Harm::Drops, false))),
            ("refused", json!([exists, {"reject": null}]), Some((Harm::Drops, false))),
            ("counted", json!([exists, {"counter": null}]), None),
            ("let through", json!([exists, {"accept": null}]), None),
            ("all others dropped", json!([missing, {"drop": null}]), None),
            (
                "joins dropped",
                json!([subtype("==", json!(1)), {"drop": null}]),
                Some((Harm::Drops, true)),
            ),
            (
                "one in a set",
                json!([subtype("==", json!({"set": [1]})), {"drop": null}]),
                Some((Harm::Drops, true)),
            ),
            (
                "all but joins",
                json!([subtype("!=", json!(1)), {"drop": null}]),
                Some((Harm::Drops, false)),
            ),
            ("by number", json!([raw, {"drop": null}]), Some((Harm::Drops, true))),
            ("by a map", json!([verdicts]), Some((Harm::Drops, false))),
            ("taken out", json!([{"reset": option}]), Some((Harm::Strips, false))),
            (
                "by a chain",
                json!([exists, {"jump": {"target": "bad"}}]),
                Some((Harm::Drops, false)),
            ),
            ("in a circle", json!([exists, {"goto": {"target": "loop"}}]), None),
            ("another option", json!([sack, {"drop": null}]), None),
            ("anything", json!([{"drop": null}]), None),
            ("odd", json!("odd"), None),
        ];
        for (name, rule, expected) in table {
            assert_eq!(of(rule), Vec::from_iter(expected), "{name}");
        }
    }

    #[test]
    fn chains_that_lead_to_each_other_in_many_ways_are_looked_at_once() {
        // 30 chains, each with 30 jumps to the next one: 30^29 ways from the first to the last.
        let option = json!({"tcp option": {"name": "mptcp"}});
        let exists = json!({"match": {"op": "==", "left": option, "right": true}});
        let rule = |chain: &str, expr: Value| json!({"rule": {"chain": chain, "expr": expr}});
        let jump = |to: u32| json!([{"jump": {"target": to.to_string()}}]);
        let mut rules = vec![rule("o", json!([exists, {"jump": {"target": "0"}}]))];
        for chain in 0..30u32 {
            rules.extend((0..30).map(|_| rule(&chain.to_string(), jump(chain + 1))));
        }
        assert_eq!(nftables(&json!({"nftables": rules})).len(), 0);
        rules.push(rule("30", json!([{"drop": null}])));
        assert_eq!(nftables(&json!({"nftables": rules})).len(), 1);
    }

    #[test]
    fn rules_in_chains_of_any_name_are_deleted_by_a_line_that_can_be_pasted() {
        let expected = "nft delete rule inet fw-1 IN_x.y handle 7";
        assert_eq!(delete("inet", "fw-1", "IN_x.y", 7), expected);
        assert!(delete("inet;id", "f", "o", 7).starts_with("nft -j '"));
        for odd in ["a;id", "$(id)", "x'y", "-v", "--help", "a b", "9"] {
            let line = delete("inet", odd, "o", 7);
            let quoted = line.strip_prefix("nft -j '").and_then(|rest| rest.strip_suffix('\''));
            let text = quoted.unwrap_or_else(|| panic!("{line}")).replace(r"'\''", "'");
            let command: Value = serde_json::from_str(&text).expect("it is JSON");
            assert_eq!(command["nftables"][0]["delete"]["rule"]["table"], odd);
        }
    }

    #[test]
    fn comments_of_iptables_are_words_and_no_commands() {
        let text = "*filter\n-A INPUT -i a;id -p tcp -m tcp --tcp-option 30 -m comment --comment \
                    \"$(id) \\\"x\\\" it\\'s -j ACCEPT\" -j DROP\n\
                    -A INPUT -p tcp -m tcp --tcp-option 7 -m comment --comment \
                    \"--tcp-option 30 -j DROP\" -j DROP\nCOMMIT\n";
        let found: Vec<String> =
            xtables("iptables", text).into_iter().map(|rule| rule.delete).collect();
        let expected = "iptables -t filter -D INPUT -i 'a;id' -p tcp -m tcp --tcp-option 30 \
                        -m comment --comment '$(id) \"x\" it'\\''s -j ACCEPT' -j DROP";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn rules_of_iptables_are_found_by_option_30() {
        let text = "*mangle\n-A POSTROUTING -p tcp -j TCPOPTSTRIP --strip-options 5,30\n*filter\n\
                    :INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --tcp-option 30 -j DROP\n\
                    -A INPUT -p tcp -m tcp ! --tcp-option 30 -j DROP\n\
                    -A ours -p tcp -m tcp --tcp-option 30 -j REJECT --reject-with tcp-reset\n\
                    -A INPUT -p tcp -m tcp --tcp-option 30 -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n";
        let found: Vec<String> = xtables("iptables", text)
            .into_iter()
            .map(|rule| format!("{:?} {:?} {}", rule.harm, rule.hook, rule.delete))
            .collect();
        let expected = [
            "Strips Some(\"postrouting\") iptables -t mangle -D POSTROUTING -p tcp -j TCPOPTSTRIP \
             --strip-options 5,30",
            "Drops Some(\"input\") iptables -t filter -D INPUT -p tcp -m tcp --tcp-option 30 -j DROP",
            "Drops None iptables -t filter -D ours -p tcp -m tcp --tcp-option 30 -j REJECT \
             --reject-with tcp-reset",
        ];
        assert_eq!(found, expected);
    }
}
