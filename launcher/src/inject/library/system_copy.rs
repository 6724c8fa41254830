//! The library as every program of the host gets it: a copy with the settings in it
//! (`shim/src/system.rs` reads them).
//!
//! Pure: bytes in, bytes out. Not here: where they are written (`commands::system::file_changes`), the library for other word
//! sizes ([`crate::inject::library::empty`]).

use std::fmt;

/// The library with room for settings, as it is embedded in this binary.
pub const BYTES: &[u8] = include_bytes!(env!("MPTCPIZE_SHIM_SYSTEM"));

/// What stands before the room (`shim/src/system.rs`).
const MARK: &[u8; 16] = b"mptcpize set-up:";
/// The room, in bytes, with the empty string at the end.
const ROOM: usize = 4080;

/// Why a library cannot carry settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is no 64-bit little-endian ELF file.
    NotElf,
    /// It has no room for settings: not ours, or of another release.
    NoRoom,
    /// A setting holds a NUL byte.
    Nul,
    /// There is too much of them.
    TooLong,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::NotElf => f.write_str("it is no 64-bit ELF file"),
            Flaw::NoRoom => f.write_str("it has no place for settings: not of this release"),
            Flaw::Nul => f.write_str("a setting holds a NUL byte"),
            Flaw::TooLong => write!(f, "the settings are longer than {} bytes", ROOM - 2),
        }
    }
}

/// A copy of `library` that carries `settings` (`NAME=value`).
///
/// # Errors
/// The library is no 64-bit ELF file or has no room for settings, or they do not fit into it.
pub fn with_settings(library: &[u8], settings: &[String]) -> Result<Vec<u8>, Flaw> {
    if !library.starts_with(b"\x7fELF\x02\x01") {
        return Err(Flaw::NotElf);
    }
    let mark = library.windows(MARK.len()).position(|window| window == MARK);
    let start = mark.ok_or(Flaw::NoRoom)? + MARK.len();
    if settings.iter().any(|setting| setting.contains('\0')) {
        return Err(Flaw::Nul);
    }
    let block: Vec<u8> = settings.iter().flat_map(|one| one.bytes().chain([0])).collect();
    // Two: the empty string, and a byte that is never written.
    if block.len() > ROOM - 2 {
        return Err(Flaw::TooLong);
    }
    let mut copy = library.to_vec();
    let room = copy.get_mut(start..start + ROOM).ok_or(Flaw::NoRoom)?;
    room.fill(0);
    for (place, byte) in room.iter_mut().zip(block) {
        *place = byte;
    }
    Ok(copy)
}

/// Sixteen hexadecimal digits that tell contents apart (FNV-1a, 64 bits): a new library has a new
/// name, so that the one in use is never written to.
pub fn tag(library: &[u8]) -> String {
    let hash = library.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::library::empty;

    #[test]
    fn settings_fill_the_room_and_nothing_else() {
        let settings = [String::from("A=1"), String::from("B=")];
        let copy = with_settings(BYTES, &settings).expect("the library has room");
        assert_eq!(copy.len(), BYTES.len());
        let differs: Vec<usize> =
            (0..copy.len()).filter(|&at| copy.get(at) != BYTES.get(at)).collect();
        let first = *differs.first().expect("something was written");
        assert!(copy[first - MARK.len()..].starts_with(b"mptcpize set-up:A=1\0B=\0\0"));
        assert!(differs.iter().all(|at| at - first < 7));
        assert_eq!(
            with_settings(&copy, &[]).expect("it still has"),
            BYTES,
            "nothing of before stays"
        );
    }

    #[test]
    fn whatever_cannot_carry_settings_is_told_and_never_a_panic() {
        let one = [String::from("A=1")];
        let narrow = empty::bytes(empty::Kind::I386);
        for other in [&b""[..], &narrow, MARK] {
            assert_eq!(with_settings(other, &one), Err(Flaw::NotElf));
        }
        let start = b"\x7fELF\x02\x01";
        for other in [&start[..], &[start, &MARK[..]].concat()] {
            assert_eq!(with_settings(other, &one), Err(Flaw::NoRoom));
        }
        assert_eq!(with_settings(BYTES, &[String::from("A=\0")]), Err(Flaw::Nul));
        assert!(with_settings(BYTES, &["x".repeat(ROOM - 3)]).is_ok());
        assert_eq!(with_settings(BYTES, &["x".repeat(ROOM - 2)]), Err(Flaw::TooLong));
    }
}
