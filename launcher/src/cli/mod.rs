//! The command line: clap's types and nothing else. One definition feeds the parser and `--help`.

pub mod check;
pub mod complete;
pub mod daemon;
pub mod gateway;
pub mod ip_mptcp;
pub mod metrics;
mod names_last;
pub mod parts;
pub mod pm;
pub mod policy;
pub mod relay;
pub mod run;
pub mod see;
pub mod setup;
pub mod shell;
pub mod subflow;
pub mod unit;

use std::ffi::OsString;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cli::run::Run;
use crate::error::{Error, Exit};

/// What the tool is for, on top of `mptcpize --help` and of mptcpize(8).
const LONG: &str = "\
Makes unmodified programs use Multipath TCP (RFC 8684), so that one connection can use every link \
that the host has: Wi-Fi and LTE, two lines, three dongles. `run` starts one program so, `enable` \
services or every program of the host. `setup` configures the host for it: endpoints, limits, \
rules and routes. `check`, `status` and `top` show what is missing and what comes of it. \
`endpoint`, `limits`, `subflow` and `monitor` are the path manager's own commands, in the words \
of ip-mptcp(8).

Where the kernel or the peer has no MPTCP, a program gets the plain TCP that it asked for. Both \
ends must speak MPTCP: Linux does since 5.6, and `mptcpize run` or `mptcpize enable` makes a \
server of any program.";

/// The sections below the options of `mptcpize --help`.
const MORE: &str = "\
Exit status:
  0         done
  1         it failed; the host is as it was
  2         wrong usage
  3         status, check: something wants attention; setup --dry-run --exit-code: something \
would change
  4         not permitted
  5         something is missing: a kernel with MPTCP, a way into the program, a unit
  6         applied in part; the command that undoes it is printed
  126, 127  run: CMD cannot be executed, CMD not found (as env(1)); otherwise `run` becomes CMD, \
and its exit status is CMD's

Environment:
  MPTCPIZE=off         leave this process and its children alone: their sockets stay TCP, also \
under `run`, an enabled unit and `enable --system`. Below a program that is reached by seccomp it \
has no effect
  MPTCPIZE_DEBUG       1, or the path of a file: a line for each TCP socket of a program that the \
library is in, to standard error or to the end of that file; `run -d` sets it
  MPTCPIZE_POLICY      which sockets stay TCP; `run` and `enable` write it, nobody else should
  LD_PRELOAD, GODEBUG  `run` adds to them and replaces nothing
  XDG_CACHE_HOME       where a user's copy of the library is kept (default: ~/.cache)
  NO_COLOR, COLUMNS    no colour, and how wide a screen is

Files:
  /etc/mptcpize.toml  settings of `setup`, of `run` and `enable` (which sockets stay TCP) and of \
`enable --system`; all have defaults; see mptcpize.toml(5)
  /run/mptcpize       the journal of what was changed on this host since it booted, from which \
`setup undo` undoes it
  /var/cache/mptcpize, ~/.cache/mptcpize
      the library, where no package has installed it

Examples:
  mptcpize check
      Say what keeps MPTCP from working on this host, and the line that mends it.
  sudo mptcpize setup
      Configure endpoints, limits and routes, so that connections use every link.
  mptcpize run curl -O https://example.org/file
      Download over MPTCP, or over TCP where the server has none.
  mptcpize status
      Show which connections use which links, and if not, why not.

See also:
  mptcpize-tutorial(7), mptcpize.toml(5), ip-mptcp(8), ip(8), ss(8), systemctl(1), mptcpd(8); https://www.mptcp.dev; RFC 8684";

/// What the short help ends with.
const LESS: &str = "\
More, with examples: mptcpize VERB --help, or man mptcpize-VERB";

/// Run any program over Multipath TCP, over every link the host has.
#[derive(Debug, Parser)]
#[command(name = "mptcpize", disable_version_flag = true, arg_required_else_help = true)]
#[command(long_about = LONG, after_help = LESS, after_long_help = MORE)]
pub struct Cli {
    /// Print version, library hash, and what the kernel has
    #[arg(short = 'V', long)]
    pub version: bool,

