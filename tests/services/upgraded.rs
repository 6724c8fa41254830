//! An upgrade of the package where units of ours run: they run the new release afterwards, and what was
//! stopped stays stopped.

use crate::package::packages;
use crate::support::systemd::{Machine, machine};
use crate::support::wait;
use crate::uplinks::uplinks;

const SERVER: &str = "mptcpize-relay.service";
const AGENT: &str = "mptcpize-relay-agent.service";
const GATEWAY: &str = "mptcpize-gateway.service";

/// A line for an agent that never needs to reach anybody.
const STORED: &str =
    "ss://2022-blake3-aes-128-gcm:WlpaWlpaWlpaWlpaWlpaWg%3D%3D@198.51.100.8:8686#elsewhere";

/// Puts both packages into the machine, the first of them installed.
fn installed(machine: &Machine) {
    let (first, later) = packages();
    machine.install(first.as_ref(), "/opt/first.deb");
    machine.install(later.as_ref(), "/opt/later.deb");
    // The index of manual pages takes longer than all the rest.
    machine.sh("rm -rf /usr/bin/mptcpize /var/lib/man-db/auto-update").ok();
    install(machine, "first");
}

/// What dpkg says while it installs one.
fn install(machine: &Machine, which: &str) -> String {
    let dpkg = format!(
        "dpkg --force-unsafe-io --force-downgrade --force-confnew -i /opt/{which}.deb 2>&1"
    );
    machine.sh(&dpkg).ok().stdout
}

fn forget(machine: &Machine) {
    machine
        .sh("dpkg --purge mptcpize-rs >/dev/null 2>&1; ln -sf /opt/mptcpize /usr/bin/mptcpize
             rm -rf /opt/*.deb /etc/mptcpize-relays.toml /run/mptcpize; systemctl daemon-reload")
        .ok();
}

/// The supervisor of a unit and the relay beside it, by their numbers and the files that they execute: one
/// that was replaced is `(deleted)`.
fn runs(machine: &Machine, unit: &str) -> Vec<String> {
    let main = machine.main_process(unit);
    let script = format!(
        "for process in {main} $(pgrep -P {main} -x mptcpize-relay); do
             echo $process $(readlink /proc/$process/exe)
         done"
    );
    machine.sh(&script).ok().stdout.lines().map(str::to_owned).collect()
}

/// Waits until both of a unit are there, of the release that is installed.
#[track_caller]
fn runs_what_is_installed(machine: &Machine, unit: &str) -> Vec<String> {
    let mut all = Vec::new();
    wait::until(&format!("{unit} of the installed release"), || {
        all = runs(machine, unit);
        machine.property(unit, "ActiveState") == "active"
            && all.len() == 2
            && all[0].ends_with(" /usr/bin/mptcpize")
            && all[1].ends_with(" /usr/libexec/mptcpize/mptcpize-relay")
    });
    all
}

#[test]
fn a_relay_and_an_agent_that_run_are_of_the_new_release_and_stopped_ones_stay_stopped() {
    let machine = machine();
    installed(&machine);
    machine.command(&["mptcpize", "relay", "add", STORED]).env("HOME", "/root").run().ok();
    for verb in
        ["serve --enable --address relay.example.org", "agent --enable --proxy 127.0.0.1:1080"]
    {
        machine.sh(&format!("mptcpize relay {verb}")).ok();
    }
    let before = [SERVER, AGENT].map(|unit| runs_what_is_installed(&machine, unit));
    let said = install(&machine, "later");
    for (unit, before) in [SERVER, AGENT].into_iter().zip(&before) {
        let line = format!("mptcpize: {unit} starts again: connections through it end\n");
        assert!(said.contains(&line), "{said}");
        let after = runs_what_is_installed(&machine, unit);
        assert!(after.iter().all(|process| !before.contains(process)), "{before:?} {after:?}");
    }
    // One that is enabled and stopped, and one that is neither.
    machine.sh(&format!("systemctl stop {SERVER}; mptcpize relay agent --disable")).ok();
    let said = install(&machine, "first");
    assert!(!said.contains(" starts again"), "{said}");
    for (unit, enabled) in [(SERVER, "enabled"), (AGENT, "disabled")] {
        assert_eq!(machine.property(unit, "ActiveState"), "inactive", "{unit}");
        assert_eq!(machine.property(unit, "UnitFileState"), enabled, "{unit}");
    }
    machine.sh("mptcpize relay serve --disable").ok();
    forget(&machine);
}

#[test]
fn a_gateway_that_runs_takes_new_connections_by_the_new_release_and_says_what_stays() {
    let machine = machine();
    installed(&machine);
    machine.sh("ip link add br0 type bridge; ip addr add 192.168.77.1/24 dev br0").ok();
    machine.sh("ip link set br0 addrgenmode none up").ok();
    uplinks(&machine);
    machine.sh("mptcpize gateway --enable --lan br0").ok();
    let before = runs_what_is_installed(&machine, GATEWAY);
    let said = install(&machine, "later");
    assert!(said.contains(": systemctl restart mptcpize-gateway    # ends them\n"), "{said}");
    // The one before ends once it has no connection any more, and here it has none.
    wait::until("the new relay alone", || {
        let after = runs(&machine, GATEWAY);
        after.len() == 2 && after[1] != before[1] && !after[1].ends_with(" (deleted)")
    });
    assert_eq!(runs(&machine, GATEWAY)[0], format!("{} (deleted)", before[0]));
    machine.sh(&format!("systemctl restart {GATEWAY}")).ok();
    runs_what_is_installed(&machine, GATEWAY);
    machine.sh("mptcpize gateway --disable").ok();
    machine.sh("ip link delete w1; ip link delete w2; ip link delete br0").ok();
    forget(&machine);
}
