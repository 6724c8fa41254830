//! What `enable` makes of many units at once, and of those that do not bear it, on a machine with a
//! real systemd: a pattern passes over what cannot be, and a unit that ends at once is put back.
//!
//! Not here: what is refused by its name (refused.rs), sockets of systemd 257 (trixie.rs).

use crate::support::cc::{self, Build};
use crate::support::systemd::machine;

/// A program that ends at once, with 7, where it finds our library; otherwise it stays.
const PICKY: &str =
    "case \"$$LD_PRELOAD\" in *libmptcpize*) echo no library for me >&2; exit 7; esac";

/// The `[Service]` lines of units that are started before they have shown that they can run.
const BELIEVED: [(&str, &str); 4] = [
    ("simple", "Type=simple"),
    ("exec", "Type=exec"),
    ("again", "Type=simple\nRestart=always\nRestartSec=1h"),
    ("notify", "Type=notify\nNotifyAccess=all\nTimeoutStartSec=infinity"),
];

fn picky(lines: &str) -> String {
    // Ready first, whatever comes.
    let ready = if lines.contains("notify") { "systemd-notify --ready; " } else { "" };
    format!("[Service]\nExecStart=/bin/sh -c '{ready}{PICKY}; exec sleep infinity'\n{lines}\n")
}

#[test]
fn a_service_that_ends_at_once_is_put_back_and_its_last_words_are_told() {
    let machine = machine();
    let name = |which: &str| format!("picky-{which}.service");
    let units: Vec<(String, String)> =
        BELIEVED.iter().map(|(which, lines)| (name(which), picky(lines))).collect();
    let units: Vec<(&str, String)> =
        units.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    machine.start(&units);
    let before = machine.state();
    for (unit, _) in &units {
        let outcome = machine.tool(&format!("enable --now {unit}"));
        assert_eq!(outcome.code(), 1, "{outcome}");
        for part in [
            &format!("{unit} does not stay up with it; put back: it is as it was, and runs"),
            "it ended at once, with exit code 7",
            "no library for me",
            &format!("fix: journalctl -u {unit}"),
        ] {
            assert!(outcome.stderr.contains(part), "{part}: {outcome}");
        }
        machine.assert_is(&before);
        assert_eq!(machine.property(unit, "ActiveState"), "active", "{unit}");
    }
    // One that did not run is at rest again, and counts as none that failed.
    machine.sh("systemctl stop picky-simple").ok();
    let outcome = machine.tool("enable --now picky-simple");
    assert_eq!(outcome.code(), 1, "{outcome}");
    assert!(outcome.stderr.contains("as it was, and stopped"), "{outcome}");
    machine.assert_is(&before);
    assert_eq!(machine.property("picky-simple.service", "ActiveState"), "inactive");
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    machine.remove(&names);
}

