//! One connection between a stream of the protocol and a plain socket, until both have ended.
//!
//! Its ends are those of [`crate::session`]: halves end one by one, a reset of one end resets the other
//! after what came before it was acknowledged. A stream that ends within a chunk, or that somebody
//! changed on the way, counts as reset.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::task::yield_now;

use super::buffers;
use super::protocol::CHUNK;
use super::wire::Wire;
use crate::gateway::socket::Socket;
use crate::gateway::splice::End;
use crate::session::{Lost, end, verdict};

/// Bytes after which the other connections of the event loop have their turn.
const TURN: u64 = 1 << 20;
/// What is asked of a source at first. The crate keeps a buffer as long as the longest chunk that it sent
/// for as long as the connection lives, so only what is bulk is sent in long ones. And of a client's first
/// write, which goes into one chunk with the request, the crate loses what has no room there.
const FIRST: usize = 8 * 1024;

/// Is told what moves, and may hold it back.
pub trait Meter {
    /// May bytes be read now? Wakes the task when they may.
    fn poll_may(&mut self, context: &mut Context<'_>) -> Poll<()>;
    /// So many bytes more went from the stream to the plain socket, and back.
    fn moved(&mut self, out: usize, back: usize);
}

/// What a connection carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Bytes from the stream.
    pub out: u64,
    /// Bytes to the stream.
    pub back: u64,
    /// It ended by a reset and not by both ends of stream.
    pub reset: bool,
}

/// Carries bytes both ways until both ends have ended. `inner` is the stream's own socket. Both sockets
/// are reset when they are closed (SO_LINGER), unless both streams came to their end.
pub async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    inner: &Socket,
    plain: &mut Wire,
    meter: &mut impl Meter,
) -> Carried {
    let outer = plain.socket().clone();
    let outer: &Socket = &outer;
    let (mut out, mut back) = (Half::new(), Half::new());
    let (mut out_end, mut back_end) = (None, None);
    let mut inner_lost = pin!(inner.events().ready(Interest::ERROR));
    let mut outer_lost = pin!(outer.events().ready(Interest::ERROR));
    let mut lost = None;
    let broken = poll_fn(|context| {
        if out_end.is_none() {
            let mut moved = |bytes, meter: &mut _| Meter::moved(meter, bytes, 0);
            if let Poll::Ready(end) = out.poll(context, stream, plain, meter, &mut moved) {
                out_end = Some(end);
            }
        }
        if back_end.is_none() {
            let mut moved = |bytes, meter: &mut _| Meter::moved(meter, 0, bytes);
            if let Poll::Ready(end) = back.poll(context, plain, stream, meter, &mut moved) {
                back_end = Some(end);
            }
        }
        let moved = out.moved.saturating_add(back.moved);
        if lost.is_none() {
            if inner_lost.as_mut().poll(context).is_ready() {
                lost = Some(Lost::new(outer, moved));
            } else if outer_lost.as_mut().poll(context).is_ready() {
                lost = Some(Lost::new(inner, moved));
            }
        }
        match (verdict(out_end, back_end, inner, outer), &mut lost) {
            (Poll::Pending, Some(lost)) => lost.poll(context, moved).map(Some),
            (verdict, _) => verdict,
        }
    })
    .await;
    end(broken, lost, [inner, outer]).await;
    Carried { out: out.moved, back: back.moved, reset: broken.is_some() }
}

/// One direction.
struct Half {
    /// There while it holds bytes, those from `from` to `to`.
    buffer: Option<Box<[u8]>>,
    from: usize,
    to: usize,
    /// Bytes to ask for next: about what the source has.
    ask: usize,
    /// Bytes that the sink has taken.
    moved: u64,
    /// How the source ended, once it has.
    ended: Option<End>,
}

impl Half {
    fn new() -> Self {
        Half { buffer: None, from: 0, to: 0, ask: FIRST, moved: 0, ended: None }
    }

    /// Moves what can be moved now. Ready once, when the direction has ended.
    fn poll<R, W, M>(
        &mut self,
        context: &mut Context<'_>,
        source: &mut R,
        sink: &mut W,
        meter: &mut M,
        moved: &mut impl FnMut(usize, &mut M),
    ) -> Poll<End>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
        M: Meter,
    {
        let turn = self.moved.saturating_add(TURN);
        loop {
            if self.to > self.from {
                match ready!(self.drain(context, sink)) {
                    Ok(bytes) if bytes > 0 => moved(bytes, meter),
                    _ => {
                        self.buffer = None;
                        return Poll::Ready(End::SinkGone);
                    }
                }
                continue;
            }
            if let Some(end) = self.ended {
                self.release();
                if end == End::Finished {
                    // Where the sink is gone meanwhile there is nobody to tell.
                    let _ = ready!(Pin::new(sink).poll_shutdown(context));
                }
                return Poll::Ready(end);
            }
            if self.moved >= turn {
                self.release();
                // Its turn comes after what the kernel has told of meanwhile; a task that wakes itself is
                // before that.
                let _not_yet = pin!(yield_now()).poll(context);
                return Poll::Pending;
            }
            if meter.poll_may(context).is_pending() || self.fill(context, source).is_pending() {
                self.release();
                return Poll::Pending;
            }
        }
    }

    /// Reads what the source has, as far as there is room.
    fn fill<R: AsyncRead + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        source: &mut R,
    ) -> Poll<()> {
        let mut buffer = self.buffer.take().unwrap_or_else(buffers::take);
        let mut into = ReadBuf::new(buffer.get_mut(..self.ask).unwrap_or_default());
        let (mut dry, mut before) = (false, 0);
        while into.remaining() > 0 && self.ended.is_none() && !dry {
            match Pin::new(&mut *source).poll_read(context, &mut into) {
                Poll::Pending => dry = true,
                Poll::Ready(Err(_)) => self.ended = Some(End::SourceGone),
                Poll::Ready(Ok(())) if into.filled().len() == before => {
                    self.ended = Some(End::Finished);
                }
                Poll::Ready(Ok(())) => before = into.filled().len(),
            }
        }
        (self.from, self.to) = (0, before);
        self.buffer = Some(buffer);
        if before == self.ask {
            self.ask = (self.ask * 2).min(CHUNK);
        } else if dry && before < self.ask / 4 {
            self.ask = (self.ask / 2).max(FIRST);
        }
        if before == 0 && self.ended.is_none() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Gives the sink what is held; how much it took.
    fn drain<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        sink: &mut W,
    ) -> Poll<io::Result<usize>> {
        let buffer = self.buffer.as_deref().unwrap_or_default();
        let held = buffer.get(self.from..self.to).unwrap_or_default();
        let taken = ready!(Pin::new(sink).poll_write(context, held))?;
        self.from = self.from.saturating_add(taken);
        self.moved = self.moved.saturating_add(taken as u64);
        Poll::Ready(Ok(taken))
    }

    /// Lends the empty buffer to somebody else.
    fn release(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            buffers::give(buffer);
        }
    }
}
