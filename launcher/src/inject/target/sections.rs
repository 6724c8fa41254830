//! Sections of an ELF file, found by name. The kernel does without them and stripped files may have
//! none, so a table that is missing or damaged is no flaw of the program: then there is no section.
//!
//! Source: elf(5).

use crate::inject::target::elf_fields::{Fields, ReadAt};

/// A program has 20 to 60 sections; what stands behind so many is not looked at.
const MOST_SECTIONS: usize = 1024;
/// The names of 40 sections take 400 bytes.
const MOST_NAMES: u64 = 64 * 1024;

/// As much as is read here at most: the table (64 bytes an entry) and the names.
pub(in crate::inject) const MOST_READ: usize = MOST_SECTIONS * 64 + MOST_NAMES as usize;

/// Where a section is in memory, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::inject) struct Section {
    pub(in crate::inject) address: u64,
    pub(in crate::inject) size: u64,
}

/// The section `name` of a file that begins with `header`.
pub(in crate::inject) fn find<R: ReadAt + ?Sized>(
    file: &R,
    header: &[u8],
    fields: Fields,
    name: &[u8],
) -> Option<Section> {
    // e_shoff, e_shentsize, e_shnum, e_shstrndx.
    let (table, size, count, names) = if fields.wide { (40, 58, 60, 62) } else { (32, 46, 48, 50) };
    // sh_addr, sh_offset, sh_size.
    let (entry, address, offset, length) =
        if fields.wide { (64, 16, 24, 32) } else { (40, 12, 16, 20) };
    if usize::from(fields.u16(header, size)?) != entry {
        return None;
    }
    let sections = usize::from(fields.u16(header, count)?).min(MOST_SECTIONS);
    let mut bytes = vec![0; sections * entry];
    let got = file.read_at(fields.word(header, table)?, &mut bytes).ok()?;
    bytes.truncate(got);

    let names = bytes.chunks_exact(entry).nth(fields.u16(header, names)?.into())?;
    let mut text = vec![0; fields.word(names, length)?.min(MOST_NAMES) as usize];
    let got = file.read_at(fields.word(names, offset)?, &mut text).ok()?;
    text.truncate(got);

    let found = bytes.chunks_exact(entry).find(|section| {
        let rest = fields.u32(section, 0).and_then(|at| text.get(at as usize..));
        rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.first() == Some(&0))
    })?;
    Some(Section { address: fields.word(found, address)?, size: fields.word(found, length)? })
}
