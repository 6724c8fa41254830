//! A LAN behind the client of the laboratory, which thereby is a router; and a gateway on it.
//!
//! ```text
//!   phone  192.168.77.2  fd77::2 ─┐
//!                                 ├─ br0 192.168.77.1 router ─ w1, w2, … ─ network ─ server
//!   laptop 192.168.77.3  fd77::3 ─┘      fd77::1
//! ```

use std::fmt::Write;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::uplinks::{PORT, SERVER_V4, Station, Uplinks};
use crate::support::{Cmd, Launch, Netns, Outcome, Running, scratch, serve, tool, wait};

/// The laboratory with a LAN.
pub(super) struct Lan {
    pub(super) lab: Uplinks,
    pub(super) phone: Netns,
    pub(super) laptop: Netns,
}

impl Lan {
    /// Puts a LAN behind the client.
    pub(super) fn behind(mut lab: Uplinks) -> Self {
        // Where the addresses that were given are kept over boots.
        lab.client.mounting("mount -t tmpfs -o mode=755 tmpfs /var/lib");
        let lan = Lan { lab, phone: Netns::new(), laptop: Netns::new() };
        let router = &lan.router().net;
        router.ip("link add br0 type bridge");
        router.ip("address add 192.168.77.1/24 dev br0");
        router.ip("address add fd77::1/64 dev br0 nodad");
        router.ip("link set br0 up");
        for (device, client, number) in [("p1", &lan.phone, 2), ("p2", &lan.laptop, 3)] {
            client.sysctl("net/ipv6/conf/default/accept_dad", "0");
            router
                .ip(&format!("link add {device} type veth peer name eth netns {}", client.path()));
            router.ip(&format!("link set {device} master br0 up"));
            client.ip(&format!("address add 192.168.77.{number}/24 dev eth"));
            client.ip(&format!("address add fd77::{number}/64 dev eth nodad"));
            client.ip("link set eth up");
            client.ip("route add default via 192.168.77.1");
            client.ip("route add default via fd77::1");
            client.settle();
        }
        router.settle();
        lan
    }

    /// Three uplinks in one network, of which one has the default route.
    pub(super) fn three_dongles() -> Self {
        Lan::behind(Uplinks::three_dongles("20mbit"))
    }

    /// The host of the gateway.
    pub(super) fn router(&self) -> &Station {
        &self.lab.client
    }

    /// All that a gateway may touch on its host.
    pub(super) fn state(&self) -> String {
        let mut text = self.router().state();
        let net = &self.router().net;
        for question in [&["list", "ruleset"][..], &["-a", "list", "tables"]] {
            let said = net.command("nft").args(question).run().ok().stdout;
            let _ = writeln!(text, "# nft {question:?}\n{said}");
        }
        let _ = writeln!(text, "{}", net.ip("-br address show"));
        for name in ["iptables", "ip6tables", "arptables"] {
            let path = format!("/proc/sys/net/bridge/bridge-nf-call-{name}");
            let value = net.enter(|| fs::read_to_string(&path)).unwrap_or_default();
            let _ = writeln!(text, "{path} = {}", value.trim_end());
        }
        let _ = writeln!(text, "left: {:?}", self.left());
        text
    }

    /// What is in the gateway's directory.
    fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.router().state_directory().join("gateway"));
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    /// nginx of the server's host, with a file of this size.
    pub(super) fn serve(&self, launch: Launch, bytes: usize) -> Served {
        let (directory, content) = serve::content(bytes);
        let running = serve::nginx(&self.lab.server.net, launch, &directory, PORT);
        Served { content, _running: running }
    }

    /// A server of IPv6 under the tool: nginx of the laboratory listens at IPv4 alone.
    pub(super) fn serve_v6(&self, bytes: usize) -> Served {
        let (directory, content) = serve::content(bytes);
        let server = self.lab.server.tool("run --no-setup python3 -m http.server --bind ::");
        let server = server.arg("--directory").arg(directory).arg(PORT.to_string());
        let running = serve::listening(&self.lab.server.net, server.quiet(), PORT);
        Served { content, _running: running }
    }

    /// A download by curl as it is; every byte is compared.
    #[track_caller]
    pub(super) fn download(&self, client: &Netns, host: &str, served: &Served) -> Vec<u64> {
        let file = scratch("download").join("file");
        let before = self.lab.counters();
        let url = format!("http://{host}:{PORT}/file");
        let curl = client.command("curl").args(["-sSf", "-o"]).arg(&file).arg(url);
        curl.run().ok();
        assert!(fs::read(&file).expect("it was made") == served.content, "other bytes came");
        self.lab.counters().iter().zip(before).map(|(after, before)| after - before).collect()
    }

    /// A gateway of this LAN; back when it carries connections.
    #[track_caller]
    pub(super) fn gateway(&self, options: &str) -> Gateway {
        let gateway = Gateway::start(self.router(), &format!("--lan br0 {options}"));
        gateway.says("TCP of br0 goes over ");
        gateway
    }
}

