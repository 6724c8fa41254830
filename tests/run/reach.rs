//! Programs that the preload cannot reach, and that nothing else may reach instead: one line says
//! so and the program runs over TCP; with `--strict` nothing runs. And those that look so, but are
//! reached. What a filter does for them is any.rs's.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use crate::support::cc::{self, Build};
use crate::support::scratch::{NOBODY, copy, executable, of_nobody};
use crate::support::{Cmd, Netns, Outcome, scratch, tool};

/// The line about a program that stays on TCP.
fn plain_tcp(program: &Path, why: &str) -> String {
    format!("mptcpize: {} runs over plain TCP: {why}\n", program.display())
}

/// The refusal of `--strict`.
fn refusal(program: &Path, why: &str) -> String {
    format!(
        "error: {} cannot be run over MPTCP\n  why: {why}\n  \
         fix: run it without --strict, over TCP\n",
        program.display()
    )
}

/// Runs `PROGRAM ARGUMENTS` with `start` (`mptcpize run` or a user's), expects exactly the line,
/// TCP, and the program's own exit code; then expects `--strict` to run nothing.
#[track_caller]
fn stays_on_tcp(start: impl Fn(&[&str]) -> Cmd, program: &Path, why: &str) {
    let done = start(&["run"]).arg(program).arg("7").run();
    assert_eq!(done.says(7, &plain_tcp(program, why)).stdout, "6\n");
    let done = start(&["run", "--strict"]).arg(program).arg("7").run();
    assert_eq!(done.says(5, &refusal(program, why)).stdout, "", "nothing was run");
}

/// `mptcpize` as an ordinary user with a cache of his own.
fn for_nobody(arguments: &[&str]) -> Cmd {
    let cache = of_nobody(scratch("nobody"));
    let command = Cmd::new(crate::support::tool::public_binary()).args(arguments);
    command.env("XDG_CACHE_HOME", cache).by_nobody()
}

/// The preload alone, as where seccomp is out of the question.
fn by_preload(arguments: &[&str]) -> Cmd {
    tool(arguments).args(["--via", "preload"])
}

#[test]
fn a_static_program_stays_on_tcp() {
    let why = "it is statically linked, a preload cannot reach it";
    stays_on_tcp(by_preload, &cc::c("protocol", Build::Static), why);
}

#[test]
fn a_32_bit_program_stays_on_tcp_without_a_warning_of_the_loader() {
    let why = "it is a 32-bit program, our library is 64-bit";
    stays_on_tcp(by_preload, &cc::c("protocol", Build::Bits32), why);
}

#[test]
fn a_script_is_judged_by_its_interpreter() {
    let program = cc::c("protocol", Build::Static);
    let text = format!("#!{}\n", program.display());
    let script = executable(&scratch("script").join("script"), text);
    // Its argument is the script's own name, so it ends with 0.
    let done = by_preload(&["run"]).arg(&script).run();
    let why = "it is statically linked, a preload cannot reach it";
    assert_eq!(done.says(0, &plain_tcp(&script, why)).stdout, "6\n");
    by_preload(&["run", "--strict"]).arg(&script).run().says(5, &refusal(&script, why));
}

/// A copy of the program with these permission bits, in a directory that all can enter.
fn privileged(mode: u32) -> PathBuf {
    copy(&cc::c("protocol", Build::Plain), &scratch("privileged").join("program"), mode)
}

/// A copy of the program with these file capabilities (setcap(8)), in a directory that all can enter.
fn capable(set: &str) -> PathBuf {
    let program = privileged(0o755);
    Cmd::new("setcap").arg(set).arg(&program).run().silent();
    program
}

/// `mptcpize` as an ordinary user who can gain no privilege.
fn without_new(arguments: &[&str]) -> Cmd {
    let command = Cmd::line("setpriv --no-new-privs --").arg(crate::support::tool::public_binary());
    let command = command.args(arguments).env("XDG_CACHE_HOME", of_nobody(scratch("nobody")));
    command.by_nobody()
}

#[test]
fn programs_that_gain_privilege_stay_on_tcp() {
    let how = |what: &str| {
        format!(
            "it is {what}, so its loader ignores the environment, and a seccomp filter would \
             take its privilege away"
        )
    };
    stays_on_tcp(for_nobody, &privileged(0o4755), &how("setuid"));
    stays_on_tcp(for_nobody, &privileged(0o2755), &how("setgid"));
    for set in ["cap_net_raw+ep", "cap_net_raw+p"] {
        stays_on_tcp(for_nobody, &capable(set), &how("a program with file capabilities"));
    }
}

