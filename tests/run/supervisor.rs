//! The supervisor behind a seccomp filter: many callers, signals, its own violent death; and what it
//! must not hold or leave behind.
//!
//! Not here: which programs a filter is for (any.rs).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::cc::{self, Build};
use crate::support::scratch::copy;
use crate::support::{Cmd, Launch, scratch, tool, wait};

/// A copy of the tool with a name of its own, so that its processes can be told from those of
/// other tests.
fn own_tool() -> PathBuf {
    copy(crate::support::tool::binary(), &scratch("own").join("mptcpize"), 0o755)
}

/// The processes that run this file and have this name.
fn processes(file: &Path, name: &str) -> BTreeSet<i32> {
    let all = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let named = all.filter(|entry| {
        let path = entry.path();
        fs::read_link(path.join("exe")).is_ok_and(|exe| exe == file)
            && fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    });
    named.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

const WORKING: &str = "mptcpize-socket";
const WAITING: &str = "mptcpize-spare";

/// Kills the process of this name when there is exactly one of each; waits until it is gone.
fn kill_one(file: &Path, name: &str) -> bool {
    let (working, waiting) = (processes(file, WORKING), processes(file, WAITING));
    if working.len() != 1 || waiting.len() != 1 {
        return false;
    }
    let victim = *if name == WORKING { &working } else { &waiting }.first().expect("there is one");
    kill_process(Pid::from_raw(victim).expect("no process is 0"), Signal::KILL)
        .expect("it is ours");
    // What is dying has no file any more.
    wait::until("the end of the killed", || fs::read_link(format!("/proc/{victim}/exe")).is_err());
    true
}

fn both(file: &Path) -> bool {
    processes(file, WORKING).len() == 1 && processes(file, WAITING).len() == 1
}

/// Has the process a handler for the signal?
fn takes(pid: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    mask & 1 << (signal.as_raw() - 1) != 0
}

/// What tests/c/storm.c says when nothing went wrong, in numbers of sockets.
fn all_mptcp(count: u32) -> String {
    format!("mptcp {count} tcp 0 low 0 left 0\n")
}

#[test]
fn ten_thousand_calls_of_a_hundred_threads_under_signals_are_all_mptcp() {
    for build in [Build::Static, Build::Bits32] {
        let storm = cc::c("storm", build);
        for mode in ["calm", "restart"] {
            let arguments = ["100", "100", mode];
            let native = Cmd::new(&storm).args(arguments).run().silent().stdout;
            assert_eq!(native, "mptcp 0 tcp 10000 low 0 left 0\n");
            let ours = tool(&["run", "--strict"]).arg(&storm).args(arguments).run().silent().stdout;
            assert_eq!(ours, all_mptcp(10_000), "{build:?} {mode}");
        }
    }
}

#[test]
fn a_handler_that_restarts_nothing_may_see_eintr_and_nothing_worse() {
    // The kernel's own limit: until the supervisor has taken a call up, a signal ends it.
    let storm = cc::c("storm", Build::Static);
    let ours = tool(&["run"]).arg(&storm).args(["100", "100", "interrupt"]).run().silent().stdout;
    let words: Vec<&str> = ours.split_whitespace().collect();
    let number = |at: usize| words.get(at).map_or(0, |word| word.parse::<u32>().unwrap_or(0));
    let interrupted = if words.get(8) == Some(&"EINTR") { number(9) } else { 0 };
    assert_eq!(number(1) + interrupted, 10_000, "{ours}");
    assert!(ours.contains(" tcp 0 low 0 left 0") && words.len() <= 10, "{ours}");
}

#[test]
fn a_thousand_threads_at_once_are_served() {
    let storm = cc::c("storm", Build::Static);
    let ours = tool(&["run"]).arg(&storm).args(["1000", "10", "calm"]).run().silent().stdout;
    assert_eq!(ours, all_mptcp(10_000));
}

#[test]
fn kill_9_of_the_supervisor_and_of_the_standby_loses_no_call() {
    let own = own_tool();
    let command = Cmd::new(&own).args(["run", "--strict"]).arg(cc::c("storm", Build::Static));
    let mut running = command.args(["300", "0", "calm"]).start();
    // The supervisor is there before the program, and a program of ours before its handler.
    wait::until("the program to take SIGTERM", || {
        assert!(!running.ended(), "the program does not wait for its end");
        takes(running.pid(), Signal::TERM)
    });
    let names = [WORKING, WAITING, WORKING, WORKING, WAITING, WAITING, WORKING];
    for name in names {
        wait::until("one of each", || {
            assert!(!running.ended(), "the program does not wait for its end");
            kill_one(&own, name)
        });
    }
    let killed = names.len() as u32;
    let program = Pid::from_raw(running.pid().cast_signed()).expect("no process is 0");
    kill_process(program, Signal::TERM).expect("it is there");
    let said = running.finish().silent().stdout;
    // A descriptor that was handed over in the instant of a death stays behind, at most one each.
    let (counts, left) = said.trim_end().split_once(" left ").expect("storm says so");
    assert!(counts.starts_with("mptcp ") && counts.ends_with(" tcp 0 low 0"), "{said}");
    assert!(left.parse::<u32>().is_ok_and(|left| left <= killed), "{said}");
    wait::until("the end of both", || {
        processes(&own, WORKING).is_empty() && processes(&own, WAITING).is_empty()
    });
}

/// A program under a supervisor that waits to be told to end, by a FIFO.
struct Held {
    own: PathBuf,
    fifo: PathBuf,
    running: crate::support::Running,
}

fn hold() -> Held {
    let own = own_tool();
    let fifo = scratch("held").join("fifo");
    Cmd::new("mkfifo").arg(&fifo).run().silent();
    let script = "read -r line <\"$1\"; exec \"$0\" 7";
    let command = Cmd::new(&own).args(["run", "--via", "seccomp", "sh", "-c", script]);
    let running = command.arg(cc::c("protocol", Build::Static)).arg(&fifo).start();
    wait::until("the supervisor", || both(&own));
    Held { own, fifo, running }
}

#[test]
fn the_supervisor_holds_nothing_of_the_programs() {
    let held = hold();
    for name in [WORKING, WAITING] {
        for pid in processes(&held.own, name) {
            let mut files: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
                .expect("it is alive")
                .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
                .map(|file| file.display().to_string())
                .map(|file| file.split(":[").next().unwrap_or_default().to_owned())
                .collect();
            files.sort();
            let null = "/dev/null";
            assert_eq!(files, [null, null, null, "/proc", "anon_inode:seccomp notify", "socket"]);
            let root = fs::read_link(format!("/proc/{pid}/cwd")).expect("it is alive");
            assert_eq!(root, Path::new("/"));
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is alive");
            let after = stat.rsplit(") ").next().expect("proc(5)");
            let fields: Vec<&str> = after.split(' ').collect();
            assert_ne!(fields[3], held.running.pid().to_string(), "a session of its own");
            assert_eq!(fields[4], "0", "no terminal");
        }
    }
    fs::write(&held.fifo, "\n").expect("the program reads it");
    let done = held.running.finish();
    assert_eq!((done.code(), done.stdout.as_str()), (7, "262\n"), "{done}");
}

#[test]
fn it_outlives_the_signals_that_end_a_group_and_ends_with_the_program() {
    let held = hold();
    for name in [WORKING, WAITING] {
        for pid in processes(&held.own, name).into_iter().filter_map(Pid::from_raw) {
            for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1] {
                kill_process(pid, signal).expect("it is alive");
            }
        }
    }
    let before = (processes(&held.own, WORKING), processes(&held.own, WAITING));
    fs::write(&held.fifo, "\n").expect("the program reads it");
    assert_eq!(before.0.len() + before.1.len(), 2);
    assert_eq!(held.running.finish().says(7, "").stdout, "262\n");
    wait::until("its end", || {
        processes(&held.own, WORKING).is_empty() && processes(&held.own, WAITING).is_empty()
    });
}

