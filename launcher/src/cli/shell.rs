//! The command lines of `completions` and `man`: what a package or an administrator installs
//! beside the binary, made from the definition that parses.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `mptcpize completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Where they go:
  bash   mptcpize completions bash >/usr/share/bash-completion/completions/mptcpize
  zsh    mptcpize completions zsh >/usr/share/zsh/vendor-completions/_mptcpize
  fish   mptcpize completions fish >/usr/share/fish/vendor_completions.d/mptcpize.fish
For one session: source <(mptcpize completions bash)")]
pub struct Completions {
    /// The shell
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

/// `mptcpize man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write mptcpize.1 and a page for each verb there; without it, the first goes to standard output
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
