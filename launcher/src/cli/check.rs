//! The command lines of `check` and `counters`.

use clap::Args;

use crate::cli::see::Colour;

/// The port that is tried when none is named: HTTPS, which most servers have.
pub const PORT: u16 = 443;

/// What `check` does and when one wants it.
pub const CHECK_LONG: &str = "\
Says what keeps MPTCP from working on this host, why, and the command that mends it: kernel, \
library, links, endpoints, limits, routing, rp_filter, packet filter, other managers, services, \
counters. It ends with what to do next. Everybody may run it; root sees more (packet filter, sockets of \
others). It changes nothing.

With HOST it tries that server too, over each path once with TCP and once with MPTCP, then over \
all paths together. At most 4 KiB are sent on a connection: the beginning of a request that is \
never finished (TLS or HTTP, by the port), so that the server has nothing to answer.";

/// The sections below the options of `check`.
const CHECK_MORE: &str = "\
Findings:
  cross (x in ASCII)  a problem; a line after `fix` can be pasted as it is
  !                   a warning
  dot (.)             worth knowing
  check mark (+)      as it should be
  dash (-)            not looked at, because it depends on the finding that is named
  ?                   could not be looked at

Exit status:
  0  fine
  1  the host cannot be looked at
  2  wrong usage, or the settings file has a mistake
  3  a problem or a warning

Environment:
  NO_COLOR, COLUMNS  no colour, and how wide the screen is

Files:
  /etc/mptcpize.toml  what `setup` is meant to make of this host; see mptcpize.toml(5)

Examples:
  mptcpize check
      Look at this host.
  mptcpize check example.org
      Look at it, and try the server example.org, port 443, over every path.
  mptcpize check check.mptcp.dev
      Try a public server that speaks MPTCP: one of the MPTCP project (as of 2026-11).
  mptcpize check --json 192.0.2.1:8080
      Print the findings and what they follow from: for scripts, and for a bug report.

See also:
  mptcpize-setup(8), mptcpize-counters(8), mptcpize-status(8)";

/// `mptcpize check`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = CHECK_MORE)]
pub struct Check {
    /// A server to try, by name or address (default port: 443)
    #[arg(value_name = "HOST[:PORT]", value_parser = peer)]
    pub peer: Option<Peer>,

    /// Take no longer than SECONDS in all, 1 to 300
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..=300)
    )]
    pub timeout: u32,

    /// Network namespace: a name, a path, or a PID
    ///
    /// A name as of ip-netns(8), a path such as /proc/PID/ns/net, or the PID of a process in it.
    /// Default: that of mptcpize itself.
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// Print one JSON object, with all that the findings follow from
    #[arg(short, long)]
    pub json: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Colour,
}

/// A server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A name or an address.
    pub name: String,
    /// Its port.
    pub port: u16,
}

/// `HOST`, `HOST:PORT`, an address of either family, `[ADDRESS]:PORT`.
fn peer(text: &str) -> Result<Peer, String> {
    let (name, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((name, ""))) => (name, None),
        Some(Some((name, rest))) => match rest.strip_prefix(':') {
            Some(port) => (name, Some(port)),
            None => return Err("after ] comes :PORT or nothing".into()),
        },
        Some(None) => return Err("the ] is missing".into()),
        None if text.parse::<std::net::IpAddr>().is_ok() => (text, None),
        None => match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    if name.contains(':') && name.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("{name:?} is not an address; with a port it is [ADDRESS]:PORT"));
    }
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '/';
    if name.is_empty() || name.starts_with('-') || name.contains(odd) {
        return Err(format!("{name:?} is not the name of a host"));
    }
    let port = match port.map(str::parse) {
        None => PORT,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err("the port is a number from 1 to 65535".into()),
    };
    Ok(Peer { name: name.to_owned(), port })
}

/// What `counters` does and when one wants it.
pub const COUNTERS_LONG: &str = "\
Prints the kernel's MPTCP counters (MPTcpExt of nstat(8)) of this network namespace since it \
began, each with what it means; `!` stands before those that count something that went wrong. It \
changes nothing of the host. Those that are 0 are left out, as nstat(8) does; --all shows them.

With --since-last it keeps what the kernel has counted, for the next time: a file for each network \
namespace, root's in /run/mptcpize, a user's in mptcpize below $XDG_RUNTIME_DIR, $XDG_CACHE_HOME or \
~/.cache, or in /var/tmp/mptcpize-UID, whichever can be written first. What others can write to is not \
used. Where nothing can be kept, it prints what there is, and then why. Each user has their own, and root's \
is none of theirs.

The kernel counts connections of every program, so that those of `mptcpize check HOST` and of \
`mptcpize relay test` are among them. `mptcpize check` without HOST makes none where perl or python3 is there \
to try the library with; elsewhere it is one, which nobody answers.";

/// The sections below the options of `counters`.
const COUNTERS_MORE: &str = "\
Exit status:
  0  printed
  1  it was printed and cannot be kept
  2  wrong usage
  4  not permitted to keep it, or to enter the namespace
  5  the kernel has no MPTCP

Environment:
  NO_COLOR, COLUMNS  no colour, and how wide the screen is
  XDG_RUNTIME_DIR, XDG_CACHE_HOME
      where a user's --since-last is kept

Files:
  /run/mptcpize  what --since-last has kept for root
  $XDG_RUNTIME_DIR/mptcpize, $XDG_CACHE_HOME/mptcpize, ~/.cache/mptcpize,
  /var/tmp/mptcpize-UID
      the same for a user, in the first that can be written

Examples:
  mptcpize counters --explain
      Say of each counter also what to do when it grows.
  mptcpize counters --since-last
      Print what was counted since this was last asked: ask, try something, ask again.

See also:
  mptcpize-check(8), nstat(8)";

/// `mptcpize counters`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = COUNTERS_MORE)]
pub struct Counters {
    /// Print those that are 0, too
    ///
    /// JSON has all of them in any case; with --since-last, those that changed.
    #[arg(short, long)]
    pub all: bool,

    /// Say of each counter also what to do when it grows
    #[arg(long)]
    pub explain: bool,

    /// Print what was counted since this was last asked for
    ///
    /// The first time in a boot, since the network namespace began.
    #[arg(long)]
    pub since_last: bool,

    /// Network namespace: a name, a path, or a PID
    ///
    /// A name as of ip-netns(8), a path such as /proc/PID/ns/net, or the PID of a process in it.
    /// Default: that of mptcpize itself.
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// Print one JSON object
    #[arg(short, long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_or_an_address_with_or_without_a_port() {
        for (text, name, port) in [
            ("example.org", "example.org", 443),
            ("example.org:80", "example.org", 80),
            ("192.0.2.1", "192.0.2.1", 443),
            ("192.0.2.1:8080", "192.0.2.1", 8080),
            ("2001:db8::1", "2001:db8::1", 443),
            ("[2001:db8::1]", "2001:db8::1", 443),
            ("[2001:db8::1]:80", "2001:db8::1", 80),
        ] {
            assert_eq!(peer(text), Ok(Peer { name: name.into(), port }), "{text}");
        }
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "a b",
            "-a",
            "http://a",
            "[::1",
            "[::1]80",
            "2001:db8::zz",
            "a:b:80",
        ] {
            assert!(peer(text).is_err(), "{text}");
        }
    }
}