#[test]
fn of_units_that_a_pattern_meets_only_those_that_fall_are_put_back() {
    let machine = machine();
    let stays = "[Service]\nExecStart=/bin/sleep infinity\n".to_owned();
    let done = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n".to_owned();
    let names = ["meet-bad.service", "meet-done.service", "meet-good.service"];
    machine.start(&[(names[0], picky("")), (names[1], done), (names[2], stays)]);
    machine.sh("ln -s /dev/null /etc/systemd/system/meet-masked.service").ok();
    machine.write("/etc/systemd/system/meet-empty.service", "[Unit]\nSuccessAction=exit\n");
    machine.write("/etc/systemd/system/meet-unix.socket", "[Socket]\nListenStream=/run/meet\n");
    machine.write("/etc/systemd/system/meet-unix.service", "[Service]\nExecStart=/bin/true\n");
    machine.sh("systemctl daemon-reload").ok();
    let before = machine.state();
    let entered = |unit: &str| machine.property(unit, "ActiveEnterTimestampMonotonic");
    let rested = entered("meet-done.service");
    let outcome = machine.tool("enable --now meet-*");
    assert_eq!(outcome.code(), 6, "{outcome}");
    for part in [
        "+ meet-done.service  preload ",
        "+ meet-good.service  preload ",
        "+ meet-unix.service  preload ",
        "passed over, because they cannot be enabled: 3\n",
        "    1 masked: meet-masked.service\n",
        "    1 of sockets that are no streams of IP: meet-unix.socket\n",
        "    1 without a program of their own: meet-empty.service\n",
        "! meet-bad.service does not stay up with it; put back: it is as it was\n    it ended at once, with exit code 7\n",
        "    no library for me\n",
    ] {
        assert!(outcome.stdout.contains(part), "{part}: {outcome}");
    }
    // Its socket has no TCP to stay on.
    assert!(!outcome.stdout.contains("meet-unix.socket opens its socket"), "{outcome}");
    assert_eq!(machine.property("meet-bad.service", "ActiveState"), "active");
    assert_eq!(machine.variable("meet-bad.service", "LD_PRELOAD"), None);
    assert!(machine.variable("meet-good.service", "LD_PRELOAD").is_some());
    // Nothing of it runs, so there is nothing to start anew.
    assert_eq!(entered("meet-done.service"), rested);
    machine.tool("disable --all --now").ok();
    machine.assert_is(&before);
    let told = machine.tool("enable -n -j meet-*").ok().stdout;
    let told: serde_json::Value = serde_json::from_str(&told).expect("an object");
    assert_eq!(told["passed_over"].as_array().map(Vec::len), Some(3), "{told}");
    assert_eq!(told["passed_over"][1]["unit"], "meet-masked.service", "{told}");
    let outcome = machine.tool("enable meet-masked* meet-empty*");
    assert_eq!(outcome.code(), 5, "{outcome}");
    assert!(outcome.stderr.contains("1 masked: meet-masked.service"), "{outcome}");
    machine.remove(&names);
    machine.sh("cd /etc/systemd/system; rm meet-*; systemctl daemon-reload").ok();
}

