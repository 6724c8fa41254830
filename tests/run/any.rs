//! Any binary: each kind of program, each way, the kernel asked. The table of the README.
//!
//! Not here: what the supervisor behind a filter must survive (supervisor.rs), and programs that
//! nothing reaches (reach.rs).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use mptcpize::inject::exec::{self, Environment};
use mptcpize::inject::target::{Caller, Target};

use crate::support::cc::{self, Build};
use crate::support::scratch::{NOBODY, copy, executable, of_nobody};
use crate::support::{Cmd, Netns, scratch, tool};

/// A C program of each kind, for a source of tests/c.
fn builds(name: &str) -> [(&'static str, PathBuf); 5] {
    let with = |label: &str, compiler: &str, options: &[&str]| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/c/{name}.c"));
        let program = scratch(label).join(name);
        let command = Cmd::new(compiler).args(["-O2", "-std=gnu11", "-pthread"]).args(options);
        command.arg("-o").arg(&program).arg(source).run().ok();
        program
    };
    [
        ("dynamic", cc::c(name, Build::Plain)),
        ("static", cc::c(name, Build::Static)),
        ("static, musl", with("musl", "musl-gcc", &["-static"])),
        ("32-bit", cc::c(name, Build::Bits32)),
        ("32-bit, static", with("static32", "cc", &["-m32", "-static"])),
    ]
}

/// `run` as an ordinary user with a cache of his own.
fn for_nobody(arguments: &[&str]) -> Cmd {
    let cache = of_nobody(scratch("nobody"));
    let command = Cmd::new(crate::support::tool::public_binary()).args(arguments);
    command.env("XDG_CACHE_HOME", cache).by_nobody()
}

/// The value that `--explain -j` gives a key; strings only.
fn explained(program: &Path, key: &str) -> String {
    let said = tool(&["run", "--explain", "-j"]).arg(program).run().silent().stdout;
    let (_, rest) = said.split_once(&format!("\"{key}\": \"")).expect("the key is there");
    rest.split('"').next().expect("the value ends").to_owned()
}

#[test]
fn every_kind_of_c_program_is_reached() {
    for (kind, program) in builds("protocol") {
        let native = Cmd::new(&program).arg("7").run();
        assert_eq!(native.says(7, "").stdout, "6\n", "{kind}, natively");
        for options in [&["run", "--strict"][..], &["run", "--strict", "--via", "seccomp"]] {
            for start in [tool as fn(&[&str]) -> Cmd, for_nobody] {
                let done = start(options).arg(&program).arg("7").run();
                assert_eq!(done.says(7, "").stdout, "262\n", "{kind}, {options:?}");
            }
        }
        let way = if kind == "dynamic" { "preload" } else { "seccomp" };
        assert_eq!(
            (explained(&program, "via"), explained(&program, "result")),
            (way.into(), "mptcp".into())
        );
        let done = tool(&["run", "--via", "none"]).arg(&program).run();
        assert_eq!(done.silent().stdout, "6\n", "{kind}");
        let done = tool(&["run", "--via", "seccomp"]).env("MPTCPIZE", "off").arg(&program).run();
        assert_eq!(done.silent().stdout, "6\n", "{kind}");
    }
}

const GO: &str = r#"// Listens, dials that, and prints the protocol of both sockets.
package main

import (
	"fmt"
	"net"
	"syscall"
)

func show(socket syscall.Conn) {
	raw, _ := socket.SyscallConn()
	raw.Control(func(fd uintptr) {
		protocol, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, 38)
		fmt.Println(protocol)
	})
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	show(listener.(*net.TCPListener))
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	show(connection.(*net.TCPConn))
}
"#;

/// The Go program above, built by that Go.
fn go(go: &Path, cgo: bool, architecture: &str) -> PathBuf {
    let source = scratch("go").join("main.go");
    fs::write(&source, GO).expect("a scratch file can be written");
    cc::go_for(go, &source, cgo, architecture)
}

#[test]
fn go_programs_are_reached_by_what_their_release_knows() {
    let newer = cc::newer_go();
    let table = [
        ("Debian's, static", Path::new("go"), false, "amd64", "seccomp"),
        ("Debian's, with cgo", Path::new("go"), true, "amd64", "seccomp"),
        ("Debian's, 32-bit", Path::new("go"), false, "386", "seccomp"),
        ("newer, static", &newer, false, "amd64", "godebug"),
        ("newer, with cgo", &newer, true, "amd64", "godebug"),
        ("newer, 32-bit", &newer, false, "386", "godebug"),
    ];
    let debian = Cmd::line("go env GOVERSION").run().ok().stdout;
    assert!(debian.starts_with("go1.19") || debian.starts_with("go1.20"), "old enough: {debian}");
    for (kind, compiler, cgo, architecture, way) in table {
        let program = go(compiler, cgo, architecture);
        assert_eq!(explained(&program, "via"), way, "{kind}");
        for options in [&["run", "--strict"][..], &["run", "--strict", "--via", "seccomp"]] {
            let done = tool(options).arg(&program).run();
            assert_eq!(done.silent().stdout, "262\n262\n", "{kind}, {options:?}");
        }
        // The newest listen with MPTCP by themselves.
        let native = Cmd::new(&program).env("GODEBUG", "multipathtcp=0").run().silent();
        assert_eq!(native.stdout, "6\n6\n", "{kind}, natively");
    }
}

