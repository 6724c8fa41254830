//! A host with several uplinks, as `mptcpize setup` finds it: nothing is configured but addresses
//! and the routes that a test gives it.
//!
//! ```text
//!            ┌─ w1 10.1.0.1, 2001:db8:1::1 ── r1 ─┐
//!   client ──┤                                    ├── router ── 10.99.0.1, 2001:db8:99::1  server
//!            └─ w2 10.2.0.1 …              ── r2 ─┘
//! ```
//!
//! Links may instead share a network: then r1, r2, … are ports of the router's bridge `lan`
//! (192.168.0.1), and the client has 192.168.0.11, .12, …
//!
//! Each [`Station`] has a /run of its own, because the tool keeps its journal there: every command
//! gets a private mount namespace in which a directory of the test lies over /run.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use super::hold::Hold;
use super::{Cmd, Netns, Running, kernel, scratch, serve, tool, wait};

/// The server's address in either family.
pub const SERVER_V4: &str = "10.99.0.1";
pub const SERVER_V6: &str = "2001:db8:99::1";
/// The IPv4 address for an IPv6 socket (RFC 4291 section 2.5.5.2).
pub const SERVER_MAPPED: &str = "::ffff:10.99.0.1";
/// Where the server listens.
pub const PORT: u16 = 8080;

/// One host: a network namespace and a /run that belong together.
#[derive(Debug)]
pub struct Station {
    pub net: Netns,
    run: PathBuf,
    mounts: String,
}

impl Station {
    pub fn new() -> Self {
        let net = Netns::new();
        // Addresses are usable at once; the tests are not about duplicates.
        for name in ["all", "default"] {
            net.sysctl(&format!("net/ipv6/conf/{name}/accept_dad"), "0");
        }
        Station { net, run: scratch("run"), mounts: String::new() }
    }

    /// Lets every command run this piece of shell in its mount namespace first.
    pub fn mounting(&mut self, script: &str) {
        self.mounts = script.to_owned();
    }

    /// A command here.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Cmd {
        let script = format!("mount --bind \"$1\" /run; shift; {}\nexec \"$@\"", self.mounts);
        Cmd::line("unshare --mount --propagation private sh -euc")
            .args([OsStr::new(&script), OsStr::new("sh"), self.run.as_os_str()])
            .arg(program)
            .within(&self.net)
    }

    /// `mptcpize ARGUMENTS` here.
    pub fn tool(&self, arguments: &str) -> Cmd {
        self.command(tool::binary()).args(arguments.split_whitespace())
    }

    /// `mptcpize setup ARGUMENTS`, which is to succeed; what it prints.
    #[track_caller]
    pub fn setup(&self, arguments: &str) -> String {
        self.tool("setup").args(arguments.split_whitespace()).run().silent().stdout
    }

    /// Where the tool keeps its journal.
    pub fn state_directory(&self) -> PathBuf {
        self.run.join("mptcpize")
    }

    /// The journal, once there is one.
    pub fn journal(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(self.state_directory()).ok()?;
        let mut paths = entries.flatten().map(|entry| entry.path());
        paths.find(|path| path.extension() == Some(OsStr::new("journal")))
    }

    /// All that a set-up may touch, as iproute2 and procfs show it.
    pub fn state(&self) -> String {
        self.net.settle();
        let mut text = String::new();
        for question in [
            "rule show",
            "-6 rule show",
            "route show table all",
            "-6 route show table all",
            "mptcp endpoint show",
            "mptcp limits show",
        ] {
            let _ = writeln!(text, "# ip {question}\n{}", self.net.ip(question));
        }
        for directory in ["mptcp", "ipv4/conf", "ipv6/conf"] {
            let directory = format!("/proc/sys/net/{directory}");
            self.net.enter(|| sysctls(Path::new(&directory), &mut text));
        }
        text
    }

    /// Waits until no route of this link is used any more because its carrier is lost.
    pub fn wait_for_lost_carrier(&self, link: &str) {
        wait::until(&format!("{link} without carrier"), || {
            self.net.ip(&format!("link show dev {link}")).contains("NO-CARRIER")
                && !self
                    .net
                    .ip(&format!("route show dev {link}"))
                    .lines()
                    .any(|route| !route.contains("linkdown"))
        });
    }
}

