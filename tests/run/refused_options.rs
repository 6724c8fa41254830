//! Socket options that MPTCP refuses, in programs that the library does not reach: static, 32-bit and old
//! Go ones under the filter, beside what they get on TCP.
//!
//! Not here: the library's own answers (shim/compat.rs, shim/compat_table.rs).

use std::path::PathBuf;

use crate::support::cc::{self, Build};
use crate::support::{Cmd, Netns, scratch, tool};

/// Lines that are not as on TCP, and what they are: the socket cannot be replaced, or the program knows
/// MPTCP.
const OTHERWISE: [(&str, &str); 4] = [
    ("shared", "92, 0 0 4, protocol 262"),
    ("waited for", "92, 0 0 4, protocol 262"),
    ("listening", "92, 0 0 4, protocol 262"),
    ("MPTCP, asked for", "92, 95 -1 4, protocol 262"),
];
/// Those that are but for the protocol.
const STILL_MPTCP: [&str; 6] = [
    "what TCP has",
    "a hint",
    "a class of IPv6",
    "refused by TCP",
    "refused by TCP, of IP",
    "listening, what TCP has",
];

fn expected(native: &str) -> String {
    let line = |line: &str| {
        let (what, rest) = line.split_once(": ").unwrap_or((line, ""));
        if let Some((_, other)) = OTHERWISE.iter().find(|(name, _)| *name == what) {
            return format!("{what}: {other}\n");
        }
        match STILL_MPTCP.contains(&what) {
            true => format!("{what}: {}\n", rest.replace("protocol 6", "protocol 262")),
            false => format!("{line}\n"),
        }
    };
    native.lines().map(line).collect()
}

#[test]
fn a_program_without_a_loader_gets_what_tcp_would_have_said() {
    for build in [Build::Static, Build::Bits32] {
        let program = cc::c("options", build);
        let native = Cmd::new(&program).run().silent().stdout;
        assert!(native.contains("a time limit: 0, 0 5000 4, protocol 6\n"), "{native}");
        let wanted = expected(&native);
        let done = tool(&["run", "--strict"]).arg(&program).run().silent();
        assert_eq!(done.stdout, wanted, "{build:?}");
        // Without privilege: another user's, with no_new_privs.
        let cache = scratch::of_nobody(scratch("nobody"));
        let command = Cmd::new(crate::support::tool::public_binary()).args(["run", "--strict"]);
        let done = command.arg(&program).env("XDG_CACHE_HOME", cache).by_nobody().run().silent();
        assert_eq!(done.stdout, wanted, "{build:?}, by an ordinary user");
    }
}

#[test]
fn a_socket_that_becomes_tcp_is_told() {
    let said = tool(&["run", "-d"]).arg(cc::c("options", Build::Static)).run().ok().stderr;
    let line = "setsockopt(3, IPPROTO_TCP, 18): MPTCP refused; the socket is TCP now\n";
    assert!(said.contains(line), "{said}");
    assert!(said.contains("MPTCP refused; it stays MPTCP\n"), "{said}");
}

#[test]
fn an_option_never_takes_more_than_the_program_may() {
    // TCP_REPAIR, which the supervisor may set, as root, and the program may not.
    let program = cc::c("unprivileged", Build::Static);
    let native = Cmd::new(&program).run().silent().stdout;
    assert_eq!(native, "1\n", "EPERM");
    assert_eq!(tool(&["run", "--strict"]).arg(&program).run().silent().stdout, native);
}

const GO: &str = r#"// Sets TCP_USER_TIMEOUT on the socket of a connection and on that of a listener before
// they are used; prints what comes of it and the protocols.
package main

import (
	"context"
	"fmt"
	"net"
	"syscall"
)

func limit(network, address string, raw syscall.RawConn) error {
	var err error
	raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, 18, 5000)
		value, _ := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 18)
		protocol, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, 38)
		fmt.Println(err, value, protocol)
	})
	return err
}

func main() {
	config := net.ListenConfig{Control: limit}
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	dialer := net.Dialer{Control: limit}
	connection, err := dialer.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	connection.Close()
}
"#;

#[test]
fn go_programs_are_answered_under_the_filter() {
    let source = scratch("go").join("main.go");
    std::fs::write(&source, GO).expect("a scratch file can be written");
    let native = "<nil> 5000 6\n<nil> 5000 6\n";
    let table: [(PathBuf, &[&str]); 2] = [
        (cc::go(&source), &["run", "--strict"]),
        // By GODEBUG it asks for MPTCP itself, and nobody answers for that.
        (cc::go_by(&cc::newer_go(), &source), &["run", "--strict", "--via", "seccomp"]),
    ];
    for (program, options) in table {
        let namespace = Netns::new();
        let plain = Cmd::new(&program).env("GODEBUG", "multipathtcp=0").within(&namespace).run();
        assert_eq!(plain.silent().stdout, native);
        let command = tool(options).arg(&program).env("GODEBUG", "multipathtcp=0");
        assert_eq!(command.within(&namespace).run().silent().stdout, native, "{options:?}");
    }
}