#[test]
fn a_filter_covers_what_a_shell_starts_and_a_preload_what_it_can() {
    let [(_, dynamic), (_, fixed), .., (_, fixed32)] = builds("protocol");
    let script = "\"$0\"; \"$1\"; (\"$2\" & wait); sh -c \"$1\"";
    let shell = |options: &[&str]| {
        let command = tool(options).args(["sh", "-c", script]);
        command.args([&dynamic, &fixed, &fixed32]).run().silent().stdout
    };
    assert_eq!(shell(&["run", "--via", "seccomp"]), "262\n262\n262\n262\n");
    assert_eq!(shell(&["run"]), "262\n6\n6\n6\n");
    let said = tool(&["run", "--explain", "sh"]).run().silent().stdout;
    assert!(said.contains("static programs") && said.contains("stay on TCP"), "{said}");
}

#[test]
fn runs_within_runs_are_upgraded_once_and_say_nothing() {
    let [(_, dynamic), (_, fixed), ..] = builds("protocol");
    let binary = crate::support::tool::binary();
    let ways = [&["run"][..], &["run", "--via", "seccomp"], &["run", "--strict"]];
    for outer in ways {
        for inner in ways {
            for program in [&dynamic, &fixed] {
                let done = tool(outer).arg(binary).args(inner).arg(program).run().silent();
                assert_eq!(done.stdout, "262\n", "{outer:?} {inner:?}");
            }
        }
    }
}

#[test]
fn what_a_program_is_given_and_what_it_returns_are_as_natively() {
    for name in ["flags", "calls"] {
        let [_, static_ones @ ..] = builds(name);
        for (kind, program) in static_ones {
            let native = Cmd::new(&program).run().silent().stdout;
            // Raw sockets have the number of TCP too.
            let upgraded = |line: &str| match line.contains("SOCK_RAW") {
                true => line.to_owned() + "\n",
                false => line.replace("protocol 6 ", "protocol 262 ") + "\n",
            };
            let expected: String = native.lines().map(upgraded).collect();
            assert!(native != expected, "there is something to upgrade");
            let done = tool(&["run", "--strict"]).arg(&program).run().silent();
            assert_eq!(done.stdout, expected, "{name}, {kind}");
        }
    }
    // With no descriptor left, the calls fail as they would.
    let calls = cc::c("calls", Build::Static);
    let native = Cmd::new(&calls).arg("full").run().silent().stdout;
    assert_eq!(tool(&["run"]).arg(&calls).arg("full").run().silent().stdout, native);
}

#[test]
fn a_trace_reads_as_that_of_the_library() {
    let lines = |command: Cmd| -> Vec<String> {
        let said = command.run().ok().stderr;
        let good = said.lines().filter(|line| line.ends_with("MPTCP"));
        good.map(|line| line.split_once("] ").expect("a record").1.to_owned()).collect()
    };
    let preloaded = lines(tool(&["run", "-d"]).arg(cc::c("calls", Build::Plain)));
    let filtered = lines(tool(&["run", "-d"]).arg(cc::c("calls", Build::Static)));
    assert_eq!(preloaded, filtered);
    assert!(preloaded.len() > 5, "{preloaded:?}");
    let file = scratch("trace").join("file");
    let option = format!("--debug={}", file.display());
    tool(&["run", &option]).arg(cc::c("protocol", Build::Static)).run().silent();
    crate::support::wait::until("the record", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.starts_with("mptcpize: protocol[") && text.ends_with("= 3 MPTCP\n")
    });
}

#[test]
fn a_socket_belongs_to_the_user_that_the_program_has_become() {
    let namespace = Netns::new();
    let rules = "table inet t { chain c { type filter hook output priority 0; \
                 tcp dport 8080 meta skuid 4711 meta skgid 815 counter; }; }";
    namespace.command("nft").arg(rules).run().ok();
    let packets = || {
        let said = namespace.command("nft").args(["list", "ruleset"]).run().ok().stdout;
        let (_, rest) = said.split_once("counter packets ").expect("the rule counts");
        rest.split(' ').next().and_then(|number| number.parse::<u32>().ok()).expect("a number")
    };
    for (count, build) in (1..).zip([Build::Static, Build::Bits32]) {
        let command = tool(&["run", "--strict"]).arg(cc::c("owner", build));
        let done = command.args(["4711", "815", "127.0.0.1", "8080"]).within(&namespace).run();
        assert_eq!(done.silent().stdout, "262 4711 815\n");
        assert_eq!(packets(), count, "the packet filter sees the owner");
    }
}

