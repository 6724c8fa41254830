//! A rented server between a client with two links and a web server of the internet.
//!
//! ```text
//!   client ═ w1, w2 ═ router ── core 10.99.0.254 ── 10.99.0.1 eth  rented  198.51.100.1 out ── 198.51.100.7  web
//! ```
//!
//! The web server's addresses are documentation's (RFC 5737, RFC 3849), which count as public; the
//! client's and the rented server's own are private.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use mptcpize_model::relay::key::{Key, Method};
use mptcpize_model::relay::server::{Limits, Settings, User, UserLimits};
use mptcpize_model::relay::status::Server as State;
use rustix::event::{PollFd, PollFlags};

use super::client::{Client, Tunnel};
use crate::lan::Relay;
use crate::support::lab::{Lab, SERVER};
use crate::support::{Cmd, Netns, tool, wait};

/// The web server's addresses.
pub(crate) const WEB_V4: &str = "198.51.100.7";
pub(crate) const WEB_V6: &str = "2001:db8:7::7";
/// The port of the relay.
pub(crate) const PORT: u16 = 8686;

/// The three hosts, and the network between.
pub(crate) struct Rented {
    pub(crate) lab: Lab,
    pub(crate) web: Netns,
}

impl Rented {
    /// Two links of such a rate in the words of tc(8), or one, …
    pub(crate) fn new(rates: &[&str]) -> Self {
        let rented = Rented { lab: Lab::new(rates), web: Netns::new() };
        rented.lab.multipath();
        let (host, web) = (rented.host(), &rented.web);
        web.sysctl("net/ipv6/conf/default/accept_dad", "0");
        host.ip(&format!("link add out type veth peer name eth netns {}", web.path()));
        for (one, device, number) in [(host, "out", 1), (web, "eth", 7)] {
            one.ip(&format!("address add 198.51.100.{number}/24 dev {device}"));
            one.ip(&format!("address add 2001:db8:7::{number}/64 dev {device} nodad"));
            one.ip(&format!("link set {device} up"));
        }
        host.settle();
        web.settle();
        rented
    }

    /// The rented server.
    pub(crate) fn host(&self) -> &Netns {
        &self.lab.server
    }

    /// Starts the relay there; back when it says that it is ready.
    pub(crate) fn relay(&self, settings: &Settings) -> Relay {
        self.relay_by(Cmd::new(tool::binary()), settings)
    }

    /// Starts the relay by a command that ends in its name.
    pub(crate) fn relay_by(&self, command: Cmd, settings: &Settings) -> Relay {
        let text = serde_json::to_string(settings).unwrap();
        Relay::start_as(command, "server", self.host(), &text)
    }

    /// A client with the key of these settings.
    pub(crate) fn client(&self, settings: &Settings) -> Client<'_> {
        self.client_with(settings.method, &[&settings.key])
    }

    /// A client with these keys.
    pub(crate) fn client_with(&self, method: Method, keys: &[&Key]) -> Client<'_> {
        let at: SocketAddr = format!("{SERVER}:{PORT}").parse().unwrap();
        Client::new(&self.lab.client, at, method, keys)
    }

    /// A listener of the web server, in plain TCP.
    pub(crate) fn serve(&self, address: &str) -> (TcpListener, SocketAddr) {
        listen(&self.web, address)
    }

    /// A stream through the relay to a listener of the web server, and its other end there.
    pub(crate) fn connect(
        &self,
        client: &Client<'_>,
        (listener, at): &(TcpListener, SocketAddr),
    ) -> (Tunnel, TcpStream) {
        let mut near = client.open(*at);
        near.write_all(b"x").unwrap();
        (near, met(listener))
    }
}

/// The next connection of a listener, after a first byte came.
pub(crate) fn met(listener: &TcpListener) -> TcpStream {
    let mut far = accepted(listener);
    far.read_exact(&mut [0]).unwrap();
    far
}

/// The next connection of a listener.
pub(crate) fn accepted(listener: &TcpListener) -> TcpStream {
    let mut waiting = [PollFd::new(listener, PollFlags::IN)];
    wait::until("a connection", || {
        wait::pause(&mut waiting);
        !waiting[0].revents().is_empty()
    });
    let (far, _) = listener.accept().unwrap();
    far.set_read_timeout(Some(wait::deadline())).unwrap();
    far
}

/// A listener in plain TCP at a port that the kernel chooses.
pub(crate) fn listen(host: &Netns, address: &str) -> (TcpListener, SocketAddr) {
    let any = SocketAddr::new(address.parse().unwrap(), 0);
    let listener = host.enter(|| TcpListener::bind(any).unwrap());
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// A key that a number stands for.
pub(crate) fn key(method: Method, number: u8) -> Key {
    Key::new(vec![number; method.key_length()])
}

/// What a relay is told that says nothing special.
pub(crate) fn settings() -> Settings {
    with_method(Method::Aes128)
}

/// The same with another method.
pub(crate) fn with_method(method: Method) -> Settings {
    Settings {
        port: PORT,
        method,
        key: key(method, 1),
        users: Vec::new(),
        allow_private: false,
        limits: Limits::default(),
        counts: None,
        drain_s: 3_600,
        log: true,
    }
}

/// A user whose key a number stands for.
pub(crate) fn user(name: &str, number: u8) -> User {
    let key = key(Method::Aes128, number);
    User { name: name.parse().unwrap(), key, limits: UserLimits::default() }
}

/// What the relay says of itself.
pub(crate) fn state(relay: &Relay) -> State {
    let mut text = String::new();
    let path = relay.settings.with_file_name("state");
    UnixStream::connect(path).unwrap().read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// What it says once this is the case.
pub(crate) fn once(relay: &Relay, is_so: impl Fn(&State) -> bool) -> State {
    let mut said = state(relay);
    let came = wait::comes(|| {
        said = state(relay);
        is_so(&said)
    });
    assert!(came, "waited in vain: {said:?}");
    said
}

/// How often it refused for this reason.
pub(crate) fn refused(state: &State, reason: &str) -> u64 {
    state.refused.get(reason).copied().unwrap_or(0)
}
