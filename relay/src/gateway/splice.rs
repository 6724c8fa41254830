//! One direction of a connection: from one socket through a pipe into the other, in the kernel.
//!
//! The pipe is filled only when it is empty. So EAGAIN says of the socket alone that it has nothing,
//! a sender is read from only as fast as the receiver takes it (its window closes by itself), and a
//! pipe that holds nothing can be lent to somebody else.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use rustix::pipe::{SpliceFlags, splice};
use tokio::task::yield_now;

use super::pace::Pace;
use super::pipes::{LARGE, Pipe, Pipes};
use super::socket::Socket;
use super::urgent;

/// The least that is asked of a socket that copies: one page.
const LEAST: usize = 4096;

/// Bytes after which the other connections of the event loop have their turn.
const TURN: u64 = 1 << 20;

/// Bytes that an MPTCP socket is given at a time. It is locked meanwhile, and what its subflows hear is
/// heard late: an upload over three uplinks is the slower the more it is.
const PIECE: usize = 64 * 1024;

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The source ended its stream (FIN), and so did we towards the sink.
    Finished,
    /// The source was reset or is gone. What it had sent before is with the sink's socket.
    SourceGone,
    /// The sink takes no more.
    SinkGone,
}

/// One direction.
#[derive(Debug)]
pub struct Direction {
    /// There while it holds bytes.
    pipe: Option<Pipe>,
    /// Bytes in the pipe.
    held: usize,
    /// Bytes to ask for next: about what the source has.
    ask: usize,
    /// Bytes that the source had since it was last empty.
    since: usize,
    /// Bytes that the sink has taken.
    moved: u64,
    /// How the source ended, once it has.
    ended: Option<End>,
    /// How often the source is read.
    pace: Pace,
}

impl Direction {
    /// Nothing has moved.
    pub fn new() -> Self {
        let pace = Pace::new();
        Direction { pipe: None, held: 0, ask: 4 * LEAST, since: 0, moved: 0, ended: None, pace }
    }

    /// Bytes that the sink has taken.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Moves what can be moved now. Ready once, when the direction has ended.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &Socket,
        sink: &Socket,
        pipes: &Pipes,
    ) -> Poll<End> {
        let turn = self.moved.saturating_add(TURN);
        loop {
            if self.held > 0 {
                if let Some(end) = ready!(self.drain(context, sink)) {
                    self.pipe = None;
                    return Poll::Ready(end);
                }
                continue;
            }
            if let Some(end) = self.ended {
                self.release(pipes);
                if end == End::Finished {
                    // Where the sink is gone meanwhile there is nobody to tell.
                    let _ = shutdown(sink, Shutdown::Write);
                }
                return Poll::Ready(end);
            }
            if self.moved >= turn {
                self.release(pipes);
                // Its turn comes after what the kernel has told of meanwhile; a task that wakes itself is
                // before that.
                let _not_yet = pin!(yield_now()).poll(context);
                return Poll::Pending;
            }
            if self.fill(context, source, pipes).is_pending() {
                self.release(pipes);
                return Poll::Pending;
            }
        }
    }

    /// Puts into the empty pipe what the source has.
    fn fill(&mut self, context: &mut Context<'_>, source: &Socket, pipes: &Pipes) -> Poll<()> {
        let mut events = match source.events().poll_read_ready(context) {
            Poll::Ready(Ok(events)) => Some(events),
            Poll::Ready(Err(_)) => {
                self.ended = Some(End::SourceGone);
                return Poll::Ready(());
            }
            Poll::Pending if self.pace.is_due(context) => None,
            Poll::Pending => return Poll::Pending,
        };
        let Ok(pipe) = self.pipe(pipes) else {
            self.ended = Some(End::SourceGone);
            return Poll::Ready(());
        };
        let mut empty = false;
        let most = if source.copies() { self.ask } else { pipe.capacity() };
        let moved = match splice(source, None, pipe.inlet(), None, most, flags()) {
            Err(Errno::AGAIN) if !source.copies() => urgent::pass(source, &pipe),
            moved => moved,
        };
        match moved {
            Ok(0) => self.ended = Some(End::Finished),
            Ok(bytes) => {
                self.held = bytes;
                self.pace.came(bytes);
                self.since = self.since.saturating_add(bytes);
                if self.since >= self.ask {
                    self.ask = (self.ask * 2).min(LARGE);
                }
                // A socket that copies had no more then (epoll(7), questions and answers): the next
                // event is of later bytes, and asking again would make pages for nothing. Of one that
                // does not, the pipe may have been full.
                empty = source.copies() && bytes < most;
            }
            Err(Errno::AGAIN) => empty = true,
            Err(Errno::INTR) => {}
            Err(_) => self.ended = Some(End::SourceGone),
        }
        self.pipe = Some(pipe);
        if empty {
            if let Some(events) = &mut events {
                events.clear_ready();
            }
            self.pace.drained(source);
            if self.since < self.ask / 4 {
                self.ask = (self.ask / 2).max(LEAST);
            }
            self.since = 0;
        }
        Poll::Ready(())
    }

    /// The empty pipe that this direction has, or another for as many bytes as are to be asked for.
    fn pipe(&mut self, pipes: &Pipes) -> io::Result<Pipe> {
        let pipe = match self.pipe.take() {
            Some(pipe) if pipe.capacity() < self.ask => {
                pipes.give(pipe);
                pipes.take(self.ask)?
            }
            Some(pipe) => pipe,
            None => pipes.take(self.ask)?,
        };
        // Where all large ones are in use.
        self.ask = self.ask.min(pipe.capacity());
        Ok(pipe)
    }

    /// Moves what the pipe holds into the sink; says so when that takes no more.
    fn drain(&mut self, context: &mut Context<'_>, sink: &Socket) -> Poll<Option<End>> {
        let (Some(pipe), Ok(mut events)) =
            (&self.pipe, ready!(sink.events().poll_write_ready(context)))
        else {
            return Poll::Ready(Some(End::SinkGone));
        };
        let most = if sink.copies() { self.held.min(PIECE) } else { self.held };
        match splice(pipe.outlet(), None, sink.as_fd(), None, most, flags()) {
            Ok(0) => return Poll::Ready(Some(End::SinkGone)),
            Ok(bytes) => {
                self.held = self.held.saturating_sub(bytes);
                self.moved = self.moved.saturating_add(bytes as u64);
            }
            Err(Errno::AGAIN) => events.clear_ready(),
            Err(Errno::INTR) => {}
            Err(_) => return Poll::Ready(Some(End::SinkGone)),
        }
        Poll::Ready(None)
    }

    /// Lends the empty pipe to somebody else.
    fn release(&mut self, pipes: &Pipes) {
        if let Some(pipe) = self.pipe.take() {
            pipes.give(pipe);
        }
    }
}

impl Default for Direction {
    fn default() -> Self {
        Direction::new()
    }
}

fn flags() -> SpliceFlags {
    SpliceFlags::MOVE | SpliceFlags::NONBLOCK
}
