//! How an ELF file is read: bytes at an offset, numbers of its word size and byte order, and the
//! segments that both the headers and the look for Go's build information go by.
//!
//! Source: elf(5), System V ABI chapter 4.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

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

const PT_LOAD: u32 = 1;
/// The segment with the loader's name.
pub(in crate::inject) const PT_INTERP: u32 = 3;
/// `PF_W`.
const WRITABLE: u32 = 2;

/// One entry of the program header table, in the widths of 64-bit files.
#[derive(Clone, Copy, Debug)]
pub(in crate::inject) struct Segment {
    /// `p_type`.
    pub(in crate::inject) kind: u32,
    /// `p_flags`.
    pub(in crate::inject) flags: u32,
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

/// How the numbers of this file are written: word size and byte order.
#[derive(Clone, Copy, Debug)]
pub(in crate::inject) struct Fields {
    /// 64-bit words.
    pub(in crate::inject) wide: bool,
    little: bool,
}

impl Fields {
    /// As `EI_CLASS` and `EI_DATA` say.
    pub(in crate::inject) fn of(header: &[u8]) -> Result<Self, Flaw> {
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
