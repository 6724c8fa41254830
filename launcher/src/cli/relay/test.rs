//! The command line of `relay test`.

use clap::Args;

use crate::cli::see::Colour;

/// What `relay test` does and when one wants it.
pub const LONG: &str = "\
Tries a relay, path by path: can it be reached from each uplink, does it speak MPTCP there, how long is a \
round trip, do further subflows join; then whether it takes the key; then how much a download and an \
upload carry with MPTCP over all paths, and in plain TCP over the best one. All of that takes ten seconds.

Whatever is wrong is named, with the line that mends it: a name without an address, a port that is blocked \
on one path or on all, MPTCP options that are lost on the way, joins that a firewall refuses, a wrong key, \
a clock that is off. A server answers neither a wrong key nor a wrong clock, so other times are tried to \
tell them apart; by root also the one that the relay's host tells by ICMP.

A server other than mptcpize's own has no target for the measurement; the rest is tried all the same. It \
changes nothing. Default: all stored relays, one after another.";

/// The sections below the options.
const MORE: &str = "\
Exit status:
  0  all is well
  1  it cannot be tried
  2  the URL is none
  3  something wants attention: the last line says what, and what mends it
  5  there is no such relay, or no mptcpize-relay

Environment:
  NO_COLOR, COLUMNS  no colour, and how wide the screen is

Files:
  /etc/mptcpize-relays.toml, ~/.config/mptcpize/relays.toml
      the relays that root and a user have stored
  /run/mptcpize  the state of this boot

Examples:
  mptcpize relay test
      Try all stored relays.
  mptcpize relay test home --seconds 20
      Measure for longer.
  mptcpize relay test home --json
      One object for a program.

See also:
  mptcpize-check(8), mptcpize-status(8)";

/// `mptcpize relay test`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = MORE)]
pub struct Test {
    /// A stored relay's name, or an ss:// URL (default: all stored ones)
    #[arg(value_name = "RELAY|URL")]
    pub relay: Option<String>,

    /// How long one relay may take (5 to 120; default: 10)
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(5..=120)
    )]
    pub seconds: u32,

    /// Print JSON, one object a line for each relay
    #[arg(short, long)]
    pub json: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Colour,
}
