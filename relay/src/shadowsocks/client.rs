//! The client's side of a connection through a relay: a socket that is connected to it, and where the
//! connection shall go from there.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mptcpize_model::relay::agent;
use mptcpize_model::relay::key::Key;
use shadowsocks::ProxyClientStream;
use shadowsocks::config::{ServerConfig, ServerType};
use shadowsocks::context::{self, SharedContext};
pub use shadowsocks::relay::Address;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::protocol::{CHUNK, cipher, fixed_request, fixed_response};
use super::wire::Wire;
use crate::gateway::socket::{Socket, write_all};

/// The keys to a relay.
pub struct Access {
    context: SharedContext,
    config: ServerConfig,
    /// The length of an answer's first part, and of a request without destination, bytes and padding.
    first: usize,
    header: usize,
}

/// How often a request is made anew that has neither bytes nor padding, which servers refuse (SIP022
/// section 3.1.3): the crate pads by a random length that is zero once in 901 times.
pub(crate) const ATTEMPTS: u32 = 8;

impl Access {
    /// For a relay of the settings.
    ///
    /// # Errors
    /// A clause, without the key.
    pub fn new(relay: &agent::Relay) -> Result<Self, String> {
        let keys: Vec<_> = relay.keys.iter().map(Key::base64).collect();
        // The address is not used: connections are made by ourselves.
        let place = (relay.host.clone(), relay.port);
        let config = ServerConfig::new(place, keys.join(":"), cipher(relay.method))
            .map_err(|_| format!("its keys are not of {}", relay.method))?;
        let context = Arc::new(context::Context::new(ServerType::Local));
        let first = fixed_response(relay.method);
        let identities = 16 * relay.keys.len().saturating_sub(1);
        // The length of the padding, and what authenticates the part that it is in.
        let header = fixed_request(relay.method, false) + identities + 2 + 16;
        Ok(Access { context, config, first, header })
    }

    /// Uses a socket that is connected to the relay, and sends it the request with the first bytes of the
    /// program, if there are some.
    ///
    /// # Errors
    /// The relay takes nothing.
    pub async fn open(&self, socket: Arc<Socket>, to: Address, first: &[u8]) -> io::Result<Tunnel> {
        let least = self.header + to.serialized_len();
        for _ in 0..ATTEMPTS {
            let wire = Wire::corked(Arc::clone(&socket), self.first);
            let context = Arc::clone(&self.context);
            let mut inner = ProxyClientStream::from_stream(context, wire, &self.config, to.clone());
            // The crate takes as much as a chunk holds, and calls that all of it.
            let first = first.get(..CHUNK).unwrap_or(first);
            poll_fn(|context| Pin::new(&mut inner).poll_write(context, first)).await?;
            let request = inner.get_mut().uncork();
            if request.len() <= least {
                continue;
            }
            write_all(&socket, &request).await?;
            return Ok(Tunnel { inner, all_sent: false, answered: false, garbled: false });
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// A connection through a relay: what is written goes to the destination, what it answers is read.
#[derive(Debug)]
pub struct Tunnel {
    inner: ProxyClientStream<Wire>,
    /// The program's half has ended.
    all_sent: bool,
    answered: bool,
    garbled: bool,
}

impl Tunnel {
    /// Has the relay answered with the right key?
    pub fn answered(&self) -> bool {
        self.answered
    }

    /// Was there something in its answer that cannot be read with the key?
    pub fn garbled(&self) -> bool {
        self.garbled
    }

    /// Has a single byte come from it?
    pub fn is_silent(&self) -> bool {
        self.inner.get_ref().received() == 0
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, into));
        match &read {
            Ok(()) if into.filled().len() > before => self.answered = true,
            // Before its first byte a relay that ends has said nothing: it found nobody, or is about to go.
            // Only to one who was sent all that there is it may be the answer.
            Ok(()) if self.is_silent() && !self.all_sent => {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            Ok(()) => {}
            // The kernel's errors have numbers, the protocol's have none.
            Err(error) => {
                let cut = error.kind() == io::ErrorKind::UnexpectedEof;
                self.garbled = error.raw_os_error().is_none() && !cut;
            }
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.all_sent = true;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use mptcpize_model::relay::key::Method;

    use super::*;

    #[test]
    fn a_request_without_bytes_always_has_a_padding() {
        let relay = agent::Relay {
            name: "home".parse().expect("a name"),
            host: "198.51.100.7".to_owned(),
            port: 8686,
            method: Method::Aes128,
            keys: vec![Key::new(vec![1; 16]), Key::new(vec![2; 16])],
        };
        let access = Access::new(&relay).expect("keys of that length");
        let to = Address::SocketAddress(([203, 0, 113, 80], 80).into());
        let runtime = crate::workers::event_loop().expect("a descriptor");
        let length = |first: &[u8]| {
            let (near, mut far) = UnixStream::pair().expect("descriptors");
            near.set_nonblocking(true).expect("a socket");
            let sent = runtime.block_on(async {
                let socket = Arc::new(Socket::accepted(near.into()).expect("a descriptor"));
                access.open(socket, to.clone(), first).await.map(drop)
            });
            sent.expect("there is room");
            far.read_to_end(&mut Vec::new()).expect("it has ended")
        };
        let least = length(b"x") - 1;
        // Once in 901 times the crate draws none.
        for turn in 0..3_000 {
            assert!(length(&[]) > least, "{turn}");
        }
    }
}
