//! Units that the C mptcpize enabled: it edits the unit's own file, which is not ours to mend, so
//! they are recognised and the command that does is told.

use std::path::Path;

use mptcpize_model::shell;

/// The library of the C mptcpize.
pub const LIBRARY: &str = "libmptcpwrap.so";

/// What is said of a file that the C mptcpize edited.
pub fn note(file: &Path) -> String {
    format!(
        "the C mptcpize has edited {shown}, and removed its Environment= lines; to clean up, \
         install the package of {shown} again (dpkg -S {file} names it), or: \
         sudo sed -i '/^Environment=\"LD_PRELOAD=.*{LIBRARY}/d' {file}",
        shown = file.display(),
        file = shell::operand(file.display()),
    )
}

/// Ours replaces the library of the C tool: two in a row would only be slower.
pub fn without(value: String) -> String {
    let kept: Vec<&str> = value
        .split([':', ' '])
        .filter(|entry| !entry.rsplit('/').next().is_some_and(|name| name.starts_with(LIBRARY)))
        .collect();
    kept.join(":")
}
