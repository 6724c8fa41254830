//! The debug lines: their exact text, one write(2) each, to the standard error of load time or
//! to a file, and never into a connection of the program's.

use std::fs::{self, File};
use std::io::Read;
use std::thread;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::support::cc::{self, Build};
use crate::support::{Cmd, Launch, Netns, scratch, tool};

/// Runs the command with a standard error that keeps writes apart (pipe(7), packet mode);
/// returns its process id, its standard output and each write.
fn writes(command: Cmd) -> (u32, String, Vec<String>) {
    let (reader, writer) =
        pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).expect("the kernel has packet pipes");
    let reading = thread::spawn(move || {
        let mut reader = File::from(reader);
        let mut packets = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(size @ 1..) = reader.read(&mut buffer) {
            packets.push(String::from_utf8_lossy(&buffer[..size]).into_owned());
        }
        packets
    });
    let running = command.stderr(writer).start();
    let pid = running.pid();
    let done = running.finish().ok();
    (pid, done.stdout, reading.join().expect("the reader does not panic"))
}

/// A line about the program `calls`.
fn line(pid: u32, text: &str) -> String {
    format!("mptcpize: calls[{pid}] socket({text}\n")
}

/// Runs the command (tests/c/calls.c in the end) and compares what is said about the calls that
/// give a descriptor; each is TCP, and each gets `got`.
#[track_caller]
fn traces(command: Cmd, got: &str) {
    let (pid, _, writes) = writes(command);
    let said = writes.iter().filter(|text| text.contains(" = 3 "));
    let expected = [
        format!("AF_INET, SOCK_STREAM, 0) = 3 {got}"),
        format!("AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3 {got}"),
        format!("AF_INET6, SOCK_STREAM, 0) = 3 {got}"),
        format!("AF_INET6, SOCK_STREAM, IPPROTO_TCP) = 3 {got}"),
        format!("AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3 {got}"),
        format!("AF_INET, SOCK_STREAM|SOCK_NONBLOCK, 0) = 3 {got}"),
        format!("AF_INET6, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_TCP) = 3 {got}"),
    ];
    let expected: Vec<String> = expected.iter().map(|text| line(pid, text)).collect();
    for (said, expected) in said.clone().zip(&expected) {
        assert_eq!(said, expected);
    }
    assert_eq!(said.count(), expected.len(), "{writes:?}");
    // Three more calls ask for TCP, with a flag that no kernel knows.
    assert_eq!(writes.iter().filter(|text| text.contains(" = -1 ")).count(), 3, "{writes:?}");
}

#[test]
fn each_tcp_call_is_one_line_in_one_write_and_nothing_else_is() {
    for build in [Build::Plain, Build::Musl] {
        traces(tool(&["run", "-d"]).arg(cc::c("calls", build)), "MPTCP");
    }
}

#[test]
fn a_call_that_fails_as_tcp_too_is_not_blamed_on_mptcp() {
    let (pid, _, packets) = writes(tool(&["run", "-d"]).arg(cc::c("calls", Build::Plain)));
    let failed: Vec<String> = packets.into_iter().filter(|text| text.contains(" = -1 ")).collect();
    let expected = [
        "AF_INET, SOCK_STREAM|4096, 0) = -1 EINVAL",
        "AF_INET6, SOCK_STREAM|1073741824, IPPROTO_TCP) = -1 EINVAL",
        "AF_INET, SOCK_STREAM|SOCK_CLOEXEC|16, 0) = -1 EINVAL",
    ];
    assert_eq!(failed, expected.map(|text| line(pid, text)));
}

