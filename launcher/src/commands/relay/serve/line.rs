//! The line for the clients of a relay, and the same as a QR code.

use std::io::IsTerminal;
use std::net::IpAddr;

use serde_json::json;

use crate::host::served::address;
use crate::output::term::{Colour, Term};
use crate::output::{self, qr};
use mptcpize_model::relay::agent::Relay;
use mptcpize_model::relay::served::{Served, name_of};
use mptcpize_model::relay::server::User;
use mptcpize_model::relay::url;
use mptcpize_model::shell;

/// Where clients reach this host, and what a person should know of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Its name or address.
    pub host: String,
    /// What is to be known, as a sentence.
    pub hint: Option<String>,
}

impl Reached {
    /// As it was said, else by the source address of the default route; nothing where there is none.
    pub fn of(served: &Served) -> Option<Self> {
        match &served.address {
            Some(host) => Some(Reached { host: host.clone(), hint: None }),
            None => by_address(&address::own(), served.settings.port),
        }
    }
}

/// The address for clients, among those of this host: one that everybody reaches, before one of IPv4.
fn by_address(own: &[IpAddr], port: u16) -> Option<Reached> {
    let public = own.iter().find(|address| address::is_public(**address));
    let chosen = public.or_else(|| own.first())?;
    let hint = match public {
        Some(_) => None,
        None => Some(format!(
            "{chosen} is a private address: whoever is elsewhere wants --address with the public one, \
             or a name, and the router in between has to pass port {port} of TCP on to it"
        )),
    };
    Some(Reached { host: chosen.to_string(), hint })
}

/// Is the QR code to be drawn?
pub fn wants_code(always: bool, never: bool) -> bool {
    !never && (always || std::io::stdout().is_terminal())
}

/// Prints the line for whoever has the server's key, or that of this user.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(served: &Served, user: Option<&User>, code: bool) -> anyhow::Result<()> {
    let Some(Reached { host, hint }) = Reached::of(served) else {
        output::note(
            "this host has no address yet that clients could be told; with one: mptcpize relay serve \
             --address HOST",
        );
        return Ok(());
    };
    let relay = served.known(name_of(&address::host_name()), &host, user);
    let object = || {
        json!({
            "version": 1,
            "user": user.map(|user| &user.name),
            "url": url::write(&relay),
            "command": command(&relay),
            "hint": hint,
        })
    };
    if output::json::answer(object)? {
        return Ok(());
    }
    let side =
        user.map_or("the other side".to_owned(), |user| format!("the side of {}", user.name));
    output::line(&format!("paste on {side}:\n  {}", command(&relay)))?;
    if code {
        let term = Term::of_stdout(Colour::Never);
        match qr::code(&url::write(&relay), term.utf8) {
            Some(code)
                if code.lines().next().map_or(0, |line| line.chars().count()) > term.width =>
            {
                output::note("this terminal is too narrow for the QR code");
            }
            Some(code) => output::text(&code)?,
            None => output::note("the line is too long for a QR code"),
        }
    }
    if let Some(hint) = hint {
        output::note(&hint);
    }
    Ok(())
}

/// The command that stores the relay.
fn command(relay: &Relay) -> String {
    format!("mptcpize relay add {}", quoted(&url::write(relay)))
}

/// Within single quotes, for `#` and `%` mean something to one shell or another.
fn quoted(url: &str) -> String {
    let word = shell::word(url).to_string();
    if word.starts_with('\'') { word } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mptcpize_model::relay::key::{Key, Method};

    fn of(addresses: &[&str]) -> Option<(String, bool)> {
        let own: Vec<IpAddr> =
            addresses.iter().map(|text| text.parse().expect("an address")).collect();
        by_address(&own, 8686).map(|reached| (reached.host, reached.hint.is_some()))
    }

    #[test]
    fn the_address_for_clients_is_one_that_everybody_reaches() {
        type Row = (&'static [&'static str], Option<(&'static str, bool)>);
        let table: [Row; 5] = [
            (&["198.51.100.7", "2001:db8::7"], Some(("198.51.100.7", false))),
            (&["10.0.0.4", "2001:db8::7"], Some(("2001:db8::7", false))),
            (&["10.0.0.4", "fd00::7"], Some(("10.0.0.4", true))),
            (&["2001:db8::7"], Some(("2001:db8::7", false))),
            (&[], None),
        ];
        for (own, expected) in table {
            let expected = expected.map(|(host, hint)| (host.to_owned(), hint));
            assert_eq!(of(own), expected, "{own:?}");
        }
    }

    #[test]
    fn the_line_is_one_word_for_any_shell_and_reads_back() {
        let mut served = Served::new(8686, Method::Aes128, Key::new(vec![0xfb; 16]));
        served.address = Some("relay.example".to_owned());
        let relay = served.known(name_of("vps"), "relay.example", None);
        let line = command(&relay);
        let url = line.strip_prefix("mptcpize relay add '").and_then(|it| it.strip_suffix('\''));
        assert_eq!(url::read(url.expect("it is quoted")), Ok(relay));
    }
}
