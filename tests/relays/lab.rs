//! The laboratory with a rented server and a web server that has no MPTCP.
//!
//! ```text
//!            ┌─ w1 10.1.0.1, 2001:db8:1::1 ─┐           ┌─ 198.51.100.7, 2001:db8:99::1  relay
//!   client ──┤                              ├── router ──┤
//!            └─ w2 10.2.0.1, 2001:db8:2::1 ─┘           └─ 203.0.113.80, 2001:db8:80::80  web
//! ```

#![allow(dead_code, reason = "an interface of which the tests use a part")]

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mptcpize_model::relay::agent::Relay as Stored;
use mptcpize_model::relay::key::{Key, Method};
use mptcpize_model::relay::server::Settings;
use mptcpize_model::relay::url;

use crate::support::scratch::NOBODY;
use crate::support::uplinks::{Station, Uplinks};
use crate::support::{Cmd, Netns, Running, kernel, scratch, serve, tool};

/// The rented server, in either family.
pub(super) const RELAY_V4: &str = "198.51.100.7";
pub(super) const RELAY_V6: &str = "2001:db8:99::1";
/// The web server, in either family.
pub(super) const WEB_V4: &str = "203.0.113.80";
pub(super) const WEB_V6: &str = "2001:db8:80::80";
/// Where the relay listens.
pub(super) const PORT: u16 = 8686;
/// Where the web server listens.
pub(super) const WEB_PORT: u16 = 80;

/// The whole of it.
pub(super) struct Relays {
    pub(super) lab: Uplinks,
    pub(super) web: Netns,
}

impl Relays {
    /// Two links that are slow enough for one connection to need both, however busy the machine is: a
    /// sender that is slower than one link uses that one alone.
    pub(super) fn new() -> Self {
        Relays::with(&["10mbit", "10mbit"])
    }

    /// One link for each rate, each with a default route in both families; nothing of MPTCP is set up on
    /// the client's side.
    pub(super) fn with(rates: &[&str]) -> Self {
        let mut lab = Uplinks::new(rates);
        // What is stored stays in the laboratory.
        let etc = scratch("etc");
        lab.client.mounting(&format!(
            "mount -t overlay -o lowerdir=/etc,upperdir={0}/upper,workdir={0}/work overlay /etc",
            etc.display()
        ));
        for name in ["upper", "work"] {
            std::fs::create_dir(etc.join(name)).expect("the directory is ours");
        }
        for link in 1..=rates.len() {
            lab.number_v4(link);
            lab.number_v6(link);
        }
        let web = Netns::without_mptcp();
        web.sysctl("net/ipv6/conf/default/accept_dad", "0");
        lab.router.ip(&format!("link add web type veth peer name eth netns {}", web.path()));
        for (station, link, host) in [(&lab.router, "web", 254), (&web, "eth", 80)] {
            station.ip(&format!("address add 203.0.113.{host}/24 dev {link}"));
            station.ip(&format!("address add 2001:db8:80::{host}/64 dev {link} nodad"));
            station.ip(&format!("link set {link} up"));
        }
        web.ip("route add default via 203.0.113.254");
        web.ip("route add default via 2001:db8:80::254");
        let rented = &lab.server.net;
        rented.ip(&format!("address add {RELAY_V4}/24 dev eth"));
        lab.router.ip("address add 198.51.100.254/24 dev core");
        // What arrives at an address is answered from it, and what the relay begins goes out from one
        // that strangers may see.
        rented.ip(&format!("route replace default via 198.51.100.254 src {RELAY_V4}"));
        rented.ip("mptcp limits set subflows 8 add_addr_accepted 0");
        [&lab.client.net, &lab.router, rented, &web].into_iter().for_each(Netns::settle);
        Relays { lab, web }
    }

    /// The host whose programs go through the relay.
    pub(super) fn client(&self) -> &Station {
        &self.lab.client
    }

    /// `mptcpize run --no-setup` on the client, by root or by an ordinary user with a home that is none.
    pub(super) fn as_user(&self, nobody: bool) -> Cmd {
        self.tool_of(nobody).args(["run", "--no-setup"])
    }

    /// `mptcpize relay add URL` on the client, by root into a file of the test's mounts, or by a user
    /// below a home.
    pub(super) fn stored(&self, nobody: bool, home: &str, url: &str) -> Cmd {
        if nobody {
            chown(home, Some(NOBODY), Some(NOBODY)).expect("it is ours");
        }
        self.tool_of(nobody).env("HOME", home).args(["relay", "add", url])
    }

    /// `mptcpize` on the client, by root or by an ordinary user with a home that is none.
    pub(super) fn tool_of(&self, nobody: bool) -> Cmd {
        let client = self.client();
        if !nobody {
            return client.command(public_binary());
        }
        let id = NOBODY.to_string();
        let user = client.command("setpriv").args(["--reuid", &id, "--regid", &id]);
        user.args(["--clear-groups", "--"]).arg(public_binary()).env("HOME", "/nonexistent")
    }

    /// `mptcpize setup` on the client: MPTCP uses all links.
    #[track_caller]
    pub(super) fn bond(&self) {
        self.client().setup("");
    }

    /// A relay of the rented server; back when it listens.
    pub(super) fn relay(&self) -> Rented {
        self.relay_at(PORT, Key::new(vec![0x5a; 16]))
    }

