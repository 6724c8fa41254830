//! The command line: clap's types and nothing else. One definition feeds the parser and `--help`.

pub mod check;
pub mod complete;
pub mod ip_mptcp;
pub mod pm;
pub mod policy;
pub mod see;
pub mod setup;
pub mod shell;
pub mod subflow;
pub mod unit;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// The text under the options of every `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0        done
  1        it failed; the host is as it was
  2        wrong usage
  3        status, check: something wants attention;
           setup --dry-run --exit-code: something would change
  4        not permitted
  5        something is missing: kernel without MPTCP, a way into the program
  6        applied in part; the command that undoes it is printed
  126, 127 run: CMD cannot be executed, CMD not found (as env(1));
           otherwise `run` becomes CMD and its exit code is CMD's";

/// Run any program over Multipath TCP, over every link the host has.
#[derive(Debug, Parser)]
#[command(name = "mptcpize", disable_version_flag = true, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true)]
pub struct Cli {
    /// Print the version of the tool, the hash of its shim and the kernel's MPTCP state
    #[arg(short = 'V', long)]
    pub version: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program with its TCP sockets upgraded to MPTCP
    Run(Run),
    /// Make this host use all its links: endpoints, limits, routing
    Setup(setup::Setup),
    /// Let services use MPTCP, by a drop-in beside each unit
    Enable(unit::Enable),
    /// Take that back, and leave no trace
    Disable(unit::Disable),
    /// Show which units are on, and whether their processes really have it
    List(unit::List),
    /// Show whether MPTCP is in use: paths, connections, their subflows
    Status(see::Status),
    /// Say whether MPTCP works here, and with HOST, and the line that mends it
    Check(check::Check),
    /// Watch paths, connections and events live
    #[cfg(feature = "top")]
    Top(see::Top),
    /// Print what the kernel counts of MPTCP, and what it means
    Counters(check::Counters),
    /// Show and change the addresses that MPTCP may use, as ip mptcp endpoint
    Endpoint(pm::Endpoint),
    /// Show and change how many subflows there may be, as ip mptcp limits
    Limits(pm::Limits),
    /// Make and end the subflows of one connection (userspace path manager)
    Subflow(subflow::Subflow),
    /// Print connections and subflows as they come and go, as ip mptcp monitor
    Monitor(pm::Monitor),
    /// Print the completion script of a shell
    Completions(shell::Completions),
    /// Write the manual pages
    Man(shell::Man),
    /// Print what may stand next: what the completion scripts call
    #[command(hide = true)]
    Complete(shell::Complete),
}

/// `mptcpize run`.
#[derive(Debug, Default, Args)]
#[command(
    about = "Run a program with its TCP sockets upgraded to MPTCP",
    override_usage = "mptcpize run [-d | --debug[=FILE]] [--strict] [--follow] [-v] [--via WAY] \
                      [--explain [-j]] [--setup | --no-setup] [POLICY] [--] CMD [ARG]...",
    after_help = EXIT_CODES
)]
pub struct Run {
    /// Trace each socket() of the program to standard error (`-`, the default), or to the end of FILE
    #[arg(
        short,
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "-"
    )]
    pub debug: Option<PathBuf>,

    /// Refuse (exit 5) to run a program that would stay on plain TCP
    #[arg(long)]
    pub strict: bool,

    /// Reach by a filter what the library does not: programs that it starts, plugins of its own
    #[arg(long)]
    pub follow: bool,

    /// How the program is reached
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub via: Via,

    /// Say how the program is reached
    #[arg(short, long)]
    pub verbose: bool,

    /// Say how the program would be reached, and do not run it
    #[arg(long)]
    pub explain: bool,

    /// With --explain: as JSON
    #[arg(short, long, requires = "explain")]
    pub json: bool,

    /// Set the host up first, whoever manages it (see mptcpize setup); fail when that fails
    #[arg(long, conflicts_with = "no_setup")]
    pub setup: bool,

    /// Leave the host as it is
    #[arg(long)]
    pub no_setup: bool,

    /// Which sockets stay TCP.
    #[command(flatten)]
    pub policy: policy::Policy,

    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// `--via`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// The cheapest that reaches it: preload, GODEBUG, seccomp
    #[default]
    Auto,
    /// A library in LD_PRELOAD, and GODEBUG: dynamic programs, Go 1.21 and later
    Preload,
    /// A seccomp filter: any program and all that it starts, 20 to 50 µs for each TCP socket
    Seccomp,
    /// Not at all
    None,
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
        return Ok(Cli { version: false, command: Some(Command::Run(run)) });
    }
    if arguments.get(1).is_some_and(|verb| verb == "endpoint") {
        arguments = pm::names_last(arguments);
    }
    let matches = Cli::command().try_get_matches_from(arguments)?;
    Ok(Cli::from_arg_matches(&matches)?)
}

fn options_of_run(arguments: Vec<OsString>) -> Result<Run, clap::Error> {
    let command = Run::augment_args(clap::Command::new("mptcpize run")).no_binary_name(true);
    Run::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

#[cfg(test)]
mod tests {
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
}
