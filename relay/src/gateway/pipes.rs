//! The pipes that bytes go through on their way from socket to socket (splice(2)).
//!
//! A connection has one only while it holds bytes in it, so that an idle one costs two sockets and
//! nothing else. Each of the two descriptors of a pipe is non-blocking and closed on exec.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Bytes that a pipe holds that Linux makes: 16 pages (pipe(7)). For each of them there is a slot, and a
/// packet of a network card takes one however small it is.
pub const ORDINARY: usize = 64 * 1024;

/// Bytes that the pipe of a fast direction holds: the most that Linux gives to a process without
/// privileges (/proc/sys/fs/pipe-max-size). With ordinary ones a bulk transfer takes twice as much
/// processor time: each turn costs two system calls and an acknowledgement of its own.
pub const LARGE: usize = 1024 * 1024;

/// Large pipes that there may be at once. Of a user without privileges Linux counts the pages of all
/// pipes, and gives ever smaller ones beyond 16,384 (pipe-user-pages-soft): these are a quarter. They
/// are also what receivers that do not read can make the router hold beyond 64 KB for each direction.
const MOST_LARGE: usize = 16;

/// Ordinary pipes that are kept for the next connection. Making one costs two system calls; what is
/// kept costs two descriptors and 1 KB of the kernel's memory.
const KEPT: usize = 256;

/// An empty pipe.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    large: Option<Place>,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Pipe { read, write, large: None })
    }

    /// Bytes that it holds, in pages that are full.
    pub fn capacity(&self) -> usize {
        if self.large.is_some() { LARGE } else { ORDINARY }
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

/// A place among the large pipes, free again when the pipe is closed.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn among(large: &Arc<AtomicUsize>) -> Option<Self> {
        let one_more = |number| (number < MOST_LARGE).then_some(number + 1);
        let taken = large.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Place(Arc::clone(large)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Pipes that nobody uses, and how many large ones there are.
#[derive(Debug, Default)]
pub struct Pipes {
    ordinary: Mutex<Vec<Pipe>>,
    large: Mutex<Vec<Pipe>>,
    number_of_large: Arc<AtomicUsize>,
}

impl Pipes {
    /// A pipe, a kept one if there is one; a large one for more bytes than an ordinary one holds, where
    /// one is to be had.
    ///
    /// # Errors
    /// EMFILE, ENFILE: no descriptor is left. The budget of the start (gateway/budget.rs) leaves one for
    /// each direction of each connection.
    pub fn take(&self, bytes: usize) -> io::Result<Pipe> {
        if bytes > ORDINARY {
            if let Some(pipe) = pop(&self.large) {
                return Ok(pipe);
            }
            if let Some(place) = Place::among(&self.number_of_large) {
                let mut pipe = Pipe::new()?;
                // Where the kernel refuses, the place is free again.
                if fcntl_setpipe_size(&pipe.write, LARGE).is_ok() {
                    pipe.large = Some(place);
                }
                return Ok(pipe);
            }
        }
        pop(&self.ordinary).map_or_else(Pipe::new, Ok)
    }

    /// Takes an empty pipe back.
    pub fn give(&self, pipe: Pipe) {
        let (kept, most) = match pipe.large {
            Some(_) => (&self.large, MOST_LARGE),
            None => (&self.ordinary, KEPT),
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < most {
            kept.push(pipe);
        }
    }
}

fn pop(kept: &Mutex<Vec<Pipe>>) -> Option<Pipe> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_large_pipes_than_there_may_be() {
        let pipes = Pipes::default();
        let take = |number| -> Vec<Pipe> {
            (0..number).map(|_| pipes.take(LARGE).expect("a descriptor")).collect()
        };
        let large = |taken: &[Pipe]| taken.iter().filter(|pipe| pipe.capacity() == LARGE).count();
        let mut taken = take(MOST_LARGE + 5);
        assert_eq!(large(&taken), MOST_LARGE);
        // One that is closed with bytes in it makes room, and so does one that is given back.
        drop(taken.remove(0));
        pipes.give(taken.remove(0));
        assert_eq!(large(&take(3)), 2);
        assert_eq!(pipes.take(ORDINARY).expect("a descriptor").capacity(), ORDINARY);
    }
}
