//! `mptcpize setup`: look, plan, show, record, change, look again; and its undo.

use std::io;
use std::path::Path;

use serde_json::json;

use crate::cli::setup::{Place, Settings, Setup, SetupCommand};
use crate::commands::guard;
use crate::error::{Error, Exit, reason};
use crate::host::journal::{self, Journal};
use crate::host::{Host, identity, live::Live, netns, transaction};
use crate::model::change::{Change, Item};
use crate::model::config::Config;
use crate::model::net::Prefix;
use crate::model::plan::{Plan, plan};
use crate::model::{Flavour, HostState, policy};
use crate::output::{self, diff};
use crate::paths::Paths;
use crate::root::{self, Root};

/// Carries out `setup` and the verbs below it.
///
/// # Errors
/// 2 for settings that do not fit this host, 4 without privilege, 5 without MPTCP, 1 when the
/// kernel refuses a change (the host is as it was), 6 when that could not be taken back.
pub fn setup(arguments: Setup, paths: &Paths) -> anyhow::Result<Exit> {
    match arguments.command {
        Some(SetupCommand::Undo { salvage, place }) => undo(paths, &place, salvage),
        Some(SetupCommand::Confirm { place }) => {
            enter(&place)?;
            guard::confirm(paths)?;
            Ok(Exit::Done)
        }
        Some(SetupCommand::Guard { seconds, place }) => {
            enter(&place)?;
            if guard::wait(paths, seconds)? {
                guard::insist(paths, || undo(paths, &place, false));
            }
            Ok(Exit::Done)
        }
        None => {
            enter(&arguments.place)?;
            let config = settings(&arguments.settings, paths)?;
            if arguments.dry_run {
                return dry_run(&arguments, &config, paths);
            }
            apply(&arguments, &config, paths)
        }
    }
}

fn enter(place: &Place) -> Result<(), Error> {
    match &place.netns {
        Some(name) => netns::enter(name),
        None => Ok(()),
    }
}

