//! The value of `LD_PRELOAD` with our library in it (ld.so(8)).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::locations;

/// Can a path stand in `LD_PRELOAD`? Blanks and colons separate there, `$` begins a token such as
/// `$LIB`, and nothing escapes them.
pub fn can_name(path: &Path) -> bool {
    !path.as_os_str().as_bytes().iter().any(|byte| b" \t\n:$".contains(byte))
}

/// Puts `library` in front of what is there, which keeps its order.
///
/// In front, because ours calls the next library of the same function, and not all others do:
/// torsocks goes to libc, past whatever stands behind it. An older library of ours (from an outer
/// `mptcpize run` of another release) gives way: two of them in one process would only be slower.
pub fn merge(existing: Option<&OsStr>, library: &Path) -> OsString {
    let entries = existing
        .map(OsStr::as_bytes)
        .unwrap_or_default()
        .split(|byte| *byte == b':' || *byte == b' ')
        .filter(|entry| !entry.is_empty())
        .filter(|entry| !locations::is_library(Path::new(OsStr::from_bytes(entry))));
    let entries: Vec<&[u8]> =
        std::iter::once(library.as_os_str().as_bytes()).chain(entries).collect();
    OsString::from_vec(entries.join(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_comes_first_and_once_and_others_are_kept() {
        let table = [
            (None, "/l/libmptcpize.so"),
            (Some(""), "/l/libmptcpize.so"),
            (Some("/a.so"), "/l/libmptcpize.so:/a.so"),
            (Some("/a.so /b.so"), "/l/libmptcpize.so:/a.so:/b.so"),
            (Some("/l/libmptcpize.so"), "/l/libmptcpize.so"),
            (Some("/l/libmptcpize.so:/a.so"), "/l/libmptcpize.so:/a.so"),
            (Some("/a.so:/l/libmptcpize.so"), "/l/libmptcpize.so:/a.so"),
            (Some("/old/libmptcpize-0011aabb.so:/a.so"), "/l/libmptcpize.so:/a.so"),
            (Some("libc_malloc_debug.so.0"), "/l/libmptcpize.so:libc_malloc_debug.so.0"),
        ];
        for (existing, expected) in table {
            let merged = merge(existing.map(OsStr::new), Path::new("/l/libmptcpize.so"));
            assert_eq!(merged, expected, "{existing:?}");
        }
    }

    #[test]
    fn a_path_that_would_be_split_cannot_be_named() {
        for (path, fine) in [("/a/b.so", true), ("/a b/c", false), ("/a:b", false), ("/$x", false)]
        {
            assert_eq!(can_name(Path::new(path)), fine, "{path}");
        }
    }
}
