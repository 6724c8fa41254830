//! A router with a LAN in front of the laboratory's uplinks, and a relay in it.
//!
//! ```text
//!   phone  192.168.77.2  fd77::2 ─┐                          ┌─ w1 10.1.0.1 ─┐
//!                                 ├─ lan 192.168.77.1 router ┤               ├─ network ─ server
//!   laptop 192.168.77.3  fd77::3 ─┘      fd77::1             └─ w2 10.2.0.1 ─┘
//! ```
//!
//! The server has 10.99.0.1 and 2001:db8:99::1. The router's rules are those that the launcher's verb
//! is to make: a table for each uplink, an endpoint for each, TPROXY for what comes from the LAN.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use mptcpize_model::gateway::{Limits, Settings, Uplink};
use mptcpize_model::net::IfName;

use crate::support::lab::Lab;
use crate::support::{Cmd, Netns, Running, mptcp, scratch, tool, wait};

/// The server's addresses.
pub(crate) const SERVER_V4: &str = "10.99.0.1";
pub(crate) const SERVER_V6: &str = "2001:db8:99::1";
/// The router's own addresses in the LAN.
pub(crate) const ROUTER_V4: &str = "192.168.77.1";
/// Where the packet filter hands connections over.
pub(crate) const PORT: u16 = 8099;

/// The router, its LAN, and what is beyond.
pub(crate) struct Gateway {
    /// The uplinks, with the router as their client.
    pub(crate) lab: Lab,
    pub(crate) phone: Netns,
    pub(crate) laptop: Netns,
    links: usize,
}

impl Gateway {
    /// Two uplinks of such a rate in the words of tc(8), or three, …; no relay yet.
    pub(crate) fn new(rates: &[&str]) -> Self {
        let lab = Lab::new(rates);
        let links = rates.len();
        let gateway = Gateway { lab, phone: Netns::new(), laptop: Netns::new(), links };
        gateway.number_v6();
        gateway.lab.multipath();
        gateway.router().ip("mptcp endpoint add 10.1.0.1 dev w1 subflow");
        gateway.add_lan();
        gateway.filter("");
        gateway
    }

    /// The host that the relay runs on.
    #[allow(clippy::misnamed_getters, reason = "the laboratory's router is beyond the uplinks")]
    pub(crate) fn router(&self) -> &Netns {
        &self.lab.client
    }

    fn number_v6(&self) {
        let Lab { client: router, router: network, server, .. } = &self.lab;
        for host in [router, network] {
            host.sysctl("net/ipv6/conf/all/forwarding", "1");
        }
        network.ip("address add 2001:db8:99::254/64 dev core nodad");
        server.ip("address add 2001:db8:99::1/64 dev eth nodad");
        server.ip("route add default via 2001:db8:99::254");
        for link in 1..=self.links {
            router.ip(&format!("address add 2001:db8:{link}::1/64 dev w{link} nodad"));
            network.ip(&format!("address add 2001:db8:{link}::254/64 dev r{link} nodad"));
            let table = 100 + link;
            let way = format!("default via 2001:db8:{link}::254 dev w{link}");
            router.ip(&format!("-6 route add {way} table {table}"));
            router.ip(&format!("-6 route add {way} metric {table}"));
            router.ip(&format!("-6 rule add from 2001:db8:{link}::1 lookup {table}"));
            router.ip(&format!("mptcp endpoint add 2001:db8:{link}::1 dev w{link} subflow"));
        }
    }

    fn add_lan(&self) {
        let router = self.router();
        router.sysctl("net/ipv4/ip_forward", "1");
        // Where the module br_netfilter is loaded, packets that come over a bridge pass the filter twice
        // and lose the socket that TPROXY gave them.
        for name in ["iptables", "ip6tables"] {
            let path = format!("/proc/sys/net/bridge/bridge-nf-call-{name}");
            router.enter(|| fs::write(&path, "0").or_else(missing)).expect("root may");
        }
        router.ip("link add lan type bridge");
        router.ip("address add 192.168.77.1/24 dev lan");
        router.ip("address add fd77::1/64 dev lan nodad");
        router.ip("link set lan up");
        for (device, host, number) in [("p1", &self.phone, 2), ("p2", &self.laptop, 3)] {
            host.sysctl("net/ipv6/conf/default/accept_dad", "0");
            router.ip(&format!("link add {device} type veth peer name eth netns {}", host.path()));
            router.ip(&format!("link set {device} master lan up"));
            host.ip(&format!("address add 192.168.77.{number}/24 dev eth"));
            host.ip(&format!("address add fd77::{number}/64 dev eth nodad"));
            host.ip("link set eth up");
            host.ip("route add default via 192.168.77.1");
            host.ip("route add default via fd77::1");
            host.settle();
        }
        router.settle();
        for family in ["-4", "-6"] {
            router.ip(&format!("{family} rule add fwmark 1 lookup 99"));
            router.ip(&format!("{family} route add local default dev lo table 99"));
        }
    }

    /// The packet filter's rules; `first` come before those that hand over.
    pub(crate) fn filter(&self, first: &str) {
        let rules = format!(
            "table inet test
            delete table inet test
            table inet test {{
                chain prerouting {{
                    type filter hook prerouting priority mangle; policy accept;
                    iifname != lan accept
                    {first}
                    tcp flags & (syn | ack) != syn socket transparent 1 meta mark set 1 accept
                    meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:{PORT} meta mark set 1 accept
                    meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:{PORT} meta mark set 1 accept
                }}
            }}"
        );
        self.router().command("nft").args(["-f", "-"]).input(rules).run().ok();
    }