fn sysctls(directory: &Path, text: &mut String) {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the kernel has it")
        .map(|entry| entry.expect("it is readable").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            sysctls(&path, text);
        } else if let Ok(value) = fs::read_to_string(&path) {
            let _ = writeln!(text, "{} = {}", path.display(), value.trim_end());
        }
    }
}

/// What an assertion shows of two states: the lines that differ.
pub fn difference(before: &str, after: &str) -> String {
    let lines = |text: &str, other: &str, sign: char| -> String {
        text.lines()
            .filter(|line| !other.lines().any(|known| known == *line))
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    format!("{}{}", lines(before, after, '-'), lines(after, before, '+'))
}

/// The state is what it was, byte for byte.
#[track_caller]
pub fn assert_same(before: &str, after: &str, when: &str) {
    assert!(before == after, "{when}: the host is not as before\n{}", difference(before, after));
}

/// A client with several uplinks, the router and the server behind it.
#[derive(Debug)]
pub struct Uplinks {
    pub client: Station,
    pub router: Netns,
    pub server: Station,
    links: usize,
    /// Bytes a second that the best link lets through.
    most: f64,
}

impl Uplinks {
    /// One link for each rate in the words of tc(8); no addresses yet on the client's side.
    pub fn new(rates: &[&str]) -> Self {
        let lab = Uplinks {
            client: Station::new(),
            router: Netns::new(),
            server: Station::new(),
            links: rates.len(),
            most: rates.iter().map(|rate| f64::from(kbit(rate)) * 125.0).fold(0.0, f64::max),
        };
        let Uplinks { router, server, .. } = &lab;
        router.sysctl("net/ipv4/ip_forward", "1");
        router.sysctl("net/ipv6/conf/all/forwarding", "1");
        router.sysctl("net/ipv6/conf/default/accept_dad", "0");
        router.ip(&format!("link add core type veth peer name eth netns {}", server.net.path()));
        for (station, link, host) in [(router, "core", 254), (&server.net, "eth", 1)] {
            station.ip(&format!("address add 10.99.0.{host}/24 dev {link}"));
            station.ip(&format!("address add 2001:db8:99::{host}/64 dev {link} nodad"));
            station.ip(&format!("link set {link} up"));
        }
        server.net.ip("route add default via 10.99.0.254");
        server.net.ip("route add default via 2001:db8:99::254");
        for (link, rate) in (1..).zip(rates) {
            let rate = here(rate);
            let peer = router.path();
            lab.client
                .net
                .ip(&format!("link add w{link} type veth peer name r{link} netns {peer}"));
            for (station, end) in [(&lab.client.net, 'w'), (router, 'r')] {
                station.ip(&format!("link set {end}{link} up"));
                station.tc(&format!("qdisc add dev {end}{link} root tbf {rate}"));
            }
        }
        [&lab.client.net, router, &server.net].into_iter().for_each(Netns::settle);
        lab
    }

    /// Three links in one network, of which one has the default route: what three LTE dongles of
    /// one make look like.
    pub fn three_dongles(rate: &str) -> Self {
        let lab = Uplinks::new(&[rate; 3]);
        lab.share();
        lab.client.net.ip("route add default via 192.168.0.1 dev w1 metric 100");
        lab
    }

    /// Two links in networks of their own, each with a default route.
    pub fn two_subnets(rate: &str) -> Self {
        let lab = Uplinks::new(&[rate; 2]);
        lab.number_v4(1);
        lab.number_v4(2);
        lab
    }

    /// One more link, point to point: a TUN device at each end, alive as long as the result.
    pub fn add_tun(&mut self, rate: &str) -> Running {
        self.links += 1;
        let (link, rate) = (self.links, here(rate));
        let ends = [(&self.client.net, format!("w{link}")), (&self.router, format!("r{link}"))];
        let program =
            scratch::file(&scratch("tun").join("tun.py"), include_bytes!("tun.py"), 0o644);
        let mut forwarder = Cmd::new("nice").args(["-n", "-20", "python3"]).arg(program);
        for (station, device) in &ends {
            forwarder = forwarder.arg(station.path()).arg(device);
        }
        let mut running = forwarder.start();
        for (station, device) in &ends {
            wait::until(&format!("the device {device}"), || {
                assert!(!running.ended(), "tun.py ended");
                station.proc_net("dev").contains(&format!("{device}:"))
            });
        }
        let (near, far) = (format!("10.64.{link}.1"), format!("10.64.{link}.254"));
        for ((station, device), (own, peer)) in ends.iter().zip([(&near, &far), (&far, &near)]) {
            station.ip(&format!("address add {own} peer {peer}/32 dev {device}"));
            station.ip(&format!("link set {device} up"));
            station.tc(&format!("qdisc add dev {device} root tbf {rate}"));
            station.settle();
        }
        running
    }

    /// Puts all links into one IPv4 network.
    pub fn share(&self) {
        self.router.ip("link add lan type bridge");
        self.router.ip("address add 192.168.0.1/24 dev lan");
        self.router.ip("link set lan up");
        for link in 1..=self.links {
            self.router.ip(&format!("link set r{link} master lan"));
            self.client.net.ip(&format!("address add 192.168.0.1{link}/24 dev w{link}"));
        }
        self.router.settle();
    }

    /// An IPv4 network for one link, and a default route; the first link's is the best.
    pub fn number_v4(&self, link: usize) {
        self.client.net.ip(&format!("address add 10.{link}.0.1/24 dev w{link}"));
        self.router.ip(&format!("address add 10.{link}.0.254/24 dev r{link}"));
        let route = format!("default via 10.{link}.0.254 dev w{link} metric {link}00");
        self.client.net.ip(&format!("route add {route}"));
    }

    /// An IPv6 network for one link, and a default route; the first link's is the best.
    pub fn number_v6(&self, link: usize) {
        self.client.net.ip(&format!("address add 2001:db8:{link}::1/64 dev w{link} nodad"));
        self.router.ip(&format!("address add 2001:db8:{link}::254/64 dev r{link} nodad"));
        let route = format!("default via 2001:db8:{link}::254 dev w{link} metric {link}00");
        self.client.net.ip(&format!("route add {route}"));
    }

    /// A server for [`Uplinks::get`] and the like, which speaks MPTCP and TCP; on a host that the
    /// tool leaves alone.
    pub fn serve(&self) -> Running {
        let server = self
            .server
            .tool("run --no-setup nice -n -20 python3")
            .arg(transfer_py())
            .args(["serve", &PORT.to_string()]);
        serve::listening(&self.server.net, server.quiet(), PORT)
    }

    /// The client of a transfer under the tool, which leaves the host as it is.
    pub fn client_of(&self, verb: &str, host: &str, bytes: u64) -> Cmd {
        let client = self.client.tool("run --no-setup nice -n -20 python3").arg(transfer_py());
        client.args([verb, host, &PORT.to_string(), &fewer(bytes).to_string()])
    }

    /// Moves so many bytes over MPTCP (`get` or `put`) and says how they came.
    #[track_caller]
    pub fn transfer(&self, verb: &str, host: &str, bytes: u64) -> Moved {
        self.observe(self.client_of(verb, host, bytes))
    }

    /// Moves so many bytes over plain TCP, which can use but one link: what the links are measured by.
    #[track_caller]
    pub fn tcp(&self, verb: &str, host: &str, bytes: u64) -> Moved {
        let client = self.client.command("nice").args(["-n", "-20", "python3"]).arg(transfer_py());
        let client = client.args([verb, host, &PORT.to_string(), &fewer(bytes).to_string()]);
        let moved = self.observe(client);
        // A receiver that was late finds more in its queue than a link brings in that time.
        Moved { rate: moved.rate.min(self.most), ..moved }
    }

    /// Runs a client.
    #[track_caller]
    pub fn observe(&self, client: Cmd) -> Moved {
        self.watch(client, |_, _| ())
    }

    /// A transfer over MPTCP, and `meanwhile` when a quarter of the bytes has come; more than half of
    /// them come after it.
    #[track_caller]
    pub fn interrupted(
        &self,
        verb: &str,
        host: &str,
        bytes: u64,
        meanwhile: impl FnOnce(),
    ) -> Moved {
        let hold = Hold::new();
        let client = hold.on(self.client_of(verb, host, bytes));
        self.watch(client, |running, before| {
            wait::until("a quarter of the transfer", || {
                let moved: u64 = moved(before, &self.counters()).iter().sum();
                running.ended() || moved > fewer(bytes) / 4
            });
            meanwhile();
            hold.release();
        })
    }

    #[track_caller]
    fn watch(&self, client: Cmd, meanwhile: impl FnOnce(&mut Running, &[u64])) -> Moved {
        static ALONE: Mutex<()> = Mutex::new(());
        // One transfer at a time, and ahead of what else this machine does: what is measured is
        // the network.
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = self.counters();
        let mut running = client.start();
        meanwhile(&mut running, &before);
        let outcome = running.finish().ok();
        let rate: f64 = outcome.stdout.trim().parse().unwrap_or_else(|_| panic!("{outcome}"));
        Moved { by_link: moved(&before, &self.counters()), rate }
    }

    /// Received and sent bytes of the client's links together; one direction of a transfer
    /// outweighs the other by far.
    pub fn counters(&self) -> Vec<u64> {
        (1..=self.links)
            .map(|link| kernel::traffic(&self.client.net, &format!("w{link}")))
            .map(|traffic| traffic.received + traffic.sent)
            .collect()
    }

    /// Takes away the far end of a link: the carrier is lost.
    pub fn cut(&self, link: usize) {
        self.router.ip(&format!("link set r{link} down"));
    }
}

/// A shaper in the words of tc-tbf(8) for a rate in Mbit/s, as it is for this machine. Its queue
/// holds the same number of bytes everywhere.
pub fn here(rate: &str) -> String {
    format!("rate {}kbit burst 32kb latency {}ms", kbit(rate), 50 * wait::slower())
}

fn kbit(rate: &str) -> u32 {
    let mbit = rate.strip_suffix("mbit").and_then(|number| number.parse::<u32>().ok());
    mbit.expect("a rate in mbit") * 1000 / wait::slower()
}

/// So many bytes for this machine: a transfer lasts as long as elsewhere.
fn fewer(bytes: u64) -> u64 {
    bytes / u64::from(wait::slower())
}

fn moved(before: &[u64], after: &[u64]) -> Vec<u64> {
    before.iter().zip(after).map(|(before, after)| after - before).collect()
}

/// The program of both ends, where every user can read it.
pub fn transfer_py() -> PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let path = scratch("transfer").join("transfer.py");
        scratch::file(&path, include_bytes!("transfer.py"), 0o644)
    };
    FILE.get_or_init(make).clone()
}

