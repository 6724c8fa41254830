//! Kernel parameters by their dotted names (sysctl(8)): where they are, and the line that sets one.

use std::path::{Path, PathBuf};

use crate::shell;

/// The file of a parameter. A dot within a component, as in the link name `eth0.10`, is written as
/// a slash in the name, and the other way round in the path.
pub fn file(key: &str) -> PathBuf {
    let swapped: String = key
        .chars()
        .map(|letter| match letter {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect();
    Path::new("/proc/sys").join(swapped)
}

/// The command that sets a parameter. sysctl(8) takes the first `=` for the end of the name and has
/// patterns: a link whose name has such letters is set through its file.
pub fn command(key: &str, value: impl std::fmt::Display) -> String {
    if key.contains(|letter| "=*?[]{}\\".contains(letter)) {
        let file = file(key);
        return shell::line([
            "sh",
            "-c",
            &format!("echo {value} > \"$0\""),
            &file.to_string_lossy(),
        ]);
    }
    format!("sysctl -w {}", shell::word(format_args!("{key}={value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_in_a_link_name_stays_one() {
        let path = file("net.ipv4.conf.eth0/10.arp_ignore");
        assert_eq!(path, Path::new("/proc/sys/net/ipv4/conf/eth0.10/arp_ignore"));
    }

    #[test]
    fn the_line_has_the_words_of_sysctl_where_they_mean_the_same() {
        let table = [
            ("net.mptcp.enabled", "sysctl -w net.mptcp.enabled=1"),
            ("net.ipv4.conf.a;id.x", "sysctl -w 'net.ipv4.conf.a;id.x=1'"),
            ("net.ipv4.conf.a=b.x", "sh -c 'echo 1 > \"$0\"' /proc/sys/net/ipv4/conf/a=b/x"),
            ("net.ipv4.conf.e*/1.x", "sh -c 'echo 1 > \"$0\"' '/proc/sys/net/ipv4/conf/e*.1/x'"),
        ];
        for (key, expected) in table {
            assert_eq!(command(key, 1), expected);
        }
    }
}
