//! `mptcpize run`: look at the program, prepare the mechanism that reaches it, become it.
//!
//! Silent when all is well, because the terminal is the program's. One line on standard error
//! when the program will stay on plain TCP; with `--strict` that is a refusal instead.

pub mod consent;
pub mod explain;
pub mod mechanism;
pub mod relay;
pub mod set_up;
pub mod socket_policy;
use std::convert::Infallible;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::cli;
use crate::error::{Error, Exit, reason};
use crate::inject::environment::{godebug, preload, trace_file};
use crate::inject::exec::{self, Environment};
use crate::inject::library;
use crate::inject::mechanism::{Blocked, Mechanism};
use crate::inject::seccomp::{self, Lost, Obstacle, Terms};
use crate::inject::target::{Caller, Target};
use crate::locations::Locations;
use crate::output;
use set_up::Wish;

/// Runs the program in this process; returns only when that cannot be done.
///
/// # Errors
/// 127 not found, 126 cannot be executed, 5 with `--strict` when MPTCP is out of reach or when
/// the library can be placed nowhere.
pub fn run(arguments: cli::run::Run) -> anyhow::Result<Infallible> {
    if let Some(wanted) = &arguments.relay {
        return relay::run(wanted, &arguments, wish(&arguments));
    }
    let wish = wish(&arguments);
    let cli::run::Run { debug, strict, via, follow, verbose, policy, command, .. } = arguments;
    let mut environment = Environment::inherited();
    forget_inherited_trace(&mut environment);
    let name = command.first().cloned().unwrap_or_default();
    let target = Target::find(&name, environment.get("PATH").as_deref(), &Caller::current())?;

    let locations = Locations::from_env(|name| environment.get(name));
    let policy = socket_policy::find(&policy, &environment, &locations)?;
    // Asked for, it may be what gives the program MPTCP at all; else it is for a program that has it.
    if wish == Wish::Always {
        set_up::host(wish, &locations)?;
    }
    let decision = policy.over(&target, mechanism::decide(&target, via, follow, &environment));
    // Where something is missing the execution fails, and that error says it all.
    let says_more = strict || target.missing().is_none();
    if let Some(blocked) = decision.blocked.as_ref().filter(|_| says_more) {
        stays_on_tcp(&name, blocked, strict, debug.is_some())?;
    }
    if let Some(obstacle) = decision.unfollowed {
        not_followed(&name, obstacle, strict)?;
    }
    if let Some(why) = policy.unheeded(decision.mechanism) {
        not_kept(&name, why, strict)?;
    }
    if verbose {
        mechanism::narrate(&name.to_string_lossy(), &decision);
        if let Some(words) = policy.words() {
            output::note(&format!("policy: {words}"));
        }
    }
    if wish == Wish::WhereAllowed && decision.blocked.is_none() {
        set_up::host(wish, &locations)?;
    }
    match decision.mechanism {
        Mechanism::Preload | Mechanism::GoDebug => {
            policy.put_into(&mut environment);
            inject(&target, debug, &mut environment)?;
        }
        Mechanism::Followed(terms) => {
            policy.put_into(&mut environment);
            inject(&target, debug.clone(), &mut environment)?;
            if let Err(obstacle) = supervise(&name, terms, debug)? {
                not_followed(&name, obstacle, strict)?;
            }
        }
        Mechanism::Seccomp(terms) => {
            if let Err(obstacle) = supervise(&name, terms, debug)? {
                let text = obstacle.to_string();
                stays_on_tcp(&name, &Blocked { text, fix: None, asked: false }, strict, false)?;
            }
        }
        Mechanism::Covered | Mechanism::None => {}
    }
    Err(exec::exec(&target, &command, &environment).into())
}

/// What is asked about the set-up of the host.
fn wish(arguments: &cli::run::Run) -> Wish {
    match (arguments.setup, arguments.no_setup) {
        (true, _) => Wish::Always,
        (_, true) => Wish::Never,
        _ => Wish::WhereAllowed,
    }
}

