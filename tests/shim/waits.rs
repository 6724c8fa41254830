//! Calls that wait, natively and under the tool: a listener with a time limit, connections that end
//! with an error, transfers over loopback, and threads that are cancelled while they wait.
//!
//! Not here: what a wait costs (`scripts/bench options`, `loopback`).

use std::path::{Path, PathBuf};

use crate::support::cc::{self, Build};
use crate::support::{Cmd, Launch, Netns, tool};

/// What a C program of tests/c prints, natively and under the tool: the same.
#[track_caller]
fn same(name: &str, build: Build) -> String {
    let program = cc::c(name, build);
    let [native, ours] = Launch::BOTH.map(|launch| {
        let namespace = Netns::new();
        // A connection to 192.0.2.9 is never answered. (On lo the whole prefix would be local.)
        namespace.ip("link add silent up type veth peer nobody");
        namespace.ip("link set nobody up");
        namespace.ip("addr add 192.0.2.1/24 dev silent");
        namespace.ip("neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev silent");
        launch.command(&program).within(&namespace).run().silent().stdout
    });
    assert_eq!(native, ours, "{name} {build:?}");
    native
}

#[test]
fn a_listener_with_a_time_limit_ends_its_wait_as_on_tcp() {
    for build in [Build::Plain, Build::Musl] {
        let said = same("limited", build);
        assert!(said.contains("nobody comes: Resource temporarily unavailable\n"), "{said}");
        assert!(said.contains("two threads: one each time\n"), "{said}");
    }
}

#[test]
fn a_loop_that_waits_for_bytes_ends_when_the_connection_was_refused_or_reset() {
    for build in [Build::Plain, Build::Musl] {
        let said = same("ended", build);
        assert!(said.lines().count() >= 24, "{said}");
        for line in said.lines() {
            assert!(line.ends_with(" read, in a few turns"), "{build:?} {line}");
        }
    }
}

/// As on a machine that takes the processor away at the worst moment: strace holds the thread that
/// has seen the connection before it takes it, and the other must not wait in accept for ever.
#[test]
fn of_two_threads_the_slower_one_ends_however_long_the_other_is_stopped_before_accept() {
    let program = cc::c("limited", Build::Plain);
    let native = Launch::Native.command(&program).within(&Netns::new()).run().silent().stdout;
    let strace = Cmd::new("strace").args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"]);
    let held = strace.args(["-e", "trace=accept,accept4"]);
    let held = held.args(["-e", "inject=accept,accept4:delay_enter=50000"]);
    let tool = held.arg(crate::support::tool::binary()).arg("run").arg(&program);
    assert_eq!(tool.within(&Netns::new()).run().silent().stdout, native);
}

#[test]
fn a_thread_that_is_cancelled_while_it_waits_cleans_up() {
    let said = same("cancelled", Build::Exceptions);
    assert_eq!(said.lines().count(), 26, "{said}");
    for line in said.lines() {
        assert!(line.ends_with(": cancelled, cleaned"), "{line}");
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compat").join(name)
}

#[test]
fn a_connection_over_loopback_shows_the_buffers_of_tcp() {
    let python = |launch: Launch| launch.command("python3").arg(file("loopback.py")).arg("shown");
    let [native, ours] =
        Launch::BOTH.map(|launch| python(launch).within(&Netns::new()).run().silent());
    assert_eq!(native.stdout.lines().count(), 12, "{native}");
    assert_eq!(native.stdout, ours.stdout);
}

/// A stall is told by MPTCP's retransmission, which nothing else causes over loopback but a machine
/// that lets a thread wait for 200 ms.
#[test]
fn transfers_over_loopback_do_not_stall() {
    for mtu in ["65536", "1500"] {
        let namespace = Netns::new();
        namespace.ip(&format!("link set lo mtu {mtu}"));
        let command = tool(&["run", "--no-setup", "python3"]).arg(file("loopback.py"));
        let done = command.arg("stalls").within(&namespace).run().silent();
        let stalls: u32 = done.stdout.trim().parse().expect("a number");
        // Without the wide window a third of the 64 stall.
        assert!(stalls <= 4, "MTU {mtu}: {stalls} of 64");
    }
}

#[test]
fn an_array_that_is_too_small_for_poll_ends_a_fortified_program() {
    let program = "import ctypes\nlibc = ctypes.CDLL(None)\n\
        libc.__poll_chk(ctypes.create_string_buffer(8), 2, 0, 8)";
    for launch in Launch::BOTH {
        let done = launch.command("python3").args(["-c", program]).run();
        assert!(done.stderr.contains("buffer overflow detected"), "{launch:?}: {done}");
    }
}
