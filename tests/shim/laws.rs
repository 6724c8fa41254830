//! The laws of the library's file: what it exports, needs and refers to, how large it is, and how
//! many system calls it makes. The file is the release build that is inside the binary.

use std::fs;

use mptcpize::inject::library;

use crate::support::cc::{self, Build};
use crate::support::tool::shim;
use crate::support::{Cmd, Launch, Netns, scratch, tool};

/// The dynamic symbols, one `nm -D` line each.
fn symbols(option: &str) -> Vec<String> {
    let done = Cmd::new("nm").args(["-D", option]).arg(shim()).run().ok();
    done.stdout.lines().map(str::to_owned).collect()
}

fn readelf(option: &str) -> String {
    Cmd::new("readelf").args(["-W", option]).arg(shim()).run().ok().stdout
}

#[test]
fn it_exports_its_hooks_and_nothing_else() {
    let names: Vec<String> = symbols("--defined-only")
        .iter()
        .filter_map(|line| line.split_whitespace().last().map(str::to_owned))
        .collect();
    let hooks = [
        "__asan_default_options",
        "__poll_chk",
        "__ppoll_chk",
        "__read_chk",
        "__recv_chk",
        "accept",
        "accept4",
        "bind",
        "connect",
        "dup",
        "dup2",
        "dup3",
        "epoll_ctl",
        "epoll_pwait",
        "epoll_pwait2",
        "epoll_wait",
        "fcntl",
        "fcntl64",
        "getsockopt",
        "ioctl",
        "listen",
        "poll",
        "ppoll",
        "prctl",
        "read",
        "readv",
        "recv",
        "recvfrom",
        "recvmsg",
        "sendmsg",
        "sendto",
        "setsockopt",
        "socket",
    ];
    assert_eq!(names, hooks);
}

/// The library has an unwind table for one function alone (shim/src/sys/wait.rs): a thread that is
/// cancelled while it waits must not find another frame of ours.
#[test]
fn functions_that_wait_end_in_a_jump_to_libc() {
    for name in ["connect", "fcntl", "sendmsg", "sendto"] {
        let option = format!("--disassemble={name}");
        let done = Cmd::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(option).arg(shim());
        let code = done.run().ok().stdout;
        let jumps =
            |line: &&str| line.contains("jmp ") && line.contains('*') || line.contains("br\t");
        assert!(code.lines().filter(jumps).count() >= 1, "{name} jumps to libc's: {code}");
        let calls =
            |line: &&str| line.contains("call ") && line.contains('*') || line.contains("blr\t");
        // Where there is no libc to ask (`dlsym` is missing) sendto has one argument too many for
        // a jump to syscall(2), which is no function that a thread could be cancelled in.
        if name == "sendto" {
            continue;
        }
        assert_eq!(code.lines().filter(calls).count(), 0, "{name} calls through a pointer: {code}");
    }
}

#[test]
fn the_one_frame_that_others_find_on_the_stack_has_an_unwind_table() {
    let segments = readelf("-l");
    assert!(segments.contains("GNU_EH_FRAME"), "{segments}");
    let table = readelf("--debug-dump=frames");
    assert_eq!(table.matches(" FDE ").count(), 1, "{table}");
    for name in ["accept", "accept4", "epoll_wait", "poll", "ppoll", "read", "recv", "recvfrom"] {
        let option = format!("--disassemble={name}");
        let done = Cmd::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(option).arg(shim());
        let code = done.run().ok().stdout;
        let instructions =
            code.lines().filter(|line| line.starts_with("  ") && line.contains(":\t"));
        assert!(instructions.count() <= 3, "{name} only jumps to it: {code}");
    }
}

#[test]
fn it_needs_no_other_library() {
    let dynamic = readelf("-d");
    assert!(dynamic.contains("(SONAME)"), "readelf shows the dynamic section: {dynamic}");
    for tag in ["(NEEDED)", "(RPATH)", "(RUNPATH)", "(TEXTREL)", "(VERNEED)"] {
        assert!(!dynamic.contains(tag), "{tag} in\n{dynamic}");
    }
    for tag in ["(GNU_HASH)", "NOW"] {
        assert!(dynamic.contains(tag), "no {tag} in\n{dynamic}");
    }
    let segments = readelf("-l");
    let stack = segments.lines().find(|line| line.contains("GNU_STACK"));
    assert!(stack.is_some_and(|line| line.contains(" RW ")), "an executable stack: {segments}");
}

