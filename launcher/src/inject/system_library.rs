//! The library as every program of the host gets it: a copy with the settings in it
//! (`shim/src/system.rs` reads them), and for other word sizes a library without content.
//!
//! Pure: bytes in, bytes out. Not here: where they are written (`commands::system_files`).

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
/// See [`Flaw`].
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

/// `EM_386`: the machine of the other library that amd64 hosts load.
pub const I386: u16 = 3;

/// What the 32-bit library answers AddressSanitizer's runtime, as ours does (`shim/src/sanitizer.rs`):
/// that one ends a program where another library than itself is the first.
const ASKED: &[u8] = b"__asan_default_options\0";
const ANSWER: &[u8] = b"verify_asan_link_order=0\0";

/// A 32-bit library without a hook. One line of /etc/ld.so.preload counts for every loader; the
/// 32-bit one, finding no library of its own, would complain at each start of a program.
///
/// Its loader wants a dynamic section with a string table, a symbol table and a hash table, and a
/// PT_GNU_STACK, without which it would make every stack executable. The one symbol is the function
/// that AddressSanitizer calls; it is there for x86.
pub fn empty(machine: u16) -> Vec<u8> {
    const HEADER: u32 = 52;
    const PROGRAM: u32 = 32;
    const PAGE: u32 = 0x1000;
    // Header, four program headers, then the tables.
    const HASH: u32 = HEADER + 4 * PROGRAM;
    const SYMBOLS: u32 = HASH + 5 * 4;
    const STRINGS: u32 = SYMBOLS + 2 * 16;
    const SONAME: &[u8] = b"\0libmptcpize.so\0";
    const CODE: u32 = STRINGS + SONAME.len() as u32 + ASKED.len() as u32;
    /// Call the next instruction, take its address from the stack, add the way to the text, return.
    const CALL: [u8; 7] = [0xe8, 0, 0, 0, 0, 0x58, 0x05];
    const TEXT: u32 = CODE + CALL.len() as u32 + 5;
    const WAY: u32 = TEXT - CODE - 5;
    const DYNAMIC: u32 = (TEXT + ANSWER.len() as u32).next_multiple_of(4);
    // DT_SONAME, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_NULL (elf(5)).
    let dynamic: [[u32; 2]; 7] =
        [[14, 1], [4, HASH], [5, STRINGS], [6, SYMBOLS], [10, CODE - STRINGS], [11, 16], [0, 0]];
    let section = 8 * dynamic.len() as u32;

    let mut file: Vec<u8> = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    for value in [3, machine] {
        half(&mut file, value);
    }
    // e_version, e_entry, e_phoff, e_shoff, e_flags.
    for value in [1, 0, HEADER, 0, 0] {
        word(&mut file, value);
    }
    // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
    for value in [HEADER as u16, PROGRAM as u16, 4, 0, 0, 0] {
        half(&mut file, value);
    }
    // Two PT_LOAD: what is read and executed, and, a page behind it, the dynamic section, which the
    // loader relocates in place. PT_DYNAMIC. PT_GNU_STACK: not executable.
    for [kind, at, address, size, flags, align] in [
        [1, 0, 0, DYNAMIC, 5, PAGE],
        [1, DYNAMIC, PAGE + DYNAMIC, section, 6, PAGE],
        [2, DYNAMIC, PAGE + DYNAMIC, section, 6, 4],
        [0x6474_e551, 0, 0, 0, 6, 16],
    ] {
        for value in [kind, at, address, address, size, size, flags, align] {
            word(&mut file, value);
        }
    }
    // One bucket with one symbol (the other is the null one), whose chain ends there.
    for value in [1, 2, u32::from(machine == I386), 0, 0] {
        word(&mut file, value);
    }
    file.extend([0; 16]);
    // Name, address, size; STB_GLOBAL and STT_FUNC, and a section that it is in.
    for value in [SONAME.len() as u32, CODE, TEXT - CODE] {
        word(&mut file, value);
    }
    file.extend([0x12, 0, 1, 0]);
    file.extend([SONAME, ASKED, &CALL].concat());
    word(&mut file, WAY);
    file.push(0xc3);
    file.extend(ANSWER);
    file.resize(DYNAMIC as usize, 0);
    for value in dynamic.into_iter().flatten() {
        word(&mut file, value);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for other in [&b""[..], &empty(I386), MARK] {
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
