//! Which Go release built a program. Go makes its system calls itself, so the preload never reaches
//! its sockets; from 1.21 on `GODEBUG=multipathtcp=1` does.
//!
//! The linker leaves the release in the build information, which [`crate::inject::target::build_info`] finds.

use std::fmt;

/// A Go release: `go1.22.3` is 1.22.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoVersion {
    /// The 1 of 1.22.
    pub major: u16,
    /// The 22 of 1.22.
    pub minor: u16,
}

impl GoVersion {
    /// The first release whose `net` package speaks MPTCP (Go 1.21 release notes, `net`).
    pub const FIRST_WITH_MPTCP: GoVersion = GoVersion { major: 1, minor: 21 };

    /// One that the program does not tell: taken for older than any.
    pub const UNTOLD: GoVersion = GoVersion { major: 0, minor: 0 };

    /// Does `GODEBUG=multipathtcp=1` work?
    pub fn knows_mptcp(self) -> bool {
        self >= Self::FIRST_WITH_MPTCP
    }

    /// Reads `go1.22.3`, `go1.21rc2`, `devel go1.23-abc`; a development build without a number is
    /// taken for one older than any.
    pub(in crate::inject) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let number = text.split(' ').find_map(|word| word.strip_prefix("go"));
        let Some((major, rest)) = number.and_then(|number| number.split_once('.')) else {
            return text.starts_with("devel").then_some(GoVersion::UNTOLD);
        };
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        Some(GoVersion { major: major.parse().ok()?, minor: rest.get(..digits)?.parse().ok()? })
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            GoVersion::UNTOLD => f.write_str("of a release that it does not tell"),
            GoVersion { major, minor } => write!(f, "{major}.{minor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_from_what_go_version_prints() {
        let table: [(&str, Option<(u16, u16)>); 9] = [
            ("go1.22.3", Some((1, 22))),
            ("go1.19", Some((1, 19))),
            ("go1.21rc2", Some((1, 21))),
            ("go1.24.0 X:nocoverageredesign", Some((1, 24))),
            ("devel go1.23-abcdef Mon Jan 1", Some((1, 23))),
            ("devel +abcdef Mon Jan 1", Some((0, 0))),
            ("go", None),
            ("go1.", None),
            ("\u{fffd}", None),
        ];
        for (text, expected) in table {
            let expected = expected.map(|(major, minor)| GoVersion { major, minor });
            assert_eq!(GoVersion::parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn mptcp_comes_with_1_21() {
        let knows = |major, minor| GoVersion { major, minor }.knows_mptcp();
        assert!(!knows(1, 20) && knows(1, 21) && knows(1, 100) && knows(2, 0) && !knows(0, 0));
    }
}