    /// Print JSON, also of an error
    ///
    /// What a verb says becomes an object with `version`, `exit` and `text`, an error one with
    /// `version` and `error`: `what`, `why`, `fix` and `exit`. Verbs that print state have keys of
    /// their own; `endpoint show` prints an array, as ip(8) does, and `monitor` an object a line. What
    /// a program under `run` prints stays the program's. Exit statuses are the same.
    #[arg(short, long, global = true)]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program with its TCP sockets upgraded to MPTCP
    #[command(long_about = run::LONG)]
    Run(Run),
    /// Configure endpoints, limits and routes for every link
    #[command(long_about = setup::LONG)]
    Setup(setup::Setup),
    /// Keep the set-up complete while links come and go
    #[command(long_about = daemon::LONG)]
    Daemon(daemon::Daemon),
    /// Carry the connections of a whole LAN over every link
    #[command(long_about = gateway::LONG)]
    Gateway(gateway::Gateway),
    /// Bond every connection, by a server that you rent
    #[command(long_about = relay::LONG)]
    Relay(relay::Relay),
    /// Make services use MPTCP, or every program of the host
    #[cfg(feature = "enable")]
    #[command(long_about = unit::ENABLE_LONG)]
    Enable(unit::Enable),
    /// Undo enable, and leave no trace
    #[cfg(feature = "enable")]
    #[command(long_about = unit::DISABLE_LONG)]
    Disable(unit::Disable),
    /// Show enabled units, and whether their sockets are MPTCP
    #[cfg(feature = "enable")]
    #[command(long_about = unit::LIST_LONG)]
    List(unit::List),
    /// Show paths, connections, subflows, and why a connection is TCP
    #[command(long_about = see::STATUS_LONG)]
    Status(see::Status),
    /// Say what keeps MPTCP from working, and what mends it
    #[command(long_about = check::CHECK_LONG)]
    Check(check::Check),
    /// Watch paths, connections and events live
    #[cfg(feature = "top")]
    #[command(long_about = see::TOP_LONG)]
    Top(see::Top),
    /// Print the kernel's MPTCP counters, and what they mean
    #[command(long_about = check::COUNTERS_LONG)]
    Counters(check::Counters),
    /// Print metrics of paths, traffic and the daemon for Prometheus
    #[command(long_about = metrics::LONG)]
    Metrics(metrics::Metrics),
    /// Show and change endpoints, as ip mptcp endpoint
    #[command(long_about = pm::ENDPOINT_LONG)]
    Endpoint(pm::Endpoint),
    /// Show and change the limits of subflows, as ip mptcp limits
    #[command(long_about = pm::LIMITS_LONG)]
    Limits(pm::Limits),
    /// Open and end subflows of one connection (userspace path manager)
    #[command(long_about = subflow::LONG)]
    Subflow(subflow::Subflow),
    /// Print events of connections and subflows, as ip mptcp monitor
    #[command(long_about = pm::MONITOR_LONG)]
    Monitor(pm::Monitor),
    /// Print the completion script of a shell
    #[cfg(feature = "manual")]
    #[command(long_about = shell::COMPLETIONS_LONG)]
    Completions(shell::Completions),
    /// Write the manual pages
    #[cfg(feature = "manual")]
    #[command(long_about = shell::MAN_LONG)]
    Man(shell::Man),
    /// Print what may stand next: what the completion scripts call
    #[cfg(feature = "manual")]
    #[command(hide = true)]
    Complete(shell::Complete),
    /// Supervise containers: what `enable --containers --via seccomp` starts
    #[cfg(feature = "enable")]
    #[command(hide = true)]
    ContainersSupervisor,
}

/// Parses the arguments of the process, the program's name first.
///
/// A plain `run CMD …` needs no parser: what does not begin with a dash is CMD, and the rest is
/// CMD's. clap would take as long as everything else that `run` does (`scripts/bench start`).
/// With options, `run`'s part of the definition is enough: building all of it would take longer
/// with every verb.
///
/// # Errors
/// A `clap::Error`: wrong usage, or a request for help.
pub fn parse(mut arguments: Vec<OsString>) -> anyhow::Result<Cli> {
    if arguments.get(1).is_some_and(|verb| verb == "run") {
        let command = arguments.split_off(2);
        let plain = command.first().is_some_and(|cmd| !cmd.as_encoded_bytes().starts_with(b"-"));
        let run = if plain { Run { command, ..Run::default() } } else { options_of_run(command)? };
        return Ok(Cli { version: false, json: run.json, command: Some(Command::Run(run)) });
    }
    if arguments.get(1).is_some_and(|verb| verb == "endpoint") {
        arguments = names_last::names_last(arguments);
    }
    let matches = Cli::command().try_get_matches_from(arguments)?;
    let parsed = Cli::from_arg_matches(&matches)?;
    if parsed.command.is_none() && !parsed.version {
        return Err(Error::new(Exit::Usage, "no verb is named").fix("mptcpize --help").into());
    }
    Ok(Cli { json: json(&matches), ..parsed })
}

/// Does the verb, or one above it, have `-j`?
fn json(matches: &ArgMatches) -> bool {
    let here = matches.try_get_one::<bool>("json").ok().flatten().copied();
    here == Some(true) || matches.subcommand().is_some_and(|(_, below)| json(below))
}