/// The file's settings with the command line's over them.
///
/// # Errors
/// The file cannot be read, or says something unknown: with line and column.
pub fn settings(arguments: &Settings, paths: &Paths) -> Result<Config, Error> {
    let file = arguments.config.clone().unwrap_or_else(|| paths.config());
    let shown = file.display();
    let read = match (&arguments.config, paths.root() == Path::new("/")) {
        (None, false) => Root::image(paths.root())?.read(Path::new("/etc/mptcpize.toml")),
        _ => root::read(&file),
    };
    let config = match read.and_then(text) {
        Ok(text) => Config::read(&text).map_err(|error| {
            Error::new(Exit::Usage, format!("{shown} has a mistake"))
                .why(error.trim_end())
                .fix(format!("correct {shown}"))
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && arguments.config.is_none() => {
            Config::default()
        }
        Err(error) => {
            return Err(Error::new(Exit::Usage, format!("cannot read {shown}"))
                .why(reason(&error))
                .fix("name a file that exists, or leave --config out"));
        }
    };
    Ok(config.overridden(arguments.config()))
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text"))
}

fn dry_run(arguments: &Setup, config: &Config, paths: &Paths) -> anyhow::Result<Exit> {
    let record = journal::look(&paths.run(), identity::netns())?;
    let state = Live::open()?.observe(&record.entries)?;
    check(&state, config)?;
    let plan = plan(&state, &policy::desired(&state, config));
    if arguments.place.json {
        output::line(&serde_json::to_string_pretty(&diff::json(&plan, &state))?)?;
    } else {
        output::text(&preview(&plan))?;
    }
    Ok(if arguments.exit_code && !plan.is_empty() { Exit::Attention } else { Exit::Done })
}

/// The screen of a dry run.
fn preview(plan: &Plan) -> String {
    let lines = diff::plan(plan);
    match plan.steps.len() {
        0 => format!("Nothing to change on this host.\n{}{lines}", gap(&lines)),
        count => format!(
            "Would change {count} thing{} on this host (nothing was changed):\n\n{lines}\
             Apply: sudo mptcpize setup      Undo any time: sudo mptcpize setup undo\n",
            if count == 1 { "" } else { "s" }
        ),
    }
}

fn gap(lines: &str) -> &'static str {
    if lines.is_empty() || lines.starts_with('\n') { "" } else { "\n" }
}

fn apply(arguments: &Setup, config: &Config, paths: &Paths) -> anyhow::Result<Exit> {
    let mut host = Live::open()?;
    // Settings are checked before anything is written.
    let record = journal::look(&paths.run(), identity::netns())?;
    let state = host.observe(&record.entries)?;
    check(&state, config)?;
    if plan(&state, &policy::desired(&state, config)).is_empty() {
        return finish(arguments, &Plan::default(), &state, config);
    }
    let mut journal = open_journal(paths)?;
    let mut armed = false;
    if let Some(seconds) = arguments.confirm {
        // Whoever had the lock before us may have done it all; then there is nothing to guard.
        let state = host.observe(journal.entries())?;
        armed = !plan(&state, &policy::desired(&state, config)).is_empty();
        if armed {
            guard::arm(paths, seconds, arguments.place.netns.as_deref())?;
        }
    }
    let verbose = arguments.place.verbose;
    let done = transaction::set_up(&mut host, &mut journal, config, |change| {
        if verbose {
            output::note(&diff::change_line(change));
        }
    });
    drop(journal);
    let done = done.inspect_err(|_| {
        if armed {
            guard::disarm(paths);
        }
    })?;
    finish(arguments, &done.plan, &done.state, config)
}

/// Opens the journal of this namespace, and says so when another run holds it.
///
/// # Errors
/// See [`Journal::open`].
pub fn open_journal(paths: &Paths) -> Result<Journal, Error> {
    Journal::open(&paths.run(), identity::netns(), |holder| {
        output::note(&format!("waiting for another mptcpize (process {holder}) to finish"));
    })
}

fn finish(
    arguments: &Setup,
    done: &Plan,
    state: &HostState,
    config: &Config,
) -> anyhow::Result<Exit> {
    let desired = policy::desired(state, config);
    if arguments.place.json {
        output::line(&serde_json::to_string_pretty(&diff::json(done, state))?)?;
        return Ok(Exit::Done);
    }
    let count = done.steps.len();
    let links = links(&desired);
    let summary = match (count, desired.bonds) {
        (_, false) => desired.notes.join("; "),
        (0, true) => format!("already set up: {links}"),
        (_, true) => format!("set up {links} with {count} changes (undo: mptcpize setup undo)"),
    };
    output::line(&summary)?;
    if let Some(seconds) = arguments.confirm.filter(|_| count > 0) {
        output::line(&format!(
            "to be undone in {seconds} s unless you keep it: sudo mptcpize setup confirm"
        ))?;
    }
    Ok(Exit::Done)
}

/// `wlan0 and wwan0`: the links that are bonded, best first.
pub fn links(desired: &policy::Desired) -> String {
    let mut names: Vec<&str> = Vec::new();
    for path in &desired.paths {
        if !names.contains(&path.dev.as_str()) {
            names.push(path.dev.as_str());
        }
    }
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.join(""),
    }
}

