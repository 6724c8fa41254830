//! What cannot be enabled, on a machine with a real systemd: each thing is told with its fix and
//! its exit code, and nothing is changed.
//!
//! Not here: what can be (enabled.rs).

use crate::support::cc::{self, Build};
use crate::support::systemd::machine;

/// A service that is there to be refused, with these further lines.
fn service(lines: &str) -> String {
    format!("[Service]\nExecStart=/bin/sleep infinity\n{lines}\n")
}

#[test]
fn bad_input_is_told_with_its_fix_and_changes_nothing() {
    let machine = machine();
    machine.install(&cc::c("listen", Build::Static), "/usr/local/bin/listen-static");
    let fixed = "ExecStart=\nExecStart=/usr/local/bin/listen-static 9000";
    for (name, text) in [
        ("good.service", service("")),
        ("broken.service", "[Service]\nExecStart=\n".to_owned()),
        (
            "named.service",
            service("ExecStart=\nExecStart=@/usr/local/bin/listen-static other 9000"),
        ),
        ("filtered.service", service(&format!("{fixed}\nSystemCallFilter=@system-service"))),
        ("few.service", service(&format!("{fixed}\nTasksMax=2"))),
        ("tick.timer", "[Timer]\nOnBootSec=1y\n".to_owned()),
        ("tick.service", service("")),
        ("open.socket", "[Socket]\nListenStream=9001\nService=good.service\n".to_owned()),
        ("datagram.socket", "[Socket]\nListenDatagram=9001\nService=good.service\n".to_owned()),
        ("foreign.service", service("")),
        ("over.service", service(fixed)),
        ("elsewhere.txt", service("")),
    ] {
        machine.write(&format!("/etc/systemd/system/{name}"), &text);
    }
    machine.write("/etc/systemd/system/foreign.service.d/50-mptcpize.conf", "[Service]\n");
    machine.write(
        "/etc/systemd/system/over.service.d/override.conf",
        "[Service]\nExecStart=\nExecStart=/usr/local/bin/listen-static 9002\n",
    );
    machine.write("/srv/good.service", &service(""));
    machine.sh("ln -s /dev/null /etc/systemd/system/masked.service; systemctl daemon-reload").ok();
    machine.sh("systemd-run --quiet --unit=passing sleep infinity").ok();
    let before = machine.state();
    let version = machine.sh("systemctl --version | awk 'NR == 1 { print $2 }'").ok().stdout;
    let version: u32 = version.trim().parse().expect("a number");
    assert!(version < 257, "this table is for an older systemd");

    let table: [(&str, i32, &str, &str); 24] = [
        ("enable nowhere", 5, "there is no unit nowhere.service", "systemctl list-unit-files"),
        ("enable good nowhere", 5, "there is no unit nowhere.service", "systemctl list-unit-files"),
        ("enable masked", 1, "masked.service is masked", "systemctl unmask masked.service"),
        ("enable broken", 1, "systemd cannot load broken.service", "systemd-analyze verify"),
        ("enable passing", 1, "passing.service is transient", "systemd-run ... mptcpize run"),
        ("enable sysinit.target", 2, "has no program", "mptcpize enable"),
        ("enable tick.timer", 2, "tick.timer has no program", "enable tick.service"),
        ("enable datagram.socket", 2, "has no stream socket", "enable good.service"),
        (
            "enable open.socket",
            5,
            &format!("systemd {version} cannot make open.socket"),
            "enable --now good.service",
        ),
        ("enable no*such", 5, "no service fits no*such", "systemctl list-unit-files"),
        ("enable a;b", 2, "\"a;b\" is no unit", "systemctl list-units"),
        ("enable $(id)", 2, "\"$(id)\" is no unit", "systemctl list-units"),
        ("enable `id`", 2, "\"`id`\" is no unit", "systemctl list-units"),
        ("enable a|b&c", 2, "\"a|b&c\" is no unit", "systemctl list-units"),
        (
            "enable /srv/nowhere.service",
            5,
            "there is no file /srv/nowhere.service",
            "systemctl cat",
        ),
        ("enable /srv/good.service", 2, "systemd does not read /srv/good.service", "daemon-reload"),
        ("enable /etc/passwd", 2, "/etc/passwd is no unit file", "mptcpize enable NAME"),
        ("enable foreign", 1, "50-mptcpize.conf is not from mptcpize", "sudo mv"),
        ("disable foreign", 1, "50-mptcpize.conf is not from mptcpize", "sudo mv"),
        ("enable named", 5, "nothing reaches named.service", "ExecStart="),
        ("enable filtered", 5, "SystemCallFilter=", "systemctl edit filtered.service"),
        ("enable few", 5, "TasksMax=2 leaves no room", "systemctl edit few.service"),
        (
            "enable over",
            5,
            "override.conf sets ExecStart=, and counts after this",
            "systemctl edit over.service",
        ),
        ("disable nowhere", 5, "there is no unit nowhere.service", "mptcpize list"),
    ];
    for (line, code, what, fix) in table {
        let outcome = machine.tool(line);
        assert_eq!(outcome.code(), code, "{line}: {outcome}");
        assert!(outcome.stderr.contains(what), "{line}: {outcome}");
        let told = outcome.stderr.split_once("\n  fix: ").map_or("", |(_, rest)| rest);
        assert!(told.contains(fix), "{line}: {outcome}");
        assert_eq!(outcome.stdout, "", "{line}");
        machine.assert_is(&before);
    }
    for line in [
        "enable",
        "disable",
        "enable --via magic good",
        "enable --now --root / good",
        "enable --system good",
    ] {
        assert_eq!(machine.tool(line).code(), 2, "{line}");
    }
    let outcome = machine.tool("enable --via environment good");
    assert_eq!(outcome.code(), 2, "{outcome}");
    // A dry run shows the file and leaves it at that; so does nothing to disable.
    let shown = machine.tool("enable --dry-run good").ok().stdout;
    assert!(
        shown.contains("Environment=\"LD_PRELOAD=/usr/lib/mptcpize/units/libmptcpize.so\""),
        "{shown}"
    );
    machine.tool("disable good").ok();
    machine.assert_is(&before);
    machine.sh("systemctl stop passing; cd /etc/systemd/system; rm -rf good.service broken.service named.service filtered.service few.service tick.* open.socket datagram.socket foreign.* over.* elsewhere.txt masked.service /srv/good.service; systemctl daemon-reload").ok();
}

