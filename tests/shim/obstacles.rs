//! Programs that would not have the library's hooks, or not live with them, for what they are built
//! with or started by: real ones, natively and under the tool.
//!
//! Not here: the kinds of binaries (run/any.rs, run/reach.rs).

use crate::support::cc::{self, Build};
use crate::support::kernel::accepted;
use crate::support::overlay::{copy, shown};
use crate::support::serve::{self, content};
use crate::support::{Cmd, Launch, Netns, tool};

const PORT: u16 = 8080;

#[test]
fn programs_with_address_sanitizer_run_and_are_still_watched() {
    for build in [Build::Sanitized, Build::Sanitized32] {
        let program = cc::c("protocol", build);
        let native = Cmd::new(&program).arg("7").run();
        assert_eq!(native.says(7, "").stdout, "6\n", "{build:?}");
        let done = tool(&["run", "--strict"]).arg(&program).arg("7").run();
        assert_eq!(done.says(7, "").stdout, "262\n", "{build:?}");
        let overflow = cc::c("overflow", build);
        for launch in Launch::BOTH {
            let done = launch.command(&overflow).run();
            assert_eq!(done.code(), 1, "{done}");
            assert!(done.stderr.contains("heap-buffer-overflow"), "{launch:?}: {done}");
        }
    }
}

#[test]
fn what_a_shell_starts_may_have_address_sanitizer_too() {
    let program = cc::c("protocol", Build::Sanitized);
    let done = tool(&["run", "sh", "-c", "\"$0\"; env ASAN_OPTIONS=verbosity=0 \"$0\""]);
    assert_eq!(done.arg(&program).run().silent().stdout, "262\n262\n");
    // Asked for, the look is made.
    let asked = "verify_asan_link_order=1";
    let done = tool(&["run"]).arg(&program).env("ASAN_OPTIONS", asked).run();
    assert!(done.stderr.contains("ASan runtime does not come first"), "{done}");
}

/// Clients that lose the library, each a script for `sh`; `$0` is the address.
const PAST: [(&str, &str); 4] = [
    ("a cleaned environment", "env -i /usr/bin/curl -sS -o /dev/null \"$0\""),
    // PHP loads what is not built in with RTLD_DEEPBIND: its libc comes before any preload.
    ("PHP with curl", "php -r '$c = curl_init($argv[1]); exit(curl_exec($c) ? 0 : 1);' \"$0\""),
    (
        "a sandbox with a file system of its own",
        "bwrap --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc \
         --dev /dev /usr/bin/curl -sS -o /dev/null \"$0\"",
    ),
    ("a program without a loader", "\"$1\" \"${0#*://}\""),
];

#[test]
fn what_loses_the_library_is_followed_by_a_filter() {
    let (directory, _) = content(100);
    let fetch = cc::c("fetch", Build::Static);
    for (name, script) in PAST {
        let namespace = Netns::new();
        let _server = serve::python(&namespace, Launch::Tool, &directory, PORT);
        let run = |options: &[&str]| {
            let command = tool(options).args(["sh", "-c", script, "http://127.0.0.1:8080/file"]);
            command.arg(&fetch).within(&namespace).run().ok()
        };
        run(&["run"]);
        assert_eq!(accepted(&namespace), 0, "{name}: past the library");
        run(&["run", "--strict", "--follow"]);
        assert_eq!(accepted(&namespace), 1, "{name}");
    }
    let said = tool(&["run", "--explain", "sh"]).run().silent().stdout;
    for word in ["env -i", "bwrap", "torsocks", "RTLD_DEEPBIND", "--follow"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn what_the_library_makes_tcp_stays_so_before_the_filter() {
    // TCP_USER_TIMEOUT, which MPTCP does not have; SO_PROTOCOL.
    let python = "import socket; s = socket.socket(); s.setsockopt(6, 18, 5000); \
                  print(s.getsockopt(1, 38), s.getsockopt(6, 18))";
    let binary = crate::support::tool::binary().display().to_string();
    for options in [
        &["run", "--follow"][..],
        &["run", "--via", "seccomp", &binary, "run", "--via", "preload"],
        &["run", "--via", "seccomp", &binary, "run", "--follow"],
    ] {
        let done = tool(options).args(["python3", "-c", python]).run().silent();
        assert_eq!(done.stdout, "6 5000\n", "{options:?}");
    }
}

#[test]
fn what_cannot_be_followed_is_said_and_refused_by_strict() {
    let program = cc::c("protocol", Build::Plain);
    let run = |options: &[&str]| {
        let command = Cmd::new(cc::c("forbid", Build::Plain)).arg("1");
        command.arg(crate::support::tool::binary()).args(options).arg(&program).arg("7").run()
    };
    let name = program.display();
    let why = "a seccomp filter cannot be installed: operation not permitted";
    let line = format!("mptcpize: {name} is not followed: {why}\n");
    assert_eq!(run(&["run", "--follow"]).says(7, &line).stdout, "262\n");
    let refusal =
        format!("error: {name} cannot be followed\n  why: {why}\n  fix: run it without --follow\n");
    assert_eq!(run(&["run", "--follow", "--strict"]).says(5, &refusal).stdout, "");
    let done = run(&["run", "--follow", "--strict", "--explain"]);
    assert!(done.code() == 5 && done.stdout.contains("\nfollow   no: a seccomp filter"), "{done}");
}

#[test]
fn a_sandbox_that_shows_usr_has_a_library_of_the_package() {
    let program = shown(&cc::c("protocol", Build::Plain));
    let script = format!(
        r#"
        sandboxed() {{
            "$@" bwrap --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
                --ro-bind {program} {program} {program}
        }}
        sandboxed mptcpize run 2>/tmp/said
        grep -c 'ERROR: ld.so: object' /tmp/said
        install -D "$(mptcpize run printenv LD_PRELOAD)" \
            /usr/lib/x86_64-linux-gnu/mptcpize/libmptcpize.so
        sandboxed mptcpize run
        "#
    );
    assert_eq!(copy(&script).run().silent().stdout, "6\n1\n262\n");
}

/// A SOCKS 5 server that answers what is behind it itself: 200 and nothing more.
const SOCKS: &str = "
import socket
server = socket.create_server(('127.0.0.1', 9050))
while True:
    one = server.accept()[0]
    methods = one.recv(1000)
    one.sendall(b'\\5\\0' if 0 in methods[2:] else b'\\5\\2')
    if 0 not in methods[2:]:
        one.recv(1000)
        one.sendall(b'\\1\\0')
    one.recv(1000)
    one.sendall(b'\\5\\0\\0\\1' + bytes(6))
    one.recv(1000)
    one.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n')
    one.close()
";

#[test]
fn torsocks_is_taken_along_from_both_sides() {
    let namespace = Netns::new();
    let server = Launch::Tool.command("python3").args(["-c", SOCKS]).within(&namespace);
    let _server = serve::listening(&namespace, server, 9050);
    let binary = crate::support::tool::binary().display().to_string();
    let curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://192.0.2.1/"];
    for before in
        [&["torsocks", &binary, "run", "--strict"][..], &[&binary, "run", "--follow", "torsocks"]]
    {
        let earlier = accepted(&namespace);
        let command = Cmd::new(before[0]).args(&before[1..]).args(curl).within(&namespace);
        assert_eq!(command.run().silent().stdout, "200", "{before:?}");
        assert_eq!(accepted(&namespace), earlier + 1, "{before:?}");
    }
}