#[test]
fn a_filter_reaches_those_whose_privilege_it_does_not_take() {
    // No privilege left to lose. The kernel gives nothing for the capabilities then, but tells the
    // loader to take care all the same: the effective bit alone decides (cap_bprm_creds_from_file,
    // security/commoncap.c).
    let capable = capable("cap_net_raw+ep");
    let done = without_new(&["run", "--strict"]).arg(&capable).arg("7").run();
    assert_eq!(done.says(7, "").stdout, "262\n");
    // CAP_SYS_ADMIN, which does without no_new_privs. To the loader, every program gains privilege
    // whose real and effective ids differ, as in what a setuid program starts.
    let program = privileged(0o755);
    for id in ["--ruid", "--rgid"] {
        let start = |arguments: &[&str]| {
            let command = Cmd::new("setpriv").args([&format!("{id}={NOBODY}"), "--clear-groups"]);
            command.arg(crate::support::tool::public_binary()).args(arguments)
        };
        let done = start(&["run", "--strict"]).arg(&program).arg("7").run();
        assert_eq!(done.says(7, "").stdout, "262\n", "{id}");
        let done = start(&["run", "--via", "preload"]).arg(&program).arg("7").run();
        let start_of_line = format!("mptcpize: {} runs over plain TCP: ", program.display());
        assert!(done.code() == 7 && done.stderr.starts_with(&start_of_line), "{id}: {done}");
        assert_eq!((done.stdout.as_str(), done.stderr.lines().count()), ("6\n", 1), "{id}: {done}");
    }
}

#[test]
fn programs_that_gain_nothing_are_reached() {
    let setuid = privileged(0o4755);
    let own = privileged(0o755);
    chown(&own, Some(NOBODY), Some(NOBODY)).expect("the tests run as root");
    // A change of owner takes the bits away.
    fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o6755))
        .expect("the file is there");
    let no_exec_group = privileged(0o2745);
    let (capable, permitted) = (capable("cap_net_raw+ep"), capable("cap_net_raw+p"));
    let table = [
        ("setuid root, run by root", tool(&["run", "--strict"]).arg(&setuid)),
        ("setgid root, run by root", tool(&["run", "--strict"]).arg(privileged(0o2755))),
        ("file capabilities, run by root", tool(&["run", "--strict"]).arg(&capable)),
        ("setuid and setgid for the user himself", for_nobody(&["run", "--strict"]).arg(&own)),
        ("setgid without group execute", for_nobody(&["run", "--strict"]).arg(no_exec_group)),
        ("setuid with no_new_privs", without_new(&["run", "--strict"]).arg(&setuid)),
        ("capabilities with no_new_privs", without_new(&["run", "--strict"]).arg(permitted)),
        (
            "an ordinary program of an ordinary user",
            for_nobody(&["run", "--strict"]).arg(privileged(0o755)),
        ),
    ];
    for (name, command) in table {
        assert_eq!(command.run().silent().stdout, "262\n", "{name}");
    }
}

#[test]
fn a_file_system_without_setuid_gives_no_privilege() {
    // In a mount namespace of its own; /mnt is there on every host.
    let script = "mount -t tmpfs -o nosuid tmpfs /mnt; cp \"$0\" /mnt/program; \
                  chmod 4755 /mnt/program; shift; exec \"$@\" run --strict /mnt/program";
    let inner = Cmd::line("unshare -m --propagation private sh -euc").arg(script);
    let inner = inner.arg(cc::c("protocol", Build::Plain)).arg("-");
    let cache = format!("XDG_CACHE_HOME={}", of_nobody(scratch("nobody")).display());
    let inner = inner.args(["env", &cache, "setpriv"]);
    let id = NOBODY.to_string();
    let inner = inner.args([format!("--reuid={id}"), format!("--regid={id}")]);
    let done =
        inner.args(["--clear-groups", "--"]).arg(crate::support::tool::public_binary()).run();
    assert_eq!(done.silent().stdout, "262\n");
}

const GO: &str = r#"// Dials ADDRESS and prints the protocol of the connection.
package main

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

func main() {
	connection, err := net.Dial("tcp", os.Args[1])
	if err != nil {
		panic(err)
	}
	raw, _ := connection.(*net.TCPConn).SyscallConn()
	raw.Control(func(fd uintptr) {
		protocol, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, 38)
		fmt.Println(protocol)
	})
	os.Exit(7)
}
"#;

