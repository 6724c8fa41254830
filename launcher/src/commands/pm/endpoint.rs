//! `mptcpize endpoint`: the addresses that the path manager may use, as `ip mptcp endpoint`.
//!
//! It differs from ip in four ways, each a trap there: an address that this host does not have is
//! refused (`--force` takes it), what is already there is no failure, `change` leaves alone the
//! flags that are not named, and errors have a fix.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::cli::ip_mptcp::{Deleted, Words};
use crate::cli::pm::{Endpoint as Arguments, EndpointAction};
use crate::commands::pm::session::Attempt;
use crate::error::{Error, Exit};
use crate::host::netlink::KernelError;
use crate::host::netlink::names::Names;
use crate::host::netlink::pm::Pm;
use crate::host::netlink::rtnl::Rtnl;
use crate::output;
use mptcpize_model::mptcp::{Endpoint, Flags};
use mptcpize_model::net::IfName;
use mptcpize_model::shell;

/// Where a person looks what there is.
const SHOW: &str = "endpoint show";

/// What `change` can change.
const CHANGEABLE: [(&str, Flags); 2] = [("backup", Flags::BACKUP), ("fullmesh", Flags::FULLMESH)];

/// Carries out one verb.
///
/// # Errors
/// 1 the kernel refuses or this host is not so, 2 wrong words, 4 not permitted, 5 no MPTCP.
pub fn endpoint(arguments: Arguments) -> anyhow::Result<Exit> {
    let Arguments { common, action } = arguments;
    let attempt = |what: String, verb: &str, words: &[String]| {
        let mut line = vec!["endpoint"];
        line.extend(verb.split(' '));
        line.extend(words.iter().map(String::as_str));
        Attempt::new(what, &common, &line)
    };
    match action.unwrap_or(EndpointAction::Show { words: Vec::new() }) {
        EndpointAction::Add { force, words } => {
            let (wanted, address) = Words::to_add(&words)?;
            let what = format!("cannot add the endpoint {address}");
            let endpoint = Endpoint {
                id: wanted.id.unwrap_or(0),
                address,
                port: wanted.port,
                dev: wanted.dev,
                flags: wanted.flags,
            };
            let verb = if force { "add --force" } else { "add" };
            let new = add(&attempt(what, verb, &words)?, &endpoint, force)?;
            changed(new, shown(&endpoint))?;
        }
        EndpointAction::Delete { words } => {
            let deleted = Words::to_delete(&words)?;
            let which = match &deleted {
                Deleted::Id(id) => format!("with id {id}"),
                Deleted::First(_) => "with id 0".to_owned(),
                Deleted::Address { address, .. } => address.to_string(),
            };
            let attempt = attempt(format!("cannot delete the endpoint {which}"), "delete", &words)?;
            delete(&attempt, &deleted)?;
        }
        EndpointAction::Change { words } => {
            let wanted = Words::to_change(&words)?;
            let which = match (wanted.id, wanted.address) {
                (None, Some(address)) => address.to_string(),
                (id, _) => format!("with id {}", id.unwrap_or(0)),
            };
            let attempt = attempt(format!("cannot change the endpoint {which}"), "change", &words)?;
            let (new, endpoint) = change(&attempt, &wanted)?;
            changed(new, shown(&endpoint))?;
        }
        EndpointAction::Show { words } => {
            let id = Words::to_show(&words)?;
            let which = id.map_or_else(|| "s".into(), |id| format!(" with id {id}"));
            show(
                &attempt(format!("cannot show the endpoint{which}"), "show", &words)?,
                id,
                common.json,
            )?;
        }
        EndpointAction::Flush => {
            let attempt = attempt("cannot delete the endpoints".into(), "flush", &[])?;
            flush(&attempt)?;
            changed(true, json!("all"))?;
        }
    }
    Ok(Exit::Done)
}

/// What a verb that changes endpoints answers with `-j`: silence is the answer for a person.
fn changed(changed: bool, endpoint: Value) -> anyhow::Result<()> {
    let object = || json!({ "version": 1, "changed": changed, "endpoint": endpoint });
    output::json::answer(object).map(drop)
}

/// An endpoint as `endpoint show -j` has it.
fn shown(endpoint: &Endpoint) -> Value {
    let list = output::pm::endpoints_json(std::slice::from_ref(endpoint));
    let list: Value = serde_json::from_str(&list).unwrap_or_default();
    list[0].clone()
}

