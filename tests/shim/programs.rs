//! Real programs, natively and under the tool: the same results, over MPTCP where both sides have
//! it, over TCP where the kernel has none. What decides is the kernel's word: SO_PROTOCOL, `ss -M`
//! and the count of MPTCP handshakes.
//!
//! Not here: the laws of the library's file (laws.rs), the launcher itself (run/command.rs).

use std::path::Path;

use crate::support::cc::{self, Build};
use crate::support::kernel::{accepted, ss};
use crate::support::serve::{self, content};
use crate::support::{Launch, Netns, Running, scratch, tool};

const PORT: u16 = 8080;

/// A start of a web server: namespace, way, directory, port.
type Server = fn(&Netns, Launch, &Path, u16) -> Running;

const SERVERS: [(&str, Server); 2] = [("python3", serve::python), ("nginx", serve::nginx)];

/// Programs that fetch `URL` into the file `OUT`.
const CLIENTS: [(&str, &[&str]); 4] = [
    ("curl", &["-sS", "-o", "OUT", "URL"]),
    ("wget", &["-q", "-O", "OUT", "URL"]),
    (
        "python3",
        &[
            "-c",
            "import sys, urllib.request as u; u.urlretrieve(sys.argv[1], sys.argv[2])",
            "URL",
            "OUT",
        ],
    ),
    // bash makes its own TCP connections (/dev/tcp).
    (
        "bash",
        &[
            "-c",
            "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET /file HTTP/1.0\\r\\n\\r\\n' >&3; sed '1,/^\\r$/d' <&3 >\"$0\"",
            "OUT",
        ],
    ),
];

/// Fetches the file and returns it, with what the client said on standard error.
fn fetch(client: (&str, &[&str]), launch: Launch, namespace: &Netns) -> (Vec<u8>, String) {
    let out = scratch("fetched").join("file");
    let (program, arguments) = client;
    let mut command = launch.command(program);
    for argument in arguments {
        command = match *argument {
            "OUT" => command.arg(&out),
            "URL" => command.arg(format!("http://127.0.0.1:{PORT}/file")),
            other => command.arg(other),
        };
    }
    let done = command.within(namespace).run().ok();
    (std::fs::read(&out).expect("the client wrote the file"), done.stderr)
}

#[test]
fn web_clients_and_servers_speak_mptcp_when_both_run_under_the_tool() {
    let (directory, bytes) = content(200_000);
    for (server_name, server) in SERVERS {
        for server_way in Launch::BOTH {
            let namespace = Netns::new();
            let _running = server(&namespace, server_way, &directory, PORT);
            let listeners = ss(&namespace, "-Ml");
            assert_eq!(
                listeners.contains(":8080"),
                server_way == Launch::Tool,
                "ss -M lists the listener of {server_name}, {server_way:?}: {listeners}"
            );
            for client in CLIENTS {
                for client_way in Launch::BOTH {
                    let name = format!("{server_way:?} {server_name}, {client_way:?} {}", client.0);
                    let before = accepted(&namespace);
                    let (fetched, said) = fetch(client, client_way, &namespace);
                    assert!(fetched == bytes, "{name}: the file arrived otherwise");
                    assert_eq!(said, "", "{name}: nothing on standard error");
                    let both = server_way == Launch::Tool && client_way == Launch::Tool;
                    let connections = accepted(&namespace) - before;
                    assert_eq!(connections, u64::from(both), "{name}: MPTCP connections");
                }
            }
        }
    }
}

/// Sends `text` with netcat from the server to the client, and in another connection from the
/// client to the server; returns what both said on standard error, all four.
///
/// One way at a time: netcat itself loses bytes when both ends send and one is done first.
fn netcat(launch: Launch, namespace: &Netns, text: &str) -> Vec<String> {
    let mut said = Vec::new();
    for server_sends in [true, false] {
        let end = |options: &[&str], sends: bool| {
            // `-N`: the end of the input ends the connection; `-d`: no input.
            let command = launch.command("nc").args(options).arg(if sends { "-N" } else { "-d" });
            let command = command.args(["127.0.0.1", "8080"]).within(namespace);
            if sends { command.input(text) } else { command }
        };
        let server = serve::listening(namespace, end(&["-l"], server_sends), PORT);
        let client = end(&[], !server_sends).run().ok();
        let server = server.finish().ok();
        let received = if server_sends { &client } else { &server };
        assert!(received.stdout == text, "{launch:?}: {received}");
        said.extend([client.stderr, server.stderr]);
    }
    said
}

#[test]
fn netcat_passes_bytes_both_ways() {
    // Less than a pipe holds: netcat drops what its standard output does not take at once.
    let text = "some text, again and again\n".repeat(2_000);
    for launch in Launch::BOTH {
        let namespace = Netns::new();
        assert_eq!(netcat(launch, &namespace, &text), [""; 4]);
        assert_eq!(accepted(&namespace), if launch == Launch::Tool { 2 } else { 0 }, "{launch:?}");
    }
}

