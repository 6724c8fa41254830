//! /etc/ld.so.preload: every program of the host starts with what it says.

use mptcpize_model::preload_file::{with, without};

const OURS: &str = "/usr/$LIB/mptcpize/libmptcpize-system-1.so";

fn is_ours(name: &[u8]) -> bool {
    name.windows(18).any(|window| window == b"libmptcpize-system")
}

/// The names as ld.so(8) reads them.
fn names(text: &[u8]) -> Vec<&[u8]> {
    let lines = text.split(|byte| *byte == b'\n');
    let code = lines.map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default());
    code.flat_map(|code| code.split(|byte| b" \t:".contains(byte)))
        .filter(|name| !name.is_empty())
        .collect()
}

/// Our name is in it once and the others stay in their order; and where it was not in it before,
/// taking it out restores every byte.
pub(crate) fn preload_file(before: &[u8]) {
    let on = with(Some(before), OURS, is_ours);
    let others = |text| names(text).into_iter().filter(|name| !is_ours(name)).collect::<Vec<_>>();
    assert_eq!(others(&on), others(before), "{}", on.escape_ascii());
    let ours: Vec<&[u8]> = names(&on).into_iter().filter(|name| is_ours(name)).collect();
    assert_eq!(ours, [OURS.as_bytes()], "{}", on.escape_ascii());
    assert_eq!(with(Some(&on), OURS, is_ours), on, "twice is once");
    let off = without(&on, is_ours);
    if !names(before).into_iter().any(is_ours) {
        assert_eq!(off.as_deref(), Some(before), "{}", on.escape_ascii());
    }
    let off = off.unwrap_or_default();
    assert_eq!(others(&off), others(before), "{}", off.escape_ascii());
    assert!(!names(&off).into_iter().any(is_ours), "{}", off.escape_ascii());
}
