//! The first bytes of a connection to a relay, with a time of our choice in them, and the first bytes of
//! the answer (SIP022 section 3.1).
//!
//! The crate writes the request, into memory. Of that the fixed header alone is opened, given another
//! time and closed again, so that salt, identities (SIP023) and all else are the crate's own. The request
//! with the first time is never sent: no two texts go out under one key and nonce.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use shadowsocks::ProxyClientStream;
use shadowsocks::crypto::v2::tcp::TcpCipher;
use shadowsocks::relay::socks5::Address;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::Relay;
use crate::shadowsocks::client::ATTEMPTS;

/// Type, time and length of what follows.
const FIXED: usize = 1 + 8 + 2;
/// What authenticates them.
const TAG: usize = 16;
/// An identity (SIP023).
const IDENTITY: usize = 16;

/// A request.
pub(super) struct Flight {
    pub(super) bytes: Vec<u8>,
    salt: Vec<u8>,
}

/// What an answer begins with.
pub(super) struct Opened {
    /// The relay's time, in seconds since 1970.
    pub(super) clock_s: i64,
    /// The first bytes of the payload.
    pub(super) payload: Vec<u8>,
}

/// The request for a destination, with the clock put ahead by so many seconds.
pub(super) async fn request(relay: &Relay<'_>, to: &Address, ahead_s: i64) -> Option<Flight> {
    let config = &relay.config;
    let kind = config.method();
    let start = kind.salt_len() + IDENTITY * config.identity_keys().len();
    // The destination and the length of the padding, which is not nothing.
    let least = start + FIXED + TAG + to.serialized_len() + 2 + TAG;
    let mut bytes = Vec::new();
    for _ in 0..ATTEMPTS {
        let (context, memory) = (relay.context.clone(), Memory::default());
        let mut stream = ProxyClientStream::from_stream(context, memory, config, to.clone());
        // Without a payload the crate fills in padding by itself.
        let _none = stream.write(&[]).await.ok()?;
        bytes = std::mem::take(&mut stream.get_mut().0);
        if bytes.len() > least {
            break;
        }
    }
    let salt = bytes.get(..kind.salt_len())?.to_vec();
    let header = bytes.get_mut(start..start + FIXED + TAG)?;
    if !TcpCipher::new(kind, config.key(), &salt).decrypt_packet(header) {
        return None;
    }
    let time = header.get_mut(1..9)?;
    let there = i64::from_be_bytes(*time.first_chunk()?).saturating_add(ahead_s);
    time.copy_from_slice(&there.to_be_bytes());
    TcpCipher::new(kind, config.key(), &salt).encrypt_packet(header);
    Some(Flight { bytes, salt })
}

/// Opens an answer; nothing where it is none, or to another request. `more` is told how many bytes are
/// wanted, and gives them.
pub(super) fn open(relay: &Relay<'_>, flight: &Flight, answer: &[u8]) -> Answer {
    let opened = || -> Result<Option<Opened>, ()> {
        let kind = relay.config.method();
        let length = kind.salt_len();
        let head = FIXED + length;
        let Some((salt, rest)) = answer.split_at_checked(length) else { return Ok(None) };
        let Some((header, rest)) = rest.split_at_checked(head + TAG) else { return Ok(None) };
        let mut cipher = TcpCipher::new(kind, relay.config.key(), salt);
        let mut header = header.to_vec();
        if !cipher.decrypt_packet(&mut header) {
            return Err(());
        }
        let time = header.get(1..9).and_then(|time| time.first_chunk()).ok_or(())?;
        if header.get(9..9 + length) != Some(flight.salt.as_slice()) {
            return Err(());
        }
        let size = header.get(9 + length..).and_then(|size| size.first_chunk()).ok_or(())?;
        let size = usize::from(u16::from_be_bytes(*size));
        let Some(payload) = rest.get(..size + TAG) else { return Ok(None) };
        let mut payload = payload.to_vec();
        if !cipher.decrypt_packet(&mut payload) {
            return Err(());
        }
        payload.truncate(size);
        Ok(Some(Opened { clock_s: i64::from_be_bytes(*time), payload }))
    };
    match opened() {
        Ok(Some(opened)) => Answer::Whole(opened),
        Ok(None) => Answer::Short,
        Err(()) => Answer::Foreign,
    }
}

/// What came.
pub(super) enum Answer {
    /// All that there has to be.
    Whole(Opened),
    /// More has to come.
    Short,
    /// It is no answer to this request.
    Foreign,
}

/// What is written stays in memory, and nothing is ever read.
#[derive(Default)]
struct Memory(Vec<u8>);

impl AsyncWrite for Memory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}
