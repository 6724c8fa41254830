//! Lines for systemd's journal with fields of their own, by its native protocol
//! (systemd.journal-fields(7), <https://systemd.io/JOURNAL_NATIVE_PROTOCOL>).

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

use mptcpize_model::plain;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// What the lines are found by: `journalctl -t mptcpized`.
const IDENTIFIER: &str = "mptcpized";

/// The journal, where standard error leads to it.
#[derive(Debug)]
pub struct JournalSocket(UnixDatagram);

impl JournalSocket {
    /// The journal, if systemd connected standard error to it: `JOURNAL_STREAM` has the device and
    /// inode of that stream (systemd.exec(5)). Otherwise somebody else reads standard error.
    pub fn of_stderr() -> Option<Self> {
        let named = std::env::var("JOURNAL_STREAM").ok()?;
        let stream = std::fs::metadata("/proc/self/fd/2").ok()?;
        if named != format!("{}:{}", stream.dev(), stream.ino()) {
            return None;
        }
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(SOCKET).ok()?;
        Some(JournalSocket(socket))
    }

    /// Writes a line with these fields, and says whether the journal took it. `warning`: as of
    /// priority 4, else 6 (syslog(3)).
    pub fn line(&self, text: &str, warning: bool, fields: &[(&str, &str)]) -> bool {
        let priority = if warning { 4 } else { 6 };
        let mut all = format!("PRIORITY={priority}\nSYSLOG_IDENTIFIER={IDENTIFIER}\n");
        for (name, value) in fields.iter().chain(&[("MESSAGE", text)]) {
            // A line feed would begin another field; in such a value it is shown as a mark.
            let _ = writeln!(all, "{name}={}", plain::words(value));
        }
        self.0.send(all.as_bytes()).is_ok()
    }
}