#[test]
fn a_refusal_is_named_with_its_errno_and_meaning() {
    let table = [
        (libc::EINVAL, "EINVAL (kernel before 5.6)"),
        (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT (kernel built without MPTCP)"),
        (libc::ENOPROTOOPT, "ENOPROTOOPT (net.mptcp.enabled=0)"),
        (libc::EPERM, "EPERM (a security policy)"),
        (libc::EACCES, "EACCES (a security policy)"),
        (libc::ENOSYS, "errno 38"),
    ];
    for (errno, meaning) in table {
        let command = tool(&["run", "-d"]).arg(cc::c("refuse", Build::Plain));
        let command = command.arg(errno.to_string()).arg(cc::c("calls", Build::Plain));
        traces(command, &format!("TCP: MPTCP refused: {meaning}"));
    }
}

#[test]
fn a_shortage_is_named_without_a_second_attempt() {
    for (errno, name) in [(libc::EMFILE, "EMFILE"), (libc::ENOBUFS, "ENOBUFS")] {
        let command = tool(&["run", "-d"]).arg(cc::c("refuse", Build::Plain));
        let command = command.arg(errno.to_string()).arg(cc::c("calls", Build::Plain));
        let (pid, _, packets) = writes(command);
        assert_eq!(packets[0], line(pid, &format!("AF_INET, SOCK_STREAM, 0) = -1 {name}")));
    }
    let (pid, _, packets) =
        writes(tool(&["run", "-d"]).arg(cc::c("calls", Build::Plain)).arg("full"));
    assert_eq!(packets[0], line(pid, "AF_INET, SOCK_STREAM, 0) = -1 EMFILE"));
}

#[test]
fn mptcp_off_in_the_namespace_is_said_in_each_line() {
    let namespace = Netns::without_mptcp();
    let command = tool(&["run", "-d"]).arg(cc::c("calls", Build::Plain)).within(&namespace);
    traces(command, "TCP: MPTCP refused: ENOPROTOOPT (net.mptcp.enabled=0)");
}

#[test]
fn lines_of_many_threads_never_interleave() {
    let threads = cc::c("threads", Build::Plain);
    let command = tool(&["run", "-d"]).arg(threads).args(["262", "16", "100"]);
    let (pid, stdout, packets) = writes(command);
    assert_eq!((stdout.as_str(), packets.len()), ("1600\n", 1600), "as many lines as calls");
    for packet in packets {
        let start = format!("mptcpize: threads[{pid}] socket(AF_INET");
        assert!(packet.starts_with(&start), "{packet:?}");
        assert!(packet.ends_with(" MPTCP\n"), "{packet:?}");
        assert_eq!(packet.matches('\n').count(), 1, "{packet:?}");
    }
}

#[test]
fn the_programs_own_output_and_children_are_told_apart() {
    let program = cc::c("protocol", Build::Plain);
    let script = format!("echo mine >&2; {0}; {0}; :", program.display());
    let (shell, stdout, packets) = writes(tool(&["run", "-d", "sh", "-c", &script]));
    assert_eq!(stdout, "262\n262\n");
    let ids: Vec<u32> = packets
        .iter()
        .filter_map(|text| {
            text.strip_prefix("mptcpize: protocol[")?.split(']').next()?.parse().ok()
        })
        .collect();
    assert_eq!((packets[0].as_str(), packets.len(), ids.len()), ("mine\n", 3, 2), "{packets:?}");
    assert!(ids[0] != ids[1] && !ids.contains(&shell), "each child has its own id: {ids:?}");
}

#[test]
fn without_the_option_nothing_is_said() {
    for value in [None, Some(""), Some("0")] {
        let mut command = tool(&["run"]).arg(cc::c("protocol", Build::Plain));
        if let Some(value) = value {
            command = command.env("MPTCPIZE_DEBUG", value);
        }
        command.run().silent();
    }
    // As in `MPTCPIZE_DEBUG=1 mptcpize run …`.
    let command = tool(&["run"]).arg(cc::c("protocol", Build::Plain)).env("MPTCPIZE_DEBUG", "1");
    assert_eq!(writes(command).2.len(), 1);
}

#[test]
fn a_connection_under_the_number_of_the_trace_receives_nothing() {
    let program = cc::c("takeover", Build::Plain);
    let namespace = Netns::new();
    // Where the kept descriptor lies depends on how many there may be.
    for limit in [256, 1024, 4096] {
        for (how, lines) in [("closefrom", 0), ("only2", 5)] {
            let script = format!("ulimit -n {limit}; exec \"$0\" {how}");
            let command = tool(&["run", "-d", "sh", "-c", &script]).arg(&program);
            let (_, received, packets) = writes(command.within(&namespace));
            assert_eq!(received, "nothing", "{how}, {limit} descriptors");
            // After closefrom there is nowhere to write; otherwise the lines keep going to the
            // standard error of load time, though the program's 2 is its client now.
            assert_eq!(packets.len(), lines, "{how}, {limit} descriptors: {packets:?}");
        }
    }
}

#[test]
fn the_trace_takes_no_low_descriptor_and_does_without_when_there_is_none() {
    let program = cc::c("protocol", Build::Plain);
    for (limit, lines) in [(4096, 1), (512, 1), (64, 1), (10, 0)] {
        let script = format!("ulimit -n {limit}; exec \"$0\"");
        let command = tool(&["run", "-d", "sh", "-c", &script]).arg(&program);
        let (_, stdout, packets) = writes(command);
        assert_eq!((stdout.as_str(), packets.len()), ("262\n", lines), "{limit} descriptors");
    }
    // The program's first socket has the number that it has natively.
    let (_, _, packets) = writes(tool(&["run", "-d"]).arg(&program));
    assert!(packets[0].ends_with(" = 3 MPTCP\n"), "{packets:?}");
    // A program started with standard error closed gets none, and no failure.
    let with = cc::c("with", Build::Plain);
    let command = Cmd::new(with).args(["-c", "2", "--"]).arg(crate::support::tool::binary());
    let done = command.args(["mptcpize", "run", "-d"]).arg(&program).run().silent();
    assert_eq!(done.stdout, "262\n");
}

#[test]
fn debug_file_appends_to_a_file_named_from_here() {
    let program = cc::c("protocol", Build::Plain);
    let directory = scratch("trace");
    let file = directory.join("log");
    fs::write(&file, "before\n").expect("a scratch file can be written");
    for name in ["log", "./log", &file.display().to_string()] {
        // The program goes elsewhere before it starts others: the name was meant from here.
        let script = format!("cd /; {}", program.display());
        let command = tool(&["run", &format!("--debug={name}"), "sh", "-c", &script]);
        assert_eq!(command.cwd(&directory).run().silent().stdout, "262\n", "{name}");
    }
    let text = fs::read_to_string(&file).expect("the file is there");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.len()), ("before", 4), "{text}");
    for line in &lines[1..] {
        assert!(line.starts_with("mptcpize: protocol["), "{text}");
        assert!(line.ends_with("] socket(AF_INET, SOCK_STREAM, 0) = 3 MPTCP"), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_before_the_program_starts() {
    let directory = scratch("trace");
    let program = cc::c("protocol", Build::Plain);
    let table = [
        ("/nonexistent/log", "no such file or directory"),
        (directory.to_str().expect("our name is text"), "is a directory"),
    ];
    for (file, why) in table {
        let done = tool(&["run", &format!("--debug={file}")]).arg(&program).run();
        let text = format!(
            "error: cannot write the trace to {file}\n  why: {why}\n  \
             fix: name another file, or use -d for standard error\n"
        );
        assert_eq!(done.says(1, &text).stdout, "", "nothing was run");
    }
}

#[test]
fn the_trace_changes_neither_results_nor_errno() {
    let calls = cc::c("calls", Build::Plain);
    let native = Launch::Native.command(&calls).run().ok().stdout;
    for namespace in [Netns::new(), Netns::without_mptcp()] {
        let command = tool(&["run", "-d"]).arg(&calls).within(&namespace);
        let traced = writes(command).1;
        assert_eq!(traced.replace("protocol 262", "protocol 6"), native);
    }
}
