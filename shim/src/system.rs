//! What was asked for every program of the host, where no environment can say it.
//!
//! `/etc/ld.so.preload` brings the library into programs whose environment nobody of ours made.
//! `mptcpize enable --system` therefore writes a copy of the library with a block of strings
//! behind it, `NAME=value` each and an empty one last, and its distance into [`SLOT`]. The block
//! is read where it lies: no file is opened at load, and the library as it is built has none.
//!
//! Also here: whether this very process is left out. Not here: what the other names mean.

use core::ffi::CStr;

use crate::sys;

/// Where the launcher writes how far behind this slot the block begins; 0 is none.
///
/// The launcher finds it by its first twelve bytes (`inject::system_library`).
#[repr(C, align(16))]
pub(crate) struct Slot {
    pub(crate) mark: [u8; 12],
    pub(crate) distance: u32,
}

/// In the segment that is mapped writable, so that the block lies behind it.
#[used]
#[cfg_attr(not(test), unsafe(link_section = ".data.mptcpize"))]
#[allow(unsafe_code, reason = "the section's name")]
pub(crate) static SLOT: Slot = Slot { mark: *b"\x7fmptcpize-s\0", distance: 0 };

/// The value of `name`: from the environment, else from the block.
///
/// A program that has gained privilege (`AT_SECURE`) takes nothing from an environment that its
/// caller made, but for `MPTCPIZE`, which can only leave it alone: a file that a trace is
/// appended to must not be of the caller's choice.
pub(crate) fn setting(name: &[u8]) -> Option<&'static CStr> {
    let heard = name == b"MPTCPIZE" || !sys::is_secure();
    let own = if heard { sys::getenv(name) } else { None };
    own.or_else(|| sys::block().and_then(|block| find(block, name)))
}

/// The value of `name` among the strings of a block.
fn find<'a>(block: &'a CStr, name: &[u8]) -> Option<&'a CStr> {
    let mut rest = block;
    loop {
        let bytes = rest.to_bytes();
        if bytes.is_empty() {
            return None;
        }
        if let Some(value) = bytes.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"=")) {
            // The value ends where its string ends.
            return Some(sys::tail(rest, bytes.len() - value.len()));
        }
        rest = sys::tail(rest, bytes.len() + 1);
    }
}

/// Is this process left out: its program, its user or its unit?
pub(crate) fn is_excluded() -> bool {
    let listed = |name: &[u8]| setting(name).map(CStr::to_bytes).filter(|list| !list.is_empty());
    if let Some(list) = listed(b"MPTCPIZE_NOT_USERS")
        && has_user(list, sys::user())
    {
        return true;
    }
    if let Some(list) = listed(b"MPTCPIZE_NOT_PROGRAMS") {
        // The name that was executed (for a script its own), and the file behind all links.
        if let Some(executed) = sys::executed()
            && has_program(list, executed.to_bytes())
        {
            return true;
        }
        let mut path = [0; 4096];
        if has_program(list, sys::executable(&mut path)) {
            return true;
        }
    }
    if let Some(list) = listed(b"MPTCPIZE_NOT_UNITS") {
        // Unit names are at most 255 bytes, and few cgroups are nested deep.
        let mut text = [0; 2048];
        return has_unit(list, sys::cgroup(&mut text));
    }
    false
}

fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b':').filter(|entry| !entry.is_empty())
}

/// An entry with a slash is a whole path; one without is the last part of any.
fn has_program(list: &[u8], path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    entries(list).any(|entry| entry == if entry.contains(&b'/') { path } else { name })
}

fn has_user(list: &[u8], user: u32) -> bool {
    entries(list).any(|entry| number(entry) == Some(user))
}

/// Decimal digits as a number; none for anything else.
fn number(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0u32, |value, digit| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_add(u32::from(digit)) }
    })
}

/// Is one of the units a part of a path in `/proc/self/cgroup` (cgroups(7))?
fn has_unit(list: &[u8], cgroup: &[u8]) -> bool {
    cgroup
        .split(|byte| *byte == b'/' || *byte == b'\n')
        .any(|part| !part.is_empty() && entries(list).any(|entry| entry == part))
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
            ("bgpd", "/", false),
        ];
        for (list, path, expected) in table {
            assert_eq!(has_program(list.as_bytes(), path.as_bytes()), expected, "{list} {path}");
        }
    }

    #[test]
    fn users_are_numbers() {
        let table = [
            ("0:33", 33, true),
            ("0:33", 0, true),
            ("0:33", 3, false),
            ("", 0, false),
            ("4294967296", 0, false),
            ("x", 0, false),
            ("1x", 1, false),
        ];
        for (list, user, expected) in table {
            assert_eq!(has_user(list.as_bytes(), user), expected, "{list} {user}");
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
        for (list, cgroup, expected) in table {
            assert_eq!(has_unit(list.as_bytes(), cgroup.as_bytes()), expected, "{list} {cgroup}");
        }
    }
}
