//! The `#!` line of a script, as the kernel reads it (fs/binfmt_script.c).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// How much of a file the kernel looks at (`BINPRM_BUF_SIZE`, include/uapi/linux/binfmts.h).
pub const LOOKED_AT: usize = 256;

/// The interpreter named by the first bytes of a file, when they begin with `#!` and the kernel
/// would take the line.
///
/// A line longer than what the kernel looks at is refused by it when the name itself is cut off.
pub fn interpreter(start: &[u8]) -> Option<PathBuf> {
    let start = start.get(..LOOKED_AT).unwrap_or(start);
    let rest = start.strip_prefix(b"#!")?;
    let end = rest.iter().position(|byte| *byte == b'\n' || *byte == 0);
    let line = rest.get(..end.unwrap_or(rest.len()))?;
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let from = line.iter().position(|byte| !blank(byte))?;
    let name = line.get(from..)?;
    let name = match name.iter().position(blank) {
        Some(to) => name.get(..to)?,
        // Without an end of line within reach, the name may go on beyond it.
        None if end.is_none() && start.len() == LOOKED_AT => return None,
        None => name,
    };
    (!name.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read_as_the_kernel_reads_it() {
        let long = format!("#!/{}\n", "x".repeat(300));
        let long_argument = format!("#!/bin/sh {}\n", "x".repeat(300));
        let table: [(&str, &str, Option<&str>); 11] = [
            ("plain", "#!/bin/sh\necho", Some("/bin/sh")),
            ("with an argument", "#!/usr/bin/env python3\n", Some("/usr/bin/env")),
            ("blanks before the name", "#! \t/bin/sh -e\n", Some("/bin/sh")),
            ("no line feed, a short file", "#!/bin/sh", Some("/bin/sh")),
            ("a name longer than the kernel reads", &long, None),
            ("an argument longer than that", &long_argument, Some("/bin/sh")),
            ("nothing behind it", "#!\n", None),
            ("blanks only", "#!   \n/bin/sh", None),
            ("no magic", "# !/bin/sh\n", None),
            ("empty", "", None),
            ("a relative name", "#!sh\n", Some("sh")),
        ];
        for (name, text, expected) in table {
            assert_eq!(interpreter(text.as_bytes()), expected.map(PathBuf::from), "{name}");
        }
    }
}