/// Does a command line that cannot be parsed ask for JSON? As far as words tell: what follows `--`, or
/// the CMD of `run`, is no option.
pub fn asks_for_json(arguments: &[OsString]) -> bool {
    let is_run = arguments.get(1).is_some_and(|verb| verb == "run");
    let run = Run::augment_args(clap::Command::new("run"));
    let takes_next = |word: &str| {
        let named = |option: &&clap::Arg| {
            option.get_long().map(|long| format!("--{long}")) == Some(word.into())
        };
        run.get_arguments().find(named).is_some_and(|option| {
            option.get_action().takes_values() && !option.is_require_equals_set()
        })
    };
    let mut words = arguments.iter().skip(if is_run { 2 } else { 1 });
    while let Some(word) = words.next() {
        let Some(word) = word.to_str() else { continue };
        match word.strip_prefix('-') {
            Some("-") => return false,
            Some("-json") => return true,
            Some(letters) if letters.contains('j') && letters.chars().all(char::is_alphabetic) => {
                return true;
            }
            None if is_run => return false,
            _ if is_run && takes_next(word) => drop(words.next()),
            _ => {}
        }
    }
    false
}

fn options_of_run(arguments: Vec<OsString>) -> Result<Run, clap::Error> {
    let command = Run::augment_args(clap::Command::new("mptcpize run")).no_binary_name(true);
    Run::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn run(arguments: &[&str]) -> Result<Run, String> {
        let all = ["mptcpize", "run"].iter().chain(arguments).map(OsString::from).collect();
        match parse(all) {
            Ok(Cli { command: Some(Command::Run(run)), .. }) => Ok(run),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_cmd_belongs_to_cmd() {
        type Row = (&'static [&'static str], Option<&'static str>, bool, &'static [&'static str]);
        let table: [Row; 9] = [
            (&["curl"], None, false, &["curl"]),
            (&["curl", "-d", "x"], None, false, &["curl", "-d", "x"]),
            (&["-d", "curl", "--debug"], Some("-"), false, &["curl", "--debug"]),
            (&["curl", "--strict", "--", "-V"], None, false, &["curl", "--strict", "--", "-V"]),
            (&["--strict", "curl"], None, true, &["curl"]),
            (&["--debug=/tmp/x", "curl"], Some("/tmp/x"), false, &["curl"]),
            (&["--debug", "curl"], Some("-"), false, &["curl"]),
            (&["--", "-odd", "-d"], None, false, &["-odd", "-d"]),
            (&["-d", "--strict", "--", "a", "--help"], Some("-"), true, &["a", "--help"]),
        ];
        for (arguments, debug, strict, command) in table {
            let run = run(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
            assert_eq!(run.debug, debug.map(PathBuf::from), "{arguments:?}");
            assert_eq!(run.strict, strict, "{arguments:?}");
            assert_eq!(run.command, command, "{arguments:?}");
        }
    }

    #[test]
    fn a_missing_cmd_and_an_unknown_option_are_usage_errors() {
        for arguments in [&[][..], &["-d"], &["--"], &["--bogus", "curl"], &["-x"]] {
            assert!(run(arguments).is_err(), "{arguments:?}");
        }
    }

    /// Each verb, from the tool itself down, with the words that lead to it.
    fn verbs(verb: &clap::Command) -> Vec<&clap::Command> {
        let below = verb
            .get_subcommands()
            .filter(|below| !below.is_hide_set() && below.get_name() != "help");
        std::iter::once(verb).chain(below.flat_map(verbs)).collect()
    }

    #[test]
    fn every_verb_says_what_it_is_for_and_shows_command_lines_that_parse() {
        let mut root = Cli::command();
        root.build();
        for verb in verbs(&root) {
            let name = verb.get_bin_name().unwrap_or("mptcpize");
            assert!(verb.get_long_about().is_some(), "{name} has no long help");
            let after = verb.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            let examples =
                after.split("Examples:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
            let examples = examples.unwrap_or_else(|| panic!("{name} has no examples"));
            let mut shown = 0;
            for line in examples.lines().filter_map(|line| {
                line.strip_prefix("  mptcpize ").or_else(|| line.strip_prefix("  sudo mptcpize "))
            }) {
                // What follows is the shell's.
                let line = line.split(" | ").next().unwrap_or(line).replace('\'', "");
                let words = std::iter::once("mptcpize").chain(line.split_whitespace());
                parse(words.map(OsString::from).collect())
                    .unwrap_or_else(|error| panic!("{name}: {line}: {error}"));
                shown += 1;
            }
            assert!(shown > 0 || name == "mptcpize completions", "{name}: {examples}");
        }
    }

    #[test]
    fn every_option_says_what_it_is_for() {
        let mut root = Cli::command();
        root.build();
        for verb in verbs(&root) {
            for option in verb.get_arguments().filter(|option| !option.is_hide_set()) {
                let name = (verb.get_bin_name(), option.get_id());
                let help = option.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains(' '), "{name:?}: {help:?}");
                // clap sets the first paragraph beside the option.
                assert!(help.chars().count() <= 72, "{name:?} is too long for -h: {help}");
            }
        }
    }
}