#[test]
fn everything_can_be_enabled_at_once_and_leaves_no_cycle_in_the_boot() {
    let machine = machine();
    // The unit of the package, which waits until the network is up.
    machine.write(
        "/etc/systemd/system/mptcpize-setup.service",
        "[Unit]\nWants=network-online.target\nAfter=network-online.target\n\
         [Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.sh("systemctl daemon-reload; systemctl enable mptcpize-setup").ok();
    let before = machine.state();
    let cycles = || {
        let said = machine.sh("systemd-analyze verify multi-user.target 2>&1 || :").ok().stdout;
        said.lines()
            .filter(|line| line.contains("ordering cycle"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(cycles(), Vec::<String>::new(), "before");
    let outcome = machine.tool("enable *").ok();
    for part in [" without a program of their own: ", " of sockets that are no streams of IP: "] {
        assert!(outcome.stdout.contains(part), "{part}: {outcome}");
    }
    assert!(outcome.stdout.contains("+ dbus.service "), "{outcome}");
    assert!(!outcome.stdout.contains("+ dbus.socket"), "{outcome}");
    assert_eq!(cycles(), Vec::<String>::new(), "{outcome}");
    machine.tool("disable --all").ok();
    machine.assert_is(&before);
    machine.sh("systemctl disable mptcpize-setup; rm /etc/systemd/system/mptcpize-setup.service; systemctl daemon-reload").ok();
}

#[test]
fn a_filter_of_the_units_own_is_not_taken_for_ours() {
    let machine = machine();
    machine.install(&cc::c("listen", Build::Static), "/usr/local/bin/listen-filtered");
    let text = "[Service]\nExecStart=/usr/local/bin/listen-filtered 8601\n\
                RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n";
    machine.start(&[("filtered-static.service", text.to_owned())]);
    assert_eq!(machine.speaks(8601), "TCP");
    let before = machine.state();
    machine.tool("enable filtered-static").ok();
    let row = machine.listed("", "filtered-static.service").unwrap_or_default();
    assert!(row.starts_with("run active no "), "{row}");
    assert_eq!(machine.speaks(8601), "TCP");
    machine.tool("enable --now filtered-static").ok();
    assert_eq!(machine.speaks(8601), "MPTCP");
    let row = machine.listed("", "filtered-static.service").unwrap_or_default();
    assert!(row.starts_with("run active yes "), "{row}");
    machine.tool("disable --now filtered-static").ok();
    assert_eq!(machine.speaks(8601), "TCP");
    machine.assert_is(&before);
    machine.remove(&["filtered-static.service"]);
}

#[test]
fn list_says_when_every_program_is_on() {
    let machine = machine();
    let none = "no unit is on (sudo mptcpize enable UNIT)\n";
    assert_eq!(machine.tool("list").ok().stdout, none);
    for (way, by, json) in [
        ("preload", "every program of this host is on, by /etc/ld.so.preload", "preload"),
        (
            "environment",
            "every service and log-in of this host is on, by the environment",
            "environment",
        ),
    ] {
        machine.tool(&format!("enable --system --no-trial --via {way}")).ok();
        let list = machine.tool("list").ok().stdout;
        let lines: Vec<&str> = list.lines().collect();
        let [first, library, last] = lines.as_slice() else { panic!("{list}") };
        assert_eq!(*first, format!("{by} (off: sudo mptcpize disable --system)"));
        assert!(library.starts_with("  its library: /usr/$LIB/mptcpize/"), "{list}");
        assert_eq!(*last, "no unit is on besides");
        let told = machine.tool("list -j").ok().stdout;
        let told: serde_json::Value = serde_json::from_str(&told).expect("an object");
        assert_eq!(told["system"], json, "{told}");
        machine.tool("disable --system").ok();
        assert_eq!(machine.tool("list").ok().stdout, none);
    }
}

#[test]
fn the_environment_of_the_manager_spares_a_service_with_a_root_of_its_own() {
    let machine = machine();
    machine
        .sh("root=/srv/alone; mkdir -p $root; cp --parents -L /bin/cat $(ldd /bin/cat | grep -o '/[^ ]*') $root")
        .ok();
    let text = "[Service]\nType=oneshot\nRootDirectory=/srv/alone\nExecStart=/bin/cat /proc/self/environ\n\
                MountAPIVFS=yes\nStandardOutput=null\nStandardError=file:/run/alone.said\n";
    machine.write("/etc/systemd/system/alone.service", text);
    // systemd makes what it mounts upon.
    machine.sh("systemctl daemon-reload; systemctl start alone").ok();
    let said = machine.tool("enable --system --no-trial --via environment").ok().stdout;
    for part in [
        "log-ins that get it, by /etc/pam.d: ",
        "services that do not, for a root of their own: alone.service\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    machine.sh("systemctl daemon-reexec; systemctl start alone").ok();
    // Its loader finds nothing amiss, and the other services have the library.
    assert_eq!(machine.sh("cat /run/alone.said").ok().stdout, "");
    let run = "systemd-run --quiet --wait --pipe --collect /usr/bin/printenv LD_PRELOAD";
    assert!(machine.sh(run).ok().stdout.contains("libmptcpize-system-"));
    let again = machine.tool("enable --system --no-trial --via environment").ok().stdout;
    assert_eq!(again, "already on for every program (via environment)\n");
    machine.tool("disable --system").ok();
    machine.sh("systemctl daemon-reexec; [ ! -e /etc/systemd/system/alone.service.d ]").ok();
    // The library goes when nobody names it any more.
    machine.tool("disable --system").ok();
    machine.sh("rm -r /srv/alone /etc/systemd/system/alone.service; systemctl daemon-reload").ok();
}

#[test]
fn the_bus_is_enabled_and_not_restarted() {
    let machine = machine();
    machine.sh("systemctl start dbus").ok();
    let before = machine.state();
    let running = machine.property("dbus.service", "MainPID");
    let outcome = machine.tool("enable --now dbus").ok();
    let told = "from the next boot on, because it cannot be restarted before: dbus.service\n";
    assert!(outcome.stdout.ends_with(told), "{outcome}");
    assert_eq!(machine.property("dbus.service", "MainPID"), running);
    machine.tool("disable dbus").ok();
    machine.assert_is(&before);
}