#[test]
fn a_program_in_another_network_namespace_gets_what_it_asked_for_there() {
    let program = cc::c("protocol", Build::Static);
    let script = "\"$0\"; unshare --net \"$0\"; \"$0\"";
    let done = tool(&["run", "-d", "--via", "seccomp", "sh", "-c", script]).arg(program).run().ok();
    assert_eq!(done.stdout, "262\n6\n262\n");
    let why = "socket(AF_INET, SOCK_STREAM, 0) = ? TCP: it is in another network namespace\n";
    assert!(done.stderr.contains(why), "{done}");
}

#[test]
fn what_stands_in_the_way_of_a_filter_is_said_and_refused_by_strict() {
    let program = cc::c("protocol", Build::Static);
    let forbid = cc::c("forbid", Build::Plain);
    let cannot = "a seccomp filter cannot be installed: operation not permitted";
    let table = [
        ("1", cannot),
        ("kill", "a sandbox forbids seccomp filters (it kills with signal 31)"),
        ("listener", "another program's seccomp filter has taken the only listener"),
        ("22", "the kernel is too old for seccomp notifications (5.14 has them)"),
    ];
    for (how, obstacle) in table {
        let run = |options: &[&str]| {
            let command = Cmd::new(&forbid).arg(how).arg(crate::support::tool::binary());
            command.args(options).arg(&program).arg("7").run()
        };
        let why = format!("it is statically linked, a preload cannot reach it, and {obstacle}");
        let line = format!("mptcpize: {} runs over plain TCP: {why}\n", program.display());
        assert_eq!(run(&["run"]).says(7, &line).stdout, "6\n", "{how}");
        let refused = run(&["run", "--strict"]);
        assert!(refused.code() == 5 && refused.stderr.contains(&why), "{how}: {refused}");
        assert_eq!(refused.stdout, "", "{how}");
        // A dynamic program needs no filter.
        let done = Cmd::new(&forbid)
            .arg(how)
            .arg(crate::support::tool::binary())
            .args(["run", "--strict"]);
        let done = done.arg(cc::c("protocol", Build::Plain)).run().silent();
        assert_eq!(done.stdout, "262\n", "{how}");
    }
}

#[test]
fn without_a_process_for_the_supervisor_it_is_tcp() {
    // A user of its own: the limit counts all that the user has.
    let user = "61234";
    let program = copy(&cc::c("protocol", Build::Static), &scratch("p").join("p"), 0o755);
    let start = Cmd::new("setpriv").args(["--reuid", user, "--regid", user, "--clear-groups"]);
    let start = start.args(["prlimit", "--nproc=1"]).arg(crate::support::tool::public_binary());
    let done = start.args(["run", "--via", "seccomp"]).arg(&program).run();
    let line = format!(
        "mptcpize: {} runs over plain TCP: --via seccomp, and the supervisor cannot be started: \
         resource temporarily unavailable\n",
        program.display()
    );
    assert_eq!(done.says(0, &line).stdout, "6\n");
}

#[test]
fn fallback_is_decided_at_each_call() {
    let namespace = Netns::new();
    let program = cc::c("protocol", Build::Static);
    let script = "\"$0\"; echo 0 >/proc/sys/net/mptcp/enabled; \"$0\"; \
                  echo 1 >/proc/sys/net/mptcp/enabled; \"$0\"";
    let command = tool(&["run", "-d", "--via", "seccomp", "sh", "-c", script]).arg(&program);
    let done = command.within(&namespace).run().ok();
    assert_eq!(done.stdout, "262\n6\n262\n");
    assert!(done.stderr.contains("= ? TCP: MPTCP refused: ENOPROTOOPT"), "{done}");
    let without = Netns::without_mptcp();
    let done = tool(&["run"]).arg(&program).arg("7").within(&without).run();
    let line = format!(
        "mptcpize: {} runs over plain TCP: MPTCP is off (net.mptcp.enabled=0)\n",
        program.display()
    );
    assert_eq!(done.says(7, &line).stdout, "6\n");
}

