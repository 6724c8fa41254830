//! Chains of others that drop what none of their rules accepts, where packets of a gateway pass: those that
//! are relayed come in (`input`), the others are forwarded (`forward`).
//!
//! They are left as they are. Whether a rule accepts a packet is known to the kernel alone; a rule that
//! names the LAN's interface or the relay's mark is taken for one that does.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::process::helper;
use mptcpize_model::gateway::filter::{MARK, TABLE};
use mptcpize_model::net::IfName;
use mptcpize_model::shell;

/// How long nft may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Families whose chains see packets of IP.
const FAMILIES: [&str; 3] = ["ip", "ip6", "inet"];

/// What drops packets of this LAN, a line each with the command that lets them pass; nothing where nft
/// does not say.
pub fn drop(lan: &[IfName]) -> Vec<String> {
    let chains = asked(&["list", "chains"]);
    let chains = objects(&chains).iter().map(|object| &object["chain"]);
    let drops = chains.filter(|chain| {
        chain["policy"] == "drop"
            && (chain["hook"] == "input" || chain["hook"] == "forward")
            && FAMILIES.iter().any(|family| chain["family"] == *family)
            && chain["table"] != TABLE
    });
    drops.filter_map(|chain| line(chain, lan)).collect()
}

/// What is to be said of a chain.
fn line(chain: &Value, lan: &[IfName]) -> Option<String> {
    let word = |name: &str| chain[name].as_str();
    let (family, table, name) = (word("family")?, word("table")?, word("name")?);
    let rules = asked(&["list", "chain", family, table, name]);
    if objects(&rules).iter().any(|object| names(&object["rule"], lan)) {
        return None;
    }
    let what = if word("hook") == Some("input") { "relayed" } else { "forwarded" };
    let place = [family, table, name].map(shell::word).join(" ");
    let inputs = format!("nft insert rule {place} meta mark {MARK:#x} accept");
    let first = lan.first()?;
    let forwards = format!(
        "nft insert rule {place} iifname {first} accept && nft insert rule {place} oifname {first} \
         ct state established,related accept",
        first = shell::word(first)
    );
    let fix = if what == "relayed" { inputs } else { forwards };
    Some(format!(
        "the chain {name} of the table {family} {table} drops what its rules do not accept, also what is \
         {what} here; unless one of them accepts it: {fix}"
    ))
}

/// Does a rule name the LAN or the mark?
fn names(rule: &Value, lan: &[IfName]) -> bool {
    match rule {
        Value::String(text) => lan.iter().any(|dev| dev.as_str() == text),
        Value::Number(number) => number.as_u64() == Some(MARK.into()),
        Value::Array(all) => all.iter().any(|one| names(one, lan)),
        Value::Object(all) => all.iter().any(|(key, one)| key != "handle" && names(one, lan)),
        Value::Null | Value::Bool(_) => false,
    }
}

fn asked(words: &[&str]) -> Value {
    let mut nft = Command::new("nft");
    nft.arg("-j").args(words);
    let said = helper::run(nft, Instant::now() + PATIENCE).ok().filter(|said| said.success);
    said.and_then(|said| serde_json::from_slice(&said.stdout).ok()).unwrap_or_default()
}

fn objects(answer: &Value) -> &[Value] {
    answer["nftables"].as_array().map(Vec::as_slice).unwrap_or_default()
}
