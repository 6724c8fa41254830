//! What reaches the server of a relay before anybody has authenticated: bytes of strangers, and what
//! somebody with the right key encrypts that no client does.
//!
//! Its own function reads them, from a socket, in pieces of any length. For the relay's own tests too
//! (tests/relay/server/fuzz.rs).

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{SystemTime, UNIX_EPOCH};

use mptcpize_model::relay::key::{Key, Method};
use mptcpize_model::relay::server::{Limits, Settings, User, UserLimits};
use mptcpize_relay::gateway::socket::Socket;
use mptcpize_relay::shadowsocks::protocol::cipher;
use mptcpize_relay::shadowsocks::server::keys::Keys;
use mptcpize_relay::shadowsocks::server::reason::of_handshake;
use shadowsocks::config::ServerType;
use shadowsocks::context::Context;
use shadowsocks::crypto::v2::tcp::TcpCipher;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::{Builder, Runtime};

/// The server's key, byte by byte.
const KEY: u8 = 1;
/// What an input may have the server read at most: what the socket takes without anybody reading.
const MOST: usize = 32 * 1024;

thread_local! {
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// A wrong key authenticates nobody, and whoever it is gets not one byte.
///
/// The first byte of an input says whose key it is and which method, the second in what pieces it comes.
pub(crate) fn handshake(bytes: &[u8]) {
    let Some((&[way, pieces], rest)) = bytes.split_first_chunk::<2>() else { return };
    let right = way & 1 != 0;
    let method = Method::ALL[(usize::from(way >> 1) & 3) % Method::ALL.len()];
    let users = way & 8 != 0 && method.has_users() && !right;
    let key = |number: u8| Key::new(vec![number; method.key_length()]);
    let user =
        || User { name: "a".parse().expect("a name"), key: key(2), limits: UserLimits::default() };
    let settings = Settings {
        port: 1,
        method,
        key: key(KEY),
        users: users.then(user).into_iter().collect(),
        allow_private: false,
        limits: Limits::default(),
        counts: None,
        drain_s: 0,
        log: false,
    };
    let mut sent = if right { encrypted(method, rest) } else { rest.to_vec() };
    sent.truncate(MOST);
    RUNTIME.with_borrow_mut(|runtime| {
        let new = || Builder::new_current_thread().enable_all().build().expect("descriptors");
        let runtime = runtime.get_or_insert_with(new);
        let authenticated = runtime.block_on(served(&settings, &sent, usize::from(pieces)));
        assert!(right || !authenticated, "a wrong key was taken");
    });
}

/// A request with the right key, of which each part is what the input says.
fn encrypted(method: Method, bytes: &[u8]) -> Vec<u8> {
    let Some((&[kind, ahead, longer], variable)) = bytes.split_first_chunk::<3>() else {
        return bytes.to_vec();
    };
    let variable = &variable[..variable.len().min(16 * 1024)];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let clock = now.saturating_add_signed(i64::from(ahead.cast_signed()));
    let length = (variable.len() as u16).wrapping_add_signed(longer.cast_signed().into());
    let key = vec![KEY; method.key_length()];
    let salt = vec![7; method.key_length()];
    let mut cipher = TcpCipher::new(cipher(method), &key, &salt);
    let mut fixed = vec![kind];
    fixed.extend_from_slice(&clock.to_be_bytes());
    fixed.extend_from_slice(&length.to_be_bytes());
    let mut whole = salt;
    for mut part in [fixed, variable.to_vec()] {
        part.resize(part.len() + cipher.tag_len(), 0);
        cipher.encrypt_packet(&mut part);
        whole.extend_from_slice(&part);
    }
    whole
}

/// Has the server read it to its end; did it authenticate?
async fn served(settings: &Settings, bytes: &[u8], pieces: usize) -> bool {
    let (near, mut far) = UnixStream::pair().expect("a descriptor is left");
    near.set_nonblocking(true).expect("a socket");
    far.set_nonblocking(true).expect("a socket");
    let socket = Arc::new(Socket::accepted(near.into()).expect("a descriptor is left"));
    let keys = Keys::new(settings, None);
    let mut stream = keys.stream(&Context::new_shared(ServerType::Server), socket);
    let server = async {
        let known = match stream.handshake().await {
            Err(error) => {
                let _ = of_handshake(&error);
                return false;
            }
            Ok(_) => true,
        };
        let mut place = [0; 512];
        loop {
            let mut into = ReadBuf::new(&mut place);
            let read = poll_fn(|context| Pin::new(&mut stream).poll_read(context, &mut into)).await;
            if read.is_err() || into.filled().is_empty() {
                return known;
            }
        }
    };
    let mut server = pin!(server);
    let mut left = bytes;
    let known = poll_fn(|context| {
        if let Poll::Ready(known) = server.as_mut().poll(context) {
            return Poll::Ready(known);
        }
        let piece = if pieces == 0 { left.len() } else { pieces.min(left.len()) };
        let (now, later) = left.split_at(piece);
        if !now.is_empty() {
            far.write_all(now).expect("the socket has room for all of it");
            context.waker().wake_by_ref();
        } else {
            let _ = far.shutdown(std::net::Shutdown::Write);
        }
        left = later;
        Poll::Pending
    })
    .await;
    let answer = far.read(&mut [0]);
    let silent = matches!(&answer, Err(error) if error.kind() == ErrorKind::WouldBlock);
    assert!(silent, "the server said something: {answer:?}");
    known
}
