//! The relay as a service of a real systemd: enabled with what it was asked, started again when it is killed,
//! its users read again, its key in no log, and gone with `--disable` but for its key.

use crate::shipped::{is_without_fault, told};
use crate::support::systemd::{Machine, machine};
use crate::support::uplinks::assert_same;
use crate::support::{tool, wait};

const UNIT: &str = "mptcpize-relay.service";

/// Puts the relay beside the tool, and gives the machine an address that looks public.
fn rented(machine: &Machine) {
    let relay = tool::binary().with_file_name("mptcpize-relay");
    assert!(relay.exists(), "no {}\n  fix: cargo build -p mptcpize-relay", relay.display());
    machine.install(&relay, "/opt/mptcpize-relay");
    machine
        .sh("ip link add core type veth peer name far; ip link set far up; ip link set core up
             ip address add 198.51.100.7/24 dev core; ip route add default via 198.51.100.254")
        .ok();
}

fn forget(machine: &Machine) {
    machine
        .sh("ip link delete core; rm -rf /opt/mptcpize-relay /run/mptcpize /var/lib/mptcpize")
        .ok();
}

/// All that a relay may have changed.
fn look(machine: &Machine) -> String {
    let script = "ip mptcp limits; ip mptcp endpoint; sysctl net.mptcp.enabled
         ss -tln 'sport = :443 or sport = :8686'
         find /etc/systemd /run/mptcpize/relay-server -name '*mptcpize*' 2>/dev/null || true";
    machine.sh(script).ok().stdout
}

fn says(machine: &Machine, text: &str) {
    wait::until(text, || machine.property(UNIT, "StatusText") == text);
}

#[test]
fn it_is_enabled_with_what_it_was_asked_and_gone_when_disabled_but_for_its_key() {
    let machine = machine();
    rented(&machine);
    let before = look(&machine);
    let enabled = machine.tool("relay serve --enable --port 443 --address relay.example.org --qr");
    let log = machine.sh(&format!("journalctl --no-pager -u {UNIT}"));
    assert_eq!(enabled.code(), 0, "{enabled}{log}");
    assert!(enabled.stdout.contains("@relay.example.org:443#"), "{enabled}");
    assert!(enabled.stdout.contains("##  "), "{enabled}");
    says(&machine, "a relay at port 443 of this host (2022-blake3-aes-128-gcm)");
    assert_eq!(machine.property(UNIT, "UnitFileState"), "enabled");

    let killed = machine.main_process(UNIT);
    machine.sh(&format!("systemctl kill --signal=KILL --kill-who=main {UNIT}")).ok();
    wait::until("another one", || {
        machine.property(UNIT, "NRestarts") == "1"
            && machine.property(UNIT, "ActiveState") == "active"
    });
    assert_ne!(machine.main_process(UNIT), killed);
    says(&machine, "a relay at port 443 of this host (2022-blake3-aes-128-gcm)");
    assert_eq!(machine.sh("pgrep -x mptcpize-relay | wc -l").ok().stdout, "1\n");

    let added = machine.tool("relay user add alice --yes").ok();
    assert!(added.stdout.starts_with("+ user  alice  no limit\n"), "{added}");
    let listed = machine.tool("relay user list --json").ok().stdout;
    assert!(
        listed.contains("\"running\":true") && listed.contains("\"name\":\"alice\""),
        "{listed}"
    );
    machine.sh(&format!("systemctl reload {UNIT}")).ok();

    // Where the key must not be: the log, the unit, every command line and environment.
    let script = format!(
        "KEYS=$(sed -n 's/.*\"key\": \"\\([^=\"]*\\).*/\\1/p' /var/lib/mptcpize/relay/server.json)
         [ $(echo \"$KEYS\" | wc -l) = 2 ]
         {}
         told >/run/told; grep -q 'LISTEN_FDS=1' /run/told
         for key in $KEYS; do
             if grep -F -- \"$key\" /run/told; then exit 9; fi
         done
         stat -c '%a %u' /var/lib/mptcpize/relay/server.json",
        told(UNIT)
    );
    assert_eq!(machine.sh(&script).ok().stdout, "600 0\n");

    let disabled = machine.tool("relay serve --disable").ok();
    assert!(disabled.stdout.contains("key and users stay"), "{disabled}");
    assert_same(&before, &look(&machine), "disabled");
    machine.sh("test -s /var/lib/mptcpize/relay/server.json").ok();
    forget(&machine);
}

#[test]
fn its_unit_is_without_fault_and_leaves_little_to_whoever_breaks_in() {
    let machine = machine();
    rented(&machine);
    let before = look(&machine);
    is_without_fault(&machine, "src/commands/relay/serve", UNIT);

    let enabled = machine.tool("relay serve --enable --allow-private");
    let log = machine.sh(&format!("journalctl --no-pager -u {UNIT}"));
    assert_eq!(enabled.code(), 0, "{enabled}{log}");
    let drop_in = format!("cat /etc/systemd/system/{UNIT}.d/mptcpize.conf");
    let drop_in = machine.sh(&drop_in).ok().stdout;
    assert!(drop_in.contains("ExecStart=/opt/mptcpize relay serve --allow-private\n"), "{drop_in}");
    says(&machine, "a relay at port 8686 of this host (2022-blake3-aes-128-gcm)");
    machine.tool("relay serve --disable").ok();
    assert_same(&before, &look(&machine), "disabled");
    machine.sh(&format!("rm /usr/lib/systemd/system/{UNIT}; systemctl daemon-reload")).ok();
    forget(&machine);
}

#[test]
fn one_that_does_not_start_is_not_enabled() {
    let machine = machine();
    rented(&machine);
    let before = look(&machine);
    let taken = "python3 -m http.server 8686 >/dev/null 2>&1 & echo $! >/run/taken
                 until ss -tln | grep -q :8686; do :; done";
    machine.sh(taken).ok();
    let refused = machine.tool("relay serve --enable");
    assert_eq!(refused.code(), 1, "{refused}");
    assert!(refused.stderr.contains("journalctl -u mptcpize-relay.service"), "{refused}");
    machine.sh("kill $(cat /run/taken); while ss -tln | grep -q :8686; do :; done").ok();
    assert_same(&before, &look(&machine), "it does not start");
    forget(&machine);
}
