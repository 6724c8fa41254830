//! Which Go release built a program, read from the build information that the linker leaves in
//! the data segment. Go makes its system calls itself, so the preload never reaches its sockets;
//! from 1.21 on `GODEBUG=multipathtcp=1` does.
//!
//! Format: Go's `debug/buildinfo`. A 32-byte header, aligned to 16, begins with a magic; byte 14
//! is the pointer size, bit 1 of byte 15 says that the version follows inline (1.18 and later),
//! bit 0 that pointers are big-endian.

use std::fmt;

use crate::inject::elf::{Fields, ReadAt, Segment};

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

    /// Does `GODEBUG=multipathtcp=1` work?
    pub fn knows_mptcp(self) -> bool {
        self >= Self::FIRST_WITH_MPTCP
    }

    /// Reads `go1.22.3`, `go1.21rc2`, `devel go1.23-abc`; a development build without a number is
    /// taken for one older than any.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let number = text.split(' ').find_map(|word| word.strip_prefix("go"));
        let Some((major, rest)) = number.and_then(|number| number.split_once('.')) else {
            return text.starts_with("devel").then_some(GoVersion { major: 0, minor: 0 });
        };
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        Some(GoVersion { major: major.parse().ok()?, minor: rest.get(..digits)?.parse().ok()? })
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The information stands at the beginning of the data segment; Go's own reader looked this far
/// until it learned to read more (1.22), and the linker still puts it first.
const SEARCHED: u64 = 64 * 1024;
/// A linker makes two of them, before and after what becomes read-only.
const MOST_SEGMENTS: usize = 3;
/// A version is a few dozen bytes; a longer one is not a version.
const MOST_VERSION: u64 = 256;

/// As much as is read here at most: of each segment what is searched, a string header and a version.
pub(super) const MOST_READ: usize =
    MOST_SEGMENTS * (SEARCHED as usize + 16 + MOST_VERSION as usize);

/// The release that built the program, or `None` when Go did not (or hides it).
pub(super) fn version<R: ReadAt + ?Sized>(
    file: &R,
    fields: Fields,
    segments: &[Segment],
) -> Option<GoVersion> {
    segments.iter().filter(|segment| segment.is_data()).take(MOST_SEGMENTS).find_map(|segment| {
        let mut bytes = vec![0; segment.size.min(SEARCHED) as usize];
        let got = file.read_at(segment.offset, &mut bytes).ok()?;
        bytes.truncate(got);
        // Alignment is that of the address in memory.
        let skew = (16 - segment.address % 16) % 16;
        let found =
            bytes.get(skew as usize..)?.chunks(16).position(|line| line.starts_with(MAGIC))?;
        let info = bytes.get(skew as usize + found * 16..)?;
        let text = if info.get(15)? & 2 != 0 {
            inline(info)?
        } else {
            pointed(file, fields, segments, info)?
        };
        GoVersion::parse(&text)
    })
}

/// Go 1.18 and later: a length as a varint, then the text, behind the 32-byte header.
fn inline(info: &[u8]) -> Option<Vec<u8>> {
    let rest = info.get(32..)?;
    let mut length = 0usize;
    for (index, byte) in rest.iter().enumerate().take(3) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let start = index + 1;
            return rest.get(start..start.checked_add(length)?).map(<[u8]>::to_vec);
        }
    }
    None
}

/// Before Go 1.18: a pointer to a string header (pointer, length), all as addresses in memory.
fn pointed<R: ReadAt + ?Sized>(
    file: &R,
    fields: Fields,
    segments: &[Segment],
    info: &[u8],
) -> Option<Vec<u8>> {
    let width = if fields.wide { 8 } else { 4 };
    let at = |address| segments.iter().find_map(|segment| segment.offset_of(address));
    let mut header = [0; 16];
    let header = header.get_mut(..2 * width)?;
    if file.read_at(at(fields.word(info, 16)?)?, header).ok()? < 2 * width {
        return None;
    }
    let length = fields.word(header, width)?.min(MOST_VERSION);
    let mut text = vec![0; length as usize];
    let got = file.read_at(at(fields.word(header, 0)?)?, &mut text).ok()?;
    text.truncate(got);
    Some(text)
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
