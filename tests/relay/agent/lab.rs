//! A host with two links whose programs go through an agent, relays on a rented server, and a server
//! without MPTCP.
//!
//! ```text
//!            ┌─ w1 10.1.0.1, 2001:db8:1::1 ─┐           ┌─ 198.51.100.7, 2001:db8:99::1  rented
//!   client ──┤                              ├── router ──┤
//!            └─ w2 10.2.0.1, 2001:db8:2::1 ─┘           └─ 203.0.113.80, 2001:db8:80::80  web
//! ```
//!
//! The rules are those that the launcher is to make: what programs of the client send in TCP is
//! redirected to the agent, but for the agent's own user.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};

use mptcpize_model::relay::agent::{Relay, Settings, Terms};
use mptcpize_model::relay::key::{Key, Method};
use mptcpize_model::relay::server;
use mptcpize_model::relay::status::Agent as State;
use rustix::process::{Pid, Signal, kill_process};

use crate::server::rented::accepted;
use crate::support::lab::Lab;
use crate::support::{Cmd, Netns, Running, kernel, scratch, tool, wait};

pub(crate) const RENTED_V4: &str = "198.51.100.7";
pub(crate) const WEB_V4: &str = "203.0.113.80";
pub(crate) const WEB_V6: &str = "2001:db8:80::80";
/// Where the agent takes what is redirected, and where it speaks SOCKS5 and HTTP CONNECT.
pub(crate) const REDIRECT: u16 = 8700;
pub(crate) const PROXY: u16 = 1080;
/// Where the first relay listens; the next ones follow.
pub(crate) const PORT: u16 = 8686;

/// All of it but the processes.
pub(crate) struct Bed {
    /// Client, router and, as its server, the rented one.
    pub(crate) lab: Lab,
    pub(crate) web: Netns,
}

impl Bed {
    /// Two links that no shaper slows down.
    pub(crate) fn new() -> Self {
        Bed::with(&["1000mbit", "1000mbit"])
    }

    /// Two links that are slower than both ends are on a busy machine: one connection needs both.
    pub(crate) fn slow() -> Self {
        Bed::with(&["10mbit", "10mbit"])
    }

    /// One link for each rate, with which MPTCP of the client is set up.
    pub(crate) fn with(rates: &[&str]) -> Self {
        let lab = Lab::new(rates);
        let web = furnish(&lab);
        let bed = Bed { lab, web };
        let Lab { client, router, server: rented, .. } = &bed.lab;
        for (host, link, number) in [(router, "core", 254), (rented, "eth", 7)] {
            host.ip(&format!("address add 2001:db8:99::{number}/64 dev {link} nodad"));
        }
        for host in [client, router] {
            host.sysctl("net/ipv6/conf/all/forwarding", "1");
        }
        rented.ip("route add default via 2001:db8:99::254");
        for link in 1..=rates.len() {
            client.ip(&format!("address add 2001:db8:{link}::1/64 dev w{link} nodad"));
            router.ip(&format!("address add 2001:db8:{link}::254/64 dev r{link} nodad"));
            let way = format!("default via 2001:db8:{link}::254 dev w{link}");
            client.ip(&format!("-6 route add {way} table {}", 100 + link));
            client.ip(&format!("-6 route add {way} metric {}", 100 + link));
            // A host with two uplinks has a default route over each.
            client.ip(&format!("route add default via 10.{link}.0.254 dev w{link} metric {link}"));
            client.ip(&format!("-6 rule add from 2001:db8:{link}::1 lookup {}", 100 + link));
        }
        bed.lab.multipath();
        [client, router, rented, &bed.web].into_iter().for_each(Netns::settle);
        bed
    }

    /// The host whose programs go through the agent.
    pub(crate) fn client(&self) -> &Netns {
        &self.lab.client
    }

    /// A relay of the rented server; back when it listens.
    pub(crate) fn rent(&self, number: u16) -> Rented {
        rent(&self.lab.server, number)
    }

    /// What an agent is told here that uses these relays.
    pub(crate) fn settings(&self, relays: &[&Relay]) -> Settings {
        let relays = relays.iter().map(|relay| (*relay).clone()).collect();
        let uplinks = ["10.1.0.1", "10.2.0.1", "2001:db8:1::1", "2001:db8:2::1"];
        Settings {
            terms: Terms {
                relays,
                policy: Default::default(),
                never: Vec::new(),
                fallback: Default::default(),
            },
            uplinks: uplinks.map(|one| one.parse().unwrap()).to_vec(),
            resolver: None,
            connections: 1_000,
            drain_s: 0,
            log: true,
        }
    }

