//! The gateway as a service of a real systemd: enabled with its options, started again when it is killed,
//! patient where links come late, and gone with `--disable`.

use crate::shipped::is_without_fault;
use crate::support::systemd::{Machine, machine};
use crate::support::uplinks::assert_same;
use crate::support::{tool, wait};
use crate::uplinks::uplinks;

const UNIT: &str = "mptcpize-gateway.service";

/// Puts the relay beside the tool, and makes the links of a router.
fn router(machine: &Machine) {
    let relay = tool::binary().with_file_name("mptcpize-relay");
    assert!(relay.exists(), "no {}\n  fix: cargo build -p mptcpize-relay", relay.display());
    machine.install(&relay, "/opt/mptcpize-relay");
    machine.sh("ip link add br0 type bridge; ip addr add 192.168.77.1/24 dev br0").ok();
    machine.sh("ip link set br0 addrgenmode none up").ok();
    uplinks(machine);
}

/// All that a gateway may have changed; link-local routes of IPv6 come when they like.
fn look(machine: &Machine) -> String {
    let script = "ip rule; ip -6 rule; ip route show table all | grep -Ev 'broadcast|multicast|fe80'
         ip -6 route show table all | grep -Ev 'multicast|fe80'; ip mptcp limits; ip mptcp endpoint
         nft list ruleset; sysctl -a 2>/dev/null | grep -E 'forwarding|arp_ignore|ignore_|accept_ra |bridge-nf'
         find /etc/systemd /run/mptcpize/gateway -name '*mptcpize*' 2>/dev/null || true";
    machine.sh(script).ok().stdout
}

fn says(machine: &Machine, text: &str) {
    wait::until(text, || machine.property(UNIT, "StatusText") == text);
}

#[test]
fn it_is_enabled_with_its_options_restarted_when_killed_and_gone_when_disabled() {
    let machine = machine();
    router(&machine);
    let before = look(&machine);
    let wrong = machine.tool("gateway --enable --lan w1");
    assert_eq!(wrong.code(), 2, "{wrong}");
    assert_same(&before, &look(&machine), "nothing is enabled that cannot be");

    let enabled = machine.tool("gateway --enable --lan br0 --quic block");
    let log = machine.sh(&format!("journalctl --no-pager -u {UNIT}"));
    assert_eq!(enabled.code(), 0, "{enabled}{log}");
    says(&machine, "TCP of br0 goes over w1 and w2");
    assert_eq!(machine.property(UNIT, "UnitFileState"), "enabled");
    let rules = || machine.sh("nft list table inet mptcpize").ok().stdout;
    assert!(rules().contains("udp dport 443 reject"), "{}", rules());

    let killed = machine.main_process(UNIT);
    machine.sh(&format!("systemctl kill --signal=KILL --kill-who=main {UNIT}")).ok();
    wait::until("another one", || {
        machine.property(UNIT, "NRestarts") == "1"
            && machine.property(UNIT, "ActiveState") == "active"
    });
    says(&machine, "TCP of br0 goes over w1 and w2");
    assert_ne!(machine.main_process(UNIT), killed);
    let relays = machine.sh("pgrep -x mptcpize-relay | wc -l").ok().stdout;
    assert_eq!(relays, "1\n");
    machine.sh(&format!("systemctl reload {UNIT}")).ok();

    machine.tool("gateway --disable").ok();
    assert_same(&before, &look(&machine), "disabled");
    machine.sh("ip link delete w1; ip link delete w2; ip link delete br0").ok();
    machine.sh("rm -rf /opt/mptcpize-relay /run/mptcpize /var/lib/mptcpize").ok();
}

#[test]
fn it_waits_for_links_that_come_after_it_and_its_unit_is_without_fault() {
    let machine = machine();
    router(&machine);
    let before = look(&machine);
    is_without_fault(&machine, "src/commands/gateway", UNIT);

    machine.tool("gateway --enable --lan br0").ok();
    let drop_in =
        machine.sh(&format!("cat /etc/systemd/system/{UNIT}.d/mptcpize.conf")).ok().stdout;
    assert!(drop_in.contains("ExecStart=/opt/mptcpize gateway --lan=br0\n"), "{drop_in}");
    machine.sh("ip link delete w1; ip link delete w2").ok();
    machine.sh(&format!("systemctl restart {UNIT}")).ok();
    says(&machine, "waits for links");
    uplinks(&machine);
    says(&machine, "TCP of br0 goes over w1 and w2");
    machine.tool("gateway --disable").ok();
    assert_same(&before, &look(&machine), "disabled");
    machine
        .sh(&format!(
            "rm /usr/lib/systemd/system/{UNIT}; systemctl daemon-reload
             ip link delete w1; ip link delete w2; ip link delete br0
             rm -rf /opt/mptcpize-relay /run/mptcpize /var/lib/mptcpize"
        ))
        .ok();
}
