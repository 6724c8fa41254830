//! What an ELF file is: class, machine, loader, Go. Reads a few kilobytes of headers, where they do not
//! tell all the data segments too, and takes every field as hostile.
//!
//! Not here: symbols, relocations, what the program does. Source: elf(5), System V ABI chapter 4.

use crate::inject::target::build_info::{self, Program};
use crate::inject::target::elf_fields::{Fields, PT_INTERP, Segment};
use crate::inject::target::go::GoVersion;

pub use crate::inject::target::elf_fields::{Flaw, ReadAt};

/// Word size of the program (`EI_CLASS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 32-bit.
    Bits32,
    /// 64-bit.
    Bits64,
}

/// What the headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// Word size.
    pub class: Class,
    /// `e_machine`, raw.
    pub machine: u16,
    /// The dynamic loader (`PT_INTERP`); a program without one is static (or a static PIE).
    pub interpreter: Option<Vec<u8>>,
    /// The Go release that built it, when Go did.
    pub go: Option<GoVersion>,
}

/// At most as many program headers as Linux takes: it refuses tables over 64 KiB
/// (`load_elf_phdrs`, fs/binfmt_elf.c).
const MOST_HEADER_BYTES: usize = 65536;
/// `PATH_MAX`, the longest loader name that the kernel takes.
const MOST_INTERPRETER: u64 = 4096;

/// As much as is read of a file at most, whatever its bytes: the header, the table of program
/// headers, the loader's name, and what [`build_info`] looks through.
pub const MOST_READ: usize =
    64 + MOST_HEADER_BYTES + MOST_INTERPRETER as usize + build_info::MOST_READ;

/// Reads the headers of `file`.
///
/// # Errors
/// See [`Flaw`]. Never panics and never reads more than [`MOST_READ`], whatever the bytes.
pub fn read<R: ReadAt + ?Sized>(file: &R) -> Result<Elf, Flaw> {
    let mut bytes = [0; 64];
    let got = file.read_at(0, &mut bytes)?;
    let header = bytes.get(..got).unwrap_or(&[]);
    if !header.starts_with(b"\x7fELF") {
        return Err(Flaw::NotElf);
    }
    let fields = Fields::of(header)?;
    let segments = segments(file, header, fields)?;

    let mut interpreter = None;
    if let Some(segment) = segments.iter().find(|segment| segment.kind == PT_INTERP) {
        if !(2..=MOST_INTERPRETER).contains(&segment.size) {
            return Err(Flaw::Broken("the loader's name has an absurd length"));
        }
        let mut name = vec![0; segment.size as usize];
        if file.read_at(segment.offset, &mut name)? < name.len() {
            return Err(Flaw::Broken("the loader's name is cut off"));
        }
        name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
        interpreter = Some(name);
    }
    Ok(Elf {
        class: if fields.wide { Class::Bits64 } else { Class::Bits32 },
        machine: fields.u16(header, 18).ok_or(Flaw::Broken("the header is cut off"))?,
        interpreter,
        go: Program { file, header, fields, segments: &segments }.go_version(),
    })
}

fn segments<R: ReadAt + ?Sized>(
    file: &R,
    header: &[u8],
    fields: Fields,
) -> Result<Vec<Segment>, Flaw> {
    let cut = Flaw::Broken("the header is cut off");
    let (table, size, count) = if fields.wide { (32, 54, 56) } else { (28, 42, 44) };
    let (Some(offset), Some(entry), Some(entries)) =
        (fields.word(header, table), fields.u16(header, size), fields.u16(header, count))
    else {
        return Err(cut);
    };
    let expected = if fields.wide { 56 } else { 32 };
    if usize::from(entry) != expected {
        return Err(Flaw::Broken("program headers of an unknown size"));
    }
    let total = expected * usize::from(entries);
    if total == 0 || total > MOST_HEADER_BYTES {
        return Err(Flaw::Broken("no program headers, or too many"));
    }
    let mut bytes = vec![0; total];
    if file.read_at(offset, &mut bytes)? < total {
        return Err(Flaw::Broken("the program headers are cut off"));
    }
    let places: [usize; 4] = if fields.wide { [4, 8, 16, 32] } else { [24, 4, 8, 16] };
    let [flags, offset, address, size] = places;
    bytes
        .chunks_exact(expected)
        .map(|entry| {
            Some(Segment {
                kind: fields.u32(entry, 0)?,
                flags: fields.u32(entry, flags)?,
                offset: fields.word(entry, offset)?,
                address: fields.word(entry, address)?,
                size: fields.word(entry, size)?,
            })
        })
        .collect::<Option<_>>()
        .ok_or(cut)
}