#[test]
fn privilege_that_a_filter_costs_is_told_and_only_where_it_does() {
    let program = copy(&cc::c("protocol", Build::Static), &scratch("p").join("p"), 0o755);
    let told = "lose their privilege (no_new_privs";
    let by_nobody = for_nobody(&["run", "--explain"]).arg(&program).run().silent().stdout;
    assert!(by_nobody.contains(told), "{by_nobody}");
    let by_root = tool(&["run", "--explain"]).arg(&program).run().silent().stdout;
    assert!(!by_root.contains(told), "{by_root}");
    let said = for_nobody(&["run", "-v"]).arg(&program).run().ok();
    assert!(said.stderr.contains(told) && said.stdout == "262\n", "{said}");
    // And it is so.
    let script = ["sh", "-c", "grep NoNewPrivs /proc/self/status"];
    let of = |command: Cmd| command.args(script).run().silent().stdout;
    assert_eq!(of(for_nobody(&["run", "--via", "seccomp"])), "NoNewPrivs:\t1\n");
    assert_eq!(of(for_nobody(&["run"])), "NoNewPrivs:\t0\n");
    assert_eq!(of(tool(&["run", "--via", "seccomp"])), "NoNewPrivs:\t0\n");
}

#[test]
fn explain_runs_nothing_and_strict_makes_it_a_question() {
    let mark = scratch("explain").join("mark");
    let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
    let script = executable(&scratch("script").join("script"), script);
    let said = tool(&["run", "--explain"]).arg(&script).run().silent().stdout;
    let expected = format!(
        "program  {}\nbinary   /bin/sh\nvia      preload\n\
         why      it is dynamically linked: its loader takes our library\nresult   MPTCP\n",
        script.display()
    );
    assert!(said.starts_with(&expected), "{said}");
    assert!(!mark.exists(), "it ran");
    let ask =
        |via: &str| tool(&["run", "--explain", "--strict", "--via", via, "true"]).run().code();
    assert_eq!((ask("auto"), ask("seccomp"), ask("none")), (0, 0, 5));
}

#[test]
fn bad_input_has_the_right_code_and_words() {
    let directory = scratch("bad");
    let fixed = cc::c("protocol", Build::Static);
    Cmd::line("mkfifo -m 777 fifo").cwd(&directory).run().silent();
    executable(&directory.join("missing"), "#!/nonexistent/sh\n");
    executable(&directory.join("loop"), format!("#!{}/loop\n", directory.display()));
    let sparse = executable(&directory.join("sparse"), "");
    // Not by this process: a child of another test would hold it open for writing.
    Cmd::new("truncate").args(["-s", "4G"]).arg(&sparse).run().silent();
    symlink(directory.join("gone"), directory.join("dangling")).expect("the name is new");
    let table = [
        ("./fifo", 126, "permission denied"),
        ("./.", 126, "permission denied"),
        ("./missing", 127, "needs the interpreter /nonexistent/sh, which does not exist"),
        ("./loop", 126, "too many levels of symbolic links"),
        ("./sparse", 126, "./sparse is neither a program for this host nor text"),
        ("./dangling", 127, "no such file or directory"),
        ("./nothing", 127, "no such file or directory"),
    ];
    for (name, code, why) in table {
        for via in ["auto", "preload", "seccomp", "none"] {
            let done = tool(&["run", "--via", via, name]).cwd(&directory).run();
            let last = done.stderr.split_once("error: ").map_or("", |(_, rest)| rest);
            assert!(
                done.code() == code && last.starts_with(&format!("cannot run {name}\n  why: ")),
                "{via}: {done}"
            );
            assert!(last.contains(why), "{via}: {done}");
        }
    }
    let done = tool(&["run", "--via", "magic"]).arg(fixed).run();
    assert!(done.code() == 2 && done.stderr.contains("'magic'"), "{done}");
    let done = tool(&["run", "-j", "true"]).run();
    assert!(done.code() == 2 && done.stderr.contains("--explain"), "{done}");
}

#[test]
fn a_target_that_vanishes_before_it_is_executed_is_not_found() {
    let program = scratch("vanishes").join("program");
    copy(&cc::c("protocol", Build::Static), &program, 0o755);
    let target = Target::find(program.as_os_str(), None, &Caller::current()).expect("it is there");
    fs::remove_file(&program).expect("it is ours");
    // Returns, because there is nothing to become.
    let error = exec::exec(&target, &[program.clone().into()], &Environment::inherited());
    assert_eq!(error.exit() as i32, 127);
    let text = format!("error: cannot run {}\n  why: no such file or directory", program.display());
    assert_eq!(error.to_string(), text);
}

/// An ordinary user stays one: named so that the table above is read with the right eyes.
#[test]
fn the_ordinary_user_of_these_tests_has_no_privilege() {
    let done = for_nobody(&[
        "run",
        "--via",
        "seccomp",
        "sh",
        "-c",
        "id -u; grep CapEff /proc/self/status",
    ]);
    assert_eq!(done.run().silent().stdout, format!("{NOBODY}\nCapEff:\t0000000000000000\n"));
}