    /// Redirects what programs of the client send in TCP to the agent; back when it is ready.
    pub(crate) fn agent(&self, settings: &Settings) -> Agent {
        self.redirect();
        let sockets = format!(
            "redirect,127.0.0.1,{REDIRECT} redirect,::1,{REDIRECT} proxy,127.0.0.1,{PROXY}"
        );
        Agent::start(self.client(), settings, &sockets)
    }

    /// The rules alone. The kernel opens further subflows (MP_JOIN, RFC 8684 section 3.2) in nobody's name:
    /// `skuid` does not know them, and redirected they are lost.
    pub(crate) fn redirect(&self) {
        let nobody = scratch::NOBODY;
        let rules = format!(
            "table inet agent
            delete table inet agent
            table inet agent {{
                chain output {{
                    type nat hook output priority -100;
                    meta skuid {nobody} accept
                    tcp option mptcp subtype 1 accept
                    fib daddr type local accept
                    meta l4proto tcp redirect to :{REDIRECT}
                }}
            }}"
        );
        self.client().command("nft").args(["-f", "-"]).input(rules).run().ok();
    }

    /// Makes the rented server drop what comes to a relay's port, or no longer.
    pub(crate) fn silence(&self, relays: &[u16]) {
        let drops: String =
            relays.iter().map(|number| format!("tcp dport {} drop\n", PORT + number)).collect();
        let rules = format!(
            "table inet silence
            delete table inet silence
            table inet silence {{
                chain input {{
                    type filter hook input priority 0;
                    {drops}
                }}
            }}"
        );
        self.lab.server.command("nft").args(["-f", "-"]).input(rules).run().ok();
    }

    /// A listener of the web server at a port that the kernel chooses.
    pub(crate) fn serve(&self, address: &str) -> (TcpListener, SocketAddr) {
        let any = SocketAddr::new(address.parse().unwrap(), 0);
        let listener = self.web.enter(|| TcpListener::bind(any).unwrap());
        let at = listener.local_addr().unwrap();
        (listener, at)
    }

    /// A connection of a program of the client.
    pub(crate) fn dial(&self, to: SocketAddr) -> TcpStream {
        let stream = self.client().enter(|| TcpStream::connect(to).unwrap());
        stream.set_read_timeout(Some(wait::deadline())).unwrap();
        stream
    }

    /// One with its other end at the web server.
    pub(crate) fn connect(&self, at: &(TcpListener, SocketAddr)) -> (TcpStream, TcpStream) {
        (self.dial(at.1), accepted(&at.0))
    }
}

/// Makes the laboratory's server a rented one with a public address, and adds a web server without MPTCP.
pub(crate) fn furnish(lab: &Lab) -> Netns {
    let (router, rented, web) = (&lab.router, &lab.server, Netns::without_mptcp());
    router.ip(&format!("link add web type veth peer name eth netns {}", web.path()));
    for (host, link, number) in [(router, "web", 254), (&web, "eth", 80)] {
        host.ip(&format!("address add 203.0.113.{number}/24 dev {link}"));
        host.ip(&format!("address add 2001:db8:80::{number}/64 dev {link} nodad"));
        host.ip(&format!("link set {link} up"));
    }
    for (host, link, number) in [(router, "core", 254), (rented, "eth", 7)] {
        host.ip(&format!("address add 198.51.100.{number}/24 dev {link}"));
    }
    web.ip("route add default via 203.0.113.254");
    web.ip("route add default via 2001:db8:80::254");
    rented.ip("route replace default via 198.51.100.254 src 198.51.100.7");
    [router, rented, &web].into_iter().for_each(Netns::settle);
    web
}

/// A relay of the rented server; back when it listens.
pub(crate) fn rent(host: &Netns, number: u16) -> Rented {
    let key = Key::new(vec![number.to_le_bytes()[0]; 16]);
    let settings = server::Settings {
        port: PORT + number,
        method: Method::Aes128,
        key: key.clone(),
        users: Vec::new(),
        allow_private: false,
        limits: server::Limits::default(),
        counts: None,
        drain_s: 0,
        log: true,
    };
    let file = scratch("rented").join("settings.json");
    fs::write(&file, serde_json::to_string(&settings).unwrap()).unwrap();
    // The names that its resolver knows.
    let hosts = file.with_file_name("hosts");
    fs::write(&hosts, format!("{WEB_V4} web.example\n")).unwrap();
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let command = Cmd::new("unshare").args(["--mount", "sh", "-c", script]).arg(&hosts);
    let command = command.arg(tool::binary()).args(["server", "--settings"]).arg(&file);
    let mut running = command.within(host).start();
    wait::until("the relay listens", || {
        assert!(!running.ended(), "it ended");
        kernel::is_listening(host, PORT + number)
    });
    Rented { running, known: known(number, key) }
}

