//! The build information that Go's linker leaves in a program: found as `go version` finds it, in the
//! section `.go.buildinfo`, and where that is stripped, by its magic in the data segments.
//!
//! Format: Go's `debug/buildinfo`. A 32-byte header, aligned to 16 in memory, begins with a magic;
//! byte 14 is the pointer size, bit 1 of byte 15 says that the version follows inline (1.18 and
//! later), bit 0 that pointers are big-endian.
//!
//! Not here: what the version means ([`crate::inject::target::go`]).

use crate::inject::target::elf_fields::{Fields, ReadAt, Segment};
use crate::inject::target::go::GoVersion;
use crate::inject::target::sections;

const SECTION: &[u8] = b".go.buildinfo";
/// What else only Go's linker makes: the table of functions, and the build id, which is there too where
/// gcc has put the table into other data.
const OTHERS: [&[u8]; 2] = [b".gopclntab", b".note.go.buildid"];
const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The header and the addresses in it are aligned so.
const ALIGNED: u64 = 16;
const HEADER: u64 = 32;
/// A version is a few dozen bytes; a longer one is not a version.
const MOST_VERSION: u64 = 256;
/// The length before an inline version, as a varint: three bytes hold more than [`MOST_VERSION`].
const MOST_VARINT: u64 = 3;

/// A linker makes two of them, before and after what becomes read-only.
const MOST_SEGMENTS: usize = 3;
/// As much data is searched for the magic, in all segments together. In Debian's programs the
/// information lies up to 24 MiB into it (dockerd, whose section is looked at instead); data in a
/// file of this size takes a tenth of a second.
const SEARCHED: u64 = 256 * 1024 * 1024;
/// The search reads so much at a time.
const BLOCK: usize = 64 * 1024;
/// A Go program that looks for the magic itself may have it in its data too.
const MOST_CANDIDATES: usize = 16;

/// As much is read of the information itself: its header with the version, or the string header and
/// the version that it leads to.
const MOST_INFO: usize = (HEADER + MOST_VARINT + 2 * MOST_VERSION) as usize + 16;

/// As much as is read here at most.
pub(in crate::inject) const MOST_READ: usize = (1 + OTHERS.len()) * sections::MOST_READ
    + SEARCHED as usize
    + (MOST_CANDIDATES + 1) * MOST_INFO;

/// A file, its header and its segments.
pub(in crate::inject) struct Program<'a, R: ?Sized> {
    pub(in crate::inject) file: &'a R,
    pub(in crate::inject) header: &'a [u8],
    pub(in crate::inject) fields: Fields,
    pub(in crate::inject) segments: &'a [Segment],
}

impl<R: ReadAt + ?Sized> Program<'_, R> {
    /// The release that built the program, or `None` when Go did not. Before Go 1.13 there is no
    /// information, and some take it out.
    pub(in crate::inject) fn go_version(&self) -> Option<GoVersion> {
        let told = self.of_section().or_else(|| self.by_magic());
        told.or_else(|| self.has_others().then_some(GoVersion::UNTOLD))
    }

    fn has_others(&self) -> bool {
        let found = |name: &&[u8]| sections::find(self.file, self.header, self.fields, name);
        OTHERS.iter().any(|name| found(name).is_some())
    }

    fn of_section(&self) -> Option<GoVersion> {
        let section = sections::find(self.file, self.header, self.fields, SECTION)?;
        // Where the section begins at an odd address, its content does not.
        self.version_at(self.offset_of(section.address.checked_next_multiple_of(ALIGNED)?)?)
    }

    fn by_magic(&self) -> Option<GoVersion> {
        let mut left = SEARCHED;
        let mut candidates = MOST_CANDIDATES;
        let data = self.segments.iter().filter(|segment| segment.is_data()).take(MOST_SEGMENTS);
        for segment in data {
            // Alignment is that of the address in memory. With whole lines from there on, no magic
            // lies across the end of a block.
            let skew = (ALIGNED - segment.address % ALIGNED) % ALIGNED;
            let mut at = skew;
            let end = segment.size.min(left.saturating_add(skew));
            let mut block = vec![0; end.saturating_sub(at).min(BLOCK as u64) as usize];
            while at < end {
                let size = (end - at).min(BLOCK as u64) as usize;
                let offset = segment.offset.checked_add(at)?;
                let got = self.file.read_at(offset, block.get_mut(..size)?).ok()?;
                let lines = block.get(..got)?.chunks(ALIGNED as usize).enumerate();
                for (line, _) in lines.filter(|(_, line)| line.starts_with(MAGIC)) {
                    candidates = candidates.checked_sub(1)?;
                    let found = offset.checked_add(line as u64 * ALIGNED)?;
                    if let Some(version) = self.version_at(found) {
                        return Some(version);
                    }
                }
                left = left.saturating_sub(size as u64);
                if got < size {
                    break;
                }
                at += size as u64;
            }
        }
        None
    }

    fn version_at(&self, offset: u64) -> Option<GoVersion> {
        let mut info = [0; (HEADER + MOST_VARINT + MOST_VERSION) as usize];
        let got = self.file.read_at(offset, &mut info).ok()?;
        let info = info.get(..got).filter(|info| info.starts_with(MAGIC))?;
        match info.get(15)? & 2 {
            0 => GoVersion::parse(&self.pointed(info)?),
            _ => GoVersion::parse(inline(info)?),
        }
    }

    /// Before Go 1.18: a pointer to a string header (pointer, length), all as addresses in memory.
    fn pointed(&self, info: &[u8]) -> Option<Vec<u8>> {
        let fields = self.fields;
        let width = if fields.wide { 8 } else { 4 };
        let mut header = [0; 16];
        let header = header.get_mut(..2 * width)?;
        if self.file.read_at(self.offset_of(fields.word(info, 16)?)?, header).ok()? < 2 * width {
            return None;
        }
        let length = fields.word(header, width)?.min(MOST_VERSION);
        let mut text = vec![0; length as usize];
        let got = self.file.read_at(self.offset_of(fields.word(header, 0)?)?, &mut text).ok()?;
        text.truncate(got);
        Some(text)
    }

    fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| segment.offset_of(address))
    }
}

/// Go 1.18 and later: a length as a varint, then the text, behind the header.
fn inline(info: &[u8]) -> Option<&[u8]> {
    let rest = info.get(HEADER as usize..)?;
    let mut length = 0usize;
    for (index, byte) in rest.iter().enumerate().take(MOST_VARINT as usize) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let start = index + 1;
            return rest.get(start..start.checked_add(length)?);
        }
    }
    None
}
