//! What was asked for every program of the host, where no environment can say it.
//!
//! `/etc/ld.so.preload` brings the library into programs that `mptcpize run` did not start, and whose
//! environment it did not make.
//! This module makes another library (cargo feature `system`), with room for a block of strings,
//! `NAME=value` each and an empty one last. `mptcpize enable --system` installs a copy with the
//! block filled. It is read where it lies: no file is opened at load. Of the environment it takes
//! two words ([`setting`]).
//!
//! Also here: whether this very process is left out. Not here: what the other names mean.

use core::ffi::CStr;

use crate::line::Line;
use crate::sys::settings::{self, Settings};
use crate::sys::{process, start};
use crate::words::NUMBER;

/// The settings; empty in the library as it is built. By the mark the launcher finds the place
/// (`inject::library::system_copy`).
#[used]
static SETTINGS: Settings = Settings::empty(*b"mptcpize set-up:");

/// The value of `name`: from the block, but for `MPTCPIZE` and `MPTCPIZE_DEBUG`, of which the
/// environment's counts where it may have them.
///
/// The environment is a caller's, who may have less privilege than the program that reads it: one
/// that gained privilege, or one that such a program started with what it was given. So it
/// names no file and no list; it can leave the program alone, and have it speak to its own standard
/// error.
#[cold]
#[inline(never)]
pub(crate) fn setting(name: &[u8]) -> Option<&'static CStr> {
    let own = match name {
        b"MPTCPIZE" | b"MPTCPIZE_DEBUG" => process::getenv(name),
        _ => None,
    };
    own.filter(|value| is_heard(value.to_bytes(), name)).or_else(|| find(SETTINGS.first(), name))
}

/// May the environment give this value to `name`?
fn is_heard(value: &[u8], name: &[u8]) -> bool {
    match name {
        b"MPTCPIZE" => matches!(value, b"off" | b"0"),
        _ => value == b"1" && !start::is_secure(),
    }
}

/// The value of `name` among the strings of a block.
#[inline(never)]
fn find<'a>(block: &'a CStr, name: &[u8]) -> Option<&'a CStr> {
    let mut rest = block;
    loop {
        let bytes = rest.to_bytes();
        if bytes.is_empty() {
            return None;
        }
        if let Some(value) = bytes.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"=")) {
            // The value ends where its string ends.
            return Some(settings::tail(rest, bytes.len() - value.len()));
        }
        rest = settings::tail(rest, bytes.len() + 1);
    }
}

/// Is this process left out: its program, its user or its unit?
#[cold]
#[inline(never)]
pub(crate) fn is_excluded() -> bool {
    if let Some(list) = setting(b"MPTCPIZE_NOT_USERS") {
        // As a signed number, as the launcher writes it too.
        let mut number = Line::new();
        number.write(NUMBER, &[start::user()]);
        if has(list, number.as_bytes()) {
            return true;
        }
    }
    if let Some(list) = setting(b"MPTCPIZE_NOT_PROGRAMS") {
        // The name that was executed (for a script its own), and the file behind all links.
        let mut path = [0; 4096];
        if has_program(list, start::executed()) || has_program(list, start::executable(&mut path)) {
            return true;
        }
    }
    if let Some(list) = setting(b"MPTCPIZE_NOT_UNITS") {
        // Unit names are at most 255 bytes, and few cgroups are nested deep.
        let mut text = [0; 2048];
        return has_unit(list, start::cgroup(&mut text));
    }
    false
}

/// Is it an entry of the list, whose entries have colons between them?
#[inline(never)]
fn has(list: &CStr, wanted: &[u8]) -> bool {
    !wanted.is_empty() && list.to_bytes().split(|byte| *byte == b':').any(|entry| entry == wanted)
}

/// Is the program of this path in the list? An entry with a slash is a whole path; one without is the
/// last part of any.
#[inline(never)]
fn has_program(list: &CStr, path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    has(list, path) || has(list, name)
}

/// Is one of the units a part of a path in `/proc/self/cgroup` (cgroups(7))?
fn has_unit(list: &CStr, cgroup: &[u8]) -> bool {
    cgroup.split(|byte| *byte == b'/' || *byte == b'\n').any(|part| has(list, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_like_an_environment() {
        let block = CStr::from_bytes_until_nul(b"A=1\0BC=\0B=x=y\0\0").expect("it ends");
        for (name, value) in
            [("A", Some("1")), ("BC", Some("")), ("B", Some("x=y")), ("C", None), ("", None)]
        {
            let found = find(block, name.as_bytes()).map(|value| value.to_str().expect("text"));
            assert_eq!(found, value, "{name}");
        }
        assert!(find(c"", b"A").is_none(), "an empty block");
    }

    fn list(text: &str) -> std::ffi::CString {
        std::ffi::CString::new(text).expect("no NUL")
    }

    #[test]
    fn programs_are_matched_by_path_or_by_name() {
        let table = [
            ("sshd", "/usr/sbin/sshd", true),
            ("sshd", "sshd", true),
            ("ssh", "/usr/sbin/sshd", false),
            ("/usr/sbin/sshd", "/usr/sbin/sshd", true),
            ("/usr/sbin/sshd", "/opt/sshd", false),
            ("bird:/usr/bin/bgpd", "/usr/bin/bgpd", true),
            ("bird::bgpd:", "/usr/bin/bgpd", true),
            ("", "/usr/bin/bgpd", false),
            ("bgpd", "", false),
            ("bgpd:", "/", false),
        ];
        for (text, path, expected) in table {
            assert_eq!(has_program(&list(text), path.as_bytes()), expected, "{text} {path}");
        }
    }

    #[test]
    fn units_are_parts_of_the_cgroups_path() {
        let two = "1:name=systemd:/system.slice/a.service\n0::/system.slice/a.service\n";
        let table = [
            ("a.service", two, true),
            ("system.slice", two, true),
            ("b.service:a.service", two, true),
            ("service", two, false),
            ("a.servic", two, false),
            ("a.service", "0::/a.service/inner\n", true),
            ("a.service", "0::/\n", false),
            ("a.service", "", false),
        ];
        for (text, cgroup, expected) in table {
            assert_eq!(has_unit(&list(text), cgroup.as_bytes()), expected, "{text} {cgroup}");
        }
    }
}
