//! `mptcpize subflow`: the subflows of one connection by hand, where the path manager is in user
//! space.
//!
//! The kernel says "invalid argument" to most mistakes, and yes to some; so what can be looked up
//! is looked up first, and a new subflow is waited for.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cli::pm::Common;
use crate::cli::subflow::{Action, Place, Subflow as Arguments};
use crate::commands::pm::session::Attempt;
use crate::error::{Error, Exit};
use crate::host::netlink::KernelError;
use crate::host::netlink::diag;
use crate::host::netlink::events::{Events, News};
use crate::output;
use mptcpize_model::connection::{Connection, Subflow};
use mptcpize_model::event::Kind;
use mptcpize_model::mptcp::{Endpoint, Flags};

/// How long the peer is waited for: a few retransmissions of a SYN (1, 3 and 7 s after the first).
const PATIENCE: Duration = Duration::from_secs(8);

/// Lists the tokens.
const LIST: &str = "status -j";

/// Carries out one verb.
///
/// # Errors
/// 1 there is no such connection or subflow, or the kernel or the peer refuses; 2 a port is missing;
/// 4 not permitted; 5 no MPTCP.
pub fn subflow(arguments: Arguments) -> anyhow::Result<Exit> {
    let Arguments { netns, action } = arguments;
    let (verb, what) = match &action {
        Action::Create { .. } => ("create", "open a subflow"),
        Action::Destroy { .. } => ("destroy", "end the subflow"),
        Action::Announce { .. } => ("announce", "announce the address"),
        Action::Remove { .. } => ("remove", "withdraw the address"),
        Action::Backup { .. } => ("backup", "change the subflow's priority"),
    };
    let token = action.token();
    let common = Common { netns, json: false };
    let words: Vec<String> = std::env::args().skip_while(|word| word != verb).collect();
    let words: Vec<&str> =
        std::iter::once("subflow").chain(words.iter().map(String::as_str)).collect();
    let what = format!("cannot {what} of connection {token:08x}");
    let attempt = Attempt::new(what, &common, &words)?;
    let connection = find(&attempt, token)?;
    let refused = |error: &KernelError| refusal(&attempt, error);
    match action {
        Action::Create { from, to, id, dev, backup, .. } => {
            let remote = target(&attempt, &connection, to)?;
            let flags = if backup { Flags::SUBFLOW.with(Flags::BACKUP) } else { Flags::SUBFLOW };
            let id = id.unwrap_or_else(|| id_for(&connection, from));
            let endpoint = Endpoint { id, address: from, port: None, dev, flags };
            create(&attempt, &connection, &endpoint, remote)?;
        }
        Action::Destroy { from, to, .. } => {
            let subflow = one(&attempt, &connection, from, to)?;
            let ended = attempt.open()?.destroy(token, subflow.local, subflow.remote);
            ended.map_err(|error| refused(&error))?;
        }
        Action::Announce { address, id, port, dev, .. } => {
            let id = id.unwrap_or_else(|| id_for(&connection, address));
            let endpoint = Endpoint { id, address, port, dev, flags: Flags::SIGNAL };
            attempt.open()?.announce(token, &endpoint).map_err(|error| refused(&error))?;
        }
        Action::Remove { id, .. } => {
            attempt.open()?.remove(token, id).map_err(|error| refused(&error))?;
        }
        Action::Backup { from, to, off, .. } => {
            let subflow = one(&attempt, &connection, from, to)?;
            let changed = attempt.open()?.prioritise(token, subflow.local, subflow.remote, !off);
            changed.map_err(|error| refused(&error))?;
        }
    }
    Ok(Exit::Done)
}

/// The connection of a token.
fn find(attempt: &Attempt, token: u32) -> Result<Connection, Error> {
    let all = diag::connections().map_err(|error| attempt.closed(&error))?;
    let found = all.into_iter().find(|connection| connection.token == Some(token));
    found.ok_or_else(|| attempt.not_so("no connection has this token", attempt.command(LIST)))
}

