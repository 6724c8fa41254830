//! The library as every program of the host gets it: a copy with the settings behind its data
//! (`shim/src/system.rs` reads them), and for other word sizes a library without content.
//!
//! Pure: bytes in, bytes out. Not here: where they are written (`host::system_files`).

use std::fmt;

/// The name of the note that is the slot, with which it begins.
const MARK: &[u8; 24] = b"\x0c\0\0\0\x04\0\0\0\x01\0\0\0mptcpize/all";
/// A block that is longer was not made by people.
const MOST: usize = 32768;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// `PF_R`.
const READABLE: u32 = 4;

/// Why a library cannot carry settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is no 64-bit little-endian ELF file, or is cut off.
    NotElf,
    /// It has no slot for settings: not ours, or older.
    NoSlot,
    /// A setting holds a NUL byte.
    Nul,
    /// There is too much of them.
    TooLong,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::NotElf => "it is no 64-bit ELF file, or is cut off",
            Flaw::NoSlot => "it has no place for settings: not of this release",
            Flaw::Nul => "a setting holds a NUL byte",
            Flaw::TooLong => "the settings are longer than 32 KiB",
        })
    }
}

/// A copy of `library` that carries `settings` (`NAME=value`). Without settings, the library.
///
/// The block goes to the end of the file, on a page of its own, and the program header of the note
/// becomes that of a segment behind all others.
///
/// # Errors
/// See [`Flaw`].
pub fn with_settings(library: &[u8], settings: &[String]) -> Result<Vec<u8>, Flaw> {
    let headers = Headers::read(library).ok_or(Flaw::NotElf)?;
    let slot = find(library, MARK).ok_or(Flaw::NoSlot)?;
    if settings.is_empty() {
        return Ok(library.to_vec());
    }
    if settings.iter().any(|setting| setting.contains('\0')) {
        return Err(Flaw::Nul);
    }
    let mut block: Vec<u8> = Vec::new();
    for setting in settings {
        block.extend_from_slice(setting.as_bytes());
        block.push(0);
    }
    block.push(0);
    if block.len() > MOST {
        return Err(Flaw::TooLong);
    }
    let note = headers.note.ok_or(Flaw::NoSlot)?;
    let mut copy = library.to_vec();
    copy.resize(library.len().next_multiple_of(headers.align), 0);
    let (offset, address) = (copy.len(), headers.end.next_multiple_of(headers.align));
    copy.extend_from_slice(&block);
    // The slot is in the first segment, where addresses are offsets.
    let distance = u32::try_from(address - slot).map_err(|_| Flaw::NotElf)?;
    put(&mut copy, slot + MARK.len(), &distance.to_le_bytes())?;
    put(&mut copy, note, &PT_LOAD.to_le_bytes())?;
    put(&mut copy, note + 4, &READABLE.to_le_bytes())?;
    // p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
    let fields = [offset, address, address, block.len(), block.len(), headers.align];
    for (index, field) in fields.into_iter().enumerate() {
        put(&mut copy, note + 8 + 8 * index, &(field as u64).to_le_bytes())?;
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

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Result<(), Flaw> {
    let place = bytes.get_mut(at..at + value.len()).ok_or(Flaw::NotElf)?;
    place.copy_from_slice(value);
    Ok(())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// What the program headers say.
struct Headers {
    /// Where the header of the note is.
    note: Option<usize>,
    /// Where the last segment ends in memory.
    end: usize,
    /// What segments are aligned to.
    align: usize,
}

impl Headers {
    /// Reads them; `None` for what is no 64-bit little-endian ELF file, or is cut off.
    fn read(library: &[u8]) -> Option<Self> {
        let is_elf = library.get(..6)? == b"\x7fELF\x02\x01";
        let table = usize::try_from(u64_at(library, 32)?).ok()?;
        let count = usize::from(u16::from_le_bytes(*library.get(56..)?.first_chunk()?));
        let mut found = Headers { note: None, end: 0, align: 1 };
        for index in 0..count {
            let header = table.checked_add(index * 56)?;
            let kind = u32::from_le_bytes(*library.get(header..)?.first_chunk()?);
            let field = |at: usize| usize::try_from(u64_at(library, header.checked_add(at)?)?).ok();
            let (offset, address, size, memory) = (field(8)?, field(16)?, field(32)?, field(40)?);
            // Whatever is mapped must be there: a program that reaches for more is killed.
            library.get(offset..offset.checked_add(size)?)?;
            match kind {
                PT_LOAD => {
                    found.end = found.end.max(address.checked_add(memory)?);
                    found.align = found.align.max(field(48)?);
                }
                // A second one would be a property of the processor: that stays.
                PT_NOTE if size == MARK.len() + 4 => found.note = Some(header),
                _ => {}
            }
        }
        let sane = found.align.is_power_of_two() && found.align <= 1 << 16 && found.end < 1 << 30;
        (is_elf && sane).then_some(found)
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// `EM_386`: the machine of the other library that amd64 hosts load.
pub const I386: u16 = 3;

/// A 32-bit library with nothing in it. One line of /etc/ld.so.preload counts for every loader;
/// the 32-bit one, finding no library of its own, would complain at each start of a program.
///
/// Its loader wants a dynamic section with a string table, a symbol table and a hash table, and a
/// PT_GNU_STACK, without which it would make every stack executable.
pub fn empty(machine: u16) -> Vec<u8> {
    const HEADER: u32 = 52;
    const PROGRAM: u32 = 32;
    // Header, three program headers, then the tables.
    const HASH: u32 = HEADER + 3 * PROGRAM;
    const SYMBOLS: u32 = HASH + 16;
    const STRINGS: u32 = SYMBOLS + 16;
    const NAME: &[u8] = b"\0libmptcpize.so\0";
    const DYNAMIC: u32 = (STRINGS + NAME.len() as u32).next_multiple_of(4);
    // DT_SONAME, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_NULL (elf(5)).
    let dynamic: [[u32; 2]; 7] =
        [[14, 1], [4, HASH], [5, STRINGS], [6, SYMBOLS], [10, NAME.len() as u32], [11, 16], [0, 0]];
    let size = DYNAMIC + 8 * dynamic.len() as u32;

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
    for value in [HEADER as u16, PROGRAM as u16, 3, 0, 0, 0] {
        half(&mut file, value);
    }
    // PT_LOAD and PT_DYNAMIC, both readable and writable: the loader relocates the dynamic
    // section in place. PT_GNU_STACK: not executable.
    for [kind, at, size, align] in
        [[1, 0, size, 0x1000], [2, DYNAMIC, size - DYNAMIC, 4], [0x6474_e551, 0, 0, 16]]
    {
        for value in [kind, at, at, at, size, size, 6, align] {
            word(&mut file, value);
        }
    }
    // One bucket, one symbol (the null one), no chain.
    for value in [1, 1, 0, 0] {
        word(&mut file, value);
    }
    file.extend([0; 16]);
    file.extend(NAME);
    file.resize(DYNAMIC as usize, 0);
    for value in dynamic.into_iter().flatten() {
        word(&mut file, value);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::library::BYTES;

    #[test]
    fn settings_lie_behind_the_data_and_the_slot_leads_to_them() {
        let settings = [String::from("A=1"), String::from("B=")];
        let copy = with_settings(BYTES, &settings).expect("the library has a slot");
        assert!(copy.ends_with(b"A=1\0B=\0\0"), "the block is last");
        let block = copy.len() - b"A=1\0B=\0\0".len();
        let headers = Headers::read(&copy).expect("still an ELF file");
        assert!(headers.note.is_none(), "its header is the block's now");
        assert_eq!(block % headers.align, 0);
        let slot = find(&copy, MARK).expect("the slot");
        let distance = *copy[slot + MARK.len()..].first_chunk().expect("four bytes");
        let address = slot + u32::from_le_bytes(distance) as usize;
        assert_eq!(headers.end, address + copy.len() - block);
    }

    #[test]
    fn whatever_cannot_carry_settings_is_told_and_never_a_panic() {
        let one = [String::from("A=1")];
        assert_eq!(with_settings(b"", &one), Err(Flaw::NotElf));
        assert_eq!(with_settings(b"\x7fELF\x02\x01", &one), Err(Flaw::NotElf));
        assert_eq!(with_settings(&empty(I386), &one), Err(Flaw::NotElf));
        assert_eq!(with_settings(BYTES, &[String::from("A=\0")]), Err(Flaw::Nul));
        assert_eq!(with_settings(BYTES, &["x".repeat(MOST)]), Err(Flaw::TooLong));
        let mut other = BYTES.to_vec();
        let slot = find(&other, MARK).expect("the slot");
        other[slot + 12] = 0;
        assert_eq!(with_settings(&other, &one), Err(Flaw::NoSlot));
        for length in 0..BYTES.len() {
            // Cut off anywhere: an error, or the whole of what is mapped was there.
            let _ = with_settings(&BYTES[..length], &one);
        }
        assert_eq!(with_settings(BYTES, &[]).expect("nothing to carry"), BYTES);
    }
}
