//! The packet filter's rules, in nft's JSON or as iptables-save prints them. Names of tables, chains
//! and comments are others' choice, and the line that deletes a rule is for pasting.

use serde_json::Value;

use super::{shell_words, survives_json};
use mptcpize::host::readers;

/// The line deletes the rule and does nothing else, whatever it is called.
pub(crate) fn firewall(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(ruleset) = serde_json::from_str::<Value>(text) {
        let (rules, translations) = readers::nftables(&ruleset);
        for rule in rules {
            let words = shell_words(&rule.delete);
            match words.as_slice() {
                [nft, json, command] if (nft.as_str(), json.as_str()) == ("nft", "-j") => {
                    let command: Value = serde_json::from_str(command).expect("it is JSON");
                    assert!(command["nftables"][0]["delete"]["rule"]["handle"].is_u64());
                }
                _ => {
                    let names: Vec<&str> = words.iter().map(String::as_str).collect();
                    assert!(names.starts_with(&["nft", "delete", "rule"]), "{}", rule.delete);
                    assert_eq!((names.len(), names[6]), (8, "handle"), "{}", rule.delete);
                }
            }
        }
        for (translation, _) in translations {
            survives_json(&translation);
        }
    }
    for rule in readers::xtables(text) {
        let words = shell_words(&rule.delete);
        assert_eq!(
            (words[0].as_str(), words[1].as_str(), words[3].as_str()),
            ("iptables", "-t", "-D")
        );
        assert!(!rule.delete.contains(char::is_control), "{:?}", rule.delete);
    }
}
