//! A client of the test: streams of the crate `shadowsocks` over sockets of the test, and first flights
//! made by hand, for those that no honest client sends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use mptcpize_model::relay::key::{Key, Method};
use mptcpize_relay::shadowsocks::protocol::cipher;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, connect, socket_with};
use shadowsocks::config::{ServerConfig, ServerType};
use shadowsocks::context::{Context, SharedContext};
use shadowsocks::crypto::v2::tcp::TcpCipher;
use shadowsocks::relay::Address;
use shadowsocks::relay::tcprelay::ProxyClientStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use crate::support::{Netns, kernel, wait};

/// Who has keys.
pub(crate) struct Client<'a> {
    host: &'a Netns,
    at: SocketAddr,
    config: ServerConfig,
    context: SharedContext,
}

impl<'a> Client<'a> {
    pub(crate) fn new(host: &'a Netns, at: SocketAddr, method: Method, keys: &[&Key]) -> Self {
        let keys: Vec<_> = keys.iter().map(|key| key.base64()).collect();
        let config = ServerConfig::new(at, keys.join(":"), cipher(method)).unwrap();
        Client { host, at, config, context: Context::new_shared(ServerType::Local) }
    }

    /// A socket that is connected to the relay, over MPTCP, and has sent nothing.
    pub(crate) fn socket(&self) -> TcpStream {
        dial(self.host, self.at, Some(kernel::MPTCP))
    }

    /// The same over TCP.
    pub(crate) fn socket_of_tcp(&self) -> TcpStream {
        dial(self.host, self.at, None)
    }

    /// A stream to a destination through the relay. Nothing is sent before something is written.
    pub(crate) fn open(&self, to: impl Into<Address>) -> Tunnel {
        self.over(self.socket(), to)
    }

    /// A stream to a name.
    pub(crate) fn open_name(&self, name: &str, port: u16) -> Tunnel {
        self.open(Address::DomainNameAddress(name.to_owned(), port))
    }

    /// The same over a socket that is there.
    pub(crate) fn over(&self, socket: TcpStream, to: impl Into<Address>) -> Tunnel {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let raw = socket.try_clone().unwrap();
        let stream = {
            let _within = runtime.enter();
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::TcpStream::from_std(socket).unwrap();
            let context = self.context.clone();
            ProxyClientStream::from_stream(context, socket, &self.config, to.into())
        };
        Tunnel { stream, runtime, raw }
    }

    /// What an honest client sends first, with so much of its own data.
    pub(crate) fn flight(&self, to: impl Into<Address>, data: &[u8]) -> Vec<u8> {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (near, mut far) = tokio::io::duplex(1 << 17);
            let context = self.context.clone();
            let mut stream = ProxyClientStream::from_stream(context, near, &self.config, to.into());
            stream.write_all(data).await.unwrap();
            drop(stream);
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).await.unwrap();
            bytes
        })
    }
}

/// A socket that is connected, over this protocol or TCP.
pub(crate) fn dial(host: &Netns, at: SocketAddr, protocol: Option<u32>) -> TcpStream {
    let protocol = protocol.and_then(NonZeroU32::new).map(Protocol::from_raw);
    host.enter(|| {
        let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket =
            socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, protocol).unwrap();
        connect(&socket, &at).unwrap();
        TcpStream::from(socket)
    })
}

/// A stream through the relay; blocks as a socket does.
pub(crate) struct Tunnel {
    stream: ProxyClientStream<tokio::net::TcpStream>,
    runtime: Runtime,
    raw: TcpStream,
}

impl Tunnel {
    /// Its socket.
    pub(crate) fn raw(&self) -> &TcpStream {
        &self.raw
    }

    /// Ends the half towards the relay.
    pub(crate) fn finish(&mut self) {
        self.raw.shutdown(Shutdown::Write).unwrap();
    }

    /// All that comes until the end, or the error instead of one.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map(|_| bytes)
    }
}

impl Read for Tunnel {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(into);
        let read = async { tokio::time::timeout(wait::deadline(), read).await };
        self.runtime.block_on(read).expect("something comes")
    }
}

impl Write for Tunnel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.runtime.block_on(Pin::new(&mut self.stream).write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A first flight of which each part can be wrong.
pub(crate) struct Flight {
    pub(crate) method: Method,
    pub(crate) key: Key,
    pub(crate) salt: Vec<u8>,
    /// 0 from a client.
    pub(crate) kind: u8,
    /// Seconds that its clock is ahead.
    pub(crate) ahead: i64,
    /// Address, padding and data.
    pub(crate) variable: Vec<u8>,
}

impl Flight {
    /// Of an honest client, with data, to an IPv4 destination.
    pub(crate) fn new(method: Method, key: &Key, to: SocketAddr, data: &[u8]) -> Self {
        let mut variable = Vec::new();
        Address::from(to).write_to_buf(&mut variable);
        variable.extend_from_slice(&[0, 0]);
        variable.extend_from_slice(data);
        let mut salt = vec![0; method.key_length()];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut salt).unwrap();
        Flight { method, key: key.clone(), salt, kind: 0, ahead: 0, variable }
    }

    /// As it is sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut cipher = TcpCipher::new(cipher(self.method), self.key.bytes(), &self.salt);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let clock = now.checked_add_signed(self.ahead).unwrap();
        let mut fixed = vec![self.kind];
        fixed.extend_from_slice(&clock.to_be_bytes());
        fixed.extend_from_slice(&u16::try_from(self.variable.len()).unwrap().to_be_bytes());
        let mut bytes = self.salt.clone();
        for mut part in [fixed, self.variable.clone()] {
            part.resize(part.len() + cipher.tag_len(), 0);
            cipher.encrypt_packet(&mut part);
            bytes.extend_from_slice(&part);
        }
        bytes
    }
}
