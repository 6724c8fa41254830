//! `mptcpize run`: look at the program, put the library in its environment, become it.
//!
//! Silent when all is well, because the terminal is the program's. One line on standard error
//! when the program will stay on plain TCP; with `--strict` that is a refusal instead.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli;
use crate::commands::before_run::{self, Wish};
use crate::error::{Error, Exit, reason};
use crate::host::kernel::Mptcp;
use crate::inject::exec::{self, Environment};
use crate::inject::target::{Caller, Reach, Target};
use crate::inject::{godebug, library, preload};
use crate::output;
use crate::paths::Paths;

/// Runs the program in this process; returns only when that cannot be done.
///
/// # Errors
/// 127 not found, 126 cannot be executed, 5 with `--strict` when MPTCP is out of reach or when
/// the library can be placed nowhere.
pub fn run(arguments: cli::Run) -> anyhow::Result<Infallible> {
    let cli::Run { debug, strict, setup, no_setup, command } = arguments;
    let mut environment = Environment::inherited();
    let name = command.first().cloned().unwrap_or_default();
    let target = Target::find(&name, environment.get("PATH").as_deref(), &Caller::current())?;

    let wish = match (setup, no_setup) {
        (true, _) => Wish::Always,
        (_, true) => Wish::Never,
        _ => Wish::WhereAllowed,
    };
    before_run::host(wish, &Paths::from_env(|name| environment.get(name)))?;

    if is_off(environment.get("MPTCPIZE")) {
        if strict {
            return Err(Error::new(Exit::Missing, refusal(&name))
                .why("MPTCPIZE=off is in the environment")
                .fix("unset MPTCPIZE")
                .into());
        }
    } else {
        let label = name.to_string_lossy();
        // Where something is missing the execution fails, and that error says it all.
        let says_more = strict || target.missing().is_none();
        if let Some(why) = out_of_reach(&target).filter(|_| says_more) {
            if strict {
                return Err(Error::new(Exit::Missing, refusal(&name))
                    .why(&why.text)
                    .fix(why.fix.unwrap_or("run it without --strict, over TCP"))
                    .into());
            }
            output::note(&format!("{label} runs over plain TCP: {}", why.text));
        }
        inject(&target, debug, &mut environment)?;
    }
    Err(exec::exec(&target, &command, &environment).into())
}

/// Why the program will not get MPTCP, for a person.
struct Obstacle {
    text: String,
    fix: Option<&'static str>,
}

fn out_of_reach(target: &Target) -> Option<Obstacle> {
    if let Reach::No(why) = target.reach() {
        return Some(Obstacle { text: why.to_string(), fix: None });
    }
    let kernel = Mptcp::probe();
    (kernel != Mptcp::On).then(|| Obstacle { text: kernel.to_string(), fix: kernel.fix() })
}

fn refusal(name: &OsString) -> String {
    format!("{} cannot be run over MPTCP", name.to_string_lossy())
}

/// `MPTCPIZE=off`, in the words that the shim knows too.
fn is_off(value: Option<OsString>) -> bool {
    value.is_some_and(|value| value == "off" || value == "0")
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
        let paths = Paths::from_env(|name| environment.get(name));
        let library = library::place(&paths)?;
        let merged = preload::merge(environment.get("LD_PRELOAD").as_deref(), &library);
        environment.set("LD_PRELOAD", &merged);
    }
    if let Some(file) = debug {
        environment.set("MPTCPIZE_DEBUG", &trace_destination(&file)?);
    }
    Ok(())
}

/// The value of `MPTCPIZE_DEBUG`: `1` (`-` on the command line) for standard error, else the absolute path of a file that
/// can be written, so that a mistake is ours to tell and not the program's to lose.
fn trace_destination(file: &Path) -> anyhow::Result<OsString> {
    if file.as_os_str() == "-" {
        return Ok(OsString::from("1"));
    }
    let absolute = env::current_dir().map(|here| here.join(file)).unwrap_or(file.to_owned());
    std::fs::OpenOptions::new().append(true).create(true).open(&absolute).map_err(|error| {
        Error::new(Exit::Failed, format!("cannot write the trace to {}", file.display()))
            .why(reason(&error))
            .fix("name another file, or use -d for standard error")
    })?;
    Ok(absolute.into_os_string())
}