#[test]
fn a_pipeline_ends_when_the_program_has_closed_its_end() {
    // A child of the program lives on, with the filter and so with the supervisor, but without
    // the pipe; `finish` waits for the end of the pipe.
    let own = own_tool();
    let fifo = scratch("pipe").join("fifo");
    Cmd::new("mkfifo").arg(&fifo).run().silent();
    let script = "(exec >/dev/null 2>&1; read -r line <\"$1\") & exec \"$0\"";
    let command = Cmd::new(&own).args(["run", "--via", "seccomp", "sh", "-c", script]);
    let program = cc::c("protocol", Build::Static);
    let done = command.arg(&program).arg(&fifo).run().silent();
    assert_eq!(done.stdout, "262\n");
    // The standby takes its name a moment after it said that it is ready.
    wait::until("the supervisor stays for the child", || both(&own));
    fs::write(&fifo, "\n").expect("the child reads it");
    wait::until("the end of both", || processes(&own, WORKING).is_empty());

    let script = "\"$0\" run --via seccomp \"$1\" 0 1 | head -c 3";
    let done = Cmd::line("sh -c").arg(script).arg(&own).arg(&program).run().silent();
    assert_eq!(done.stdout, "262");
}

#[test]
fn the_program_keeps_its_process_and_inherits_what_it_would_natively() {
    let directory = scratch("state");
    let program = copy(&cc::c("state", Build::Static), &directory.join("state"), 0o755);
    let state = |launch: Launch, how: &[&str]| -> String {
        let mut command = Cmd::new(cc::c("with", Build::Plain)).args(how).arg("--");
        command = match launch {
            Launch::Tool => {
                command.arg(crate::support::tool::binary()).args(["mptcpize", "run", "--strict"])
            }
            Launch::Native => command.arg(&program),
        };
        let running = command.arg(&program).args(["dump", "-x"]).cwd(&directory).start();
        let pid = format!("pid {}", running.pid());
        running.finish().silent();
        let dump = directory.join("dump");
        let text = fs::read_to_string(&dump).expect("state writes it");
        fs::remove_file(&dump).expect("it is there");
        assert_eq!(text.lines().next(), Some(pid.as_str()), "{launch:?} {how:?}");
        // The filter itself is there to be seen.
        let same = |line: &&str| !line.starts_with("Seccomp:");
        text.lines().skip(1).filter(same).flat_map(|line| [line, "\n"]).collect()
    };
    let table: [&[&str]; 8] = [
        &[],
        &["-c", "0"],
        &["-c", "0", "-c", "1", "-c", "2"],
        &["-o", "3", "-o", "7", "-o", "100"],
        &["-i", "17"],
        &["-b", "17"],
        &["-b", "10", "-p", "12", "-i", "13"],
        &["-e", "broken", "-e", "A=1", "-e", "A=2"],
    ];
    for how in table {
        assert_eq!(state(Launch::Tool, how), state(Launch::Native, how), "{how:?}");
    }
}