/// One line, or with `--strict` a refusal. Whoever asked for it knows it; with a trace, which has no line then, it
/// is said all the same.
fn stays_on_tcp(name: &OsStr, blocked: &Blocked, strict: bool, traced: bool) -> Result<(), Error> {
    let name = name.to_string_lossy();
    if strict {
        return Err(Error::new(Exit::Missing, format!("{name} cannot be run over MPTCP"))
            .why(&blocked.text)
            .fix(blocked.fix.unwrap_or("run it without --strict, over TCP")));
    }
    if !blocked.asked || traced {
        output::note(&format!("{name} runs over plain TCP: {}", blocked.text));
    }
    Ok(())
}

/// Says, or with `--strict` refuses, that `--follow` cannot be had.
fn not_followed(name: &OsStr, obstacle: Obstacle, strict: bool) -> Result<(), Error> {
    let name = name.to_string_lossy();
    if strict {
        return Err(Error::new(Exit::Missing, format!("{name} cannot be followed"))
            .why(obstacle)
            .fix("run it without --follow"));
    }
    output::note(&format!("{name} is not followed: {obstacle}"));
    Ok(())
}

/// Says, or with `--strict` refuses, that the policy for sockets cannot be kept.
fn not_kept(name: &OsStr, why: &str, strict: bool) -> Result<(), Error> {
    let name = name.to_string_lossy();
    if strict {
        return Err(Error::new(Exit::Missing, format!("the policy cannot be kept for {name}"))
            .why(why)
            .fix("run it without --strict or without the policy; --tcp-programs can name it"));
    }
    output::note(&format!("{name} runs over MPTCP whatever the policy says: {why}"));
    Ok(())
}

/// Puts this process under a supervisor, last of all: from here on its sockets are MPTCP too. What
/// stands in the way has changed nothing.
fn supervise(
    name: &OsStr,
    terms: Terms,
    debug: Option<PathBuf>,
) -> anyhow::Result<Result<(), Obstacle>> {
    let trace = debug.map(|file| trace_destination(&file)).transpose()?;
    match seccomp::supervise(terms, trace.as_deref()) {
        Ok(Ok(())) => Ok(Ok(())),
        Ok(Err(Lost(error))) => {
            let what = format!("cannot run {}", name.to_string_lossy());
            let why = format!("the supervisor of its sockets was lost: {}", reason(&error));
            Err(Error::new(Exit::Failed, what).why(why).fix("run it again").into())
        }
        Err(obstacle) => Ok(Err(obstacle)),
    }
}

/// Puts into the environment what makes this target, and what it starts, use MPTCP.
fn inject(
    target: &Target,
    debug: Option<PathBuf>,
    environment: &mut Environment,
) -> anyhow::Result<()> {
    let merged = godebug::merge(environment.get("GODEBUG").as_deref());
    environment.set("GODEBUG", &merged);
    // A loader that can load nothing of ours would print a warning at every exec.
    if target.loads_our_class() {
        let locations = Locations::from_env(|name| environment.get(name));
        let library = library::place(&locations)?;
        let merged = preload::merge(environment.get("LD_PRELOAD").as_deref(), &library);
        environment.set("LD_PRELOAD", &merged);
    }
    if let Some(file) = debug {
        environment.set("MPTCPIZE_DEBUG", &trace_destination(&file)?);
    }
    Ok(())
}

/// The value of `MPTCPIZE_DEBUG`: `1` (`-` on the command line) for standard error, else the
/// absolute path of a file that can be written, so that a mistake is ours to tell and not the
/// program's to lose.
fn trace_destination(file: &Path) -> anyhow::Result<OsString> {
    if file.as_os_str() == "-" {
        return Ok(OsString::from("1"));
    }
    let absolute = env::current_dir().map(|here| here.join(file)).unwrap_or(file.to_owned());
    trace_file::open(&absolute).map_err(|why| {
        Error::new(Exit::Failed, format!("cannot write the trace to {}", file.display()))
            .why(why)
            .fix("name another file, or use -d for standard error")
    })?;
    Ok(absolute.into_os_string())
}

/// Root writes to no file that an environment names: it may be that of whoever called sudo(8).
fn forget_inherited_trace(environment: &mut Environment) {
    let inherited = environment.get("MPTCPIZE_DEBUG");
    let names_a_file = inherited.is_some_and(|value| Path::new(&value).is_absolute());
    if names_a_file && rustix::process::geteuid().is_root() {
        environment.remove("MPTCPIZE_DEBUG");
        output::note(
            "root takes no MPTCPIZE_DEBUG=FILE from the environment; --debug=FILE names one",
        );
    }
}