/// Deletes all, and nothing else: kernels before 6.17, but for stable releases with the fix ("do not reset
/// ADD_ADDR limit"), set add_addr_accepted to 0 with it, which is a limit and no endpoint.
fn flush(attempt: &Attempt) -> Result<(), Error> {
    let refused = |error: KernelError| attempt.refused(&error, "");
    let mut pm = attempt.open()?;
    let before = pm.limits().map_err(refused)?;
    pm.flush().map_err(refused)?;
    let after = pm.limits().map_err(refused)?;
    if after != before && after.add_addr_accepted == 0 {
        pm.set_limits(before).map_err(refused)?;
    }
    Ok(())
}

fn delete(attempt: &Attempt, deleted: &Deleted) -> anyhow::Result<()> {
    let mut pm = attempt.open()?;
    let refused = |error: &KernelError| attempt.refused(error, &attempt.command(SHOW));
    let (id, first, endpoint) = match deleted {
        Deleted::Id(id) => (*id, None, json!({ "id": id })),
        Deleted::First(address) => (0, Some(*address), json!({ "id": 0, "address": address })),
        Deleted::Address { .. } => {
            let all = pm.endpoints().map_err(|error| attempt.refused(&error, ""))?;
            let one = the_one(attempt, &all, deleted)?;
            (one.id, None, shown(one))
        }
    };
    pm.delete(id, first).map_err(|error| refused(&error))?;
    changed(true, endpoint)
}

/// The one endpoint that is meant by an address.
fn the_one<'a>(
    attempt: &Attempt,
    all: &'a [Endpoint],
    deleted: &Deleted,
) -> Result<&'a Endpoint, Error> {
    let Deleted::Address { address, port, dev } = deleted else {
        unreachable!("an id needs no look-up");
    };
    let same: Vec<&Endpoint> = all.iter().filter(|one| one.address == *address).collect();
    let fits = |one: &&&Endpoint| {
        (port.is_none() || one.port == *port) && (dev.is_none() || one.dev == *dev)
    };
    let found: Vec<&Endpoint> = same.iter().filter(fits).copied().collect();
    let command = |one: &&Endpoint| attempt.command(&format!("endpoint delete id {}", one.id));
    let told = |list: &[&Endpoint]| {
        let lines = list.iter().map(|one| output::pm::endpoint(one).trim_end().to_owned());
        lines.collect::<Vec<_>>().join("; ")
    };
    match (found.as_slice(), same.as_slice()) {
        ([only], _) => Ok(only),
        ([], []) => Err(attempt.not_so("no endpoint has this address", attempt.command(SHOW))),
        ([], [other, ..]) => {
            let why = format!("with this address there is: {}", told(&same));
            Err(attempt.not_so(why, command(other)))
        }
        (several, _) => {
            let lines: Vec<String> = several.iter().map(command).collect();
            let why = format!("several have this address: {}", told(several));
            Err(attempt.not_so(why, lines.join("    # or: ")))
        }
    }
}

/// Adds it; false where it is there already.
fn add(attempt: &Attempt, endpoint: &Endpoint, force: bool) -> Result<bool, Error> {
    let mut pm = attempt.open()?;
    let there = pm.endpoints().map_err(|error| attempt.refused(&error, ""))?;
    if let Some(dev) = &endpoint.dev {
        let found = Names::default().index(dev);
        found.map_err(|error| attempt.refused(&error, "ip link"))?;
    }
    // One that the kernel made by itself gives way.
    let mut others = there.iter().filter(|other| !other.flags.has(Flags::IMPLICIT));
    if let Some(other) = others.clone().find(|other| is_the_same(other, endpoint)) {
        let shown = output::pm::endpoint(other);
        let fix = match differences(other, endpoint) {
            Some(words) if words.is_empty() => {
                output::note(&format!("it is already there: {}", shown.trim_end()));
                return Ok(false);
            }
            Some(words) => format!("endpoint change id {} {}", other.id, words.join(" ")),
            None => format!("endpoint delete id {}", other.id),
        };
        let why = format!("there is one with this address: {}", shown.trim_end());
        return Err(attempt.not_so(why, attempt.command(&fix)));
    }
    if let Some(other) = others.find(|other| endpoint.id != 0 && other.id == endpoint.id) {
        let why = format!("id {} is that of {}", other.id, other.address);
        return Err(attempt.not_so(why, "another id, or none: the kernel chooses"));
    }
    if !force {
        is_on_this_host(attempt, endpoint)?;
    }
    pm.add(endpoint)
        .map_err(|error| attempt.refused(&error, &remedy(&error, endpoint, there.len())))?;
    Ok(true)
}

/// The kernel takes two for the same by their addresses, and by their ports where one has a port.
fn is_the_same(one: &Endpoint, other: &Endpoint) -> bool {
    (one.address, one.port) == (other.address, other.port)
}