#[test]
fn a_go_program_is_judged_by_the_release_that_built_it() {
    let directory = scratch("go");
    let source = directory.join("main.go");
    fs::write(&source, GO).expect("a scratch file can be written");
    let program = cc::go(&source);

    let version = Cmd::line("go env GOVERSION").run().ok().stdout;
    let release = version.trim().strip_prefix("go1.").expect("this is Go 1");
    let minor: u32 = release.split('.').next().and_then(|n| n.parse().ok()).expect("a number");
    let namespace = Netns::new();
    let server = tool(&["run", "nc", "-l", "-k", "127.0.0.1", "8080"]).within(&namespace);
    let _server = crate::support::serve::listening(&namespace, server, 8080);
    let run = |options: &[&str]| -> Outcome {
        let command = by_preload(&["run"]).args(options).arg(&program).arg("127.0.0.1:8080");
        command.within(&namespace).run()
    };
    if minor >= 21 {
        assert_eq!(run(&["--strict"]).says(7, "").stdout, "262\n", "{version}");
    } else {
        let why = format!("it is built with Go 1.{minor}, MPTCP came with 1.21");
        assert_eq!(run(&[]).says(7, &plain_tcp(&program, &why)).stdout, "6\n");
        assert_eq!(run(&["--strict"]).says(5, &refusal(&program, &why)).stdout, "");
    }

    // The same program, saying that another release built it.
    let bytes = fs::read(&program).expect("go wrote it");
    let magic = b"\xff Go buildinf:";
    let at = bytes.windows(magic.len()).position(|window| window == magic);
    let text = at.expect("Go leaves its build information") + 33;
    assert_eq!(&bytes[text..text + 4], b"go1.", "the text follows its length");
    for (minor, note) in [("18", true), ("20", true), ("21", false), ("25", false)] {
        let mut changed = bytes.clone();
        changed[text + 4..text + 6].copy_from_slice(minor.as_bytes());
        let other = executable(&directory.join(format!("go{minor}")), changed);
        let done = by_preload(&["run"]).arg(&other).arg("127.0.0.1:8080").within(&namespace).run();
        let why = format!("it is built with Go 1.{minor}, MPTCP came with 1.21");
        let line = if note { plain_tcp(&other, &why) } else { String::new() };
        assert_eq!(done.stderr, line, "Go 1.{minor}");
    }
}

#[test]
fn a_program_for_another_processor_is_named() {
    // Only its header says so; the kernel refuses it, whatever it holds.
    let mut bytes = fs::read(cc::c("protocol", Build::Plain)).expect("it was compiled");
    bytes[18..20].copy_from_slice(&243u16.to_le_bytes());
    let other = executable(&scratch("machine").join("riscv"), bytes);
    let done = tool(&["run", "--strict"]).arg(&other).run();
    done.says(5, &refusal(&other, "it is for another processor (ELF machine 243)"));
}

#[test]
fn strict_refuses_where_the_kernel_has_no_mptcp() {
    let program = cc::c("protocol", Build::Plain);
    let why = "MPTCP is off (net.mptcp.enabled=0)";
    let namespace = Netns::without_mptcp();
    let done = tool(&["run"]).arg(&program).arg("7").within(&namespace).run();
    assert_eq!(done.says(7, &plain_tcp(&program, why)).stdout, "6\n");
    let done = tool(&["run", "--strict"]).arg(&program).within(&namespace).run();
    let text = format!(
        "error: {} cannot be run over MPTCP\n  why: {why}\n  \
         fix: sudo sysctl -w net.mptcp.enabled=1\n",
        program.display()
    );
    assert_eq!(done.says(5, &text).stdout, "");
}

#[test]
fn strict_refuses_under_a_policy_and_under_mptcpize_off() {
    let program = cc::c("protocol", Build::Plain);
    let refuse = cc::c("refuse", Build::Plain);
    let done = Cmd::new(refuse).arg(libc::EACCES.to_string()).arg(crate::support::tool::binary());
    let done = done.args(["run", "--strict"]).arg(&program).run();
    done.says(5, &refusal(&program, "MPTCP is refused: permission denied"));

    let done = tool(&["run", "--strict"]).arg(&program).env("MPTCPIZE", "off").run();
    let text = format!(
        "error: {} cannot be run over MPTCP\n  why: MPTCPIZE=off is in the environment\n  \
         fix: unset MPTCPIZE\n",
        program.display()
    );
    assert_eq!(done.says(5, &text).stdout, "");
}

/// Its lines are what somebody looks at who forgot that variable.
#[test]
fn a_trace_under_mptcpize_off_says_why_there_is_none() {
    let program = cc::c("protocol", Build::Plain);
    let off = |words: &[&str]| tool(words).arg(&program).env("MPTCPIZE", "off").run();
    assert_eq!(off(&["run", "--no-setup"]).says(0, "").stdout, "6\n");
    let why = plain_tcp(&program, "MPTCPIZE=off is in the environment");
    assert_eq!(off(&["run", "--no-setup", "-d"]).says(0, &why).stdout, "6\n");
}

#[test]
fn strict_refuses_a_program_whose_loader_is_missing() {
    let program = cc::c("protocol", Build::NoLoader);
    let why = format!("its loader {} does not exist", cc::NO_LOADER);
    let done = tool(&["run", "--strict"]).arg(&program).run();
    assert!(done.code() == 5 && done.stderr.contains(&format!("why: {why}\n")), "{done}");
}
