//! `mptcpize relay add`, `relay list`, `relay remove`.

use std::io::{self, IsTerminal, Read};

use serde_json::json;

use crate::cli::relay::stored::{Add, List, Remove};
use crate::error::{Error, Exit, reason};
use crate::host::relays::{self, AUTO};
use crate::locations::Locations;
use crate::output;
use crate::output::table::{Column, cell, column, numbers, table};
use crate::output::term::{Colour, Term};
use mptcpize_model::relay::agent::{MOST_RELAYS, Relay};
use mptcpize_model::relay::url;
use mptcpize_model::shell;

/// The longest text that is read for a URL.
const MOST: u64 = 4096;

const COLUMNS: [Column; 4] =
    [column("RELAY"), column("ADDRESS"), column("METHOD").spare(1), numbers("KEYS").spare(2)];

/// Stores a relay.
///
/// # Errors
/// 2: it is no URL; 1: one of that name is stored and differs; 1, 2, 4: the file.
pub fn add(arguments: &Add, locations: &Locations) -> anyhow::Result<Exit> {
    let url = match arguments.url.as_str() {
        "-" => standard_input()?,
        url => url.to_owned(),
    };
    let mut relay = relays::of_url(&url)?;
    if let Some(name) = &arguments.name {
        relay.name = name.clone();
    }
    if relay.name.as_str() == AUTO {
        let why = format!("{AUTO} stands for the best of all stored relays");
        let what = format!("no relay may be called {AUTO}");
        return Err(Error::new(Exit::Usage, what).why(why).fix("add --name NAME").into());
    }
    let new = relays::change(locations, |stored| {
        let same = |other: &&Relay| Relay { name: relay.name.clone(), ..(*other).clone() } == relay;
        if let Some(other) = stored.relays.iter().find(same) {
            return match other.name == relay.name {
                true => Ok(false),
                false => Err(Error::new(Exit::Failed, "this relay is stored already")
                    .why(format!("it is called {}", other.name))
                    .fix(format!("mptcpize relay remove {}", other.name))),
            };
        }
        let full = stored.relays.len() >= MOST_RELAYS;
        match stored.relays.iter_mut().find(|other| other.name == relay.name) {
            Some(other) if arguments.replace => other.clone_from(&relay),
            Some(other) => return Err(differs(other, &relay)),
            None if full => {
                let what = format!("{MOST_RELAYS} relays are stored, and no more can be");
                return Err(Error::new(Exit::Failed, what).fix("mptcpize relay remove NAME"));
            }
            None => stored.relays.push(relay.clone()),
        }
        Ok(true)
    })?;
    let object = || json!({ "version": 1, "added": new, "name": relay.name, "host": relay.host, "port": relay.port });
    if output::json::answer(object)? {
        return Ok(Exit::Done);
    }
    let sign = if new { "+" } else { "=" };
    let already = if new { "" } else { "    already there" };
    output::line(&format!("{sign} relay  {}  {}{already}", relay.name, address(&relay)))?;
    if new {
        output::note(&format!("try it: mptcpize relay test {}", relay.name));
    }
    Ok(Exit::Done)
}

/// A URL from standard input: of the whole line that `relay serve` prints, too.
fn standard_input() -> Result<String, Error> {
    if io::stdin().is_terminal() {
        output::note("paste the ss:// URL, then Enter and Ctrl-D");
    }
    let mut text = String::new();
    io::stdin().take(MOST).read_to_string(&mut text).map_err(|error| {
        Error::new(Exit::Usage, "cannot read a URL from standard input").why(reason(&error))
    })?;
    let word = text.split(|c: char| c.is_whitespace() || "'\"".contains(c));
    Ok(word
        .into_iter()
        .find(|word| word.starts_with(url::SCHEME))
        .unwrap_or(text.trim())
        .to_owned())
}

/// Another relay has this name.
fn differs(stored: &Relay, new: &Relay) -> Error {
    let mut parts = Vec::new();
    if (&stored.host, stored.port) != (&new.host, new.port) {
        parts.push(format!("address {}, now {}", address(stored), address(new)));
    }
    if stored.method != new.method {
        parts.push(format!("method {}, now {}", stored.method, new.method));
    }
    if stored.keys != new.keys {
        parts.push("another key".to_owned());
    }
    let what = format!("a relay {} is stored, and differs", new.name);
    Error::new(Exit::Failed, what)
        .why(parts.join("; "))
        .fix("add --replace to take its place, or --name NAME to have both")
}

/// `HOST:PORT`, as it is written in a URL.
fn address(relay: &Relay) -> String {
    match relay.host.contains(':') {
        true => format!("[{}]:{}", relay.host, relay.port),
        false => format!("{}:{}", relay.host, relay.port),
    }
}

/// Prints the stored relays, without their keys.
///
/// # Errors
/// The file cannot be trusted or read.
pub fn list(arguments: &List, locations: &Locations) -> anyhow::Result<Exit> {
    let stored = relays::load(locations)?;
    if arguments.json {
        let one = |relay: &Relay| {
            json!({
                "name": relay.name,
                "host": relay.host,
                "port": relay.port,
                "method": relay.method,
                "keys": relay.keys.len(),
            })
        };
        let all: Vec<_> = stored.relays.iter().map(one).collect();
        output::line(&json!({ "version": 1, "relays": all }).to_string())?;
        return Ok(Exit::Done);
    }
    if stored.relays.is_empty() {
        output::note(&format!("no relay is stored: {}", relays::ADD));
        return Ok(Exit::Done);
    }
    let row = |relay: &Relay| {
        vec![
            cell(relay.name.as_str()),
            cell(address(relay)),
            cell(relay.method.name()),
            cell(relay.keys.len().to_string()),
        ]
    };
    let rows: Vec<_> = stored.relays.iter().map(row).collect();
    output::text(&table(&Term::of_stdout(Colour::Auto), &COLUMNS, &rows))?;
    Ok(Exit::Done)
}

/// Forgets a relay.
///
/// # Errors
/// 5: there is none of that name; 1, 2, 4: the file.
pub fn remove(arguments: &Remove, locations: &Locations) -> anyhow::Result<Exit> {
    let name = &arguments.name;
    relays::change(locations, |stored| {
        let known = stored.relays.len();
        let before = stored.clone();
        stored.relays.retain(|relay| relay.name != *name);
        match stored.relays.len() < known {
            true => Ok(()),
            false => Err(relays::unknown(name, &before, locations)),
        }
    })?;
    if !output::json::answer(|| json!({ "version": 1, "removed": name }))? {
        output::line(&format!("- relay  {}", shell::word(name)))?;
    }
    Ok(Exit::Done)
}
