//! What an ELF file is: class, machine, loader, Go. Reads a few kilobytes of headers, where they do not
//! tell all the data segments too, and takes every field as hostile.
//!
//! Not here: symbols, relocations, what the program does. Source: elf(5), System V ABI chapter 4.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::inject::target::build_info::{self, Program};
use crate::inject::target::go::GoVersion;

/// Something that can be read at an offset: a file, or bytes in a test.
pub trait ReadAt {
    /// Fills `into` from `offset` on as far as the data goes; returns the number of bytes.
    ///
    /// # Errors
    /// The read itself failed. The end of the data is not an error.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..)
            && !rest.is_empty()
        {
            // Offsets beyond what the kernel takes are beyond the end of any file.
            let Some(at) = offset.checked_add(filled as u64).filter(|at| *at <= i64::MAX as u64)
            else {
                break;
            };
            match FileExt::read_at(self, rest, at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or(&[]);
        let size = rest.len().min(into.len());
        into[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }
}

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

/// Why a file is not a program that we understand.
#[derive(Debug)]
pub enum Flaw {
    /// It does not begin with the ELF magic.
    NotElf,
    /// It does, but a header is cut off, inconsistent or absurd.
    Broken(&'static str),
    /// It cannot be read.
    Io(io::Error),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::NotElf => f.write_str("not an ELF file"),
            Flaw::Broken(what) => write!(f, "a broken ELF file ({what})"),
            Flaw::Io(error) => write!(f, "unreadable: {error}"),
        }
    }
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        Flaw::Io(error)
    }
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

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
/// `PF_W`.
const WRITABLE: u32 = 2;

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

/// One entry of the program header table, in the widths of 64-bit files.
#[derive(Clone, Copy, Debug)]
pub(in crate::inject) struct Segment {
    kind: u32,
    flags: u32,
    /// Position in the file.
    pub(in crate::inject) offset: u64,
    /// Position in memory.
    pub(in crate::inject) address: u64,
    /// Bytes in the file.
    pub(in crate::inject) size: u64,
}

impl Segment {
    /// A part of the file that is mapped writable: where Go keeps its build information.
    pub(in crate::inject) fn is_data(&self) -> bool {
        self.kind == PT_LOAD && self.flags & WRITABLE != 0
    }

    /// Where in the file the byte at `address` is, when this segment maps it from there.
    pub(in crate::inject) fn offset_of(&self, address: u64) -> Option<u64> {
        let within = address.checked_sub(self.address)?;
        (self.kind == PT_LOAD && within < self.size)
            .then(|| self.offset.checked_add(within))
            .flatten()
    }
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

/// How the numbers of this file are written: word size and byte order.
#[derive(Clone, Copy, Debug)]
pub(in crate::inject) struct Fields {
    /// 64-bit words.
    pub(in crate::inject) wide: bool,
    little: bool,
}

impl Fields {
    fn of(header: &[u8]) -> Result<Self, Flaw> {
        let wide = match header.get(4) {
            Some(1) => false,
            Some(2) => true,
            _ => return Err(Flaw::Broken("neither 32-bit nor 64-bit")),
        };
        let little = match header.get(5) {
            Some(1) => true,
            Some(2) => false,
            _ => return Err(Flaw::Broken("neither little- nor big-endian")),
        };
        Ok(Fields { wide, little })
    }

    pub(in crate::inject) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let field = *bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(field) } else { u16::from_be_bytes(field) })
    }

    pub(in crate::inject) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let field = *bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u32::from_le_bytes(field) } else { u32::from_be_bytes(field) })
    }

    /// An address or offset: 4 or 8 bytes.
    pub(in crate::inject) fn word(self, bytes: &[u8], at: usize) -> Option<u64> {
        if !self.wide {
            return self.u32(bytes, at).map(u64::from);
        }
        let field = *bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u64::from_le_bytes(field) } else { u64::from_be_bytes(field) })
    }
}
