//! Servers that start themselves anew while they run, with an environment that they clean: nginx's
//! upgrade on the fly and exim's reload. `enable` says it before it happens, with what helps, and that does.
//!
//! Not here: a package's upgrade with a restart (enabled.rs).

use crate::support::systemd::{Machine, machine};
use crate::support::wait;

/// What stands behind a mark of a note, up to the next one.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start:?} in {text}")).1;
    rest.split_once(end).unwrap_or_else(|| panic!("no {end:?} in {text}")).0
}

/// nginx's upgrade as its manual has it: a new master beside the old one, which then goes.
fn upgrade_nginx(machine: &Machine) {
    let old = machine.sh("cat /run/nginx.pid").ok().stdout;
    machine.sh("kill -USR2 $(cat /run/nginx.pid)").ok();
    // Between the old file and the new one there is none: then there is no new master yet, and systemd
    // would take the old one's end for that of the service.
    wait::until("the new master of nginx", || {
        let new = machine.sh("cat /run/nginx.pid").stdout;
        new.ends_with('\n') && new != old && machine.sh("test -s /run/nginx.pid.oldbin").code() == 0
    });
    machine.sh("kill -QUIT $(cat /run/nginx.pid.oldbin)").ok();
    wait::until("the old master's end", || machine.sh("test -e /run/nginx.pid.oldbin").code() == 1);
}

/// Does the process whose id is in this file have the library?
fn has_library(machine: &Machine, file: &str) -> bool {
    machine.sh(&format!("grep -q libmptcpize /proc/$(cat {file})/maps")).code() == 0
}

#[test]
fn nginx_keeps_the_library_over_its_upgrade_by_the_lines_that_enable_says() {
    let machine = machine();
    let before = machine.state();
    let said = machine.tool("enable --now nginx").ok().stdout;
    assert!(said.contains("note: its upgrade on the fly (SIGUSR2)"), "{said}");
    assert!(said.contains("or: sudo mptcpize enable --via seccomp nginx.service"), "{said}");
    assert!(has_library(&machine, "/run/nginx.pid"));
    upgrade_nginx(&machine);
    assert!(!has_library(&machine, "/run/nginx.pid"), "the note is true");

    let lines = between(&said, "what keeps MPTCP: ", " at the top of /etc/nginx/nginx.conf");
    machine.sh("cp -p /etc/nginx/nginx.conf /tmp/nginx.conf").ok();
    machine.sh(&format!("sed -i '1i {lines}' /etc/nginx/nginx.conf; systemctl restart nginx")).ok();
    let said = machine.tool("enable --now nginx").ok().stdout;
    assert!(!said.contains("SIGUSR2"), "{said}");
    upgrade_nginx(&machine);
    assert!(has_library(&machine, "/run/nginx.pid"));
    assert_eq!(machine.speaks(80), "MPTCP");

    machine.tool("disable --now nginx").ok();
    machine.sh("cp -p /tmp/nginx.conf /etc/nginx/nginx.conf; systemctl stop nginx").ok();
    machine.assert_is(&before);
}

/// How often exim was started: it keeps its process id over a reload, so the lines of its log are counted.
fn starts_of_exim(machine: &Machine) -> u32 {
    let lines = machine.sh("grep -c 'daemon started' /var/log/exim4/mainlog").stdout;
    lines.trim().parse().unwrap_or(0)
}

/// Does something that starts exim, and waits until it has said so and takes SIGHUP: it ignores that
/// signal before, while it listens already.
fn exim_starts(machine: &Machine, work: impl FnOnce()) {
    let before = starts_of_exim(machine);
    work();
    wait::until("exim to be started", || starts_of_exim(machine) > before);
    let takes = "mask=$(sed -n 's/^SigCgt:\\t//p' /proc/$(</run/exim4/exim.pid)/status)
                 (( 16#${mask:?} & 1 ))";
    wait::until("exim to take SIGHUP", || machine.sh(takes).code() == 0);
}

/// What exim's listeners are; it waits for one.
fn listens(machine: &Machine) -> &'static str {
    let asked =
        |which: &str| !machine.sh(&format!("ss -Hln{which} 'sport = :25'")).ok().stdout.is_empty();
    wait::until("exim to listen", || asked("tM"));
    if asked("M") { "MPTCP" } else { "TCP" }
}

#[test]
fn exim_stays_on_mptcp_over_its_reload_by_the_way_that_enable_says() {
    let machine = machine();
    let enable = |options: &str| {
        let mut said = String::new();
        exim_starts(&machine, || {
            said = machine.tool(&format!("enable --now {options} exim4")).ok().stdout;
        });
        said
    };
    let reload = || exim_starts(&machine, || drop(machine.sh("systemctl reload exim4").ok()));
    exim_starts(&machine, || drop(machine.sh("systemctl start exim4").ok()));
    assert_eq!(listens(&machine), "TCP");
    let before = machine.state();
    let said = enable("");
    let way = "what keeps MPTCP: sudo mptcpize enable --via seccomp exim4.service";
    assert!(
        said.contains("note: its reload (SIGHUP) starts exim anew") && said.contains(way),
        "{said}"
    );
    assert_eq!(listens(&machine), "MPTCP");
    reload();
    assert_eq!(listens(&machine), "TCP", "the note is true");

    // It is started anew by its own user then, and no variable reaches what gains privilege.
    let said = enable("--via seccomp");
    assert!(!said.contains("SIGHUP"), "{said}");
    assert_eq!(listens(&machine), "MPTCP");
    reload();
    assert_eq!(listens(&machine), "MPTCP");

    machine.tool("disable --now exim4").ok();
    machine.sh("systemctl restart exim4").ok();
    machine.assert_is(&before);
    machine.sh("systemctl stop exim4").ok();
}
