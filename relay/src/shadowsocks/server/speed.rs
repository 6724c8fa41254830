//! What the server answers itself: a client that measures the way here asks for the name
//! [`crate::shadowsocks::protocol::SPEED`].

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::gateway::socket::{Socket, end_at_close};
use crate::shadowsocks::buffers;
use crate::shadowsocks::carry::Meter;
use crate::shadowsocks::protocol::{DOWNLOAD, ECHO, MOST_BYTES, MOST_SECONDS, UPLOAD};
use crate::sys;
use crate::sys::subflows::subflows;

/// How long a client may go on after it has its answer.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// Answers on a port of that name; any other is reset.
pub async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    socket: &Arc<Socket>,
    port: u16,
    meter: &mut impl Meter,
) {
    let limit = Duration::from_secs(MOST_SECONDS);
    match port {
        DOWNLOAD => drop(timeout(limit, download(stream, meter)).await),
        UPLOAD => {
            let mut bytes = 0;
            let _ = timeout(limit, upload(stream, meter, &mut bytes)).await;
            write(stream, meter, bytes.to_string().as_bytes()).await;
        }
        ECHO => write(stream, meter, line(socket).as_bytes()).await,
        _ => return,
    }
    if poll_fn(|context| Pin::new(&mut *stream).poll_shutdown(context)).await.is_ok() {
        // Closing a socket that has bytes to read resets it, and with it the answer.
        let ended = poll_fn(|context| match has_ended(context, stream) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        let _ = timeout(AFTERWARDS, ended).await;
        end_at_close(socket);
    }
}

/// What the server sees of a connection.
fn line(socket: &Arc<Socket>) -> String {
    let mptcp = sys::is_multipath(socket);
    let subflows = subflows(socket).map_or(1, |all| all.len());
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    format!("{{\"mptcpize\":1,\"mptcp\":{mptcp},\"subflows\":{subflows},\"clock\":{clock}}}\n")
}

/// Sends bytes until there are enough of them, or the client has ended.
async fn download<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, meter: &mut impl Meter) {
    let mut zeros = buffers::take();
    zeros.fill(0);
    let mut sent: u64 = 0;
    poll_fn(|context| {
        if has_ended(context, stream) {
            return Poll::Ready(());
        }
        while sent < MOST_BYTES {
            ready!(meter.poll_may(context));
            match ready!(Pin::new(&mut *stream).poll_write(context, &zeros)) {
                Ok(bytes) if bytes > 0 => {
                    meter.moved(0, bytes);
                    sent = sent.saturating_add(bytes as u64);
                }
                _ => break,
            }
        }
        Poll::Ready(())
    })
    .await;
    buffers::give(zeros);
}

/// Reads what a client sends beside; has it ended?
fn has_ended<S: AsyncRead + Unpin>(context: &mut Context<'_>, stream: &mut S) -> bool {
    let mut piece = [0; 256];
    loop {
        let mut into = ReadBuf::new(&mut piece);
        match Pin::new(&mut *stream).poll_read(context, &mut into) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) if !into.filled().is_empty() => {}
            Poll::Ready(_) => return true,
        }
    }
}

/// Reads bytes to their end, or until there are enough.
async fn upload<S: AsyncRead + Unpin>(stream: &mut S, meter: &mut impl Meter, bytes: &mut u64) {
    let mut buffer = buffers::take();
    poll_fn(|context| {
        while *bytes < MOST_BYTES {
            ready!(meter.poll_may(context));
            let mut into = ReadBuf::new(&mut buffer);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut into));
            let came = into.filled().len();
            if read.is_err() || came == 0 {
                break;
            }
            meter.moved(came, 0);
            *bytes = bytes.saturating_add(came as u64);
        }
        Poll::Ready(())
    })
    .await;
    buffers::give(buffer);
}

/// Writes all of a short text.
async fn write<S: AsyncWrite + Unpin>(stream: &mut S, meter: &mut impl Meter, mut text: &[u8]) {
    poll_fn(|context| {
        while !text.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(context, text)) {
                Ok(bytes) if bytes > 0 => {
                    meter.moved(0, bytes);
                    text = text.get(bytes..).unwrap_or_default();
                }
                _ => break,
            }
        }
        Poll::Ready(())
    })
    .await;
}
