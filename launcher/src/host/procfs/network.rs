//! Counters of the network stack from procfs (proc_net(5)), for the network namespace of this
//! thread, and how long the machine has been up.

use std::fs;
use std::io;
use std::time::Duration;

use mptcpize_model::counters::Counters;

/// `/proc/net` would be that of the first thread, whose namespace may be another.
const NETSTAT: &str = "/proc/thread-self/net/netstat";

/// The groups of counters of the namespace.
#[derive(Clone, Debug, Default)]
pub struct Netstat(String);

impl Netstat {
    /// Reads them; everybody may.
    ///
    /// # Errors
    /// There is no procfs.
    pub fn read() -> io::Result<Self> {
        fs::read_to_string(NETSTAT).map(Netstat)
    }

    /// The counters of MPTCP; none on a kernel without it.
    pub fn mptcp(&self) -> Counters {
        self.group("MPTcpExt")
    }

    /// Packets that rp_filter dropped (`IPReversePathFilter`).
    pub fn reverse_path(&self) -> u64 {
        self.group("TcpExt").get("IPReversePathFilter")
    }

    /// A group: one line of names, one of values, both after `GROUP:`.
    fn group(&self, group: &str) -> Counters {
        let mut lines =
            self.0.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(':'));
        let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
            return Counters::default();
        };
        let values = values.split_ascii_whitespace().map(|value| value.parse().unwrap_or(0));
        Counters(names.split_ascii_whitespace().map(str::to_owned).zip(values).collect())
    }
}

/// Seconds since the boot, sleep included.
pub fn uptime_s() -> u64 {
    uptime().as_secs()
}

/// The time since the boot, sleep included.
pub fn uptime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_two_lines_and_malformed_ones_give_what_they_can() {
        let text = "TcpExt: SyncookiesSent IPReversePathFilter\nTcpExt: 0 17\n\
                    MPTcpExt: MPCapableSYNRX New MPRstTx\nMPTcpExt: 3 x\n";
        let netstat = Netstat(text.into());
        assert_eq!(netstat.reverse_path(), 17);
        assert_eq!(
            netstat.mptcp(),
            Counters(vec![("MPCapableSYNRX".into(), 3), ("New".into(), 0)])
        );
        assert_eq!(Netstat("MPTcpExt: Alone\n".into()).mptcp(), Counters::default());
        assert_eq!(Netstat::default().mptcp(), Counters::default());
    }
}
