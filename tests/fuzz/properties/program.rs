//! Programs that strangers hand over: ELF headers and `#!` lines.

use std::cell::Cell;
use std::io;
use std::os::unix::ffi::OsStrExt;

use mptcpize::inject::target::elf::{self, ReadAt};
use mptcpize::inject::target::script;

/// So long is a file that has no end of its own: a few times the blocks and tables that are read of
/// one, and little enough that the fuzzer tries thousands of inputs a second. That data of any
/// length is looked through no further than promised stands in tests/pure/go_programs.rs.
const LONG: u64 = 256 * 1024;

/// A file that is these bytes, or these bytes again and again; and how much of it was asked for.
struct Bytes<'a> {
    bytes: &'a [u8],
    endless: bool,
    asked: Cell<usize>,
}

impl ReadAt for Bytes<'_> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.asked.set(self.asked.get() + into.len());
        if !self.endless || self.bytes.is_empty() {
            return self.bytes.read_at(offset, into);
        }
        let size = usize::try_from(LONG.saturating_sub(offset)).unwrap_or(0).min(into.len());
        let into = &mut into[..size];
        let start = (offset % self.bytes.len() as u64) as usize;
        let repeated = self.bytes.iter().cycle().skip(start);
        for (into, byte) in into.iter_mut().zip(repeated) {
            *into = *byte;
        }
        Ok(into.len())
    }
}

/// The headers of a file, long or short: no more is read than is promised.
pub(crate) fn elf(bytes: &[u8]) {
    for endless in [false, true] {
        let file = Bytes { bytes, endless, asked: Cell::new(0) };
        let read = elf::read(&file);
        assert!(file.asked.get() <= elf::MOST_READ, "{} bytes were read", file.asked.get());
        match read {
            Ok(elf) => {
                let name = elf.interpreter.unwrap_or_default();
                assert!(!name.contains(&0) && name.len() <= 4096, "{}", name.escape_ascii());
            }
            Err(flaw) => assert!(!flaw.to_string().is_empty()),
        }
    }
}

/// The `#!` line names what the kernel would run.
pub(crate) fn script(bytes: &[u8]) {
    let ours = script::interpreter(bytes);
    let ours = ours.as_ref().map(|path| path.as_os_str().as_bytes());
    assert_eq!(ours, kernels(bytes).as_deref(), "{}", bytes.escape_ascii());
}

/// `load_script` of Linux 6.18 (fs/binfmt_script.c), line by line; `None` also for the empty name,
/// which the kernel looks for in vain.
fn kernels(file: &[u8]) -> Option<Vec<u8>> {
    const SIZE: usize = 256;
    let mut buffer = [0; SIZE];
    let got = file.len().min(SIZE);
    buffer[..got].copy_from_slice(&file[..got]);
    if !buffer.starts_with(b"#!") {
        return None;
    }
    let is_blank = |byte: u8| byte == b' ' || byte == b'\t';
    let from = |first: usize, last: usize, wanted: &dyn Fn(u8) -> bool| {
        (first..=last).find(|at| wanted(buffer[*at]))
    };
    let next_non_blank = |first, last| from(first, last, &|byte| !is_blank(byte));
    let next_terminator = |first, last| from(first, last, &|byte| is_blank(byte) || byte == 0);
    let last = SIZE - 1;
    // strnchr ends at a zero byte.
    let line_feed = buffer.iter().position(|byte| *byte == b'\n' || *byte == 0);
    let mut end = match line_feed.filter(|at| buffer[*at] == b'\n') {
        Some(at) => at,
        None => {
            let start = next_non_blank(2, last)?;
            next_terminator(start, last)?;
            last
        }
    };
    while is_blank(buffer[end - 1]) {
        end -= 1;
    }
    let name = next_non_blank(2, end).filter(|name| *name != end)?;
    let name_end = next_terminator(name, end).unwrap_or(end);
    let name = &buffer[name..name_end];
    (!name.is_empty()).then(|| name.to_vec())
}
