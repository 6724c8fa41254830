//! The pipes that bytes go through on their way from socket to socket (splice(2)).
//!
//! A connection has one only while it holds bytes in it, so that an idle one costs two sockets and
//! nothing else. Each of the two descriptors of a pipe is non-blocking and closed on exec.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Pipes that are kept for the next connection. Making one costs three system calls; what is kept
/// costs two descriptors and 1 KB of the kernel's memory.
const KEPT: usize = 256;

/// Bytes that a pipe holds: what Linux gives by itself, 16 pages. Larger ones count against the limit
/// of a user without privileges (pipe(7), pipe-user-pages-soft).
pub const CAPACITY: usize = 64 * 1024;

/// An empty pipe.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if CAPACITY != 64 * 1024 {
            // It then holds less, which costs time and nothing else.
            let _ = fcntl_setpipe_size(&write, CAPACITY);
        }
        Ok(Pipe { read, write })
    }

    /// The end that bytes come out of.
    pub fn outlet(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    /// The end that bytes go into.
    pub fn inlet(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }
}

/// Pipes that nobody uses.
#[derive(Debug, Default)]
pub struct Pipes(Mutex<Vec<Pipe>>);

impl Pipes {
    /// A pipe, a kept one if there is one.
    ///
    /// # Errors
    /// EMFILE, ENFILE: no descriptor is left. The budget of the start (gateway/budget.rs) leaves one for
    /// each direction of each connection.
    pub fn take(&self) -> io::Result<Pipe> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.map_or_else(Pipe::new, Ok)
    }

    /// Takes an empty pipe back.
    pub fn give(&self, pipe: Pipe) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(pipe);
        }
    }
}
