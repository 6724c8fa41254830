//! The command lines of `check` and `counters`.

use clap::Args;

use crate::cli::see::Colour;

/// The port that is tried when none is named: HTTPS, which most servers have.
pub const PORT: u16 = 443;

/// `mptcpize check`.
#[derive(Clone, Debug, Default, Args)]
#[command(
    about = "Say whether MPTCP works here, and with HOST; what is wrong, and the line that mends it",
    after_help = "\
With HOST each path is tried with TCP and with MPTCP, and one connection over all of them carries at
most 4 KiB: the beginning of a request that is never finished (TLS or HTTP, by the port).

Exit codes: 0 fine, 1 the host cannot be looked at, 2 wrong usage, 3 a problem or a warning."
)]
pub struct Check {
    /// A server to try, by name or address; port 443 unless said otherwise
    #[arg(value_name = "HOST[:PORT]", value_parser = peer)]
    pub peer: Option<Peer>,

    /// Take no longer than this in all
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..=300)
    )]
    pub timeout: u32,

    /// Look at this network namespace: its name (ip-netns(8)), a path, or a process in it
    #[arg(long, value_name = "NAME|PID")]
    pub netns: Option<String>,

    /// Print one JSON object, with all that was seen
    #[arg(short, long)]
    pub json: bool,

    /// Colour
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

/// `mptcpize counters`.
#[derive(Clone, Debug, Default, Args)]
pub struct Counters {
    /// Say of each counter what to do when it grows
    #[arg(long)]
    pub explain: bool,

    /// Print what was counted since the last `counters --since-last` of this boot
    #[arg(long)]
    pub since_last: bool,

    /// Look at this network namespace: its name (ip-netns(8)), a path, or a process in it
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
