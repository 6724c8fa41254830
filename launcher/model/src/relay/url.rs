//! The line that carries a relay from its server to its clients: `ss://METHOD:KEY[:KEY…]@HOST:PORT#NAME`
//! (SIP002; SIP022 asks for percent-encoding of the user information, older clients write base64).

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use super::agent::Relay;
use super::key::{Key, Method};
use super::name::Name;

/// How the URL of a relay begins (SIP002 of Shadowsocks); no name of one does.
pub const SCHEME: &str = "ss://";

/// Where in a word what may be a key begins, however it is written: that has no place in a message or a log.
pub fn key_in(word: &str) -> Option<usize> {
    word.to_ascii_lowercase().find(SCHEME)
}

/// Reads one. Without a usable `#NAME` it is called by its host.
///
/// # Errors
/// A clause that says what is wrong, without the key.
pub fn read(text: &str) -> Result<Relay, String> {
    let rest = text.trim().strip_prefix(SCHEME).ok_or("it does not begin with ss://")?;
    let (rest, tag) = rest.split_once('#').map_or((rest, None), |(rest, tag)| (rest, Some(tag)));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
    if query.split('&').any(|pair| pair.split('=').next() == Some("plugin")) {
        return Err("it asks for a plugin, which mptcpize does not have".to_owned());
    }
    let (user, place) = rest.rsplit_once('@').ok_or("it has no @: it is cut short")?;
    let (host, port) = address(place.trim_end_matches('/'))?;
    let (method, keys) = user_information(user)?;
    let named = tag.and_then(percent_decode).and_then(|tag| tag.parse::<Name>().ok());
    let name = named.map_or_else(|| by_host(&host), Ok)?;
    let relay = Relay { name, host, port, method, keys };
    relay.check()?;
    Ok(relay)
}

/// Writes one. It holds the key.
pub fn write(relay: &Relay) -> String {
    let keys: Vec<_> = relay.keys.iter().map(Key::base64).collect();
    let user = percent_encode(&format!("{}:{}", relay.method, keys.join(":")));
    let host = match relay.host.contains(':') {
        true => format!("[{}]", relay.host),
        false => relay.host.clone(),
    };
    format!("{SCHEME}{user}@{host}:{}#{}", relay.port, relay.name)
}

fn address(place: &str) -> Result<(String, u16), String> {
    let (host, port) = place.rsplit_once(':').ok_or("it names no port: it is cut short")?;
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or("its address has no closing bracket")?,
        None if host.contains(':') => return Err("an IPv6 address wants brackets".to_owned()),
        None => host,
    };
    let sound = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || host.len() > 253 || !host.chars().all(sound) {
        return Err("it names no host".to_owned());
    }
    Ok((host.to_owned(), port))
}

fn user_information(user: &str) -> Result<(Method, Vec<Key>), String> {
    let plain = percent_decode(user).ok_or("its user information is no text")?;
    let plain = match plain.contains(':') {
        true => plain,
        false => {
            let bytes = URL_SAFE_NO_PAD.decode(&plain).or_else(|_| URL_SAFE.decode(&plain));
            let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.ok_or("it names no method and no key")?
        }
    };
    let (method, keys) = plain.split_once(':').ok_or("it has no key")?;
    let keys = keys.split(':').map(Key::from_base64).collect::<Result<_, _>>()?;
    Ok((method.parse()?, keys))
}

fn by_host(host: &str) -> Result<Name, String> {
    let text: String = host.chars().map(|c| if c == ':' { '-' } else { c }).take(32).collect();
    text.trim_start_matches('-').parse().map_err(|why| format!("it has no usable name: {why}"))
}

fn percent_encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
                out.push(u8::try_from(value).ok()?);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

    fn of(text: &str) -> Relay {
        read(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn what_is_written_can_be_read() {
        for text in [
            "ss://2022-blake3-aes-128-gcm:AAECAwQFBgcICQoLDA0ODw%3D%3D@198.51.100.7:8686#home",
            "ss://2022-blake3-aes-128-gcm:AAECAwQFBgcICQoLDA0ODw%3D%3D:DwECAwQFBgcICQoLDA0ODw%3D%3D@[2001:db8::7]:443#v6",
        ] {
            assert_eq!(write(&of(text)), text);
        }
    }

    #[test]
    fn what_other_clients_write_can_be_read() {
        let plain = of(&format!("ss://2022-blake3-aes-128-gcm:{KEY}@relay.example:8686/#a%20b"));
        assert_eq!((plain.name.as_str(), plain.port), ("relay.example", 8686));
        let user = URL_SAFE_NO_PAD.encode(format!("2022-blake3-aes-128-gcm:{KEY}"));
        assert_eq!(of(&format!("ss://{user}@relay.example:8686")).keys, plain.keys);
        assert_eq!(of(&format!("  ss://{user}@[fe80::1]:1#x\n")).host, "fe80::1");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        let good = format!("ss://2022-blake3-aes-128-gcm:{KEY}@h:1");
        for (text, why) in [
            ("http://x", "it does not begin with ss://"),
            ("ss://2022-blake3-aes-128-gcm:AAECAwQFBg", "it has no @: it is cut short"),
            (&good[..good.len() - 2], "it names no port: it is cut short"),
            (&format!("{good}99999"), "\"199999\" is no port"),
            (&good.replace("@h", "@"), "it names no host"),
            (&good.replace("@h", "@::1"), "an IPv6 address wants brackets"),
            (&good.replace("=", ""), "the key is no base64"),
            (&good.replace("128", "256"), "the key has 16 bytes, 2022-blake3-aes-256-gcm takes 32"),
            (&good.replace("2022-blake3-", ""), "aes-128-gcm is no method of Shadowsocks 2022"),
            (&format!("{good}?plugin=obfs"), "it asks for a plugin"),
            ("ss://abc@h:1", "it names no method"),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.starts_with(why), "{text}: {said}");
            assert!(!said.contains("AAECAwQF"), "{said}");
        }
    }
}
