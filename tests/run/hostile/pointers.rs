//! Bad pointers, sizes, levels and descriptors in every call that the library stands in for: the
//! kernel judges them, natively and under the tool.

use std::fs;
use std::path::Path;

use crate::support::cc::{self, Build};
use crate::support::{Launch, Netns, scratch};

/// The functions, in the order of tests/c/fuzz.c.
const HOOKS: [&str; 14] = [
    "connect",
    "bind",
    "sendto",
    "sendmsg",
    "setsockopt",
    "getsockopt",
    "ioctl",
    "fcntl",
    "epoll_ctl",
    "listen",
    "dup",
    "dup2",
    "dup3",
    "socket",
];

/// The numbers of a listener and of the two ends of a connection: they cannot become TCP, and MPTCP
/// has fewer options and other errors there.
const STAYS_MPTCP: std::ops::RangeInclusive<i32> = 13..=15;

/// One call: the descriptor, the result and errno after it.
type Call = [i32; 3];

/// The calls of a run, function by function.
fn calls(launch: Launch, program: &Path, seed: u32, count: usize) -> Vec<Call> {
    let namespace = Netns::new();
    let file = scratch("fuzz").join("calls");
    let command = launch.command(program).args([seed.to_string(), count.to_string()]).arg(&file);
    // Killed by a signal, it was killed for a look where the kernel would have said EFAULT.
    command.within(&namespace).run().silent();
    let bytes = fs::read(&file).expect("the program has written it");
    let (words, rest) = bytes.as_chunks::<4>();
    let (calls, more) = words.as_chunks::<3>();
    assert!(rest.is_empty() && more.is_empty() && calls.len() == HOOKS.len() * count);
    calls.iter().map(|call| call.map(i32::from_ne_bytes)).collect()
}

/// May a call end otherwise under the tool?
fn may_differ(hook: &str, native: Call, ours: Call) -> bool {
    let [fd, native, error] = native;
    let [_, ours, our_error] = ours;
    let failed = native == -1 && ours == -1;
    let fault = error == libc::EFAULT || our_error == libc::EFAULT;
    // Options that MPTCP has not, on a socket that what was set before keeps from becoming TCP.
    let stays = hook == "setsockopt" && native == 0 && ours == -1;
    if stays && matches!(our_error, libc::ENOPROTOOPT | libc::EOPNOTSUPP) {
        return true;
    }
    // A negative size, which options of IPv6 alone take.
    if hook == "getsockopt" && ours == -1 && our_error == libc::EINVAL {
        return true;
    }
    // A connection that is refused later (MSG_FASTOPEN) is told by another call.
    if failed && !fault && hook.starts_with("send") {
        return true;
    }
    // Never memory that is taken where TCP says that it is none.
    STAYS_MPTCP.contains(&fd) && !(error == libc::EFAULT && native == -1 && ours != -1)
}

#[track_caller]
fn the_same(seed: u32, count: usize) {
    // Not under musl, whose own functions look at what they are given.
    let program = cc::c("fuzz", Build::Plain);
    let native = calls(Launch::Native, &program, seed, count);
    let ours = calls(Launch::Tool, &program, seed, count);
    for (at, (native, ours)) in native.iter().zip(&ours).enumerate() {
        let (hook, number) = (HOOKS[at / count], at % count);
        assert!(
            native == ours || may_differ(hook, *native, *ours),
            "{hook} {number} (fuzz {seed} {count} FILE {} {number}) gives [descriptor, result, \
             errno] {native:?} natively and {ours:?} under the tool",
            at / count
        );
    }
    // The calls do what they are for: each function succeeds and meets a bad pointer, if it takes
    // any, on a socket that is MPTCP.
    for (hook, calls) in HOOKS.iter().zip(ours.chunks(count)) {
        let on_ours = |call: &&Call| (10..=15).contains(&call[0]);
        let some = |what: &dyn Fn(&Call) -> bool| calls.iter().filter(on_ours).any(what);
        assert!(some(&|call| call[1] >= 0), "{hook} never succeeds");
        let pointers = !matches!(*hook, "listen" | "dup" | "dup2" | "dup3" | "socket");
        assert!(!pointers || some(&|call| call[2] == libc::EFAULT), "{hook} meets no bad pointer");
    }
}

#[test]
fn a_hundred_thousand_calls_of_each_function_end_as_they_do_natively() {
    the_same(1, 100_000);
}

#[test]
fn a_number_of_descriptors_is_the_half_that_the_kernel_takes() {
    for build in [Build::Plain, Build::Musl] {
        let program = cc::c("halves", build);
        let [native, ours] =
            Launch::BOTH.map(|launch| launch.command(&program).run().silent().stdout);
        assert_eq!(native, "poll 1 1\nppoll 1 1\n", "{build:?}");
        assert_eq!(ours, native, "{build:?}");
    }
}