/// Checks settings against the host they are for.
///
/// # Errors
/// 2 for a link that is not there or a gateway outside its network, 5 for a kernel without MPTCP.
pub fn check(state: &HostState, config: &Config) -> Result<(), Error> {
    match state.kernel.mptcp {
        Flavour::Upstream => {}
        Flavour::OutOfTree => {
            return Err(Error::new(Exit::Missing, "this kernel has the out-of-tree MPTCP (v0)")
                .why("it has net.mptcp.mptcp_enabled and no path manager that can be set up")
                .fix("boot a kernel 5.6 or newer of your distribution: apt install linux-image-amd64"));
        }
        Flavour::Absent => {
            return Err(Error::new(Exit::Missing, "this kernel has no MPTCP")
                .why("/proc/sys/net/mptcp does not exist")
                .fix("boot a kernel 5.6 or newer built with CONFIG_MPTCP: apt install linux-image-amd64"));
        }
    }
    let named = config.only.iter().chain(&config.exclude).chain(&config.backup);
    for name in named.chain(config.gateway.keys()) {
        if state.link(name).is_none() {
            let links: Vec<&str> = state
                .links
                .iter()
                .filter(|link| !link.loopback)
                .map(|link| link.name.as_str())
                .collect();
            return Err(Error::new(Exit::Usage, format!("there is no interface {name}"))
                .why(format!("this host has {}", links.join(", ")))
                .fix("ip link    (lists them)"));
        }
    }
    for (name, gateway) in &config.gateway {
        let networks: Vec<Prefix> = state
            .addresses
            .iter()
            .filter(|address| {
                address.dev == *name && address.address.is_ipv4() == gateway.is_ipv4()
            })
            .map(|address| address.network())
            .collect();
        // A modem with a /32 has every gateway outside its network.
        let pointless = networks.iter().all(|network| network.length >= 31);
        if !pointless && !networks.iter().any(|network| network.contains(*gateway)) {
            let all: Vec<String> = networks.iter().map(Prefix::to_string).collect();
            return Err(Error::new(
                Exit::Usage,
                format!("the gateway {gateway} is not in a network of {name}"),
            )
            .why(format!("{name} has {}", all.join(", ")))
            .fix(format!("ip addr show dev {name}    (shows its networks)")));
        }
    }
    Ok(())
}

fn undo(paths: &Paths, place: &Place, salvage: bool) -> anyhow::Result<Exit> {
    enter(place)?;
    let mut host = Live::open()?;
    if salvage {
        return salvaged(paths, place, &mut host);
    }
    if journal::look(&paths.run(), identity::netns())?.entries.is_empty() {
        guard::disarm(paths);
        output::line("nothing to undo: mptcpize changed nothing since the boot")?;
        return Ok(Exit::Done);
    }
    let mut journal = open_journal(paths)?;
    let undone = transaction::undo(&mut host, &mut journal, |change| {
        if place.verbose {
            output::note(&diff::change_line(change));
        }
    })?;
    journal.remove()?;
    guard::disarm(paths);
    report(place, &undone.done, undone.gone)
}

fn report(place: &Place, done: &[Change], gone: usize) -> anyhow::Result<Exit> {
    if place.json {
        output::line(&json!({ "version": 1, "undone": done, "gone": gone }).to_string())?;
        return Ok(Exit::Done);
    }
    let plural = if done.len() == 1 { "" } else { "s" };
    let gone = match gone {
        0 => String::new(),
        gone => format!(", {gone} had gone already or belong to others now"),
    };
    output::line(&format!("undid {} change{plural}{gone}", done.len()))?;
    Ok(Exit::Done)
}

/// Undoes what a corrupt journal still tells, and every route and rule that carries our mark.
fn salvaged(paths: &Paths, place: &Place, host: &mut Live) -> anyhow::Result<Exit> {
    // Where nothing can be read, the marks are still there.
    let changes = journal::salvage(&paths.run(), identity::netns()).unwrap_or_default();
    if let Some(aside) = journal::put_aside(&paths.run(), identity::netns())? {
        output::note(&format!("the journal was put aside as {}", aside.display()));
    }
    let mut journal = open_journal(paths)?;
    for change in &changes {
        journal.append(change)?;
    }
    let state = host.observe(&changes)?;
    let marked_rules = state.rules.into_iter().filter(|rule| policy::is_ours(rule.protocol));
    let marked_routes = state.routes.into_iter().filter(|route| policy::is_ours(route.protocol));
    for item in marked_routes.map(Item::Route).chain(marked_rules.map(Item::Rule)) {
        let change = Change::Add(item);
        if !journal.entries().contains(&change) {
            journal.append(&change)?;
        }
    }
    let undone = transaction::undo(host, &mut journal, |change| {
        if place.verbose {
            output::note(&diff::change_line(change));
        }
    })?;
    journal.remove()?;
    report(place, &undone.done, undone.gone)
}
