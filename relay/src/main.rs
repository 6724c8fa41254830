//! The command line of `mptcpize-relay`.

use std::io::Write;
use std::process::ExitCode;

use mptcpize_relay::error::Error;
use mptcpize_relay::shadowsocks::server;
use mptcpize_relay::{agent, gateway, log, probe};

const USAGE: &str = "\
Usage: mptcpize-relay gateway --settings FILE
       mptcpize-relay server --settings FILE
       mptcpize-relay agent --settings FILE
       mptcpize-relay probe --settings FILE

  gateway     carries the TCP connections that the packet filter hands over (TPROXY) to their own
              destinations over MPTCP; started by `mptcpize gateway`, which writes FILE and makes
              the rules
  server      ends the MPTCP of clients that have a key (Shadowsocks 2022) and goes on in TCP;
              started by `mptcpize relay serve`, which writes FILE
  agent       takes connections of programs at the sockets that it is handed (LISTEN_FDS) and sends
              them through a relay; started by `mptcpize run --relay` and `mptcpize relay agent`
  probe       tries a relay for `mptcpize relay test`; FILE is - for standard input

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
        [Some("-h" | "--help")] | [Some("gateway" | "server" | "agent"), Some("-h" | "--help")] => {
            let _ = std::io::stdout().write_all(USAGE.as_bytes());
            Ok(())
        }
        [Some(verb), Some("--settings"), _] => match (*verb, arguments.last()) {
            ("gateway", Some(file)) => gateway::run(file.as_ref()),
            ("server", Some(file)) => server::run(file.as_ref()),
            ("agent", Some(file)) => agent::run(file.as_ref()),
            ("probe", Some(file)) => probe::run(file.as_ref()),
            _ => Err(Error::usage()),
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