/// A relay of that number as its clients know it.
pub(crate) fn known(number: u16, key: Key) -> Relay {
    Relay {
        name: format!("relay-{number}").parse().unwrap(),
        host: RENTED_V4.to_owned(),
        port: PORT + number,
        method: Method::Aes128,
        keys: vec![key],
    }
}

/// A relay that runs.
pub(crate) struct Rented {
    pub(crate) running: Running,
    pub(crate) known: Relay,
}

/// Plays the launcher: makes the sockets, becomes an ordinary user, and hands them over
/// (sd_listen_fds(3)).
const LAUNCHER: &str = "
import os, socket, sys
sockets, user, program = sys.argv[1].split(), int(sys.argv[2]), sys.argv[3:]
made = []
for name, address, port in (one.split(',') for one in sockets):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if name == 'dns' else socket.SOCK_STREAM
    one = socket.socket(family, kind)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((address, int(port)))
    if kind == socket.SOCK_STREAM: one.listen(4096)
    made.append((name, one))
for number, (name, one) in enumerate(made, 3):
    assert one.fileno() == number
    os.set_inheritable(number, True)
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
names = ':'.join(name for name, _ in made)
os.environ.update(LISTEN_FDS=str(len(made)), LISTEN_FDNAMES=names, LISTEN_PID=str(os.getpid()))
os.execv(program[0], program)
";

/// An agent that runs.
pub(crate) struct Agent {
    pub(crate) running: Running,
    file: PathBuf,
    told: UnixDatagram,
}

impl Agent {
    /// Starts it in a namespace with these sockets (name,address,port …); back when it is ready.
    pub(crate) fn start(host: &Netns, settings: &Settings, sockets: &str) -> Self {
        let home = scratch::of_nobody(scratch("agent"));
        let file = home.join("settings.json");
        let socket = home.join("notify");
        put(&file, settings);
        let told = UnixDatagram::bind(&socket).unwrap();
        told.set_nonblocking(true).unwrap();
        scratch::of_nobody(socket.clone());
        let command = Cmd::new("python3").args(["-c", LAUNCHER, sockets]);
        let command = command.arg(scratch::NOBODY.to_string()).arg(tool::public_binary());
        let command = command.args(["agent", "--settings"]).arg(&file);
        let running = command.env("NOTIFY_SOCKET", &socket).within(host).start();
        let mut agent = Agent { running, file, told };
        if !agent.says("READY=1") {
            panic!("it ended before it was ready: {}", agent.stop());
        }
        agent
    }

    /// Waits until it has told the service manager this line; not if it ends before.
    fn says(&mut self, line: &str) -> bool {
        let mut said = false;
        wait::until(line, || {
            let mut text = [0; 256];
            if let Ok(length) = self.told.recv(&mut text) {
                said = String::from_utf8_lossy(&text[..length]).lines().any(|one| one == line);
            }
            said || self.running.ended()
        });
        said
    }

    /// Other settings, and the signal to read them.
    pub(crate) fn reload(&mut self, settings: &Settings) {
        put(&self.file, settings);
        self.signal(Signal::HUP);
        assert!(self.says("RELOADING=1") && self.says("READY=1"), "it ended");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.running.pid().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// What it says of itself.
    pub(crate) fn state(&self) -> State {
        let stream = UnixStream::connect(self.state_socket()).unwrap();
        serde_json::from_reader(stream).unwrap()
    }

    /// Where it is asked for its state.
    pub(crate) fn state_socket(&self) -> PathBuf {
        self.file.with_file_name("state")
    }

    /// Ends it; what it wrote.
    pub(crate) fn stop(self) -> String {
        self.running.stop().stderr
    }
}

fn put(file: &Path, settings: &Settings) {
    let mut open = fs::File::create(file).unwrap();
    open.write_all(serde_json::to_string(settings).unwrap().as_bytes()).unwrap();
    scratch::of_nobody(file.to_owned());
}
