//! What a value in /etc/mptcpize.toml can be, in words, by its type: so that no description of a key can
//! say another thing than what is read. Types of ours say it where they are defined.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::net::{IfName, Prefix};

/// A type of values.
pub trait Kind {
    /// What one can be: the name of a kind, or the words that there are.
    fn kind() -> String;
}

/// A type of sections with a key, or a section, for each name.
pub trait Map {
    /// What stands behind each.
    type Of;
}

impl<K, V> Map for BTreeMap<K, V> {
    type Of = V;
}

impl<T: Kind> Kind for Option<T> {
    fn kind() -> String {
        T::kind()
    }
}

impl<T: Kind> Kind for Vec<T> {
    fn kind() -> String {
        format!("a list, each {}", T::kind())
    }
}

/// Says of a type what its values can be.
#[macro_export]
macro_rules! kind {
    ($($type:ty: $words:literal,)+) => {
        $(impl $crate::settings::kind::Kind for $type {
            fn kind() -> String {
                $words.to_owned()
            }
        })+
    };
}

crate::kind! {
    bool: "true or false",
    u32: "a number",
    String: "a text",
    IpAddr: "an IP address",
    SocketAddr: "an IP address and a port",
    IfName: "the name of a link",
    Prefix: "an address or a network",
}

/// The lines of a doc comment as sentences: a blank line between paragraphs, none broken.
pub fn sentences(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        match (line, text.is_empty() || text.ends_with("\n\n")) {
            ("", _) => text.push_str("\n\n"),
            (line, true) => text.push_str(line),
            (line, false) => {
                text.push(' ');
                text.push_str(line);
            }
        }
    }
    text
}
