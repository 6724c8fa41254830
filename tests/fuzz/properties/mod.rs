//! What must hold whatever bytes a reader gets: that it returns, and what is said at each property.
//! Each is run by the fuzzer and, on kept inputs, by `tests/pure/fuzz_found.rs`.
//!
//! Not here: making inputs, and what a rightly written input means (the readers' own tests).

mod answer;
mod container;
mod firewall;
mod gateway;
mod journal;
mod netlink;
mod policy;
mod preload_file;
mod program;
mod relay_settings;
mod request;
mod settings;
mod terminal;
mod unit;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A property, and what it is given.
pub(crate) struct Target {
    /// Its name, which is also that of its directories in `seeds` and `found`.
    pub(crate) name: &'static str,
    /// Panics where it does not hold.
    pub(crate) property: fn(&[u8]),
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "routing", property: netlink::routing },
    Target { name: "path_manager", property: netlink::path_manager },
    Target { name: "sock_diag", property: netlink::sock_diag },
    Target { name: "ipsec", property: netlink::ipsec },
    Target { name: "answer", property: answer::answer },
    Target { name: "elf", property: program::elf },
    Target { name: "script", property: program::script },
    Target { name: "unit", property: unit::unit },
    Target { name: "settings", property: settings::settings },
    Target { name: "policy", property: policy::policy },
    Target { name: "journal", property: journal::journal },
    Target { name: "firewall", property: firewall::firewall },
    Target { name: "lan_rules", property: gateway::lan_rules },
    Target { name: "relay_settings", property: relay_settings::settings },
    Target { name: "relay_state", property: gateway::relay },
    Target { name: "preload_file", property: preload_file::preload_file },
    Target { name: "request", property: request::request },
    Target { name: "terminal", property: terminal::terminal },
    Target { name: "container", property: container::container },
];

/// What is written to the journal or a report is read as the same.
#[track_caller]
fn survives_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("it can be written");
    let again: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(again, *value, "{text}");
}

/// Two inputs in one: the first has the length that the first two bytes say.
fn two(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return (bytes, &[]) };
    rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()))
}

/// The words that a POSIX shell makes of a line, as far as the tool's own quoting goes: bare words,
/// `'…'`, `\'` between them, and `$'…'` with octal numbers. Anything else that a shell would read
/// something into is a panic.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![Vec::new()];
    let mut bytes = line.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let word = words.last_mut().expect("there is one from the start");
        match byte {
            b' ' => words.push(Vec::new()),
            b'\'' => word.extend(bytes.by_ref().take_while(|byte| *byte != b'\'')),
            b'\\' => word.push(bytes.next_if_eq(&b'\'').expect("only a quote is escaped")),
            b'$' => {
                assert_eq!(bytes.next(), Some(b'\''), "an expansion in {line}");
                ansi_quoted(&mut bytes, word);
            }
            _ if byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(&byte) => word.push(byte),
            _ => panic!("{:?} is bare in {line}", char::from(byte)),
        }
    }
    words.into_iter().map(|word| String::from_utf8(word).expect("it was text")).collect()
}

fn ansi_quoted(bytes: &mut impl Iterator<Item = u8>, word: &mut Vec<u8>) {
    loop {
        match bytes.next().expect("the quote ends") {
            b'\'' => return,
            b'\\' => match bytes.next().expect("something is escaped") {
                plain @ (b'\\' | b'\'') => word.push(plain),
                first => {
                    let digits = [Some(first), bytes.next(), bytes.next()];
                    let number = digits.iter().fold(0, |number, digit| {
                        let digit = digit.filter(|digit| (b'0'..b'8').contains(digit));
                        number * 8 + u32::from(digit.expect("three octal digits") - b'0')
                    });
                    word.push(u8::try_from(number).expect("the number of a byte"));
                }
            },
            other => word.push(other),
        }
    }
}
