//! Translation of addresses in an nftables table of our own, by nft(8): its language is a protocol
//! of its own, and a host with twin modems has the tool.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::reason;
use crate::host::netlink::KernelError;
use crate::host::process::helper;
use mptcpize_model::nat::{Nat, TABLE, Translation};
use mptcpize_model::net::IfName;

/// How long nft may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Our chain. It stands where source addresses are translated (nft(8), `srcnat`).
const CHAIN: &str = "postrouting";

/// What our table has, or why there can be none.
pub fn read() -> Nat {
    match list() {
        Ok(rules) => {
            Nat { unusable: None, rules: rules.into_iter().map(|(rule, _)| rule).collect() }
        }
        Err(why) => Nat { unusable: Some(why), rules: vec![] },
    }
}

/// Adds a translation, and the table with the first.
///
/// # Errors
/// nft is not here, may not change anything, or cannot name the link.
pub fn add(translation: &Translation) -> Result<(), KernelError> {
    let name = translation.dev.as_str();
    if name.contains(['"', '\\', '*']) {
        // A `*` would stand for all links that begin so.
        return Err(refused(&format!("nft cannot name the interface {name}")));
    }
    script(&format!(
        "add table ip {TABLE}\n\
         add chain ip {TABLE} {CHAIN} {{ type nat hook postrouting priority 100; }}\n\
         add rule ip {TABLE} {CHAIN} {translation}\n"
    ))
}

/// Removes a translation, and the table with the last.
///
/// # Errors
/// nft is not here, or may not change anything.
pub fn remove(translation: &Translation) -> Result<(), KernelError> {
    let all = list().map_err(|why| refused(&why))?;
    let found: Vec<u64> =
        all.iter().filter(|(rule, _)| rule == translation).map(|(_, handle)| *handle).collect();
    if found.len() == all.len() {
        return if all.is_empty() { Ok(()) } else { script(&format!("delete table ip {TABLE}\n")) };
    }
    let lines: Vec<String> = found
        .iter()
        .map(|handle| format!("delete rule ip {TABLE} {CHAIN} handle {handle}\n"))
        .collect();
    script(&lines.concat())
}

/// Our translations, each with the handle of its rule.
fn list() -> Result<Vec<(Translation, u64)>, String> {
    let mut nft = Command::new("nft");
    // Without the table this fails, with all tables it may be long: so the names come first.
    nft.args(["-j", "list", "tables", "ip"]);
    let tables = said(nft)?;
    let ours = |object: &Value| object["table"]["name"] == TABLE;
    if !objects(&tables).iter().any(ours) {
        return Ok(vec![]);
    }
    let mut nft = Command::new("nft");
    nft.args(["-j", "-a", "list", "table", "ip", TABLE]);
    Ok(translations(&said(nft)?))
}

fn said(command: Command) -> Result<Value, String> {
    match helper::run(command, Instant::now() + PATIENCE) {
        Ok(said) if said.success => serde_json::from_slice(&said.stdout)
            .map_err(|_| "nft has no JSON output here".to_owned()),
        Ok(said) => Err(format!("nft: {}", first_line(&said.stderr))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("nft, which would tell them apart, is not here".to_owned())
        }
        Err(error) => Err(format!("nft: {}", reason(&error))),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("it failed")
}

fn objects(answer: &Value) -> &[Value] {
    answer["nftables"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The translations in the output of `nft -j -a list table` (libnftables-json(5)).
pub(in crate::host) fn translations(answer: &Value) -> Vec<(Translation, u64)> {
    let rule = |object: &Value| {
        let rule = &object["rule"];
        let expressions = rule["expr"].as_array()?;
        let right = |left: &dyn Fn(&Value) -> bool| {
            let matches = expressions.iter().map(|expression| &expression["match"]);
            matches.filter(|it| left(&it["left"])).find_map(|it| it["right"].as_str())
        };
        let dev = right(&|left| left["meta"]["key"] == "oifname")?;
        let from = right(&|left| left["payload"]["field"] == "saddr")?;
        let to = expressions.iter().find_map(|expression| expression["snat"]["addr"].as_str())?;
        let translation = Translation {
            dev: IfName::new(dev).ok()?,
            from: from.parse::<Ipv4Addr>().ok()?,
            to: to.parse::<Ipv4Addr>().ok()?,
        };
        Some((translation, rule["handle"].as_u64()?))
    };
    objects(answer).iter().filter_map(rule).collect()
}

fn script(lines: &str) -> Result<(), KernelError> {
    let failed = |error: io::Error| refused(&format!("nft: {}", reason(&error)));
    let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
    file.write_all(lines.as_bytes()).map_err(failed)?;
    let mut nft = Command::new("nft");
    nft.arg("-f").arg(file.path());
    match helper::run(nft, Instant::now() + PATIENCE) {
        Ok(said) if said.success => Ok(()),
        Ok(said) => Err(refused(&format!("nft: {}", first_line(&said.stderr)))),
        Err(error) => Err(failed(error)),
    }
}

fn refused(text: &str) -> KernelError {
    KernelError::new(libc::EOPNOTSUPP, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translations_are_read_from_nfts_json() {
        let text = r#"{"nftables": [{"metainfo": {"json_schema_version": 1}},
            {"table": {"family": "ip", "name": "mptcpize", "handle": 1}},
            {"rule": {"family": "ip", "table": "mptcpize", "chain": "postrouting", "handle": 3,
             "expr": [{"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "w2"}},
              {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
               "right": "198.18.86.2"}}, {"snat": {"addr": "192.168.8.100"}}]}},
            {"rule": {"handle": 4, "expr": [{"accept": null}]}}]}"#;
        let answer = serde_json::from_str(text).expect("JSON");
        let found: Vec<String> = translations(&answer)
            .iter()
            .map(|(rule, handle)| format!("{rule} # {handle}"))
            .collect();
        assert_eq!(found, ["oifname \"w2\" ip saddr 198.18.86.2 snat to 192.168.8.100 # 3"]);
    }
}
