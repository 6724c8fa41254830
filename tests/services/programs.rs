//! Services whose programs no preload reaches: static, 32-bit, Go, alone in a root of their own.
//!
//! Not here: all other services (enabled.rs).

use std::fs;

use crate::support::cc::{self, Build};
use crate::support::systemd::machine;
use crate::support::{Cmd, scratch, tool};

/// tests/c/listen.c in Go.
const GO: &str = r#"package main

import (
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	for {
		if connection, err := listener.Accept(); err == nil {
			connection.Close()
		}
	}
}
"#;

#[test]
fn programs_that_no_preload_reaches_start_under_run() {
    let machine = machine();
    for (build, path) in [
        (Build::Plain, "/usr/local/bin/listen"),
        (Build::Static, "/usr/local/bin/listen-static"),
        (Build::Bits32, "/usr/local/bin/listen-32"),
    ] {
        machine.install(&cc::c("listen", build), path);
    }
    let source = scratch("go-server").join("main.go");
    fs::write(&source, GO).expect("a scratch file");
    machine.install(&cc::go(&source), "/usr/local/bin/listen-go");
    machine.install(&cc::go_by(&cc::newer_go(), &source), "/usr/local/bin/listen-go-new");
    let table = [
        ("dynamic", "/usr/local/bin/listen", "", "preload", "MPTCP"),
        ("static", "/usr/local/bin/listen-static", "", "run", "MPTCP"),
        (
            "static-user",
            "-/usr/local/bin/listen-static",
            "User=nobody\nProtectSystem=strict\nPrivateTmp=yes",
            "run",
            "MPTCP",
        ),
        ("bits32", "/usr/local/bin/listen-32", "", "run", "MPTCP"),
        ("go", "/usr/local/bin/listen-go", "", "run", "MPTCP"),
        (
            "go-new",
            "/usr/local/bin/listen-go-new",
            "DynamicUser=yes\nSystemCallFilter=@system-service",
            "godebug",
            "MPTCP",
        ),
    ];
    let name = |which: &str| format!("prog-{which}.service");
    let units: Vec<(String, String)> = table
        .iter()
        .zip(8300..)
        .map(|((which, program, lines, ..), port)| {
            (name(which), format!("[Service]\nExecStart={program} {port}\n{lines}\n"))
        })
        .collect();
    let units: Vec<(&str, String)> =
        units.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    machine.start(&units);
    for ((which, ..), port) in table.iter().zip(8300..) {
        assert_eq!(machine.speaks(port), "TCP", "{which} before");
    }
    let before = machine.state();
    machine.tool("enable --now prog-*").ok();
    for ((which, _, _, way, protocol), port) in table.iter().zip(8300..) {
        assert_eq!(machine.speaks(port), *protocol, "{which}");
        let row = machine.listed("", &name(which)).unwrap_or_default();
        assert!(row.starts_with(&format!("{way} active yes ")), "{which}: {row}");
        // The program is the unit's main process, and its name is its own.
        let pid = machine.property(&name(which), "MainPID");
        let comm = machine.sh(&format!("cat /proc/{pid}/comm")).ok().stdout;
        assert!(comm.starts_with("listen"), "{which}: {comm}");
    }
    // Stopping ends the supervisor too.
    machine.sh("systemctl stop prog-static").ok();
    assert_eq!(machine.property("prog-static.service", "Result"), "success");
    assert_eq!(machine.property("prog-static.service", "ActiveState"), "inactive");
    machine.sh("systemctl start prog-static").ok();
    machine.tool("disable --all --now").ok();
    for ((which, ..), port) in table.iter().zip(8300..) {
        assert_eq!(machine.speaks(port), "TCP", "{which} after");
    }
    machine.assert_is(&before);
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    machine.remove(&names);
    machine.sh("rm /usr/local/bin/listen*").ok();
}

/// A static program in a root where there is nothing else: the launcher must be static too.
#[test]
fn a_static_program_alone_in_its_root_is_reached_by_a_static_launcher() {
    let machine = machine();
    machine.install(&cc::c("listen", Build::Static), "/usr/local/bin/listen-static");
    machine.sh("mkdir -p /srv/alone; cp /usr/local/bin/listen-static /srv/alone/listen").ok();
    let text = "[Service]\nExecStart=/listen 8600\nRootDirectory=/srv/alone\nUser=nobody\n";
    machine.start(&[("alone.service", text.to_owned())]);
    // Started is a service before its root is laid out, where directories to mount upon are made.
    assert_eq!(machine.speaks(8600), "TCP");
    let before = machine.state();
    let headers = Cmd::new("readelf").args(["-l"]).arg(tool::binary()).run().ok().stdout;
    let outcome = machine.tool("enable --now alone");
    if headers.contains("INTERP") {
        assert_eq!(outcome.code(), 5, "{outcome}");
        assert!(outcome.stderr.contains("a root of its own"), "{outcome}");
        machine.assert_is(&before);
    } else {
        outcome.ok();
        assert_eq!(machine.speaks(8600), "MPTCP");
        machine.tool("disable --now alone").ok();
    }
    assert_eq!(machine.speaks(8600), "TCP", "after");
    machine.assert_is(&before);
    machine.remove(&["alone.service"]);
    machine.sh("rm -rf /srv/alone /usr/local/bin/listen-static").ok();
}

/// The launcher that is kept for a command with a sign in front of it is not taken for one that no unit
/// names.
#[test]
fn a_command_with_a_prefix_keeps_its_launcher() {
    let machine = machine();
    machine.install(&cc::c("listen", Build::Static), "/usr/local/bin/listen-static");
    let signs = [("prefix-minus.service", "-"), ("prefix-all.service", "-:+")];
    for ((name, signs), port) in signs.iter().zip(8610..) {
        let text = format!("[Service]\nExecStart={signs}/usr/local/bin/listen-static {port}\n");
        machine.start(&[(name, text)]);
        let before = machine.state();
        machine.tool(&format!("enable --now {name}")).ok();
        machine.sh(&format!("systemctl restart {name}")).ok();
        assert_eq!(machine.speaks(port), "MPTCP", "{name}");
        machine.tool(&format!("disable --now {name}")).ok();
        assert_eq!(machine.speaks(port), "TCP", "{name} after");
        machine.assert_is(&before);
        machine.remove(&[name]);
    }
    machine.sh("rm /usr/local/bin/listen-static").ok();
}
