//! What a real systemd makes of what system-wide use gives it: the unit that follows the links of
//! the host, in its sandbox, and the environment of every service.

use std::path::Path;

use crate::support::cc::{self, Build};
use crate::support::systemd::{Machine, machine};
use crate::support::wait;
use crate::uplinks::uplinks;

const UNIT: &str = "mptcpized.service";

/// Puts the package's unit into the machine, with the tool where it expects it.
fn install(machine: &Machine) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/debian").join(UNIT);
    machine.install(&file, &format!("/etc/systemd/system/{UNIT}"));
    // The copy hides whatever another package has there.
    machine
        .sh(&format!(
            "chmod 644 /etc/systemd/system/{UNIT}; ln -sf /opt/mptcpize /usr/bin/mptcpize
             systemctl daemon-reload"
        ))
        .ok();
}

#[test]
fn the_unit_follows_the_links_and_leaves_what_undo_takes_back() {
    let machine = machine();
    install(&machine);
    uplinks(&machine);
    // The multicast routes of IPv6 come when the kernel has seen the carrier, which may be later.
    let look = "ip rule; ip route show table all | grep -Ev 'broadcast|multicast'; ip mptcp limits
                ip mptcp endpoint; sysctl -a 2>/dev/null | grep -E 'w[12].(arp_ignore|ignore_)'";
    let before = machine.sh(look).ok().stdout;
    let started = machine.sh(&format!("systemctl enable --now {UNIT}"));
    let log = machine.sh(&format!("journalctl --no-pager -u {UNIT}"));
    assert_eq!(started.code(), 0, "{log}");
    assert_eq!(machine.property(UNIT, "ActiveState"), "active");
    assert_eq!(machine.property(UNIT, "Result"), "success");
    let during = machine.sh("ip mptcp endpoint; ip rule").ok().stdout;
    for wanted in ["10.1.0.1", "10.2.0.1", "lookup 8684", "lookup 8685"] {
        assert!(during.contains(wanted), "no {wanted}: {during}");
    }
    // Who looks from outside of the unit's sandbox finds the journal that the unit wrote.
    let again = machine.tool("setup").ok();
    assert!(again.stdout.starts_with("already set up: w1 and w2\n"), "{again}");
    assert_eq!(machine.property(UNIT, "StatusText"), "w1 and w2 are set up");
    // The kernel empties the link's table; the daemon fills it again.
    machine.sh("ip link set w2 down; ip link set w2 up").ok();
    wait::until("the table of the link", || {
        machine.sh("ip route show table 8685").ok().stdout.contains("default via 10.2.0.254")
    });
    machine.sh("ip route replace default via 10.2.0.254 dev w2 metric 2").ok();
    machine.sh(&format!("systemctl reload {UNIT} && systemctl restart {UNIT}")).ok();
    assert_eq!(machine.property(UNIT, "ActiveState"), "active");
    let log = machine.sh(&format!("journalctl --sync; journalctl --no-pager -o json -u {UNIT}"));
    let log = log.ok().stdout;
    let decision = |code: &str| log.contains(&format!("\"MPTCPIZE_DECISION\":\"{code}\""));
    assert!(["set_up", "reloaded", "stopping"].into_iter().all(decision), "{log}");
    // A daemon would make it again, and that is said.
    let undone = machine.tool("setup undo").ok();
    assert!(undone.stderr.contains(": systemctl stop mptcpized && "), "{undone}");
    machine.sh(&format!("systemctl disable --now {UNIT}")).ok();
    machine.tool("setup undo").ok();
    assert_eq!(machine.sh(look).ok().stdout, before);
    machine.sh("ip link delete w1; ip link delete w2; rm /etc/systemd/system/mptcpized*").ok();
    machine.sh("systemctl daemon-reload").ok();
}