/// A server, and what it has.
pub(super) struct Served {
    content: Vec<u8>,
    _running: Running,
}

/// Each link carried at least half of what is fair.
#[track_caller]
pub(super) fn used_all(by_link: &[u64]) {
    let fair = by_link.iter().sum::<u64>() / by_link.len() as u64;
    assert!(by_link.iter().all(|bytes| *bytes >= fair / 2), "{by_link:?}");
}

/// One link carried all but some packets.
#[track_caller]
pub(super) fn used_only(by_link: &[u64], link: usize) {
    let all: u64 = by_link.iter().sum();
    assert!(by_link[link - 1] * 100 > all * 95, "{by_link:?}");
}

/// A gateway that runs.
pub(super) struct Gateway {
    running: Running,
    log: PathBuf,
}

impl Gateway {
    /// `mptcpize gateway OPTIONS`.
    pub(super) fn start(host: &Station, options: &str) -> Self {
        relay();
        Gateway::start_by(host.tool("gateway").args(options.split_whitespace()))
    }

    /// One by a command of its own.
    pub(super) fn start_by(command: Cmd) -> Self {
        let log = scratch("gateway").join("log");
        let file = File::create(&log).expect("a scratch file can be made");
        Gateway { running: command.stderr(file.into()).start(), log }
    }

    /// What it has said on standard error.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("it was made")
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(super) fn says(&self, text: &str) {
        let said = wait::comes(|| self.said().contains(text) || self.said().contains("error: "));
        assert!(said && self.said().contains(text), "{text:?} in\n{}", self.said());
    }

    pub(super) fn signal(&self, signal: Signal) {
        send(self.running.pid(), signal);
    }

    /// Ends it as systemd does.
    #[track_caller]
    pub(super) fn end(self) -> Outcome {
        self.signal(Signal::TERM);
        let log = self.log.clone();
        let outcome = self.running.finish();
        assert!(outcome.status.success(), "{}", fs::read_to_string(log).expect("it was made"));
        outcome
    }

    /// Ends it as the kernel does that is out of memory.
    pub(super) fn kill(self) {
        self.signal(Signal::KILL);
        assert_eq!(self.running.finish().code(), 128 + 9);
    }

    /// The processes that it has started and that stay; it also asks nft(8) whenever something has changed.
    pub(super) fn children(&self) -> Vec<u32> {
        let pid = self.running.pid();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let text = text.unwrap_or_default();
        let stays = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            ["mptcpize-relay\n", "dnsmasq\n"].contains(&name.as_str())
        };
        text.split_whitespace().filter_map(|word| word.parse().ok()).filter(stays).collect()
    }

    /// The one relay that it has.
    #[track_caller]
    pub(super) fn relay(&self) -> u32 {
        let relays = self.children();
        assert_eq!(relays.len(), 1, "{}", self.said());
        relays[0]
    }
}

/// A connection from a host, on which nothing takes longer than the deadline.
#[track_caller]
pub(super) fn connect(from: &Netns, to: SocketAddr) -> TcpStream {
    let stream = from.enter(|| TcpStream::connect_timeout(&to, wait::deadline()));
    in_time(stream.unwrap_or_else(|error| panic!("{to}: {error}")))
}

/// The other end of a connection.
#[track_caller]
pub(super) fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    listener.set_nonblocking(true).expect("it is a socket");
    let mut accepted = None;
    wait::until("a connection", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (stream, from) = accepted.expect("it was waited for");
    stream.set_nonblocking(false).expect("it is a socket");
    (in_time(stream), from)
}

fn in_time(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(wait::deadline())).expect("it is a socket");
    stream.set_write_timeout(Some(wait::deadline())).expect("it is a socket");
    stream
}

/// A signal for one process.
pub(super) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("it is no process 0");
    kill_process(pid, signal).expect("it runs");
}

/// The relay beside the launcher, which finds it there.
pub(super) fn relay() -> PathBuf {
    let file = tool::binary().with_file_name("mptcpize-relay");
    assert!(
        Path::new(&file).exists(),
        "there is no {}\n  fix: cargo build -p mptcpize-relay",
        file.display()
    );
    file
}

/// The server's address, for whoever needs no other.
pub(super) const SERVER: &str = SERVER_V4;