    /// One at this port, with this key.
    pub(super) fn relay_at(&self, port: u16, key: Key) -> Rented {
        self.relay_with(Settings { port, key, ..self.relay_settings() })
    }

    /// The settings of one with the usual port and key.
    pub(super) fn relay_settings(&self) -> Settings {
        Settings {
            port: PORT,
            method: Method::Aes128,
            key: Key::new(vec![0x5a; 16]),
            users: Vec::new(),
            allow_private: false,
            limits: Default::default(),
            counts: None,
            drain_s: 0,
            log: true,
        }
    }

    /// One with these settings.
    pub(super) fn relay_with(&self, settings: Settings) -> Rented {
        let directory = scratch("rented");
        let text = serde_json::to_string(&settings).expect("settings are JSON");
        let file = scratch::file(&directory.join("settings.json"), text, 0o600);
        let server = self.lab.server.net.command(relay_binary());
        let server = server.args(["server", "--settings"]).arg(&file);
        let running = serve::listening(&self.lab.server.net, server, settings.port);
        Rented { settings, directory, running }
    }

    /// nginx of the web server for IPv4 and IPv6, with a file `file` of this size.
    pub(super) fn serve(&self, bytes: usize) -> Web {
        let (directory, content) = serve::content(bytes);
        let running = self.serve_directory(&directory);
        Web { directory, content, running }
    }

    /// A web server for a directory.
    pub(super) fn serve_directory(&self, directory: &Path) -> Running {
        let server = self.web.command("python3").args(["-m", "http.server", "--bind", "::"]);
        let server = server.arg("--directory").arg(directory).arg(WEB_PORT.to_string());
        serve::listening(&self.web, server.quiet(), WEB_PORT)
    }

    /// Connections that came to the rented server as MPTCP.
    pub(super) fn carried(&self) -> u64 {
        kernel::accepted(&self.lab.server.net)
    }

    /// What the client's links moved while something was done.
    pub(super) fn moved(&self, work: impl FnOnce()) -> Vec<u64> {
        let before = self.lab.counters();
        work();
        self.lab.counters().iter().zip(before).map(|(after, before)| after - before).collect()
    }
}

/// Who runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Root,
    Nobody,
}

/// A laboratory whose links are set up, with a web server and a relay that run.
pub(super) struct Ready {
    pub(super) relays: Relays,
    pub(super) content: Vec<u8>,
    pub(super) url: String,
    _running: [Running; 2],
}

impl Ready {
    /// One whose web server has a file of this size.
    pub(super) fn new(bytes: usize) -> Self {
        Ready::with_key(bytes, Key::new(vec![0x5a; 16]))
    }

    /// One whose relay has a key that no other one has.
    pub(super) fn with_key(bytes: usize, key: Key) -> Self {
        let relays = Relays::new();
        let web = relays.serve(bytes);
        relays.bond();
        let rented = relays.relay_at(PORT, key);
        let url = rented.url();
        Ready { relays, content: web.content, url, _running: [web.running, rented.running] }
    }

    /// `mptcpize run --relay` before a program.
    pub(super) fn run(&self, user: User, program: &str) -> Cmd {
        self.relays.as_user(user == User::Nobody).args(["--relay", &self.url, program])
    }

    /// A program loads the file over both links; what it printed.
    #[track_caller]
    pub(super) fn loads(&self, program: impl FnOnce() -> Cmd) -> String {
        let mut said = String::new();
        let moved = self.relays.moved(|| said = program().run().silent().stdout);
        used_all(&moved);
        said
    }
}

/// A relay that runs.
pub(super) struct Rented {
    pub(super) settings: Settings,
    pub(super) directory: PathBuf,
    pub(super) running: Running,
}

impl Rented {
    /// As its clients know it.
    pub(super) fn known(&self, name: &str, host: &str) -> Stored {
        Stored {
            name: name.parse().expect("a name"),
            host: host.to_owned(),
            port: self.settings.port,
            method: self.settings.method,
            keys: vec![self.settings.key.clone()],
        }
    }

    /// The line for its clients.
    pub(super) fn url(&self) -> String {
        url::write(&self.known("rented", RELAY_V4))
    }
}

/// A web server that runs, and what it has.
pub(super) struct Web {
    pub(super) directory: PathBuf,
    pub(super) content: Vec<u8>,
    pub(super) running: Running,
}

/// Copies of both programs that every user can reach.
fn public_binary() -> PathBuf {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    let copy = || {
        let place = scratch("bin");
        scratch::copy(&relay_binary(), &place.join("mptcpize-relay"), 0o755);
        scratch::copy(tool::binary(), &place.join("mptcpize"), 0o755)
    };
    COPY.get_or_init(copy).clone()
}

/// The program of both ends.
pub(super) fn relay_binary() -> PathBuf {
    let file = tool::binary().with_file_name("mptcpize-relay");
    assert!(file.exists(), "there is no {}\n  fix: cargo build -p mptcpize-relay", file.display());
    file
}

/// Each link carried at least a fifth of all.
#[track_caller]
pub(super) fn used_all(by_link: &[u64]) {
    let all: u64 = by_link.iter().sum();
    assert!(by_link.iter().all(|bytes| *bytes >= all / 5), "{by_link:?}");
}

/// The URL of the web server's file.
pub(super) fn file_at(host: &str) -> String {
    match host.contains(':') {
        true => format!("http://[{host}]:{WEB_PORT}/file"),
        false => format!("http://{host}:{WEB_PORT}/file"),
    }
}
