//! A user for one process alone: a number that nobody has, so that no other process of that user can
//! signal it, trace it or read its files.
//!
//! As systemd's `DynamicUser=`, from the same range, without an entry in any list of users.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Numbers that systemd gives to dynamic users (Documentation UIDS-GIDS), which no distribution gives to
/// others.
const RANGE: std::ops::RangeInclusive<u32> = 61184..=65519;

/// Where to begin in it: 868 numbers in, as in RFC 8684; systemd begins anywhere.
const FIRST: u32 = 61184 + 868;

/// Where systemd keeps those that it has given.
const GIVEN: &str = "/run/systemd/dynamic-uid";

/// A number without an entry in /etc/passwd or /etc/group, without a process, not given by systemd, and
/// that exists in this user namespace; none where there is none.
pub fn free() -> Option<u32> {
    let mut taken = BTreeSet::new();
    for file in ["/etc/passwd", "/etc/group"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        taken.extend(text.lines().filter_map(|line| line.split(':').nth(2)?.parse::<u32>().ok()));
    }
    taken.extend(names(GIVEN).into_iter().filter_map(|name| name.parse::<u32>().ok()));
    for name in names("/proc").iter().filter(|name| name.bytes().all(|it| it.is_ascii_digit())) {
        taken.extend(fs::metadata(format!("/proc/{name}")).map(|found| found.uid()));
    }
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    (FIRST..=*RANGE.end())
        .chain(*RANGE.start()..FIRST)
        .find(|number| !taken.contains(number) && is_mapped(&map, *number))
}

fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Is a number one of this user namespace? (user_namespaces(7): first, outside, how many.)
fn is_mapped(map: &str, number: u32) -> bool {
    let inside = |line: &str| {
        let mut words = line.split_whitespace().map(|word| word.parse::<u64>().ok());
        let (first, _, count) = (words.next()??, words.next()??, words.next()??);
        Some((first..first + count).contains(&u64::from(number)))
    };
    map.is_empty() || map.lines().any(|line| inside(line) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_from_those_that_a_namespace_has() {
        assert!(is_mapped("         0          0 4294967295\n", FIRST));
        assert!(!is_mapped("0 1000 1\n", FIRST));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", FIRST));
        assert!(is_mapped("", FIRST));
    }

    #[test]
    fn one_that_is_free_belongs_to_nobody() {
        let found = free().expect("not all are taken");
        assert!(RANGE.contains(&found));
    }
}
