//! The byte counters of the links: what really went over each, whoever sent it.

use std::collections::BTreeMap;
use std::fs;

use mptcpize_model::net::Bytes;

/// Every link's counters, in the network namespace of this thread: sysfs would show those of the
/// namespace that it was mounted in.
pub fn counters() -> BTreeMap<String, Bytes> {
    read(&fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default())
}

/// Lines of `name: received … sent …`, received bytes first and sent ones eight columns on.
fn read(table: &str) -> BTreeMap<String, Bytes> {
    let line = |line: &str| {
        let (name, numbers) = line.rsplit_once(':')?;
        let mut numbers = numbers.split_ascii_whitespace();
        let received = numbers.next()?.parse().ok()?;
        let sent = numbers.nth(7)?.parse().ok()?;
        Some((name.trim().to_owned(), Bytes { received, sent }))
    };
    table.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_stand_in_columns() {
        let table = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 1000 1 0 0 0 0 0 0 2000 2 0 0 0 0 0 0
wlan0:12345678901 1 0 0 0 0 0 0 7 2 0 0 0 0 0 0
 odd: 1 2
";
        let read = read(table);
        assert_eq!(read.len(), 2);
        assert_eq!(read["lo"], Bytes { received: 1000, sent: 2000 });
        assert_eq!(read["wlan0"], Bytes { received: 12_345_678_901, sent: 7 });
    }
}
