//! A socket as the crate `shadowsocks` reads and writes it.
//!
//! The crate asks for 18 bytes, the length of a chunk, and then for the chunk: two calls of the kernel for
//! each. Here one call reads what is asked for and what is there beyond, so that the next question is
//! answered from memory. Nothing is kept of an idle connection.
//!
//! The crate takes the first part of a stream (salt and fixed header) only in one piece. TCP may deliver
//! it in several, so here it is gathered first.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, send, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gateway::pace::Pace;
use crate::gateway::socket::Socket;
use crate::sys;

/// What is read beyond what was asked for.
const AHEAD: usize = 16 * 1024;

thread_local! {
    /// Where the kernel puts it; what came is copied from here.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A socket with the bytes that were read too early.
#[derive(Debug)]
pub struct Wire {
    socket: Arc<Socket>,
    /// Read and not yet asked for, from `at` on.
    held: Vec<u8>,
    at: usize,
    /// So many bytes are gathered before the first ones are given.
    first: usize,
    /// So many bytes are read beyond what was asked for.
    ahead: usize,
    pace: Pace,
    received: u64,
    /// What is written is kept here, until it is taken out.
    corked: Option<Vec<u8>>,
}

impl Wire {
    /// Nothing was read yet; the first `first` bytes come in one piece.
    pub fn new(socket: Arc<Socket>, first: usize) -> Self {
        Wire {
            socket,
            held: Vec::new(),
            at: 0,
            first,
            ahead: AHEAD,
            pace: Pace::new(),
            received: 0,
            corked: None,
        }
    }

    /// A socket that does not speak the protocol: whoever reads it asks for all that there may be.
    pub fn plain(socket: Arc<Socket>) -> Self {
        Wire { ahead: 0, ..Wire::new(socket, 0) }
    }

    /// The socket.
    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Keeps what is written, until [`Wire::uncork`].
    pub fn corked(socket: Arc<Socket>, first: usize) -> Self {
        Wire { corked: Some(Vec::new()), ..Wire::new(socket, first) }
    }

    /// Takes out what was kept; what is written from now on is sent.
    pub fn uncork(&mut self) -> Vec<u8> {
        self.corked.take().unwrap_or_default()
    }

    /// Bytes that have come from the peer.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Reads what is there, at least one byte, unless the stream has ended; with what is there beyond.
    fn receive(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        ahead: usize,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut events = match self.socket.events().poll_read_ready(context) {
                Poll::Ready(events) => Some(events?),
                Poll::Pending if self.pace.is_due(context) => None,
                Poll::Pending => return Poll::Pending,
            };
            let mut spare = SPARE.take();
            spare.resize(AHEAD, 0);
            let room = into.remaining();
            let beyond = spare.get_mut(..ahead).unwrap_or_default();
            let read = sys::receive(&self.socket, into, beyond);
            if let Ok(read) = read
                && let Some(came) = read.checked_sub(room).and_then(|more| spare.get(..more))
            {
                self.held.extend_from_slice(came);
            }
            SPARE.set(spare);
            let empty = match &read {
                Ok(0) => false,
                Ok(read) => {
                    self.received = self.received.saturating_add(*read as u64);
                    self.pace.came(*read);
                    *read < room.saturating_add(ahead)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            };
            if empty {
                // There was no more then (epoll(7), questions and answers); tokio remembers an end of
                // the stream all the same.
                if let Some(events) = &mut events {
                    events.clear_ready();
                }
                self.pace.drained(&self.socket);
            }
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }

    /// Gathers the first bytes; ready at the end of the stream too.
    fn gather(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(missing) = self.first.checked_sub(self.held.len()).filter(|more| *more > 0) {
            let mut piece = [0; 256];
            let mut into = ReadBuf::new(piece.get_mut(..missing.min(256)).unwrap_or_default());
            ready!(self.receive(context, &mut into, 0))?;
            if into.filled().is_empty() {
                break;
            }
            self.held.extend_from_slice(into.filled());
        }
        self.first = 0;
        Poll::Ready(Ok(()))
    }

    /// Gives what was read before.
    fn give(&mut self, into: &mut ReadBuf<'_>) {
        let held = self.held.get(self.at..).unwrap_or_default();
        let given = held.len().min(into.remaining());
        into.put_slice(held.get(..given).unwrap_or_default());
        self.at += given;
        if self.at >= self.held.len() {
            self.held = Vec::new();
            self.at = 0;
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first > 0 {
            ready!(self.gather(context))?;
        }
        if self.held.is_empty() {
            let ahead = self.ahead;
            return self.receive(context, into, ahead);
        }
        self.give(into);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(kept) = &mut self.corked {
            kept.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        loop {
            let mut events = ready!(self.socket.events().poll_write_ready(context))?;
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    if sent < bytes.len() {
                        events.clear_ready();
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(Errno::AGAIN) => events.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&self.socket, Shutdown::Write).map_err(io::Error::from))
    }
}