#[test]
fn it_refers_to_libc_by_weak_unversioned_names_only() {
    let undefined = symbols("--undefined-only");
    assert!(!undefined.is_empty(), "it calls libc");
    // None of them is one that libc chooses for the processor (IFUNC): those end an executable
    // that defines them itself.
    let allowed = [
        "__errno_location",
        "__register_atfork",
        "_r_debug",
        "dlsym",
        "environ",
        "getauxval",
        "syscall",
    ];
    for line in &undefined {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [kind, name] = fields[..] else { panic!("nm prints otherwise: {line}") };
        assert!(kind == "w" || kind == "v", "{name} is not weak");
        assert!(!name.contains('@'), "{name} has a version");
        // No malloc, no lock, no stdio, no panic path: none of their names.
        assert!(allowed.contains(&name), "{name} is none of the names it may use");
    }
}

#[test]
fn it_holds_no_panic_path_and_is_small() {
    let name = b"mptcpize_shim_has_a_panic_path";
    let held = library::BYTES.windows(name.len()).any(|window| window == name);
    assert!(!held, "the optimised library has a path to panic!()");
    // What counts is the cost of an exec (`scripts/bench exec`); eight pages are in its reach.
    assert!(library::BYTES.len() <= 32768, "{} bytes", library::BYTES.len());
}

#[test]
fn the_version_names_the_hash_of_the_library() {
    let sum = Cmd::new("sha256sum").arg(shim()).run().ok().stdout;
    let sum = sum.split(' ').next().expect("sha256sum prints the sum first");
    let done = tool(&["--version"]).run().silent();
    let wanted = format!("shim     sha256 {sum} ({} bytes)\n", library::BYTES.len());
    assert!(done.stdout.contains(&wanted), "{}", done.stdout);
}

#[test]
fn a_c_library_that_is_run_as_a_program_takes_it() {
    // It defines all that the compiler calls, and chooses it while it is loaded.
    let found = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/lib"];
    let libc = found.iter().map(|directory| std::path::Path::new(directory).join("libc.so.6"));
    let libc = libc.into_iter().find(|path| path.exists()).expect("a C library");
    let done = Cmd::new(&libc).env("LD_PRELOAD", shim()).run().silent();
    assert!(done.stdout.contains("C Library"), "{done}");
}

/// The system calls between the two marks of between.c, as strace prints them.
fn system_calls(build: Build, refuse: Option<i32>, argument: &str) -> Vec<String> {
    let log = scratch("strace").join("log");
    let mut command = Cmd::new("strace").args(["-f", "-qq", "-o"]).arg(&log);
    if let Some(errno) = refuse {
        command = command.arg(cc::c("refuse", Build::Plain)).arg(errno.to_string());
    }
    // `env` sets the preload, so that strace itself runs without.
    command
        .arg("env")
        .arg(format!("LD_PRELOAD={}", shim().display()))
        .arg(cc::c("between", build))
        .arg(argument)
        .run()
        .ok();
    let log = fs::read_to_string(log).expect("strace writes its log");
    let lines: Vec<String> = log
        .lines()
        // Behind the process id.
        .filter_map(|line| line.split_once(' ').map(|(_, call)| call.trim().to_owned()))
        .skip_while(|call| !call.starts_with("getppid("))
        .skip(1)
        .take_while(|call| !call.starts_with("getppid("))
        .collect();
    assert!(log.matches("getppid(").count() == 2, "both marks are there: {log}");
    lines
}

