//! Does the preload library load on this host, and does it upgrade `socket()`? Only a program that is
//! started with it can tell, so one is.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::host::process::helper;
use crate::inject::environment::preload;
use crate::inject::library;
use crate::locations::Locations;
use mptcpize_model::checks::Shim;

/// How long a program may take that makes one socket.
const PATIENCE: Duration = Duration::from_secs(2);

/// Programs that make a TCP socket when asked this way. Those that connect nowhere come first, for the kernel
/// counts each connection (`mptcpize counters`); then the most widespread, which connect to the discard port
/// of this host, where nobody listens.
const PROGRAMS: [(&str, &[&str]); 5] = [
    ("perl", &["-MSocket", "-e", "socket(S, PF_INET, SOCK_STREAM, 0)"]),
    ("python3", &["-c", "import socket; socket.socket()"]),
    ("bash", &["--norc", "-c", "exec 3<>/dev/tcp/127.0.0.1/9"]),
    ("curl", &["-q", "-s", "-m", "1", "http://127.0.0.1:9/"]),
    ("wget", &["--no-config", "-q", "-T", "1", "-t", "1", "-O", "-", "http://127.0.0.1:9/"]),
];

/// Runs the first of the programs that this host has, with the library preloaded and tracing.
pub(in crate::commands) fn shim(locations: &Locations, until: Instant) -> Shim {
    let place = match library::place(locations) {
        Ok(place) => place,
        Err(error) => {
            let text = error.to_string();
            let part = |label: &str| {
                let line = text.lines().find_map(|line| line.trim_start().strip_prefix(label));
                line.unwrap_or_default().trim().to_owned()
            };
            return Shim::Nowhere { why: part("why:"), fix: part("fix:") };
        }
    };
    let library = place.display().to_string();
    let (mut fails, mut late) = (None, None);
    for (program, arguments) in PROGRAMS {
        let until = until.min(Instant::now() + PATIENCE);
        let preload = preload::merge(std::env::var_os("LD_PRELOAD").as_deref(), &place);
        match trial(program, arguments, &preload, until) {
            Ok(None) => {}
            Ok(Some(Trace::Mptcp)) => {
                return Shim::Upgrades { library, program: program.into() };
            }
            // A loaded machine, or little time left.
            Ok(Some(Trace::Late)) => drop(late.get_or_insert(program)),
            // A static one: another may be dynamic.
            Ok(Some(Trace::Nothing(why) | Trace::Tcp(why))) | Err(why) => {
                fails.get_or_insert((program, why));
            }
        }
    }
    match (fails, late) {
        (Some((program, why)), _) => Shim::Fails { library, program: program.into(), why },
        (None, Some(program)) => Shim::Late { library, program: program.into() },
        (None, None) => Shim::NoProgram { library },
    }
}

/// What the library wrote about the program's sockets.
enum Trace {
    Mptcp,
    Tcp(String),
    Nothing(String),
    Late,
}

/// Runs one program; none where this host does not have it.
fn trial(
    program: &str,
    arguments: &[&str],
    preload: &OsStr,
    until: Instant,
) -> Result<Option<Trace>, String> {
    let trace = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LD_PRELOAD", preload)
        .env("MPTCPIZE_DEBUG", trace.path())
        .env_remove("MPTCPIZE");
    let said = match helper::run(command, until) {
        Ok(said) => said,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            return Ok(Some(Trace::Late));
        }
        Err(error) => return Err(crate::error::reason(&error)),
    };
    let text = fs::read_to_string(trace.path()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("SOCK_STREAM")).collect();
    Ok(Some(match lines.as_slice() {
        [] => {
            let complaint = said.stderr.lines().find(|line| line.contains("preload"));
            let why = complaint.unwrap_or("the loader did not load the library");
            Trace::Nothing(why.to_owned())
        }
        lines if lines.iter().any(|line| line.ends_with("MPTCP")) => Trace::Mptcp,
        lines => Trace::Tcp(lines[0].to_owned()),
    }))
}
