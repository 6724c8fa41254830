//! A runtime that hands over a container: what it has said so far, and the descriptors that came along.
//!
//! Not here: who may send (the socket's mode, `host/runtime_socket.rs`), and what comes of it
//! (`supervisor.rs`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::commands::containers::handover::{Handover, MOST};
use crate::syscall::message;

/// Descriptors that are kept of one sender; a runtime has one.
const MOST_DESCRIPTORS: usize = 8;

/// A runtime in the middle of a message.
#[derive(Debug)]
pub(super) struct Sender {
    line: OwnedFd,
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    since: Instant,
}

impl Sender {
    /// It has said nothing yet.
    pub(super) fn new(line: OwnedFd) -> Self {
        Sender { line, bytes: Vec::new(), descriptors: Vec::new(), since: Instant::now() }
    }

    /// How long it has been there.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Has it said nothing?
    pub(super) fn is_silent(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Hears what it says now.
    ///
    /// # Errors
    /// Why nothing more is heard of it.
    pub(super) fn hear(&mut self) -> Result<(), &'static str> {
        let mut part = [0; 16 << 10];
        let (got, descriptors) = match message::receive_part(self.line.as_fd(), &mut part) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) | Ok((0, _)) => return Err("it is not what OCI's specification has"),
            Ok(part) => part,
        };
        let room = MOST_DESCRIPTORS.saturating_sub(self.descriptors.len());
        self.descriptors.extend(descriptors.into_iter().take(room));
        self.bytes.extend_from_slice(part.get(..got).unwrap_or_default());
        if self.bytes.len() > MOST { Err("it is too long") } else { Ok(()) }
    }

    /// The message, when it is whole.
    pub(super) fn handover(&self) -> Option<Handover> {
        // Looked at where it can have ended.
        let text = self.bytes.trim_ascii_end();
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        text.ends_with(b"}").then(|| Handover::read(text)).flatten()
    }

    /// What came along.
    pub(super) fn descriptors(self) -> Vec<OwnedFd> {
        self.descriptors
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}
