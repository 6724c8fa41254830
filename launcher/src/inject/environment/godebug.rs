//! The value of `GODEBUG` that makes Go programs (1.21 and later) use MPTCP.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

const NAME: &[u8] = b"multipathtcp=";

/// Adds `multipathtcp=1` and keeps every other setting.
///
/// A setting of the user's that asks for MPTCP (1, or 2 and 3 for one direction only, Go 1.24)
/// stays; `multipathtcp=0` gives way, because `mptcpize run` is the later wish.
pub fn merge(existing: Option<&OsStr>) -> OsString {
    let mut settings: Vec<&[u8]> = existing
        .map(OsStr::as_bytes)
        .unwrap_or_default()
        .split(|byte| *byte == b',')
        .filter(|setting| !setting.is_empty() && *setting != b"multipathtcp=0")
        .collect();
    if !settings.iter().any(|setting| setting.starts_with(NAME)) {
        settings.push(b"multipathtcp=1");
    }
    OsString::from_vec(settings.join(&b','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mptcp_is_added_once_and_the_rest_is_kept() {
        let table = [
            (None, "multipathtcp=1"),
            (Some(""), "multipathtcp=1"),
            (Some("gctrace=1"), "gctrace=1,multipathtcp=1"),
            (Some("multipathtcp=1"), "multipathtcp=1"),
            (Some("multipathtcp=0,gctrace=1"), "gctrace=1,multipathtcp=1"),
            (Some("multipathtcp=2"), "multipathtcp=2"),
            (Some("a=1,,b=2"), "a=1,b=2,multipathtcp=1"),
        ];
        for (existing, expected) in table {
            assert_eq!(merge(existing.map(OsStr::new)), expected, "{existing:?}");
        }
    }
}
