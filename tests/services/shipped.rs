//! A unit as a package has it: what a command line says is in a drop-in then.

use std::path::Path;

use crate::support::systemd::Machine;

/// Installs a unit from a directory of the launcher, with the launcher in its place, and has systemd judge
/// it: it is without fault, and leaves little to whoever breaks in.
#[track_caller]
pub(super) fn is_without_fault(machine: &Machine, directory: &str, unit: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory).join(unit);
    machine.install(&file, &format!("/usr/lib/systemd/system/{unit}"));
    machine.sh(&format!("chmod 644 /usr/lib/systemd/system/{unit}")).ok();
    machine.sh("ln -sf /opt/mptcpize /usr/bin/mptcpize; systemctl daemon-reload").ok();
    machine.sh(&format!("systemd-analyze verify --man=no {unit}")).silent();
    let report = machine.sh(&format!("systemd-analyze security --no-pager {unit}")).ok().stdout;
    let last = report.lines().rev().find(|line| line.contains("Overall exposure level"));
    let level =
        last.and_then(|line| line.split(": ").nth(1)?.split(' ').next()?.parse::<f32>().ok());
    assert!(level.is_some_and(|level| level < 5.0), "{report}");
}

/// A function of the shell: `told` prints what anybody may be told of a unit and of our processes.
pub(super) fn told(unit: &str) -> String {
    format!(
        "told() {{ journalctl --no-pager; systemctl show {unit}; systemctl cat {unit}
             for process in $(pgrep mptcpize); do
                 cat /proc/$process/cmdline /proc/$process/environ | tr '\\0' '\\n'
             done; }}"
    )
}