/// The unit of earlier releases set the host up once. The package brings another one in its place.
#[test]
fn an_upgrade_starts_the_daemon_in_place_of_the_unit_before_and_undoes_nothing() {
    let machine = machine();
    install(&machine);
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/packaging/after-install");
    machine.install(&hook, "/opt/after-install");
    machine.write(
        "/usr/lib/systemd/system/mptcpize-setup.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/mptcpize setup\n\
         ExecStop=/usr/bin/mptcpize setup undo\n[Install]\nWantedBy=multi-user.target\n",
    );
    uplinks(&machine);
    machine
        .sh(&format!(
            "mv /etc/systemd/system/{UNIT} /opt
            systemctl daemon-reload; systemctl enable --now mptcpize-setup"
        ))
        .ok();
    let endpoints = || machine.sh("ip mptcp endpoint").ok().stdout;
    let before = endpoints();
    assert!(before.contains("10.2.0.1 id "), "{before}");
    machine
        .sh(&format!(
            "mv /opt/{UNIT} /usr/lib/systemd/system
            ln -sf {UNIT} /usr/lib/systemd/system/mptcpize-setup.service
            /opt/after-install"
        ))
        .ok();
    assert_eq!(machine.property(UNIT, "ActiveState"), "active");
    assert_eq!(machine.property(UNIT, "StatusText"), "w1 and w2 are set up");
    assert_eq!(machine.property(UNIT, "UnitFileState"), "enabled");
    // What was ordered or asked by the earlier name is about the daemon.
    assert_eq!(machine.property("mptcpize-setup", "Id"), UNIT);
    // Made anew, the endpoints would have other numbers.
    assert_eq!(endpoints(), before);
    machine
        .sh(&format!(
            "systemctl disable --now {UNIT}; mptcpize setup undo; ip link delete w1
            ip link delete w2; cd /usr/lib/systemd/system; rm {UNIT} mptcpize-setup.service
            systemctl daemon-reload"
        ))
        .ok();
}

#[test]
fn the_unit_is_shut_in_and_its_file_is_without_fault() {
    let machine = machine();
    install(&machine);
    machine.sh(&format!("systemd-analyze verify --man=no {UNIT}")).silent();
    let report = machine.sh(&format!("systemd-analyze security --no-pager {UNIT}")).ok().stdout;
    let last = report.lines().rev().find(|line| line.contains("Overall exposure level"));
    let level =
        last.and_then(|line| line.split(": ").nth(1)?.split(' ').next()?.parse::<f32>().ok());
    assert!(level.is_some_and(|level| level < 4.0), "{report}");
    machine.sh("rm /etc/systemd/system/mptcpized*; systemctl daemon-reload").ok();
}

#[test]
fn the_environment_reaches_every_service_and_leaves_with_disable() {
    let machine = machine();
    machine.install(&cc::c("protocol", Build::Plain), "/opt/protocol");
    let protocol = || {
        let run = "systemd-run --quiet --wait --pipe --collect /opt/protocol";
        machine.sh(run).ok().stdout
    };
    let before = machine.state();
    assert_eq!(protocol(), "6\n");
    let said = machine.tool("enable --system --via environment").ok().stdout;
    assert!(said.starts_with("on for every program"), "{said}");
    machine.sh("systemctl daemon-reexec").ok();
    assert_eq!(protocol(), "262\n");
    machine.tool("disable --system").ok();
    machine.sh("systemctl daemon-reexec").ok();
    assert_eq!(protocol(), "6\n");
    // The lock of this boot stays in /run.
    machine.sh("rm -rf /run/mptcpize").ok();
    machine.assert_is(&before);
}

#[test]
fn the_preload_reaches_every_service_and_a_unit_that_is_left_out_stays_on_tcp() {
    let machine = machine();
    machine.install(&cc::c("protocol", Build::Plain), "/opt/protocol");
    let before = machine.state();
    machine.write("/etc/mptcpize.toml", "[system]\nexclude_units = [\"left-out.service\"]\n");
    machine.tool("enable --system").ok();
    for (options, expected) in [
        ("", "262\n"),
        ("--unit=left-out", "6\n"),
        ("--unit=another", "262\n"),
        ("--setenv=MPTCPIZE=off", "6\n"),
        ("-p DynamicUser=yes -p ProtectSystem=strict -p MemoryDenyWriteExecute=yes", "262\n"),
    ] {
        let run = format!("systemd-run --quiet --wait --pipe --collect {options} /opt/protocol");
        assert_eq!(machine.sh(&run).silent().stdout, expected, "{options}");
    }
    machine.tool("disable --system").ok();
    machine.sh("rm -rf /run/mptcpize /etc/mptcpize.toml").ok();
    machine.assert_is(&before);
}
