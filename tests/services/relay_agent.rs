//! The agent of a host as a service of a real systemd: its connections go through a relay while it runs,
//! also after it was killed and after a boot, and go directly when it was stopped or disabled.

use mptcpize_model::relay::agent::Relay;
use mptcpize_model::relay::key::{Key, Method};
use mptcpize_model::relay::server::Settings;
use mptcpize_model::relay::url;

use crate::shipped::{is_without_fault, told};
use crate::support::systemd::{Machine, machine};
use crate::support::uplinks::assert_same;
use crate::support::{tool, wait};

const UNIT: &str = "mptcpize-relay-agent.service";
/// What it says while it takes the host's connections.
const TAKES: &str = "TCP of this host goes through rented";
/// Where the relay comes from, and where the machine itself does, as the web server sees them.
const RELAY: &str = "203.0.113.254";
const DIRECTLY: &str = "10.1.0.1";

/// Answers with the address of whoever asks.
const WEB: &str = "
from http.server import BaseHTTPRequestHandler, HTTPServer
class Peer(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.client_address[0].encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
HTTPServer(('203.0.113.80', 80), Peer).serve_forever()
";

/// The machine's link, a rented server behind it, and a web server behind that; until the next boot.
const NETWORK: &str = "
    ip netns add rented; ip netns add web
    ip link add w1 type veth peer name near netns rented
    ip -n rented link add far type veth peer name eth netns web
    # No addresses of IPv6, which come when they like.
    up() { $1 link set $2 addrgenmode none up; $1 address add $3/24 dev $2; }
    up ip w1 10.1.0.1; ip route add default via 10.1.0.254
    up 'ip -n rented' near 10.1.0.254; up 'ip -n rented' far 203.0.113.254
    up 'ip -n web' eth 203.0.113.80; ip -n web route add default via 203.0.113.254
    ip -n rented address add 198.51.100.7/32 dev far
    ip netns exec rented sysctl -q net.ipv4.ip_forward=1
    systemd-run --quiet --unit=rented ip netns exec rented /opt/mptcpize-relay server --settings /opt/rented.json
    systemd-run --quiet --unit=web ip netns exec web python3 /opt/web.py
    until [[ $(ip netns exec rented ss -Htln 'sport = :8686') && $(ip netns exec web ss -Htln 'sport = :80') ]]; do :; done";

/// Puts the programs into the machine, and stores the relay as root does.
fn install(machine: &Machine) {
    let relay = tool::binary().with_file_name("mptcpize-relay");
    assert!(relay.exists(), "no {}\n  fix: cargo build -p mptcpize-relay", relay.display());
    machine.install(&relay, "/opt/mptcpize-relay");
    let settings = Settings {
        port: 8686,
        method: Method::Aes128,
        key: Key::new(vec![0x3c; 16]),
        users: Vec::new(),
        allow_private: false,
        limits: Default::default(),
        counts: None,
        drain_s: 0,
        log: false,
    };
    let stored = Relay {
        name: "rented".parse().expect("a name"),
        host: "198.51.100.7".to_owned(),
        port: settings.port,
        method: settings.method,
        keys: vec![settings.key.clone()],
    };
    machine.write("/opt/rented.json", &serde_json::to_string(&settings).expect("it is JSON"));
    machine.write("/opt/web.py", WEB);
    machine.sh("chmod 600 /opt/rented.json").ok();
    machine.sh(NETWORK).ok();
    machine.command(&["/opt/mptcpize", "relay", "add", &url::write(&stored)]).run().ok();
}

fn forget(machine: &Machine) {
    machine
        .sh("systemctl stop rented web; ip link delete w1; ip netns delete rented; ip netns delete web
             rm -rf /opt/mptcpize-relay /opt/rented.json /opt/web.py /etc/mptcpize-relays.toml
             rm -rf /etc/mptcpize.toml /run/mptcpize; systemctl reset-failed")
        .ok();
}

/// All that an agent may have changed, and its processes.
fn look(machine: &Machine) -> String {
    let script = "nft list ruleset; ip rule; ip route; ip mptcp limits; ip mptcp endpoint
         ss -Htln; sysctl net.mptcp.enabled net.ipv4.conf.all.route_localnet
         find /etc/systemd /run/mptcpize/relay -name '*mptcpize*' -o -name host 2>/dev/null || :
         pgrep -af '[m]ptcpize-relay agent' || :";
    machine.sh(script).ok().stdout
}

/// Whom the web server sees when a program of the machine asks it.
fn comes_from(machine: &Machine) -> String {
    machine.sh("curl -sS --max-time 60 http://203.0.113.80/").stdout
}

#[track_caller]
fn takes_all(machine: &Machine) {
    wait::until(TAKES, || {
        machine.property(UNIT, "StatusText") == TAKES
            && machine.property(UNIT, "ActiveState") == "active"
    });
    assert_eq!(comes_from(machine), RELAY);
}

/// Its log, for what went wrong.
fn log(machine: &Machine) -> String {
    machine.sh(&format!("journalctl --no-pager -u {UNIT}; systemctl status {UNIT} || :")).stdout
}

#[test]
fn it_takes_all_tcp_of_the_host_after_a_kill_and_a_boot_and_leaves_the_host_as_it_was() {
    let mut machine = machine();
    install(&machine);
    let before = look(&machine);
    assert_eq!(comes_from(&machine), DIRECTLY);
    let enabled = machine.tool("relay agent --host --enable");
    assert_eq!(enabled.code(), 0, "{enabled}{}", log(&machine));
    assert_eq!(machine.property(UNIT, "UnitFileState"), "enabled");
    takes_all(&machine);

    let killed = machine.main_process(UNIT);
    machine.sh(&format!("systemctl kill --signal=KILL --kill-who=main {UNIT}")).ok();
    wait::until("another one", || machine.property(UNIT, "NRestarts") == "1");
    takes_all(&machine);
    assert_ne!(machine.main_process(UNIT), killed);
    assert_eq!(machine.sh("pgrep -fc '[m]ptcpize-relay agent'").ok().stdout, "1\n");
    wait::until("one table", || {
        machine.sh("nft list tables | grep -c mptcpize-relay-host").stdout == "1\n"
    });

    machine.sh(&format!("systemctl reload {UNIT} && systemctl restart {UNIT}")).ok();
    takes_all(&machine);
    machine.sh(&format!("systemctl stop {UNIT}")).ok();
    assert_eq!(machine.property(UNIT, "Result"), "success", "{}", log(&machine));
    assert_eq!(comes_from(&machine), DIRECTLY);

    // What this machine boots is a target of the tests, which wants it for once as the real one does.
    machine.sh(&format!("systemctl --quiet add-wants tests.target {UNIT}")).ok();
    machine.reboot();
    wait::until("it to run without a link", || machine.property(UNIT, "StatusText") == TAKES);
    machine.sh(NETWORK).ok();
    // It hears of the link from the kernel, and connections go directly until then.
    wait::until("it to know the link", || comes_from(&machine) == RELAY);

    machine.sh("rm -r /etc/systemd/system/tests.target.wants").ok();
    machine.tool("relay agent --disable").ok();
    assert_eq!(comes_from(&machine), DIRECTLY);
    assert_same(&before, &look(&machine), "disabled");
    forget(&machine);
}

#[test]
fn its_unit_is_without_fault_and_takes_what_the_settings_file_says() {
    let machine = machine();
    install(&machine);
    let before = look(&machine);
    is_without_fault(&machine, "src/commands/relay/agent", UNIT);

    // Asked for nothing it ends for good, and says what to ask for.
    machine.sh(&format!("systemctl start {UNIT} || :")).ok();
    wait::until("its end", || machine.property(UNIT, "ActiveState") == "failed");
    assert!(log(&machine).contains("neither --host nor --proxy is asked for"), "{}", log(&machine));
    assert_eq!(machine.property(UNIT, "NRestarts"), "0");

    machine.write("/etc/mptcpize.toml", "[relay]\nhost = true\n");
    machine
        .sh(&format!("systemctl reset-failed {UNIT}; systemctl enable --quiet --now {UNIT}"))
        .ok();
    takes_all(&machine);
    // Neither its log nor a command line has the key.
    let script = format!(
        "{}
         told >/run/told; grep -q 'LISTEN_FDS=' /run/told
         if grep -F PDw8PDw8PDw8 /run/told; then exit 9; fi",
        told(UNIT)
    );
    machine.sh(&script).ok();
    machine.tool("relay agent --disable").ok();
    assert_eq!(comes_from(&machine), DIRECTLY);
    assert_same(&before, &look(&machine), "disabled");
    machine.sh(&format!("rm /usr/lib/systemd/system/{UNIT}; systemctl daemon-reload")).ok();
    forget(&machine);
}
