//! The value of `LD_PRELOAD` with our library in it (ld.so(8)).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::inject::library;

/// Can a path stand in `LD_PRELOAD`? Blanks and colons separate there, `$` begins a token such as
/// `$LIB`, and nothing escapes them.
pub fn can_name(path: &Path) -> bool {
    !path.as_os_str().as_bytes().iter().any(|byte| b" \t\n:$".contains(byte))
}

/// Keeps what is there, in its order, and appends `library` unless it is there already.
///
/// An older library of ours (from an outer `mptcpize run` of another release) gives way: two of
/// them in one process would only be slower.
pub fn merge(existing: Option<&OsStr>, library: &Path) -> OsString {
    let ours = library.as_os_str().as_bytes();
    let mut entries: Vec<&[u8]> = existing
        .map(OsStr::as_bytes)
        .unwrap_or_default()
        .split(|byte| *byte == b':' || *byte == b' ')
        .filter(|entry| !entry.is_empty())
        .filter(|entry| *entry == ours || !library::is_ours(Path::new(OsStr::from_bytes(entry))))
        .collect();
    if !entries.contains(&ours) {
        entries.push(ours);
    }
    OsString::from_vec(entries.join(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_appended_once_and_others_are_kept() {
        let table = [
            (None, "/l/libmptcpize.so"),
            (Some(""), "/l/libmptcpize.so"),
            (Some("/a.so"), "/a.so:/l/libmptcpize.so"),
            (Some("/a.so /b.so"), "/a.so:/b.so:/l/libmptcpize.so"),
            (Some("/l/libmptcpize.so"), "/l/libmptcpize.so"),
            (Some("/l/libmptcpize.so:/a.so"), "/l/libmptcpize.so:/a.so"),
            (Some("/old/libmptcpize-0011aabb.so:/a.so"), "/a.so:/l/libmptcpize.so"),
            (Some("libc_malloc_debug.so.0"), "libc_malloc_debug.so.0:/l/libmptcpize.so"),
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