#[test]
fn what_may_not_be_written_is_left_alone() {
    let machine = machine();
    machine.write("/etc/systemd/system/good.service", &service(""));
    machine.sh("systemctl daemon-reload; systemctl start good").ok();
    // What is said of the process has its name.
    machine.main_process("good.service");
    let before = machine.state();
    for (how, code, why) in [
        (
            "setpriv --reuid 65534 --regid 65534 --clear-groups",
            4,
            "permission denied\n  fix: sudo mptcpize enable --now good",
        ),
        (
            "unshare -m bash -c 'mount -o bind,ro /etc /etc; \"$@\"' bash",
            1,
            "read-only file system\n  fix: until the next boot: --runtime",
        ),
        (
            "unshare -m bash -c 'mount -t tmpfs tmpfs /run; \"$@\"' bash",
            5,
            "fix: for the files of an image: --root DIR",
        ),
        ("env PATH=/nowhere", 5, "cannot run systemctl"),
    ] {
        let outcome = machine.sh(&format!("{how} /opt/mptcpize enable --now good"));
        assert_eq!(outcome.code(), code, "{how}: {outcome}");
        assert!(outcome.stderr.contains(why), "{how}: {outcome}");
        machine.assert_is(&before);
    }
    // A read-only /usr is no obstacle: the library goes elsewhere.
    let ro = "mount -o bind,ro /usr /usr; /opt/mptcpize enable good";
    machine.sh(&format!("unshare -m bash -c '{ro}'")).ok();
    let text = machine.sh("systemctl cat good").ok().stdout;
    assert!(text.contains("LD_PRELOAD=/var/lib/mptcpize/units/libmptcpize.so"), "{text}");
    let list = machine.tool("list").ok().stdout;
    assert!(list.contains("good.service  preload  active  no "), "{list}");
    let hint = list.lines().find(|line| line.starts_with("! good.service: sleep (process "));
    let hint = hint.unwrap_or_default();
    assert!(
        hint.contains(": it was started without it, before the unit was switched on: "),
        "{list}"
    );
    assert!(hint.ends_with("sudo systemctl restart good.service"), "{list}");
    machine.tool("disable good").ok();
    machine.assert_is(&before);
    machine
        .sh("systemctl stop good; rm /etc/systemd/system/good.service; systemctl daemon-reload")
        .ok();
}

