//! A table of the packet filter that goes with the process that holds it: an nft(8) that stays, and reads
//! from a pipe of ours. Its table has `flags owner` (Linux 5.12), so that the kernel removes it when the
//! nft ends, and that ends when the pipe does: after a `kill -9` of all of us nothing is left.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::reason;
use crate::host::gateway::confine::{Confined, NET_ADMIN};
use crate::syscall::timespec;

/// How long nft may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A table that is loaded.
#[derive(Debug)]
pub struct Table {
    nft: Child,
    input: ChildStdin,
    end: OwnedFd,
}

impl Table {
    /// Loads the table `name` by this text, in the network namespace of this thread.
    ///
    /// # Errors
    /// A clause: there is no nft, or what it or the kernel says against the text.
    pub fn load(name: &str, text: &str) -> Result<Self, String> {
        Table::start(name, text).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no nft (apt install nftables)".to_owned(),
            io::ErrorKind::Other => error.to_string(),
            _ => format!("nft: {}", reason(&error)),
        })
    }

    fn start(name: &str, text: &str) -> io::Result<Self> {
        // It reads line by line what is not a file, and a table has many lines.
        let mut rules = std::fs::File::from(memfd_create(c"rules", MemfdFlags::empty())?);
        rules.write_all(text.as_bytes())?;
        let mut command = Command::new("nft");
        // A home that is none: it would keep what it read as a history there.
        command.arg("-i").env_clear().env("HOME", "/nonexistent").env("LC_ALL", "C");
        command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Confined { user: None, capabilities: NET_ADMIN }.apply(&mut command);
        let mut nft = command.spawn()?;
        let end = pidfd_open(Pid::from_child(&nft), PidfdFlags::NONBLOCK)?;
        let input = nft.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut table = Table { nft, input, end };
        table.say(&format!("include \"/proc/self/fd/{}\"", rules.as_raw_fd()))?;
        table.say(&format!("list table inet {name}"))?;
        table.await_answer(&format!("table inet {name} {{"))?;
        Ok(table)
    }

    /// Hands it one more line.
    ///
    /// # Errors
    /// It has ended.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.input, "{line}")?;
        self.input.flush()
    }

    /// Has it gone, with the nft that held it?
    pub fn has_gone(&self) -> bool {
        let mut wait = [PollFd::new(&self.end, PollFlags::IN)];
        poll(&mut wait, Some(&timespec(Duration::ZERO))).is_ok_and(|count| count > 0)
    }

    /// Reads what it says until that shows the table.
    fn await_answer(&mut self, sign: &str) -> io::Result<()> {
        let (Some(said), Some(complaint)) = (&mut self.nft.stdout, &mut self.nft.stderr) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let until = Instant::now() + PATIENCE;
        let mut text = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut all = [PollFd::new(said, PollFlags::IN), PollFd::new(complaint, PollFlags::IN)];
            if poll(&mut all, Some(&timespec(left)))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let [out, err] = [all[0].revents(), all[1].revents()];
            if !err.is_empty() {
                let length = complaint.read(&mut piece)?;
                let text = String::from_utf8_lossy(&piece[..length]).into_owned();
                return Err(io::Error::other(first_line(&text)));
            }
            if !out.is_empty() {
                let length = said.read(&mut piece)?;
                if length == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                text.extend_from_slice(&piece[..length]);
                if String::from_utf8_lossy(&text).contains(sign) {
                    return Ok(());
                }
            }
        }
    }
}

impl AsFd for Table {
    /// Readable once the table has gone, with the nft that held it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let _ = self.nft.kill();
        let _ = self.nft.wait();
    }
}

/// What is wrong, without where in our text.
fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| line.contains("Error")).or_else(|| text.lines().next());
    let line = line.unwrap_or("it failed");
    format!("nft: {}", line.split_once("Error: ").map_or(line, |(_, said)| said))
}
