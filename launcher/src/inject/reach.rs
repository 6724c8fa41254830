//! Whether a preload reaches a program, and if not, why: what the look at a program finds out
//! (`target`) and the choice of a mechanism goes by (`mechanism`).

use std::fmt;
use std::path::PathBuf;

use mptcpize_model::plain;

use crate::inject::target::go::GoVersion;

/// Does the preload reach the program's sockets?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Yes, through its loader.
    Preload,
    /// It is Go: `GODEBUG` does what the preload cannot.
    GoDebug(GoVersion),
    /// It could not be read; the preload is there if a loader takes it.
    Unknown,
    /// No, for this reason.
    No(Why),
}

/// Why a preload does not reach a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No loader at all.
    Static,
    /// The loader distrusts the environment.
    Privilege(&'static str),
    /// 32-bit on a 64-bit host.
    Class,
    /// For another processor.
    Machine(u16),
    /// Makes its own system calls and knows no MPTCP.
    OldGo(GoVersion),
    /// Its loader does not exist here.
    NoLoader(PathBuf),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Static => f.write_str("it is statically linked, a preload cannot reach it"),
            Why::Privilege(how) => {
                write!(f, "it is {how}, so its loader ignores the environment")
            }
            Why::Class => f.write_str("it is a 32-bit program, our library is 64-bit"),
            Why::Machine(machine) => {
                write!(f, "it is for another processor (ELF machine {machine})")
            }
            Why::OldGo(version) => {
                write!(f, "it is built with Go {version}, MPTCP came with 1.21")
            }
            Why::NoLoader(path) => {
                write!(f, "its loader {} does not exist", plain::words(&path.to_string_lossy()))
            }
        }
    }
}

/// A program, as far as the decision goes.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Does a preload reach it?
    pub reach: Reach,
    /// Would a filter made here see its calls?
    pub filterable: bool,
}