#[test]
fn an_open_connection_is_listed_by_ss_as_mptcp() {
    let namespace = Netns::new();
    let server = tool(&["run", "nc", "-l", "127.0.0.1", "8080"]).within(&namespace);
    let _server = serve::listening(&namespace, server, PORT);
    // `-d`: nothing is read, so the connection stays.
    let client = tool(&["run", "nc", "-d", "127.0.0.1", "8080"]).within(&namespace);
    let _client = client.start();
    crate::support::wait::until("two ends of one MPTCP connection in ss -M", || {
        ss(&namespace, "-M").lines().filter(|line| line.contains("ESTAB")).count() == 2
    });
}

#[test]
fn c_programs_of_glibc_and_musl_transfer_over_mptcp() {
    for build in [Build::Plain, Build::Musl] {
        let program = cc::c("transfer", build);
        for launch in Launch::BOTH {
            let namespace = Netns::new();
            let done = launch.command(&program).within(&namespace).run().silent();
            let protocol = launch.protocol();
            let expected = format!("listener {protocol} accepted {protocol} client {protocol}\n");
            assert_eq!(done.stdout, expected, "{build:?} {launch:?}");
            assert_eq!(
                accepted(&namespace),
                u64::from(launch == Launch::Tool),
                "{build:?} {launch:?}"
            );
        }
    }
}

#[test]
fn calls_in_threads_forked_children_and_signal_handlers_are_upgraded() {
    let table: [(&str, &[&str], &str); 4] = [
        ("threads", &["16", "300"], "4800\n"),
        ("forks", &["300"], "300\n"),
        ("signals", &["first"], "fine\n"),
        ("signals", &["often"], "fine\n"),
    ];
    for build in [Build::Plain, Build::Musl] {
        for (name, arguments, expected) in table {
            for launch in Launch::BOTH {
                let command = launch.command(cc::c(name, build)).arg(launch.protocol().to_string());
                let done = command.args(arguments).run().silent();
                assert_eq!(done.stdout, expected, "{name} {arguments:?} {build:?} {launch:?}");
            }
        }
    }
}

/// The table of calls.c, run this way.
fn calls(launch: Launch, build: Build, arguments: &[&str], namespace: &Netns) -> String {
    launch.command(cc::c("calls", build)).args(arguments).within(namespace).run().ok().stdout
}

/// As plain TCP would have it.
fn as_tcp(table: &str) -> String {
    table.replace("protocol 262", "protocol 6")
}

#[test]
fn every_call_good_or_bad_has_the_result_and_errno_of_plain_tcp() {
    let namespace = Netns::new();
    for build in [Build::Plain, Build::Musl] {
        let native = calls(Launch::Native, build, &[], &namespace);
        let upgraded = calls(Launch::Tool, build, &[], &namespace);
        assert_eq!(as_tcp(&upgraded), native, "{build:?}");
        assert_eq!(upgraded.matches("protocol 262").count(), 7, "{build:?}: {upgraded}");
        // The table is worth something: errno stays on success, and the errors are several.
        assert_eq!(native.matches("yes errno 12345 ").count(), 15, "{native}");
        for errno in [libc::EINVAL, libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT] {
            assert!(native.contains(&format!("no errno {errno} ")), "{errno} in\n{native}");
        }
        assert!(native.contains(&format!("no errno {} ", libc::ESOCKTNOSUPPORT)), "{native}");
    }
}

#[test]
fn a_process_without_descriptors_left_gets_emfile_as_natively() {
    let namespace = Netns::new();
    for build in [Build::Plain, Build::Musl] {
        let native = calls(Launch::Native, build, &["full"], &namespace);
        assert_eq!(calls(Launch::Tool, build, &["full"], &namespace), native, "{build:?}");
        assert!(native.contains(&format!("no errno {} ", libc::EMFILE)), "{native}");
    }
}

#[test]
fn calls_are_native_where_the_namespace_has_mptcp_switched_off() {
    let namespace = Netns::without_mptcp();
    for build in [Build::Plain, Build::Musl] {
        for arguments in [&[][..], &["full"]] {
            let native = calls(Launch::Native, build, arguments, &namespace);
            assert_eq!(calls(Launch::Tool, build, arguments, &namespace), native, "{build:?}");
        }
    }
}

#[test]
fn calls_are_native_under_a_policy_that_refuses_mptcp() {
    let refuse = cc::c("refuse", Build::Plain);
    let namespace = Netns::new();
    let native = calls(Launch::Native, Build::Plain, &[], &namespace);
    let errors = [
        libc::EPERM,
        libc::EACCES,
        libc::EINVAL,
        libc::EPROTONOSUPPORT,
        libc::ENOPROTOOPT,
        libc::EAFNOSUPPORT,
        libc::ENOSYS,
    ];
    for errno in errors {
        let command = Launch::Tool.command(&refuse).arg(errno.to_string());
        let command = command.arg(cc::c("calls", Build::Plain)).within(&namespace);
        assert_eq!(command.run().silent().stdout, native, "errno {errno}");
    }
}

#[test]
fn a_shortage_met_by_the_mptcp_attempt_is_passed_on() {
    let refuse = cc::c("refuse", Build::Plain);
    for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        let command = Launch::Tool.command(&refuse).arg(errno.to_string());
        let done = command.arg(cc::c("calls", Build::Plain)).run().silent();
        let first = done.stdout.lines().next().unwrap_or_default().to_owned();
        assert!(first.contains(&format!(" no errno {errno} ")), "{first}");
    }
}

