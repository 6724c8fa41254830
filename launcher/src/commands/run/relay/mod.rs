//! `mptcpize run --relay`: a program and all that it starts, through a relay.
//!
//! ```text
//!   launcher ── fork, fork ──► supervisor ──► agent (mptcpize-relay agent), nft
//!      │ ◄──── it is ready ────────┘
//!      ▼ enters the namespace, where there is one; execve: the program is this process
//! ```
//!
//! The program's own sockets stay TCP: they lead to the agent on this host, and MPTCP begins there.

mod supervisor;
mod way;

use std::convert::Infallible;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::cli;
use crate::commands::relay::terms::{self, Seen};
use crate::commands::run::set_up::{self, Wish};
use crate::error::{Error, Exit, reason};
use crate::host::agent::namespace;
use crate::inject::exec::{self, Environment};
use crate::inject::relay;
use crate::inject::target::{Caller, Target};
use crate::locations::Locations;
use crate::output;
use crate::output::term::{Colour, Term};
use crate::syscall::{fork, message};
use mptcpize_model::relay::agent::{Fallback, Settings};
use mptcpize_model::{phrase, plain};

/// The program is where it is to be.
const ENTERED: i32 = 0;
/// Descriptors follow, by which it enters.
const ENTER: i32 = 1;
/// It cannot be; why follows as text.
const FAILED: i32 = -1;

/// What the supervisor goes by.
struct Wanted {
    /// The process that becomes the program.
    program: u32,
    /// mptcpize-relay.
    relay: PathBuf,
    /// Where agents of this user answer.
    directory: Option<PathBuf>,
    settings: Settings,
    /// The addresses of the host, and those that its own traffic leaves from.
    addresses: Vec<IpAddr>,
    sources: Vec<IpAddr>,
    root: bool,
    locations: Locations,
}

/// Runs the program in this process; returns only when that cannot be done.
///
/// # Errors
/// 127 not found, 126 cannot be executed, 2 for a URL that is none, 5 without such a relay, 1 where
/// nothing leads the program's connections to an agent.
pub fn run(wanted: &str, arguments: &cli::run::Run, wish: Wish) -> anyhow::Result<Infallible> {
    let environment = Environment::inherited();
    let locations = Locations::from_env(|name| environment.get(name));
    let name = arguments.command.first().cloned().unwrap_or_default();
    let target = Target::find(&name, environment.get("PATH").as_deref(), &Caller::current())?;
    let asked = terms::asked(&locations)?;
    // There may be no such relay, and then nothing is to be changed.
    terms::relays(wanted, &asked, [], &locations)?;
    set_up::host(wish, &locations)?;
    let Seen { addresses, uplinks, on_link } = terms::look(&locations)?;
    let seen = Seen { addresses: addresses.clone(), uplinks, on_link };
    let settings = terms::settings(wanted, &asked, &seen, &locations)?;
    if arguments.verbose {
        narrate(&name.to_string_lossy(), &settings);
    }
    let user = rustix::process::geteuid();
    let wanted = Wanted {
        program: std::process::id(),
        relay: relay::find(&locations)?,
        directory: locations.agents(user.as_raw()),
        settings,
        addresses,
        sources: terms::sources(),
        root: user.is_root(),
        locations: locations.clone(),
    };
    supervise(&wanted).map_err(|why| {
        let (why, fix) = why.split_once('\n').unwrap_or((&why, "mptcpize relay list"));
        let what = format!("cannot run {} through a relay", name.to_string_lossy());
        Error::new(Exit::Failed, what).why(plain::words(why).to_string()).fix(fix)
    })?;
    Err(exec::exec(&target, &arguments.command, &environment).into())
}

/// `--explain`: where its connections would go, and how they would get there.
///
/// # Errors
/// Those of [`run`] about a program that cannot be started, and about relays.
pub fn explain(wanted: &str, arguments: &cli::run::Run) -> anyhow::Result<Exit> {
    let environment = Environment::inherited();
    let locations = Locations::from_env(|name| environment.get(name));
    let name = arguments.command.first().cloned().unwrap_or_default();
    let target = Target::find(&name, environment.get("PATH").as_deref(), &Caller::current())?;
    let asked = terms::asked(&locations)?;
    let settings = terms::settings(wanted, &asked, &terms::look(&locations)?, &locations)?;
    let agent = relay::find(&locations)?;
    let way = match rustix::process::geteuid().is_root() {
        true => "a cgroup of its own, and a table of the packet filter",
        false => "a network namespace of its own",
    };
    let width = Term::of_stdout(Colour::Never).width;
    let rows = [
        ("program", plain::words(&target.path.to_string_lossy()).into_owned()),
        ("via", format!("{}, by {way}", names(&settings))),
        ("agent", plain::words(&agent.to_string_lossy()).into_owned()),
        ("result", "MPTCP to the relay, TCP from there on".to_owned()),
    ];
    let rows = rows.map(|(name, said)| output::row(name, &said, width));
    output::line(&rows.join("\n"))?;
    Ok(Exit::Done)
}

fn names(settings: &Settings) -> String {
    let relays = settings.terms.relays.iter().map(|relay| relay.name.as_str());
    format!("relay {}", phrase::list(&relays.collect::<Vec<_>>()))
}

/// `-v`: where its connections go.
fn narrate(name: &str, settings: &Settings) {
    let terms = &settings.terms;
    let otherwise = match terms.fallback {
        Fallback::Direct => "directly where none can be reached",
        Fallback::Refuse => "refused where none can be reached",
    };
    output::note(&format!("{name} goes through {}; {otherwise}", names(settings)));
}

/// Starts the supervisor, and goes where the program is to be.
fn supervise(wanted: &Wanted) -> Result<(), String> {
    let said =
        |what: &'static str| move |error: std::io::Error| format!("{what}: {}", reason(&error));
    let (control, theirs) = message::pair().map_err(said("a socket"))?;
    // Twice, so that the program has no child that it does not know of.
    let Some(between) = fork::fork().map_err(said("a process"))? else {
        drop(control);
        fork::exit(match fork::fork() {
            Ok(Some(_)) => 0,
            Ok(None) => {
                supervisor::run(theirs, wanted);
                0
            }
            Err(_) => 1,
        });
    };
    drop(theirs);
    fork::wait(between).map_err(said("a process"))?;
    let lost = "the process that looks after its connections was lost".to_owned();
    match message::receive_word(control.as_fd()) {
        Ok(ENTERED) => Ok(()),
        Ok(FAILED) => Err(message::receive_text(control.as_fd())),
        Ok(_) => {
            let places = message::receive_descriptors(control.as_fd()).map_err(|_| lost)?;
            namespace::enter(&places).map_err(said("entering the network namespace"))?;
            message::send_word(control.as_fd(), ENTERED).map_err(said("the supervisor"))
        }
        Err(_) => Err(lost),
    }
}