#[test]
fn a_stopped_unit_is_started_when_it_is_named_and_not_when_a_pattern_meets_it() {
    let machine = machine();
    machine.write("/etc/systemd/system/resting.service", &service(""));
    machine.sh("systemctl daemon-reload").ok();
    let outcome = machine.tool("enable --now rest*").ok();
    assert!(outcome.stdout.contains("not started, because it did not run before"), "{outcome}");
    assert_eq!(machine.property("resting.service", "ActiveState"), "inactive");
    machine.tool("enable --now resting").ok();
    assert_eq!(machine.property("resting.service", "ActiveState"), "active");
    machine.tool("disable resting").ok();
    machine
        .sh("systemctl stop resting; rm /etc/systemd/system/resting.service; systemctl daemon-reload")
        .ok();
}

#[test]
fn a_unit_that_does_not_come_up_with_it_is_as_it_was() {
    let machine = machine();
    let text = service("ExecStartPre=/bin/sh -c '! env | grep -q libmptcpize'");
    machine.write("/etc/systemd/system/picky.service", &text);
    machine.sh("systemctl daemon-reload; systemctl start picky").ok();
    let before = machine.state();
    let outcome = machine.tool("enable --now picky");
    assert_eq!(outcome.code(), 1, "{outcome}");
    assert!(outcome.stderr.contains("journalctl -u picky.service"), "{outcome}");
    machine.assert_is(&before);
    assert_eq!(machine.property("picky.service", "ActiveState"), "active");
    machine.sh("systemctl stop picky").ok();
    let outcome = machine.tool("enable --now picky");
    assert_eq!(outcome.code(), 1, "{outcome}");
    machine.assert_is(&before);
    assert_ne!(machine.property("picky.service", "ActiveState"), "active");
    machine
        .sh("systemctl stop picky; rm /etc/systemd/system/picky.service; systemctl daemon-reload")
        .ok();
}

#[test]
fn a_unit_that_the_c_tool_edited_is_recognised() {
    let machine = machine();
    let text = service(
        "Environment=\"LD_PRELOAD=/usr/lib/x86_64-linux-gnu/mptcpize/libmptcpwrap.so.0.0.1\"",
    );
    machine.write("/etc/systemd/system/edited.service", &text);
    machine.sh("systemctl daemon-reload").ok();
    let before = machine.state();
    let list = machine.tool("list").ok().stdout;
    assert!(list.contains("edited.service  C mptcpize"), "{list}");
    let note = "the C mptcpize has edited /etc/systemd/system/edited.service";
    let outcome = machine.tool("enable edited").ok();
    assert!(outcome.stdout.contains(note), "{outcome}");
    let value = machine.property("edited.service", "Environment");
    assert!(value.starts_with("LD_PRELOAD=/usr/lib/mptcpize/units/libmptcpize.so "), "{value}");
    machine.tool("disable edited").ok();
    machine.assert_is(&before);
    let outcome = machine.tool("disable edited").ok();
    // The command that it tells does what it says.
    let clean = outcome.stdout.split_once("or: sudo ").expect("a command").1.trim();
    machine.sh(&format!("{clean}; systemctl daemon-reload")).ok();
    assert_eq!(machine.property("edited.service", "Environment"), "");
    machine.sh("rm /etc/systemd/system/edited.service; systemctl daemon-reload").ok();
}

#[test]
fn a_unit_that_is_gone_can_still_be_disabled() {
    let machine = machine();
    let before = machine.state();
    machine.write("/etc/systemd/system/gone.service", &service(""));
    machine.sh("systemctl daemon-reload").ok();
    machine.tool("enable gone").ok();
    machine.sh("rm /etc/systemd/system/gone.service; systemctl daemon-reload").ok();
    let list = machine.tool("list").ok().stdout;
    assert!(
        list.contains("! gone.service: the unit is gone: sudo mptcpize disable gone.service"),
        "{list}"
    );
    machine.tool("disable gone").ok();
    machine.assert_is(&before);
}