#[test]
fn programs_transfer_over_tcp_where_the_namespace_has_mptcp_switched_off() {
    let (directory, bytes) = content(200_000);
    for (_, server) in SERVERS {
        let namespace = Netns::without_mptcp();
        let _running = server(&namespace, Launch::Tool, &directory, PORT);
        assert_eq!(ss(&namespace, "-Ml"), "");
        for client in CLIENTS {
            let (fetched, said) = fetch(client, Launch::Tool, &namespace);
            assert!(fetched == bytes, "{}: the file arrived otherwise", client.0);
            assert_eq!(said, off(client.0));
        }
    }
    let transfer = cc::c("transfer", Build::Plain);
    let command = Launch::Tool.command(&transfer).within(&Netns::without_mptcp());
    assert_eq!(command.run().ok().stdout, "listener 6 accepted 6 client 6\n");
}

/// What `run` says about a program in such a namespace.
fn off(program: &str) -> String {
    format!("mptcpize: {program} runs over plain TCP: MPTCP is off (net.mptcp.enabled=0)\n")
}

/// A server that says that it is SSH, and prints how its client greets.
const GREETING: &str = "
import socket
server = socket.create_server(('127.0.0.1', 8080))
client = server.accept()[0]
client.sendall(b'SSH-2.0-none\\r\\n')
print(client.makefile('rb').readline().decode())
";

#[test]
fn netcat_and_ssh_talk_where_the_namespace_has_mptcp_switched_off() {
    let namespace = Netns::without_mptcp();
    assert_eq!(netcat(Launch::Tool, &namespace, "some text\n"), vec![off("nc"); 4]);

    let server = tool(&["run", "python3", "-c", GREETING]).cwd(scratch("python"));
    let server = serve::listening(&namespace, server.within(&namespace), PORT);
    let options = ["-F", "none", "-o", "BatchMode=yes", "-p", "8080", "127.0.0.1"];
    let client = tool(&["run", "ssh"]).args(options).within(&namespace).run();
    assert!(client.stderr.starts_with(&off("ssh")), "{client}");
    let server = server.finish().ok();
    assert!(server.stdout.starts_with("SSH-2.0-OpenSSH"), "{server}");
}

#[test]
fn another_preloaded_socket_is_called_too_wherever_it_stands() {
    let other = cc::c("other", Build::Library).display().to_string();
    let program = cc::c("protocol", Build::Plain);
    // Where the launcher places the library.
    let ours = tool(&["run", "printenv", "LD_PRELOAD"]).run().silent().stdout;
    let ours = ours.trim();
    // 2 is AF_INET, 1 is SOCK_STREAM; the third is the protocol that the other library saw.
    let table = [
        ("theirs alone", other.clone()),
        ("theirs first", format!("{other}:{ours}")),
        ("ours first", format!("{ours}:{other}")),
    ];
    for (name, preload) in table {
        // The launcher itself may be dynamic, and looks at the host; that is not asked here.
        let done = tool(&["run", "--no-setup"]).arg(&program).env("LD_PRELOAD", &preload);
        assert_eq!(done.run().silent().stdout, "other: 2 1 262\n262\n", "{name}");
    }
}

#[test]
fn mptcpize_off_leaves_a_process_and_its_children_alone() {
    let program = cc::c("protocol", Build::Plain);
    let program = program.display();
    let twice = format!("{program}; sh -c {program}");
    let inside = format!("{program}; MPTCPIZE=off; export MPTCPIZE; {program}; sh -c {program}");
    let table = [
        ("not set", None, &twice, "262\n262\n"),
        ("set before the tool", Some("off"), &twice, "6\n6\n"),
        ("set to 0", Some("0"), &twice, "6\n6\n"),
        ("set to anything else", Some("on"), &twice, "262\n262\n"),
        ("set by the program for its children", None, &inside, "262\n6\n6\n"),
    ];
    for (name, value, script, expected) in table {
        let mut command = tool(&["run", "sh", "-c", script]);
        if let Some(value) = value {
            command = command.env("MPTCPIZE", value);
        }
        assert_eq!(command.run().silent().stdout, expected, "{name}");
    }
}

#[test]
fn sockets_that_are_not_tcp_keep_working() {
    // systemd's and many others' start: Unix and UDP sockets, name look-up.
    let script = "
import socket
a, b = socket.socketpair()
a.sendall(b'unix'); assert b.recv(10) == b'unix'
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); c.sendto(b'udp', s.getsockname())
assert s.recv(10) == b'udp'
print(s.getsockopt(socket.SOL_SOCKET, 38), socket.getaddrinfo('localhost', 80)[0][4][1])
";
    let namespace = Netns::new();
    for launch in Launch::BOTH {
        let command = launch.command("python3").args(["-c", script]).cwd(scratch("python"));
        assert_eq!(command.within(&namespace).run().silent().stdout, "17 80\n", "{launch:?}");
    }
}
