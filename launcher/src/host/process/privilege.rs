//! What a person can do where something is not permitted. sudo(8) makes root of a user, and that
//! helps only where root may: not within a user namespace, whose root is nobody to the host, and not
//! root whom a container or a unit has left without a capability.
//!
//! Not here: whether something is permitted; the kernel says that.

use std::env;
use std::ffi::OsString;
use std::fs;

use mptcpize_model::relay::url;
use mptcpize_model::shell;

/// The advice for this process: what was typed, with `sudo` before it, or a clause where that does not help.
pub fn advice() -> String {
    match Standing::of_this_process() {
        Standing::User => match typed() {
            Some(line) => format!("sudo {line}"),
            None => "run it with sudo".to_owned(),
        },
        Standing::Root => {
            "run it outside of this container, or with root's capabilities in it".to_owned()
        }
        Standing::Namespace => {
            "run it as root of the host, outside of this user namespace".to_owned()
        }
    }
}

/// The command line of this process, as it can be pasted.
fn typed() -> Option<String> {
    line_of(env::args_os().skip(1))
}

/// A command line of these arguments. Nothing where one is no text or may have a key of a relay in it; nor of a
/// program that is run: its arguments are its own matter, and root is not whom it was to run as.
fn line_of(arguments: impl Iterator<Item = OsString>) -> Option<String> {
    let mut line = "mptcpize".to_owned();
    for argument in arguments {
        let word =
            argument.to_str().filter(|word| *word != "run" && url::key_in(word).is_none())?;
        line.push(' ');
        line.push_str(&shell::word(word));
    }
    Some(line)
}

/// A command line with `sudo` before it, or the advice where that does not help.
pub fn with_sudo(command: &str) -> String {
    match Standing::of_this_process() {
        Standing::User => format!("sudo {command}"),
        _ => format!("{command}    ({})", advice()),
    }
}

/// Whom this process is to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A user of the host, who may become root.
    User,
    /// Root of the host.
    Root,
    /// Somebody in a user namespace: rootless containers, `unshare --user`, `PrivateUsers=`.
    Namespace,
}

impl Standing {
    fn of_this_process() -> Self {
        // A kernel without user namespaces has no such file.
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        Standing::of(&map, rustix::process::geteuid().is_root())
    }

    fn of(uid_map: &str, root: bool) -> Self {
        // The first user namespace maps every id to itself (user_namespaces(7)).
        let mut words = uid_map.split_whitespace();
        let all = [words.next(), words.next(), words.next()];
        match all {
            [None, ..] | [Some("0"), Some("0"), Some("4294967295")] if root => Standing::Root,
            [None, ..] | [Some("0"), Some("0"), Some("4294967295")] => Standing::User,
            _ => Standing::Namespace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_paste_has_no_key_and_no_program_in_it() {
        let table: [(&[&str], Option<&str>); 5] = [
            (&[], Some("mptcpize")),
            (&["setup", "--exclude", "a;b"], Some("mptcpize setup --exclude 'a;b'")),
            (&["relay", "add", "home", "SS://key@192.0.2.1:8686"], None),
            (&["relay", "test", "--url=ss://key@192.0.2.1:8686"], None),
            (&["run", "--setup", "curl", "-u", "user:secret"], None),
        ];
        for (words, expected) in table {
            let line = line_of(words.iter().map(OsString::from));
            assert_eq!(line.as_deref(), expected, "{words:?}");
        }
    }

    #[test]
    fn a_user_namespace_is_told_by_its_map() {
        let host = "         0          0 4294967295\n";
        let table = [
            (host, false, Standing::User),
            (host, true, Standing::Root),
            ("", false, Standing::User),
            ("", true, Standing::Root),
            ("         0       1000          1\n", true, Standing::Namespace),
            ("      1000       1000          1\n", false, Standing::Namespace),
            ("0 0 65536\n", true, Standing::Namespace),
            ("0 1000 1\n1 100000 65536\n", true, Standing::Namespace),
        ];
        for (map, root, expected) in table {
            assert_eq!(Standing::of(map, root), expected, "{map:?}, {root}");
        }
    }
}
