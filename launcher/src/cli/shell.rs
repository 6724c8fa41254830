//! The command lines of `completions` and `man`: what a package or an administrator installs
//! beside the binary, made from the definition that parses.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What `completions` does and when one wants it.
pub const COMPLETIONS_LONG: &str = "\
Prints the script by which a shell completes the command line of mptcpize: verbs, options, and \
names of links, units, network namespaces and stored relays of this host. The package installs it for \
all three shells; this is for hosts without the package.";

/// The sections below the options of `completions`.
const COMPLETIONS_MORE: &str = "\
Files:
  /usr/share/bash-completion/completions/mptcpize
      for bash
  /usr/share/zsh/vendor-completions/_mptcpize
      for zsh
  /usr/share/fish/vendor_completions.d/mptcpize.fish
      for fish

Exit status:
  0  printed
  2  no such shell

Examples:
  source <(mptcpize completions bash)
      Complete in this shell, until it ends.
  mptcpize completions zsh | sudo tee /usr/share/zsh/vendor-completions/_mptcpize >/dev/null
      Complete in every zsh; removing that file undoes it.

See also:
  bash(1), zsh(1), fish(1)";

/// `mptcpize completions`.
#[derive(Debug, Args)]
#[command(after_long_help = COMPLETIONS_MORE)]
pub struct Completions {
    /// The shell that reads the script
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash 4.4 and later
    Bash,
    /// zsh
    Zsh,
    /// fish 3 and later
    Fish,
}

/// What `man` does and when one wants it.
pub const MAN_LONG: &str = "\
Writes the manual pages: mptcpize.8 and one for each verb, such as mptcpize-setup-undo.8, from the text \
of --help; mptcpize.toml.5, all settings; mptcpize-tutorial.7, what to type in which situation. The package \
installs them; this is for hosts without the package.";

/// The sections below the options of `man`.
const MAN_MORE: &str = "\
Exit status:
  0  written
  1  a page cannot be written

Files:
  /usr/share/man/man5, man7, man8
      where the package has them

Examples:
  mptcpize man | man -l -
      Read the first page.
  mptcpize man /tmp
  man -l /tmp/mptcpize-tutorial.7
      Write all pages to /tmp, and read the tutorial.
  sudo install -Dm644 -t /usr/local/share/man/man8 /tmp/mptcpize*.8
      Install those of the verbs; man5 and man7 take the others. Removing mptcpize*.8 there undoes it.

See also:
  mptcpize-tutorial(7), mptcpize.toml(5), man(1)";

/// `mptcpize man`.
#[derive(Debug, Args)]
#[command(after_long_help = MAN_MORE)]
pub struct Man {
    /// Write all pages to this directory (default: print mptcpize.8)
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// What the completion scripts call.
#[derive(Debug, Args)]
pub struct Complete {
    /// The words after `mptcpize`, up to the cursor.
    #[arg(value_name = "WORD", last = true)]
    pub words: Vec<OsString>,
}
