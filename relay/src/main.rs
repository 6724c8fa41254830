//! The command line of `mptcpize-relay`.

use std::io::Write;
use std::process::ExitCode;

use mptcpize_relay::error::Error;
use mptcpize_relay::{gateway, log};

const USAGE: &str = "\
Usage: mptcpize-relay gateway --settings FILE

Carries the TCP connections that the packet filter hands over (TPROXY) to their own destinations
over MPTCP. Started by `mptcpize gateway`, which writes FILE and makes the rules.

  SIGHUP      reads FILE again
  SIGTERM     takes no more connections and ends when those that are there have ended;
              a second one ends at once
  -h, --help  this text

Exit status: 0 ended as asked, 1 failed, 2 usage, 4 not permitted, 5 something is missing.
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(|word| word.to_str()).collect();
    let ended = match words.as_slice() {
        [Some("-h" | "--help")] | [Some("gateway"), Some("-h" | "--help")] => {
            let _ = std::io::stdout().write_all(USAGE.as_bytes());
            Ok(())
        }
        [Some("gateway"), Some("--settings"), _] => match arguments.last() {
            Some(file) => gateway::run(file.as_ref()),
            None => Err(Error::usage()),
        },
        _ => Err(Error::usage()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::line(&error);
            ExitCode::from(error.code())
        }
    }
}
