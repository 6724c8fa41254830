//! What the administrator asks for containers: a device for each section `[containers.NAME]`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::net::Prefix;
use crate::socket_policy::{Loopback, Ports, Program, Side, Sockets};

/// A name that the Container Device Interface takes for a device. Its rules of version 0.3.0, which are the
/// narrowest: a letter first, a letter or digit last, `-`, `_`, `.` and `:` between.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName(String);

/// Longer names fit no line of `list`; the interface has no bound.
const MOST_NAME: usize = 63;

/// The device that every host has.
pub const RUN: &str = "run";

/// The device that brings the library along and sets no variable.
pub const LIBRARY: &str = "library";

impl DeviceName {
    /// The device that every host has.
    pub fn run() -> Self {
        DeviceName(RUN.to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DeviceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        let fine = bytes.first().is_some_and(u8::is_ascii_alphabetic)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(inner)
            && bytes.len() <= MOST_NAME;
        match fine {
            true if text == LIBRARY => {
                Err(format!("{LIBRARY:?} is the device that has the library and no variable"))
            }
            true => Ok(DeviceName(text)),
            false => Err(format!(
                "{text:?} is no name of a device: a letter, then letters, digits, - _ . or :, at most \
                 {MOST_NAME}, the last a letter or a digit"
            )),
        }
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> String {
        name.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::kind! {
    Preload: "the path of a library",
}

/// A library that an image preloads itself, as it stands in `LD_PRELOAD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Preload(String);

impl Preload {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Preload {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // ld.so(8): blanks and colons separate, and nothing escapes them.
        if text.ends_with('/') {
            return Err(format!("{text:?} is a directory, and LD_PRELOAD names libraries"));
        }
        match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
            true => Ok(Preload(text)),
            false => Err(format!("{text:?} is no library in LD_PRELOAD: no blank and no colon")),
        }
    }
}

impl From<Preload> for String {
    fn from(preload: Preload) -> String {
        preload.0
    }
}

crate::settings! {
    /// One section `[containers.NAME]`: the settings of `[sockets]`, and variables that the image has.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct Container {
        /// Libraries that the image has in LD_PRELOAD, which a device replaces. They stand behind ours.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub preload: Vec<Preload> {
            default "[]", example "[\"/usr/lib/x86_64-linux-gnu/libjemalloc.so.2\"]"
        },
        /// What the image has in GODEBUG, which a device replaces.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub godebug: Option<String> { default "nothing", example "\"http2client=0\"" },
        /// As in `[sockets]`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub loopback: Option<Loopback> { default "that of [sockets]", example "\"tcp\"" },
        /// As in `[sockets]`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub only_ports: Vec<Ports> { default "that of [sockets]", example "[6379]" },
        /// As in `[sockets]`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub except_ports: Vec<Ports> { default "that of [sockets]", example "[22, \"8000-8099\"]" },
        /// As in `[sockets]`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub except_net: Vec<Prefix> { default "that of [sockets]", example "[\"10.0.0.0/8\"]" },
        /// As in `[sockets]`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub side: Option<Side> { default "that of [sockets]", example "\"server\"" },
        /// As in `[sockets]`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub tcp_programs: Option<Vec<Program>> { default "that of [sockets]", example "[\"bgpd\"]" },
    }
}

impl Container {
    /// Which sockets stay TCP.
    pub fn sockets(&self) -> Sockets {
        Sockets {
            loopback: self.loopback,
            only_ports: self.only_ports.clone(),
            except_ports: self.except_ports.clone(),
            except_net: self.except_net.clone(),
            side: self.side,
            tcp_programs: self.tcp_programs.clone(),
        }
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting.
    pub fn check(&self) -> Result<(), String> {
        let plain = |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.godebug.as_ref().is_none_or(plain) {
            return Err("godebug has a blank or a sign that no setting of Go has".to_owned());
        }
        self.sockets().text().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_name_that_every_version_of_the_interface_takes() {
        let long = "a".repeat(MOST_NAME);
        for name in ["run", "a", "loopback-tcp", "a.b:c_d9", long.as_str()] {
            assert!(DeviceName::try_from(name.to_owned()).is_ok(), "{name}");
        }
        let longer = "a".repeat(MOST_NAME + 1);
        for name in ["", "9a", "-a", "a-", "a b", "a=b", "a/b", "é", "library", longer.as_str()] {
            assert!(DeviceName::try_from(name.to_owned()).is_err(), "{name}");
        }
    }

    #[test]
    fn what_would_be_another_library_or_variable_is_refused() {
        for text in ["", "/usr/lib/", "/a b.so", "/a.so:/b.so", "/a\n.so", "/ä.so"] {
            assert!(Preload::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        assert!(Preload::try_from("/usr/$LIB/libjemalloc.so.2".to_owned()).is_ok());
        let of = |text: &str| Container { godebug: Some(text.to_owned()), ..Container::default() };
        assert!(of("http2client=0,x=1").check().is_ok());
        assert!(of("a=1\nLD_PRELOAD=/evil.so").check().is_err());
    }
}
