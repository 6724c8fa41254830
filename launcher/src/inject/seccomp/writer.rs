//! The process that writes the debug records, so that nobody who answers calls ever waits for who
//! reads them: a pipe that is full, a terminal that was stopped, a file of a file system that
//! does not answer.
//!
//! Records come over a socket that keeps them apart and holds a few hundred. What does not fit is
//! dropped by the sender, what cannot be written in time by the writer; both are counted, and the
//! number is written as soon as something can be. Not here: what a record says (`trace.rs`).

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use crate::inject::seccomp::sys;
use crate::syscall::message::pair;

/// The longest record, with the number before it.
const MOST: usize = 1024;

/// How long a record may wait to be written, in seconds; the next ones then go at once or not.
const PATIENCE: u32 = 1;

/// How long the last number may wait for room in the queue. Awake, the writer makes it in a moment:
/// what it cannot write it drops.
const LAST: Duration = Duration::from_secs(10);

/// The sender's end.
#[derive(Debug)]
pub(super) struct Queue {
    line: OwnedFd,
    /// Records that did not fit, since the last that did.
    lost: Cell<u64>,
}

impl Queue {
    /// Starts the writer.
    ///
    /// # Errors
    /// There can be no process for it.
    pub(super) fn start(file: File) -> io::Result<Self> {
        let (line, theirs) = pair()?;
        // As much as one may have without privilege; what is granted is enough.
        let _ = sockopt::set_socket_send_buffer_size(&line, 1 << 20);
        if sys::fork()?.is_none() {
            sys::set_name(c"mptcpize-trace");
            sys::close_all_but(vec![theirs.as_raw_fd(), file.as_raw_fd()]);
            write_all(&file, &theirs);
            sys::exit(0);
        }
        Ok(Queue { line, lost: Cell::new(0) })
    }

    /// Gives a record to the writer, or counts it as lost; never waits.
    pub(super) fn put(&self, record: &str) {
        let mut message = self.lost.get().to_ne_bytes().to_vec();
        message.extend(record.bytes().take(MOST - message.len()));
        match send(&self.line, &message, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(_) => self.lost.set(0),
            Err(_) => self.lost.set(self.lost.get() + u64::from(!record.is_empty())),
        }
    }

    /// There are no more records. The writer ends with what it has, though others hold this end.
    ///
    /// The number that was lost waits for room, because no later record takes it along, and nobody
    /// waits for us any more.
    pub(super) fn end(&self) {
        if self.lost.get() > 0 {
            let _ = sockopt::set_socket_timeout(&self.line, Timeout::Send, Some(LAST));
            // Interrupted, it has been long enough.
            let _ = send(&self.line, &self.lost.get().to_ne_bytes(), SendFlags::NOSIGNAL);
        }
        let _ = shutdown(&self.line, Shutdown::Write);
    }
}

/// The life of the writer.
fn write_all(file: &File, line: &OwnedFd) {
    sys::let_alarms_interrupt();
    let mut writer = Writer { file, lost: 0, is_late: false };
    let mut message = [0; MOST];
    loop {
        let got = match recv(line, &mut message, RecvFlags::empty()) {
            Ok((_, got)) => got,
            Err(Errno::INTR) => continue,
            Err(_) => 0,
        };
        let Some((lost, record)) = message.get(..got).and_then(<[u8]>::split_first_chunk) else {
            break;
        };
        writer.lost += u64::from_ne_bytes(*lost);
        writer.record(record);
    }
    // No later record takes the number along: so who reads gets the same time for it as for the first.
    writer.is_late = false;
    writer.record(b"");
}

struct Writer<'a> {
    file: &'a File,
    lost: u64,
    /// The last one was not written in time.
    is_late: bool,
}

impl Writer<'_> {
    fn record(&mut self, record: &[u8]) {
        if self.lost > 0 {
            let count = self.lost;
            let text = format!("mptcpize: {count} records were lost: nobody took them in time\n");
            if self.write(text.as_bytes()) {
                self.lost = 0;
            }
        }
        if !record.is_empty() && !self.write(record) {
            self.lost += 1;
        }
    }

    /// One write(2), so that the lines of several writers stay whole.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let patience = if self.is_late { 0 } else { PATIENCE };
        let wait = Timespec { tv_sec: patience.into(), tv_nsec: 0 };
        let mut ready = [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::OUT)];
        let is_ready = poll(&mut ready, Some(&wait)).is_ok_and(|count| count > 0);
        // The room may be gone again: then the alarm ends the waiting.
        self.is_late = !is_ready || {
            sys::alarm(PATIENCE);
            let done = self.file.write(bytes);
            sys::alarm(0);
            done.ok() != Some(bytes.len())
        };
        !self.is_late
    }
}