/// What a transfer did.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Bytes over each link.
    pub by_link: Vec<u64>,
    /// Bytes a second that the receiving program saw; see transfer.py.
    pub rate: f64,
}

impl Moved {
    /// The share of each link.
    pub fn shares(&self) -> Vec<f64> {
        let all = self.by_link.iter().sum::<u64>() as f64;
        self.by_link.iter().map(|bytes| *bytes as f64 / all).collect()
    }

    /// Every link carried at least half of what is fair.
    #[track_caller]
    pub fn used_all(&self) -> &Self {
        let fair = 1.0 / self.by_link.len() as f64;
        assert!(self.shares().iter().all(|share| *share >= fair / 2.0), "{self:?}");
        self
    }

    /// Only this link (1, 2, …) carried data; the others at most a few handshakes.
    #[track_caller]
    pub fn used_only(&self, link: usize) -> &Self {
        assert!(self.shares()[link - 1] > 0.98, "{self:?}");
        self
    }

    /// Most of a short transfer came over this link (1, 2, …).
    #[track_caller]
    pub fn used_mostly(&self, link: usize) -> &Self {
        assert!(self.shares()[link - 1] > 0.5, "{self:?}");
        self
    }

    /// It got at least 85 % of all links together, where `one` is what one link gives to TCP. An
    /// emulated processor gets no such share of its machine that a clock in it could tell.
    #[track_caller]
    pub fn got_the_sum(&self, one: &Moved) -> &Self {
        if wait::slower() > 1 {
            return self;
        }
        let sum = one.rate * self.by_link.len() as f64;
        assert!(self.rate >= 0.85 * sum, "{self:?} of {sum}, one link: {one:?}");
        self
    }
}
