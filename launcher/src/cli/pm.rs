//! The command lines of `endpoint`, `limits` and `monitor`. What follows their verbs are the words
//! of ip-mptcp(8), which are no options: `cli::ip_mptcp` reads them.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// The text under the options of `endpoint`.
const FLAGS: &str = "\
Flags:
  signal      announce the address to the peer (ADD_ADDR)
  subflow     open subflows from the address (MP_JOIN)
  backup      its subflows carry data only when no other can
  fullmesh    a subflow to each address of the peer
  laminar     one subflow to each address that the peer announces (Linux 6.18)
  implicit    set by the kernel alone

The words are those of ip-mptcp(8), and so is what `show` prints.";

/// What all of them take.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Work in this network namespace: its name (ip-netns(8)), a path, or a process in it
    #[arg(long, value_name = "NAME|PID", global = true)]
    pub netns: Option<String>,

    /// Print JSON
    #[arg(short, long, global = true)]
    pub json: bool,
}

/// `mptcpize endpoint`.
#[derive(Debug, Args)]
#[command(infer_subcommands = true, after_help = FLAGS)]
pub struct Endpoint {
    /// What all verbs take.
    #[command(flatten)]
    pub common: Common,

    /// What to do; `show` by default.
    #[command(subcommand)]
    pub action: Option<EndpointAction>,
}

/// The verbs of `endpoint`.
#[derive(Debug, Subcommand)]
pub enum EndpointAction {
    /// Add an endpoint
    #[command(
        override_usage = "mptcpize endpoint add [--force] ADDRESS [port N] [dev IF] [id N] [FLAG]...",
        after_help = FLAGS
    )]
    Add {
        /// Add an address that this host, or the interface, does not have (yet)
        #[arg(short, long)]
        force: bool,
        /// An address, and the words that describe it.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Delete an endpoint and its subflows
    #[command(override_usage = "mptcpize endpoint delete id N [ADDRESS]")]
    Delete {
        /// An id; for id 0 an address too.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Change the flags of an endpoint; flags that are not named stay
    #[command(
        override_usage = "mptcpize endpoint change {id N | ADDRESS [port N]} {[no]backup | [no]fullmesh}..."
    )]
    Change {
        /// An id or an address, and the flags to change.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Show the endpoints, or one
    #[command(override_usage = "mptcpize endpoint show [-j] [id N]")]
    Show {
        /// An id, or nothing.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Delete all endpoints
    Flush,
}

/// `mptcpize limits`.
#[derive(Debug, Args)]
#[command(infer_subcommands = true)]
pub struct Limits {
    /// What all verbs take.
    #[command(flatten)]
    pub common: Common,

    /// What to do; `show` by default.
    #[command(subcommand)]
    pub action: Option<LimitsAction>,
}

/// The verbs of `limits`.
#[derive(Debug, Subcommand)]
pub enum LimitsAction {
    /// Set limits; one that is not named stays
    #[command(override_usage = "mptcpize limits set [subflows N] [add_addr_accepted N]")]
    Set {
        /// Names of limits, each with its number.
        #[arg(value_name = "WORD", hide = true)]
        words: Vec<String>,
    },
    /// Show the limits
    Show,
}

/// `mptcpize monitor`.
#[derive(Debug, Args)]
#[command(
    about = "Print connections and subflows as they come and go, as ip mptcp monitor does",
    after_help = "\
Where events came faster than they were read, some are lost: it says so, and prints a line PRESENT
for each subflow that there is."
)]
pub struct Monitor {
    /// Say when, on which link, what happened and to which program, in words
    #[arg(short, long)]
    pub tell: bool,

    /// What all verbs take.
    #[command(flatten)]
    pub common: Common,
}

/// Puts each `dev IF` of a command line of `endpoint` behind a `--`, where a name begins with a hyphen:
/// after `dev` comes a name, whatever it looks like, and clap would take it for an option. The words
/// may stand in any order.
pub(super) fn names_last(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut names: Vec<OsString> = Vec::new();
    let mut rest = arguments.iter().cloned();
    // The program's name and `endpoint`.
    kept.extend(rest.by_ref().take(2));
    let mut verb = false;
    let mut behind = Vec::new();
    while let Some(word) = rest.next() {
        let is_dev = |word: &str| !word.is_empty() && "dev".starts_with(word);
        match word.to_str() {
            Some("--") => behind.extend(rest.by_ref()),
            Some("--netns") => kept.extend([word].into_iter().chain(rest.next())),
            Some(text) if verb && is_dev(text) => {
                names.extend([word].into_iter().chain(rest.next()));
            }
            text => {
                // What comes first is `add` or another verb, which may be cut short, too.
                verb |= !text.is_some_and(|text| text.starts_with('-'));
                kept.push(word);
            }
        }
    }
    if !names.iter().any(|name| name.as_encoded_bytes().starts_with(b"-")) {
        return arguments;
    }
    kept.push("--".into());
    kept.into_iter().chain(names).chain(behind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_interface_is_no_option() {
        let table = [
            ("add 192.0.2.1 dev e0 subflow", "add 192.0.2.1 dev e0 subflow"),
            ("add 192.0.2.1 dev -v subflow", "add 192.0.2.1 subflow -- dev -v"),
            ("add dev --help 192.0.2.1 -j", "add 192.0.2.1 -j -- dev --help"),
            ("add d -v -f --netns dev 192.0.2.1", "add -f --netns dev 192.0.2.1 -- d -v"),
            ("add dev -- id 3 --netns x", "add id 3 --netns x -- dev --"),
            ("add dev a dev -b -- 192.0.2.1 dev c", "add -- dev a dev -b 192.0.2.1 dev c"),
            ("-j d id 3", "-j d id 3"),
            ("d -j id 3", "d -j id 3"),
            ("add 192.0.2.1 dev", "add 192.0.2.1 dev"),
            ("", ""),
        ];
        for (line, expected) in table {
            let whole = format!("mptcpize endpoint {line}");
            let made = names_last(whole.split_whitespace().map(OsString::from).collect());
            let made: Vec<&str> = made[2..].iter().filter_map(|word| word.to_str()).collect();
            assert_eq!(made.join(" "), expected, "{line}");
        }
    }
}
