//! `disable --system` on a booted machine where services, the managers of users and open shells were
//! given the library by their environment: no program says a word, then or at the next boot.
//!
//! Not here: what is left of it in files (system.rs), kills at each step (system_steps.rs).

use crate::support::cc::{self, Build};
use crate::support::systemd::{Machine, machine};

/// What takes away at the next boot what stays until then.
const RULE: &str = "/etc/tmpfiles.d/mptcpize-system.conf";
/// How this user's commands reach the user's manager.
const USER: &str = "setpriv --reuid 2 --regid 2 --clear-groups env -i PATH=/usr/bin:/bin \
                    HOME=/home/bin XDG_RUNTIME_DIR=/run/user/2";

/// A log-in as PAM makes it, in which these commands are typed.
fn log_in(machine: &Machine, commands: &str) -> String {
    let script = format!(
        "export \"$(grep ^LD_PRELOAD= /etc/environment)\"
         exec bash -euc {}",
        shell_quoted(commands)
    );
    machine.sh(&script).silent().stdout
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What the first boot after it does.
fn next_boot(machine: &Machine) {
    machine.sh("systemd-tmpfiles --create --remove --boot --prefix=/usr --prefix=/etc").ok();
}

#[test]
fn open_log_ins_services_and_managers_of_users_are_left_without_a_complaint() {
    let machine = machine();
    machine.install(&cc::c("protocol", Build::Plain), "/opt/protocol");
    machine
        .sh("mkdir -p /home/bin /run/user/2; chown 2:2 /home/bin /run/user/2; chmod 700 /run/user/2")
        .ok();
    let before = machine.state();
    machine.tool("enable --system --via environment").ok();
    machine.sh("systemctl daemon-reload").ok();
    machine
        .sh("systemd-run --quiet --unit=manager --uid=2 --gid=2 -p Delegate=yes -E HOME=/home/bin \
             -E XDG_RUNTIME_DIR=/run/user/2 /lib/systemd/systemd --user")
        .ok();
    machine.user_is_up(USER);
    let by_user =
        format!("{USER} systemd-run --user --quiet --wait --pipe --collect /opt/protocol");
    let by_system = "systemd-run --quiet --wait --pipe --collect /opt/protocol";
    assert_eq!(machine.sh(&format!("{by_user}; {by_system}")).silent().stdout, "262\n262\n");

    // The last command of one log-in, and one that was open meanwhile.
    let said = log_in(
        &machine,
        "/opt/protocol
         /opt/mptcpize disable --system
         /bin/true; /opt/protocol
         /opt/mptcpize disable --system",
    );
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 6 && lines[0] == "262" && lines[3] == "6", "{said}");
    assert!(lines[1].starts_with("off for every program that starts from now on"), "{said}");
    assert!(lines[2].contains("until the next boot"), "{said}");
    assert!(lines[4].starts_with("nothing to do"), "{said}");
    // Nobody says a word, and the system's manager has nothing to pass on.
    assert_eq!(machine.sh(&format!("{by_user}; {by_system}")).silent().stdout, "6\n6\n");
    let passed_on = machine.sh("systemctl show-environment").ok().stdout;
    assert!(!passed_on.contains("LD_PRELOAD"), "{passed_on}");

    // On again meanwhile: the next boot must not take the library that is wanted.
    machine.tool("enable --system").ok();
    machine.sh(&format!("! grep lib {RULE}")).ok();
    next_boot(&machine);
    assert_eq!(machine.sh(by_system).silent().stdout, "262\n");
    machine.tool("disable --system").ok();
    machine.sh(&format!("grep lib {RULE}")).ok();
    assert_eq!(machine.sh(&by_user).silent().stdout, "6\n");

    machine.sh("systemctl stop manager").ok();
    next_boot(&machine);
    // The directory goes with the next look, where a package has not brought it.
    machine.tool("disable --system").silent();
    machine.assert_is(&before);
    let left = machine.sh("find /usr/lib /usr/lib32 -name '*mptcpize*' 2>/dev/null || :").ok();
    assert_eq!(left.stdout, "");
    machine.sh("rm -rf /home/bin /run/user/2 /opt/protocol").ok();
}

#[test]
fn changed_settings_hold_for_what_was_started_before() {
    let machine = machine();
    machine.install(&cc::c("protocol", Build::Plain), "/opt/protocol");
    // What starts meanwhile would name the library rightly.
    machine.sh("systemctl restart dbus").ok();
    let before = machine.state();
    machine.tool("enable --system --via environment").ok();
    let said = log_in(
        &machine,
        "/opt/protocol
         printf \"[system]\\nexclude_programs = [\\\"protocol\\\"]\\n\" >/etc/mptcpize.toml
         /opt/mptcpize enable --system --via environment >/dev/null
         /bin/true; /opt/protocol
         rm /etc/mptcpize.toml
         /opt/mptcpize enable --system >/dev/null
         /bin/true; /opt/protocol",
    );
    assert_eq!(said, "262\n6\n262\n");
    // Where nobody names it any more, it goes at once.
    machine.tool("disable --system").ok();
    machine.assert_is(&before);
    machine.sh("rm /opt/protocol").ok();
}