#[test]
fn a_program_that_dies_of_a_signal_shows_it_to_its_parent() {
    let done = tool(&["run", "--via", "seccomp", "sh", "-c", "kill -SEGV $$"]).run();
    assert_eq!(done.code(), 128 + 11, "{done}");
}

#[test]
fn forks_and_execs_under_the_filter_are_served() {
    let script = "for i in 1 2 3 4 5; do for j in 1 2 3 4; do \"$0\" & done; wait; done";
    let command = tool(&["run", "--via", "seccomp", "sh", "-c", script]);
    let done = command.arg(cc::c("protocol", Build::Static)).run().silent();
    assert_eq!(done.stdout, "262\n".repeat(20));
}

#[test]
fn a_threaded_server_accepts_over_mptcp() {
    let namespace = crate::support::Netns::new();
    let program = cc::c("protocol", Build::Static);
    // python3 is dynamic; over the filter its threads' sockets come from the supervisor.
    let (directory, bytes) = crate::support::serve::content(300_000);
    let server = tool(&["run", "--via", "seccomp", "python3", "-m", "http.server", "--bind"]);
    let server = server.args(["127.0.0.1", "--directory"]).arg(&directory).arg("8080");
    let _server =
        crate::support::serve::listening(&namespace, server.within(&namespace).quiet(), 8080);
    let before = crate::support::kernel::accepted(&namespace);
    for _ in 0..8 {
        let got = directory.join("got");
        let client = tool(&["run", "--via", "seccomp", "curl", "-sS", "-o"]).arg(&got);
        client.arg("http://127.0.0.1:8080/file").within(&namespace).run().silent();
        assert!(fs::read(&got).is_ok_and(|got| got == bytes), "what was fetched differs");
    }
    assert_eq!(crate::support::kernel::accepted(&namespace) - before, 8);
    tool(&["run"]).arg(program).run().silent();
}

#[test]
fn the_tables_agree_with_the_headers_of_the_kernel() {
    use mptcpize::inject::seccomp::abi::{AARCH64, I386, X86_64};
    let include = "/usr/include";
    let arch = format!("{include}/{}-linux-gnu", std::env::consts::ARCH);
    let number = |file: &str, name: &str| -> u32 {
        let text = fs::read_to_string(file).unwrap_or_else(|error| {
            panic!("{file}: {error}\n  fix: apt-get install linux-libc-dev")
        });
        let value = text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let wanted = words.next() == Some("#define") && words.next() == Some(name);
            if wanted { words.next()?.parse().ok() } else { None }
        });
        value.unwrap_or_else(|| panic!("{file}: no {name}"))
    };
    // aarch64 has the generic numbers (arch/arm64/include/uapi/asm/unistd.h).
    let files = [
        (AARCH64, format!("{include}/asm-generic/unistd.h")),
        (X86_64, format!("{arch}/asm/unistd_64.h")),
        (I386, format!("{arch}/asm/unistd_32.h")),
    ];
    for (abi, file) in &files {
        assert_eq!(abi.socket, number(file, "__NR_socket"));
        assert_eq!(abi.setsockopt, number(file, "__NR_setsockopt"));
        assert_eq!(abi.getsockopt, number(file, "__NR_getsockopt"));
    }
    let i386 = &files[2].1;
    assert_eq!(I386.socketcall, Some(number(i386, "__NR_socketcall")));
    for (abi, name, bits) in
        [(X86_64, "EM_X86_64", 64), (I386, "EM_386", 32), (AARCH64, "EM_AARCH64", 64)]
    {
        let machine = number(&format!("{include}/linux/elf-em.h"), name);
        assert_eq!(u32::from(abi.machine), machine, "{name}");
        // __AUDIT_ARCH_LE, and __AUDIT_ARCH_64BIT where it is so (linux/audit.h).
        let flags = if bits == 64 { 0xc000_0000 } else { 0x4000_0000 };
        assert_eq!(abi.audit_arch, flags | machine, "{name}");
    }
}
