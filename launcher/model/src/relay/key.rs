//! Methods and keys of Shadowsocks 2022 (SIP022 section 2). Nothing older is offered.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a relay encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// For processors with AES instructions.
    #[serde(rename = "2022-blake3-aes-128-gcm")]
    Aes128,
    /// The same with a longer key.
    #[serde(rename = "2022-blake3-aes-256-gcm")]
    Aes256,
    /// For those without. Has no keys of users: identity headers (SIP023) are blocks of AES.
    #[serde(rename = "2022-blake3-chacha20-poly1305")]
    ChaCha20,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 3] = [Method::Aes128, Method::Aes256, Method::ChaCha20];

    /// Its name in SIP022.
    pub fn name(self) -> &'static str {
        match self {
            Method::Aes128 => "2022-blake3-aes-128-gcm",
            Method::Aes256 => "2022-blake3-aes-256-gcm",
            Method::ChaCha20 => "2022-blake3-chacha20-poly1305",
        }
    }

    /// How long its keys are, in bytes.
    pub fn key_length(self) -> usize {
        match self {
            Method::Aes128 => 16,
            Method::Aes256 | Method::ChaCha20 => 32,
        }
    }

    /// May several users have keys of their own (SIP023)?
    pub fn has_users(self) -> bool {
        self != Method::ChaCha20
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Method::ALL.into_iter().find(|method| method.name() == text).ok_or_else(|| {
            let names = Method::ALL.map(Method::name).join(", ");
            format!("{text} is no method of Shadowsocks 2022 ({names})")
        })
    }
}

/// A pre-shared key. Shows itself only where it is asked to ([`Key::base64`]), never by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Of random bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Key(bytes)
    }

    /// Of the text in a URL or a file.
    ///
    /// # Errors
    /// A clause: it is no base64 (RFC 4648 section 4).
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text).map_err(|_| "the key is no base64".to_owned())?;
        Ok(Key(bytes))
    }

    /// The text for a URL or a file of mode 0600.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Has it the length that a method asks for?
    ///
    /// # Errors
    /// A clause that says how long it is and how long it would have to be.
    pub fn check(&self, method: Method) -> Result<(), String> {
        let (is, wanted) = (self.0.len(), method.key_length());
        if is == wanted {
            return Ok(());
        }
        Err(format!("the key has {is} bytes, {method} takes {wanted}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.base64())
    }
}

impl<'a> Deserialize<'a> for Key {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        // The text is not part of the message: what cannot be read as a key may well be one.
        let text = String::deserialize(from)?;
        Key::from_base64(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_only_where_it_is_asked_for() {
        let key = Key::from_base64("AAECAwQFBgcICQoLDA0ODw==").expect("16 bytes");
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert_eq!(key.base64(), "AAECAwQFBgcICQoLDA0ODw==");
        let said = serde_json::from_str::<Key>(r#""not a key""#).expect_err("no base64");
        assert!(!said.to_string().contains("not a key"), "{said}");
    }

    #[test]
    fn a_key_has_the_length_that_its_method_takes() {
        let key = Key::new(vec![7; 16]);
        assert_eq!(key.check(Method::Aes128), Ok(()));
        for method in [Method::Aes256, Method::ChaCha20] {
            let said = key.check(method).expect_err("too short");
            assert_eq!(said, format!("the key has 16 bytes, {method} takes 32"));
        }
    }

    #[test]
    fn methods_are_those_of_2022_alone() {
        for method in Method::ALL {
            assert_eq!(method.name().parse(), Ok(method));
        }
        for old in ["aes-128-gcm", "chacha20-ietf-poly1305", "rc4-md5", "none", ""] {
            assert!(old.parse::<Method>().is_err(), "{old}");
        }
    }
}
