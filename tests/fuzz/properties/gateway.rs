//! What `check` and `status` read of a gateway: rules of others for the packets of its LAN, and the answer
//! of its relay, a process without privileges that talks to strangers.

use serde_json::Value;

use super::{shell_words, survives_json};
use mptcpize::host::readers;
use mptcpize::output::status;
use mptcpize::output::term::Term;
use mptcpize_model::net::IfName;
use mptcpize_model::status::lan::Heard;
use mptcpize_model::status::{Seen, report};

/// The lines for pasting are of one command each, whatever tables and chains are called.
pub(crate) fn lan_rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // What nft's own language can name, and what it cannot.
    for name in ["br0", "a;id", "*\"$(id)"] {
        let (lan, uplink) =
            (IfName::new(name).expect("a name"), IfName::new("w1").expect("a name"));
        for line in readers::lan_rules(text, &lan, &uplink).iter().flat_map(|rule| &rule.fix) {
            let words = shell_words(line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["nft", "-j", command] => {
                    let command: Value = serde_json::from_str(command).expect("it is JSON");
                    assert!(command["nftables"][0].is_object(), "{line}");
                }
                ["nft", "insert" | "delete", "rule", _, _, _, ..] => {}
                ["iptables", "-t", _, "-I" | "-D", ..] => {}
                _ => panic!("another command: {line}"),
            }
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}

/// An answer that is understood is shown, in lines that a terminal obeys in nothing.
pub(crate) fn relay(bytes: &[u8]) {
    let Ok(state) = readers::relay(bytes) else { return };
    survives_json(&state);
    let seen = Seen { relay: Heard::State(Box::new(state)), ..Seen::default() };
    let report = report(&seen, 1);
    for width in [40, 80, 200] {
        let term = Term { width, ..Term::PLAIN };
        let screen = status::screen(&report, &term);
        assert!(screen.lines().count() < 120 && screen.len() < 100_000, "{screen}");
        assert!(!screen.chars().any(|letter| letter.is_control() && letter != '\n'), "{screen:?}");
    }
    let json: Value = serde_json::from_str(&status::json(&report)).expect("it is JSON");
    assert!(json["gateway"]["relay"].is_string(), "{json}");
}