/// Where a new subflow goes.
fn target(
    attempt: &Attempt,
    connection: &Connection,
    to: Option<Place>,
) -> Result<SocketAddr, Error> {
    match to {
        None => Ok(connection.remote),
        Some(Place { address, port: Some(port) }) => Ok(SocketAddr::new(address, port)),
        Some(Place { address, port: None }) => {
            let whole = SocketAddr::new(address, connection.remote.port());
            Err(attempt
                .not_so("the port is missing", format!("--to {whole}    (the connection's port)"))
                .with_exit(Exit::Usage))
        }
    }
}

/// The id that the connection knows the address by, or one that it does not use. Ids of addresses
/// that were announced and have no subflow are not to be seen.
fn id_for(connection: &Connection, address: std::net::IpAddr) -> u8 {
    let subflows = &connection.subflows;
    let known = subflows.iter().find(|one| one.local.ip() == address && one.local_id != 0);
    let is_free = |id: &u8| subflows.iter().all(|one| one.local_id != *id);
    known.map_or_else(|| (1..=u8::MAX).find(is_free).unwrap_or(u8::MAX), |one| one.local_id)
}

/// The one subflow with these ends, as far as they were said.
fn one<'a>(
    attempt: &Attempt,
    connection: &'a Connection,
    from: Place,
    to: Option<Place>,
) -> Result<&'a Subflow, Error> {
    let shown = |one: &Subflow| format!("--from {} --to {}", one.local, one.remote);
    let fits = |one: &&Subflow| from.is(one.local) && to.is_none_or(|to| to.is(one.remote));
    let mut found = connection.subflows.iter().filter(fits);
    let others = |list: Vec<String>| list.join(", or ");
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(attempt.not_so(
            "it has no such subflow",
            others(connection.subflows.iter().map(shown).collect()),
        )),
        (Some(_), Some(_)) => Err(attempt.not_so(
            "several fit: a port is missing",
            others(connection.subflows.iter().filter(fits).map(shown).collect()),
        )),
    }
}

fn create(
    attempt: &Attempt,
    connection: &Connection,
    endpoint: &Endpoint,
    remote: SocketAddr,
) -> anyhow::Result<()> {
    let token = connection.token.unwrap_or_default();
    // Listening begins first, lest the answer be missed.
    let mut events = Events::open().map_err(|error| attempt.closed(&error))?;
    attempt.open()?.create(token, endpoint, remote).map_err(|error| refusal(attempt, &error))?;
    let end = Instant::now() + PATIENCE;
    let more = |events: &Events| {
        let left = end.saturating_duration_since(Instant::now());
        events.wait(left).map_err(|error| attempt.refused(&error, ""))
    };
    while more(&events)? {
        let News::Event(event) = events.read().map_err(|error| attempt.refused(&error, ""))? else {
            continue;
        };
        let ours = event.token == Some(token)
            && event.local == Some(endpoint.address)
            && event.local_id == Some(endpoint.id);
        match event.kind {
            Kind::SubflowEstablished if ours => {
                let port = event.local_port.unwrap_or_default();
                let local = SocketAddr::new(endpoint.address, port);
                let object = || json!({ "version": 1, "local": local, "remote": remote });
                if !output::json::answer(object)? {
                    output::line(&format!("{local} > {remote}"))?;
                }
                return Ok(());
            }
            Kind::SubflowClosed if ours => break,
            _ => {}
        }
    }
    let why = format!("{remote} did not take it up from {}", endpoint.address);
    Err(attempt.not_so(why, "mptcpize check").into())
}

/// The kernel's refusal, with the remedy for the commonest.
fn refusal(attempt: &Attempt, error: &KernelError) -> Error {
    let text = error.text.as_deref().unwrap_or_default();
    if text.contains("userspace PM not selected") {
        let why = "it began under the kernel's own path manager, which decides alone";
        let fix = "sudo sysctl -w net.mptcp.path_manager=userspace    \
                   (for connections that begin then; before Linux 6.16: net.mptcp.pm_type=1)";
        return attempt.not_so(why, fix);
    }
    attempt.refused(error, "")
}
