//! The command line of `run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::policy::Policy;

/// What `run` does and when one wants it.
pub const LONG: &str = "\
Starts CMD in this process with its TCP sockets made MPTCP sockets, so that its connections can \
use several links. CMD keeps its arguments, PID, descriptors, signal dispositions and exit \
status; its environment gets LD_PRELOAD and GODEBUG, added to what is there. Programs that CMD \
starts inherit them. Where the kernel or the peer has no MPTCP, a socket is plain TCP.

CMD is reached by the cheapest mechanism that fits: a preloaded library for dynamically linked \
programs, GODEBUG for Go 1.21 and later, a seccomp filter for static, 32-bit and older Go \
programs. With the privilege to configure the network, and two links or more, `run` also sets the \
host up first, as `mptcpize setup` does and `mptcpize setup undo` undoes; over ssh it asks before \
that, or leaves the host alone where nobody can be asked. Without the privilege it leaves the host \
alone.

For a service use `mptcpize enable`.";

/// The sections below the options.
const MORE: &str = "\
Exit status:
  CMD's own, else:
  2    wrong usage
  5    with --strict: CMD would stay on plain TCP; with --relay: there is no such relay
  126  CMD cannot be executed (as env(1))
  127  CMD is not found
  1, 4  with --setup: the host could not be set up; with --relay: nothing leads CMD's connections there

Environment:
  MPTCPIZE=off    leave this program and its children alone: all sockets stay TCP
  MPTCPIZE_DEBUG  1 or a file: a line for each socket, as with -d
  LD_PRELOAD, GODEBUG
      kept; ours stands before it
  XDG_CACHE_HOME  where a user's copy of the library is kept (default: ~/.cache)

Files:
  /etc/mptcpize.toml  which sockets stay TCP, in its table [sockets]; options on the command line \
win. See mptcpize.toml(5)

Examples:
  mptcpize run curl -O https://example.org/file
      Download over MPTCP, or over TCP where the server has none.
  mptcpize run -d ssh host
      Print a line for each socket of ssh: MPTCP, or TCP and why.
  mptcpize run --explain ./program
      Say how ./program would be reached, and run nothing.
  mptcpize run --relay auto git clone http://example.org/repository
      Send it and its children through the fastest stored relay: for servers without MPTCP.
  mptcpize run --except-ports 25,8000-8099 -- python3 server.py
      Leave connections to these ports, and listeners on them, on TCP.

See also:
  mptcpize-setup(8), mptcpize-enable(8), mptcpize-status(8), mptcpize.toml(5), ld.so(8)";

/// `mptcpize run`.
#[derive(Debug, Default, Args)]
#[command(
    about = "Run a program with its TCP sockets upgraded to MPTCP",
    long_about = LONG,
    override_usage = "mptcpize run [-d | --debug[=FILE]] [--strict] [--follow] [-v] [--via WAY] \
                      [--relay RELAY] [--explain [-j]] [--setup | --no-setup] [POLICY] [--] CMD [ARG]...",
    after_long_help = MORE
)]
pub struct Run {
    /// Print a line for each socket: MPTCP, or TCP and why
    ///
    /// Without FILE, or with `-`, to standard error; else to the end of FILE, which must be a
    /// regular file of this user's own.
    #[arg(
        short,
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "-"
    )]
    pub debug: Option<PathBuf>,

    /// Refuse (exit 5) a program that would stay on TCP
    ///
    /// It is about CMD itself, not about what CMD starts or loads past the library; with --follow it
    /// is about that too. Default: CMD runs with TCP, and one line says so.
    #[arg(long)]
    pub strict: bool,

    /// Reach by seccomp what the library does not see
    ///
    /// The library is preloaded as ever; the filter is for sockets that it does not see: those of
    /// static programs that CMD starts, of children with a cleaned environment, of plugins. Each of
    /// those sockets costs about 15 µs.
    #[arg(long)]
    pub follow: bool,

    /// How the program is reached
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub via: Via,

    /// Send its connections through a relay
    ///
    /// RELAY is the name of a stored relay, an ss:// URL, or auto for the fastest of all stored ones.
    /// Every program can be sent through it, whatever way it is built, with all that it starts. Its
    /// sockets stay TCP: they lead to an agent on this host, from which MPTCP goes on.
    #[arg(long, value_name = "RELAY", conflicts_with_all = ["debug", "follow", "via", "strict", "json"])]
    pub relay: Option<String>,

    /// Say how the program is reached, then run it
    #[arg(short, long)]
    pub verbose: bool,

    /// Say how it would be reached, and why; run nothing
    #[arg(long)]
    pub explain: bool,

    /// With --explain: print one JSON object
    #[arg(short, long, requires = "explain")]
    pub json: bool,

    /// Set the host up first; fail when that fails
    ///
    /// As `mptcpize setup`, also beside another manager of endpoints. Without this option and
    /// --no-setup the host is set up where that is permitted and needed, and where neither a VPN nor
    /// another manager takes care of its links; over ssh not without a yes. run_setup in
    /// /etc/mptcpize.toml says always (true) or never (false).
    #[arg(long, conflicts_with = "no_setup")]
    pub setup: bool,

    /// Leave the configuration of the host as it is
    #[arg(long)]
    pub no_setup: bool,

    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,

    // Last, because its heading would hold for the arguments after it.
    /// Which sockets stay TCP.
    #[command(flatten)]
    pub policy: Policy,
}

/// `--via`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// The cheapest of the others that reaches it
    #[default]
    Auto,
    /// A library in LD_PRELOAD, and GODEBUG: dynamically linked programs, Go 1.21 and later
    Preload,
    /// A filter on socket(2): any program and all that it starts; about 15 µs for each TCP socket
    Seccomp,
    /// None: the program runs as without mptcpize
    None,
}