    /// What the relay is told here.
    pub(crate) fn settings(&self) -> Settings {
        let uplink = |link: usize| Uplink {
            dev: IfName::new(&format!("w{link}")).unwrap(),
            addresses: [format!("10.{link}.0.1"), format!("2001:db8:{link}::1")]
                .map(|one| one.parse().unwrap())
                .to_vec(),
            weight: 1,
            backup: false,
        };
        Settings {
            port: PORT,
            lan: vec![IfName::new("lan").unwrap()],
            uplinks: (1..=self.links).map(uplink).collect(),
            limits: Limits::default(),
            drain_s: 3_600,
            log: true,
            relays: None,
        }
    }

    /// Starts the relay; back when it says that it is ready.
    pub(crate) fn relay(&self) -> Relay {
        Relay::start(self.router(), &self.settings())
    }

    /// Bytes that each uplink received and sent.
    pub(crate) fn by_link(&self) -> Vec<u64> {
        self.lab.traffic().iter().map(|traffic| traffic.received + traffic.sent).collect()
    }

    /// A listener of the server, over MPTCP, at a port that the kernel chooses.
    pub(crate) fn serve(&self, address: &str) -> (TcpListener, SocketAddr) {
        let any = SocketAddr::new(address.parse().unwrap(), 0);
        let listener = self.lab.server.enter(|| {
            let family = if any.is_ipv4() { 2 } else { 10 };
            let family = rustix::net::AddressFamily::from_raw(family);
            let socket = mptcp::of_family(family);
            rustix::net::bind(&socket, &any).unwrap();
            rustix::net::listen(&socket, 64).unwrap();
            TcpListener::from(socket)
        });
        let at = listener.local_addr().unwrap();
        (listener, at)
    }

    /// A listener of the server, over plain TCP.
    pub(crate) fn serve_tcp(&self, address: &str) -> (TcpListener, SocketAddr) {
        let any = SocketAddr::new(address.parse().unwrap(), 0);
        let listener = self.lab.server.enter(|| TcpListener::bind(any).unwrap());
        let at = listener.local_addr().unwrap();
        (listener, at)
    }

    /// A connection of the phone, and its other end at the server.
    pub(crate) fn connect(
        &self,
        (listener, at): &(TcpListener, SocketAddr),
    ) -> (TcpStream, TcpStream) {
        let near = self.phone.enter(|| TcpStream::connect(at).unwrap());
        let (far, _) = listener.accept().unwrap();
        (near, far)
    }
}

/// No module, nothing to switch off.
fn missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// A relay that runs.
pub(crate) struct Relay {
    pub(crate) running: Running,
    pub(crate) settings: PathBuf,
    told: UnixDatagram,
}

impl Relay {
    /// Starts it in a namespace; back when it says that it is ready.
    pub(crate) fn start(host: &Netns, settings: &Settings) -> Self {
        Relay::start_by(Cmd::new(tool::binary()), host, settings)
    }

    /// Starts it by a command that ends in the relay's name.
    pub(crate) fn start_by(command: Cmd, host: &Netns, settings: &Settings) -> Self {
        Relay::start_as(command, "gateway", host, &serde_json::to_string(settings).unwrap())
    }

    /// Starts it with this verb and these settings.
    pub(crate) fn start_as(command: Cmd, verb: &str, host: &Netns, settings: &str) -> Self {
        let home = scratch("relay");
        let file = home.join("settings.json");
        let socket = home.join("notify");
        fs::write(&file, settings).unwrap();
        let told = UnixDatagram::bind(&socket).unwrap();
        told.set_read_timeout(Some(wait::deadline())).unwrap();
        let command = command.args([verb, "--settings"]).arg(&file);
        let running = command.env("NOTIFY_SOCKET", &socket).within(host).start();
        let mut relay = Relay { running, settings: file, told };
        relay.says("READY=1");
        relay
    }

    /// Waits until it has told the service manager this line.
    pub(crate) fn says(&mut self, line: &str) {
        wait::until(line, || {
            assert!(!self.running.ended(), "the relay ended before it said {line}");
            self.told.set_nonblocking(true).unwrap();
            let mut text = [0; 256];
            let Ok(length) = self.told.recv(&mut text) else { return false };
            String::from_utf8_lossy(&text[..length]).lines().any(|one| one == line)
        });
    }

    /// Other settings, and the signal to read them.
    pub(crate) fn reload(&mut self, settings: &Settings) {
        self.reload_as(&serde_json::to_string(settings).unwrap());
    }

    /// As [`Relay::reload`], with settings of any verb.
    pub(crate) fn reload_as(&mut self, settings: &str) {
        fs::write(&self.settings, settings).unwrap();
        self.signal(rustix::process::Signal::HUP);
        self.says("READY=1");
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.running.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ends it; what it wrote.
    pub(crate) fn stop(self) -> String {
        self.running.stop().stderr
    }
}

/// Bytes that differ from place to place.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        // A linear congruence (Numerical Recipes); its high bits vary well enough.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Sends some bytes one way and says what came.
pub(crate) fn moved(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    std::thread::scope(|scope| {
        scope.spawn(|| send(from, bytes));
        let mut came = Vec::new();
        to.read_to_end(&mut came).unwrap();
        came
    })
}

/// Sends it all and ends this half.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
}

/// How a connection of a host ends that nobody answers with a byte. A reset may be there before connect(2) is
/// back.
#[track_caller]
pub(crate) fn outcome(host: &Netns, to: SocketAddr) -> ErrorKind {
    let connected = host.enter(|| TcpStream::connect(to));
    let ended = connected.and_then(|mut stream| stream.read(&mut [0]));
    ended.map(|_| ErrorKind::UnexpectedEof).unwrap_or_else(|error| error.kind())
}