/// The words with which `change` would make `there` what is wanted; none where it cannot.
fn differences(there: &Endpoint, wanted: &Endpoint) -> Option<Vec<String>> {
    let changeable = CHANGEABLE.iter().fold(Flags::default(), |all, (_, flag)| all.with(*flag));
    let same_id = wanted.id == 0 || wanted.id == there.id;
    let same_rest = there.flags.without(changeable) == wanted.flags.without(changeable);
    let words = CHANGEABLE
        .iter()
        .filter(|(_, flag)| there.flags.has(*flag) != wanted.flags.has(*flag))
        .map(
            |(word, flag)| {
                if wanted.flags.has(*flag) { (*word).into() } else { format!("no{word}") }
            },
        );
    (same_id && same_rest && there.dev == wanted.dev).then(|| words.collect())
}

/// What mends a refusal of the kernel.
fn remedy(error: &KernelError, endpoint: &Endpoint, count: usize) -> String {
    match (error.errno, endpoint.port) {
        (libc::ERANGE, _) => {
            format!("delete one: there are {count}, and this kernel takes no more")
        }
        (libc::EADDRNOTAVAIL, Some(_)) => {
            String::from("add the address to an interface, or leave out port")
        }
        (libc::EADDRINUSE, Some(port)) => format!("another port: something listens on {port}"),
        _ => String::new(),
    }
}

/// Refuses an address that nothing can be sent from: the kernel takes it, and then every subflow
/// fails without a word. One that is only announced may be another host's: that of a NAT in front
/// of this one.
fn is_on_this_host(attempt: &Attempt, endpoint: &Endpoint) -> Result<(), Error> {
    let look = |error: &KernelError| attempt.refused(error, "");
    let mut rtnl = Rtnl::open().map_err(|error| look(&error))?;
    let address = endpoint.address;
    let is_local = |address| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if endpoint.dev.is_none() && is_local(address) {
        let why = "a link-local address means nothing without its interface";
        return Err(attempt.not_so(why, "add dev IF"));
    }
    let all = rtnl.addresses().map_err(|error| look(&error))?;
    let owners: Vec<&IfName> =
        all.iter().filter(|other| other.address == address).map(|other| &other.dev).collect();
    // With a port, the kernel listens on the address.
    let announced = endpoint.flags.has(Flags::SIGNAL)
        && !endpoint.flags.has(Flags::SUBFLOW)
        && endpoint.port.is_none();
    match (owners.first(), &endpoint.dev) {
        (Some(_), None) => Ok(()),
        (Some(_), Some(dev)) if owners.contains(&dev) => Ok(()),
        (Some(owner), Some(dev)) => Err(attempt.not_so(
            format!("{dev} does not have this address, {owner} has"),
            format!("dev {}, or --force", shell::word(owner)),
        )),
        (None, _) if announced => {
            output::note(&format!(
                "no interface of this host has {address}: announced all the same"
            ));
            Ok(())
        }
        (None, _) => Err(attempt.not_so(
            "no interface of this host has this address",
            "add it with ip address add, or --force if it is to come",
        )),
    }
}

/// Changes it, and says whether it was not so already.
fn change(attempt: &Attempt, wanted: &Words) -> Result<(bool, Endpoint), Error> {
    let mut pm = attempt.open()?;
    let current = match (wanted.id, wanted.address) {
        (Some(id), _) => get(attempt, &mut pm, id)?,
        (None, address) => {
            let all = pm.endpoints().map_err(|error| attempt.refused(&error, ""))?;
            all.into_iter()
                .find(|one| Some(one.address) == address && one.port == wanted.port)
                .ok_or_else(|| {
                    attempt
                        .not_so("there is none with this address and port", attempt.command(SHOW))
                })?
        }
    };
    let flags = current.flags.with(wanted.flags).without(wanted.without);
    if flags == current.flags {
        output::note(&format!("the endpoint {} is already so", current.address));
        return Ok((false, current));
    }
    pm.set_flags(current.id, flags)
        .map_err(|error| attempt.refused(&error, &attempt.command(SHOW)))?;
    Ok((true, Endpoint { flags, ..current }))
}

fn show(attempt: &Attempt, id: Option<u8>, json: bool) -> anyhow::Result<()> {
    let mut pm = attempt.open()?;
    let list = match id {
        Some(id) => vec![get(attempt, &mut pm, id)?],
        None => pm.endpoints().map_err(|error| attempt.refused(&error, ""))?,
    };
    if json {
        return output::line(&output::pm::endpoints_json(&list));
    }
    list.iter().try_for_each(|endpoint| output::data(&output::pm::endpoint(endpoint)))
}

fn get(attempt: &Attempt, pm: &mut Pm, id: u8) -> Result<Endpoint, Error> {
    pm.get(id).map_err(|error| attempt.refused(&error, &attempt.command(SHOW)))
}