#[test]
fn a_call_makes_one_system_call_and_two_when_mptcp_is_refused() {
    for build in [Build::Plain, Build::Musl] {
        let granted = system_calls(build, None, "");
        assert_eq!(granted.len(), 1, "{build:?}: {granted:?}");
        assert!(granted[0].starts_with("socket(AF_INET, SOCK_STREAM"), "{granted:?}");
        assert!(granted[0].contains("MPTCP") || granted[0].contains("262"), "{granted:?}");

        let refused = system_calls(build, Some(libc::EACCES), "");
        assert_eq!(refused.len(), 2, "{build:?}: {refused:?}");
        assert!(refused[0].contains("EACCES"), "{refused:?}");
        assert!(refused[1].starts_with("socket(AF_INET, SOCK_STREAM, IPPROTO_IP)"), "{refused:?}");

        let shortage = system_calls(build, Some(libc::ENOBUFS), "");
        assert_eq!(shortage.len(), 1, "{build:?}: {shortage:?}");

        let udp = system_calls(build, None, "udp");
        assert_eq!(udp.len(), 1, "{build:?}: {udp:?}");
        assert!(udp[0].starts_with("socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)"), "{udp:?}");
    }
}

#[test]
fn the_environment_is_read_at_load_and_never_again() {
    for build in [Build::Plain, Build::Musl] {
        let program = cc::c("between", build);
        let done = Launch::Tool.command(&program).arg("off").run().silent();
        assert_eq!(done.stdout, "262\n", "{build:?}: set at run time, it changes nothing");
        let done = Launch::Tool.command(&program).env("MPTCPIZE", "off").run().silent();
        assert_eq!(done.stdout, "6\n", "{build:?}: set at the start, it does");
    }
}

/// fcntl, ioctl and prctl are declared with `...`, and the hooks are not: what a processor's ABI makes of
/// that the program shows. scripts/arm64 runs it for AArch64.
#[test]
fn arguments_that_c_does_not_name_arrive() {
    for build in [Build::Plain, Build::Musl] {
        let program = cc::c("variadic", build);
        let [native, ours] = Launch::BOTH
            .map(|launch| launch.command(&program).within(&Netns::new()).run().silent().stdout);
        assert!(native.contains("copies 40 50, flags 0 1,"), "{native}");
        assert!(native.contains("readable 0 7, close-on-exec 0 1,"), "{native}");
        assert!(native.contains("name 0 0 variadic name, death 0 0 10,"), "{native}");
        assert_eq!(native, ours, "{build:?}");
    }
}

/// The bytes of a page of the largest size that processors of this kind have: the linker's.
const PAGE: u64 = if cfg!(target_arch = "aarch64") { 0x1_0000 } else { 0x1000 };

#[test]
fn its_segments_can_be_mapped_by_pages_of_every_size() {
    let segments = readelf("-l");
    let number = |text: &str| {
        u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("readelf prints hexadecimal")
    };
    let mut end = 0;
    for line in segments.lines().filter(|line| line.trim_start().starts_with("LOAD ")) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [offset, address, size] = [fields[1], fields[2], fields[5]].map(number);
        assert_eq!(fields.last().map(|align| number(align)), Some(PAGE), "{segments}");
        assert_eq!(offset % PAGE, address % PAGE, "the file is mapped by whole pages: {segments}");
        assert!(address / PAGE >= u64::div_ceil(end, PAGE), "two rights for one page: {segments}");
        end = address + size;
    }
    // The last page is the one that the kernel empties in children (shim/link.ld), and nothing else.
    assert!(end > PAGE && end.is_multiple_of(PAGE), "{segments}");
}

#[test]
fn a_loader_takes_it_without_a_word() {
    for (name, build) in [("glibc", Build::Plain), ("musl", Build::Musl)] {
        let program = cc::c("protocol", build);
        let done = Cmd::new("env").arg(format!("LD_PRELOAD={}", shim().display())).arg(&program);
        assert_eq!(done.run().silent().stdout, "262\n", "{name}");
        // Every symbol resolved at load, as hardened programs ask.
        let done = Cmd::new(&program).env("LD_PRELOAD", shim()).env("LD_BIND_NOW", "1").run();
        assert_eq!(done.silent().stdout, "262\n", "{name}, LD_BIND_NOW");
    }
}
