//! Which sockets stay TCP: each option of the policy with real sockets, over IPv4, IPv6 and both,
//! and what the kernel says that they are. Landlock, which the kernel keeps to TCP, counts for
//! sockets of ours too. The trace tells the causes.
//!
//! Not here: the text that carries the policy (the unit tests of shim/src/policy.rs and
//! launcher/model/src/socket_policy).

use std::path::{Path, PathBuf};

use crate::support::cc::{self, Build};
use crate::support::{Cmd, Launch, Netns, Outcome, Running, mounts, scratch, serve, tool};

fn goes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/policy/goes.py")
}

/// A namespace whose own addresses are not all on 127/8, with echo servers on two ports.
fn host() -> (Netns, [Running; 2]) {
    let namespace = Netns::new();
    namespace.ip("address add 192.0.2.1/24 dev lo");
    namespace.ip("address add 10.1.2.3/24 dev lo");
    namespace.ip("address add 2001:db8::1/64 dev lo nodad");
    let echo = |port: u16| {
        let listen = format!("TCP6-LISTEN:{port},ipv6only=0,reuseaddr,fork,backlog=64");
        let server = namespace.command("socat").args([listen.as_str(), "PIPE"]).quiet();
        serve::listening(&namespace, server, port)
    };
    let servers = [echo(8001), echo(8002)];
    (namespace, servers)
}

/// `goes.py` under `mptcpize run` with these options.
fn run(namespace: &Netns, options: &[&str], lines: &[&str]) -> Outcome {
    let command = tool(&["run"]).args(options).arg("python3").arg(goes()).args(lines);
    command.within(namespace).run()
}

#[test]
fn each_option_keeps_those_sockets_on_tcp_that_it_names() {
    const TCP: &str = "6";
    const MPTCP: &str = "262";
    type Rows = &'static [(&'static str, &'static str)];
    let table: [(&[&str], Rows); 11] = [
        (
            &[],
            &[
                ("connect 127.0.0.1 8001", MPTCP),
                ("connect ::1 8001", MPTCP),
                ("mapped 127.0.0.1 8001", MPTCP),
                ("listen 127.0.0.1 0", MPTCP),
                ("unbound AF_INET", MPTCP),
            ],
        ),
        (
            &["--loopback=tcp"],
            &[
                ("connect 127.0.0.1 8001", TCP),
                ("connect 127.9.8.7 8001", TCP),
                ("connect 0.0.0.0 8001", TCP),
                ("connect ::1 8001", TCP),
                ("connect :: 8001", TCP),
                ("mapped 127.0.0.1 8001", TCP),
                ("nonblocking 127.0.0.1 8001", TCP),
                ("fastopen 127.0.0.1 8001", TCP),
                ("sendmsg 127.0.0.1 8001", TCP),
                ("from 7001 127.0.0.1 8001", TCP),
                ("connect 192.0.2.1 8001", MPTCP),
                ("nonblocking 192.0.2.1 8001", MPTCP),
                ("fastopen 192.0.2.1 8001", MPTCP),
                ("mapped 192.0.2.1 8001", MPTCP),
                ("listen 127.0.0.1 0", TCP),
                ("listen ::1 7002", TCP),
                ("listen 192.0.2.1 0", MPTCP),
                ("listen 0.0.0.0 7003", MPTCP),
                ("unbound AF_INET6", MPTCP),
                ("shared 127.0.0.1 8001", MPTCP),
            ],
        ),
        (&["--loopback=mptcp"], &[("connect 127.0.0.1 8001", MPTCP)]),
        (
            &["--only-ports=8001,7000-7099"],
            &[
                ("connect 192.0.2.1 8001", MPTCP),
                ("connect 192.0.2.1 8002", TCP),
                ("connect 2001:db8::1 8002", TCP),
                ("mapped 192.0.2.1 8002", TCP),
                ("nonblocking 2001:db8::1 8002", TCP),
                ("sendmsg 192.0.2.1 8002", TCP),
                ("from 7011 192.0.2.1 8002", TCP),
                ("from 6999 192.0.2.1 8001", MPTCP),
                ("listen 192.0.2.1 7099", MPTCP),
                ("listen 192.0.2.1 7100", TCP),
                ("listen :: 7012", MPTCP),
                ("listen 192.0.2.1 0", TCP),
                ("unbound AF_INET", TCP),
            ],
        ),
        (
            &["--except-ports", "8002,7020-7029"],
            &[
                ("connect 192.0.2.1 8001", MPTCP),
                ("connect 192.0.2.1 8002", TCP),
                ("fastopen 2001:db8::1 8002", TCP),
                ("from 7020 192.0.2.1 8001", MPTCP),
                ("listen 192.0.2.1 7029", TCP),
                ("listen 192.0.2.1 7030", MPTCP),
                ("unbound AF_INET", MPTCP),
            ],
        ),
        // Ports that the kernel chooses lie in there.
        (
            &["--except-ports=32768-60999"],
            &[
                ("unbound AF_INET", TCP),
                ("unbound AF_INET6", TCP),
                ("listen 192.0.2.1 0", TCP),
                ("connect 192.0.2.1 8001", MPTCP),
            ],
        ),
        (
            &["--except-net=10.0.0.0/8,2001:db8::/32"],
            &[
                ("connect 10.1.2.3 8001", TCP),
                ("mapped 10.1.2.3 8001", TCP),
                ("nonblocking 10.1.2.3 8001", TCP),
                ("connect 2001:db8::1 8001", TCP),
                ("connect 192.0.2.1 8001", MPTCP),
                ("connect ::1 8001", MPTCP),
                ("listen 10.1.2.3 7040", MPTCP),
            ],
        ),
        (
            &["--client-only"],
            &[
                ("connect 192.0.2.1 8001", MPTCP),
                ("listen 192.0.2.1 7050", TCP),
                ("unbound AF_INET6", TCP),
            ],
        ),
        (
            &["--server-only"],
            &[
                ("connect 192.0.2.1 8001", TCP),
                ("fastopen ::1 8001", TCP),
                ("listen 192.0.2.1 7051", MPTCP),
                ("unbound AF_INET", MPTCP),
            ],
        ),
        (
            &["--tcp-programs=curl,python3"],
            &[("connect 192.0.2.1 8001", TCP), ("listen 192.0.2.1 7052", TCP)],
        ),
        (
            &["--tcp-programs=", "--client-only", "--except-ports=8002"],
            &[
                ("connect 192.0.2.1 8001", MPTCP),
                ("connect 192.0.2.1 8002", TCP),
                ("listen 192.0.2.1 7053", TCP),
            ],
        ),
    ];
    let (namespace, _servers) = host();
    for (options, rows) in table {
        let lines: Vec<&str> = rows.iter().map(|(line, _)| *line).collect();
        let done = run(&namespace, options, &lines).ok();
        let got: Vec<&str> = done.stdout.lines().collect();
        assert_eq!(got.len(), rows.len(), "{options:?}: {done}");
        for ((line, expected), got) in rows.iter().zip(got) {
            assert_eq!(got, *expected, "{options:?}: {line}");
        }
    }
}

#[test]
fn a_policy_reaches_what_the_program_starts_and_an_outer_run_sets_it() {
    let (namespace, _servers) = host();
    let shell = format!("exec python3 {} 'connect 127.0.0.1 8001'", goes().display());
    let inner = format!("{} run sh -c \"{shell}\"", tool::binary().display());
    let widened = format!("{} run --loopback=mptcp sh -c \"{shell}\"", tool::binary().display());
    for (script, expected) in [(&shell, "6\n"), (&inner, "6\n"), (&widened, "262\n")] {
        let command = tool(&["run", "--loopback=tcp", "sh", "-c", script]).within(&namespace);
        assert_eq!(command.run().silent().stdout, expected, "{script}");
    }
    let off = tool(&["run", "--loopback=tcp", "sh", "-c", &shell]).env("MPTCPIZE", "off");
    assert_eq!(off.within(&namespace).run().silent().stdout, "6\n");
    // By name where the program is started by another.
    let command = tool(&["run", "--tcp-programs=python3", "sh", "-c"]).within(&namespace);
    let named = command.arg(format!("python3 {} 'connect ::1 8001'; :", goes().display()));
    assert_eq!(named.run().silent().stdout, "6\n");
}

#[test]
fn the_library_ignores_what_is_no_policy_and_the_launcher_tells() {
    let (namespace, _servers) = host();
    let library = tool::shim();
    for (text, expected) in [("l070000ffff087f/", "6\n"), ("l070000ffff087f", "262\n")] {
        let command = Cmd::new("python3").arg(goes()).arg("connect 127.0.0.1 8001");
        let command = command.env("LD_PRELOAD", library).env("MPTCPIZE_POLICY", text);
        assert_eq!(command.within(&namespace).run().silent().stdout, expected, "{text}");
    }
    let done = tool(&["run", "true"]).env("MPTCPIZE_POLICY", "pbird,x/").run();
    let expected = "error: MPTCPIZE_POLICY is not a policy\n  why: \"x\", at character 7, is no rule\n  \
                    fix: unset MPTCPIZE_POLICY, and use the options of mptcpize run\n";
    done.says(2, expected);
}

#[test]
fn mistakes_are_told_with_what_is_wrong() {
    let ports: Vec<String> = (0..40).map(|port| (port * 2).to_string()).collect();
    let many = format!("--except-ports={}", ports.join(","));
    let table: [(&[&str], &str); 8] = [
        (&["--only-ports=80,8x0"], "\"8x0\" is no port"),
        (&["--only-ports=70000"], "\"70000\" is no port"),
        (&["--except-ports=99-90"], "99 is behind 90: 90-99?"),
        (&["--except-net=10.0.0.0/33"], "is not an address or a network"),
        (&["--tcp-programs=a/b"], "\"a/b\" is no name of a program"),
        (&["--client-only", "--server-only"], "cannot be used with"),
        (&["--loopback=udp"], "invalid value 'udp'"),
        (&[&many], "it comes to 44 rules and the library has room for 32"),
    ];
    for (options, expected) in table {
        let done = tool(&["run"]).args(options).arg("true").run();
        assert_eq!(done.code(), 2, "{options:?}: {done}");
        assert!(done.stderr.contains(expected), "{options:?}: {done}");
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn the_file_has_the_same_settings_and_options_win() {
    let script = "
        cover /etc
        run() { /mnt/mptcpize run \"$@\" --explain true | grep '^policy' || echo usual; }
        run
        printf '[sockets]\\nloopback = \"tcp\"\\nonly_ports = [443, \"8000-8099\"]\\n' >/etc/mptcpize.toml
        run
        run --loopback=mptcp
        run --only-ports=80
        printf 'role = \"client\"\\n[sockets]\\nonly_ports = [443, \"x\"]\\n' >/etc/mptcpize.toml
        /mnt/mptcpize run true || echo $?
    ";
    let done = mounts::private(script).run();
    let programs = "TCP in bird, bird6, bgpd, gobgpd";
    let expected = format!(
        "usual\npolicy   TCP over loopback; MPTCP for port 443, 8000-8099 alone; {programs}\n\
         policy   MPTCP for port 443, 8000-8099 alone; {programs}\n\
         policy   TCP over loopback; MPTCP for port 80 alone; {programs}\n2\n"
    );
    assert_eq!(done.stdout, expected, "{done}");
    assert!(done.stderr.contains("error: /etc/mptcpize.toml has a mistake"), "{done}");
    assert!(done.stderr.contains("line 3, column 14"), "{done}");
}

#[test]
fn a_listener_of_bgp_carries_md5_by_the_name_of_its_program() {
    let bgpd = cc::c("bgpd", Build::Plain);
    let other = scratch::copy(&bgpd, &scratch("names").join("peer"), 0o755);
    let native = Launch::Native.command(&bgpd).run().ok().stdout;
    assert_eq!(native, "6\nsigned\n");
    let done = Launch::Tool.command(&bgpd).run().ok();
    assert_eq!(done.stdout, native);
    let said = "mptcpize: BGPD runs over plain TCP: the policy has bgpd stay TCP, which carries what \
                MPTCP cannot (MD5 signatures)\n";
    assert_eq!(done.stderr, said.replace("BGPD", &bgpd.display().to_string()));
    // Started by another program, and without a launcher.
    let script = format!("{}; :", bgpd.display());
    assert_eq!(tool(&["run", "sh", "-c", &script]).run().silent().stdout, native);
    let preloaded = Cmd::new("env").arg(format!("LD_PRELOAD={}", tool::shim().display()));
    assert_eq!(preloaded.arg(&bgpd).run().silent().stdout, native);
    // Under another name it is MPTCP, which cannot; and a list of one's own counts alone.
    let without = "262\nno MD5: Protocol not available\n";
    assert_eq!(Launch::Tool.command(&other).run().stdout, without);
    let done = tool(&["run", "--tcp-programs=peer"]).arg(&other).run().ok();
    assert_eq!(done.stdout, native);
    let done = tool(&["run", "--tcp-programs=peer"]).arg(&bgpd).run();
    assert_eq!(done.stdout, without);
    let done = tool(&["run", "--strict"]).arg(&bgpd).run();
    assert_eq!((done.code(), done.stdout.as_str()), (5, ""), "{done}");
}

#[test]
fn a_way_that_cannot_keep_a_policy_says_so_or_refuses() {
    let program = cc::c("protocol", Build::Static);
    let rules = "--except-ports=22";
    let why = "a filter decides at socket(), before it is known where a socket goes";
    let done = tool(&["run", rules]).arg(&program).run().ok();
    let name = program.display();
    assert_eq!(done.stdout, "262\n");
    let said = format!("mptcpize: {name} runs over MPTCP whatever the policy says: {why}\n");
    assert_eq!(done.stderr, said);
    let done = tool(&["run", "--strict", rules]).arg(&program).run();
    assert_eq!(done.code(), 5);
    assert!(done.stderr.contains("the policy cannot be kept for"), "{done}");
    let done = tool(&["run", "--explain", "--strict", rules]).arg(&program).run();
    assert_eq!(done.code(), 5);
    assert!(done.stdout.contains("policy   TCP for port 22; TCP in bird"), "{done}");
    assert!(done.stdout.contains(&format!("not kept: {why}")), "{done}");
    // Names can be kept.
    let done = tool(&["run", "--tcp-programs=protocol"]).arg(&program).run().ok();
    assert_eq!(done.stdout, "6\n");
    let done = tool(&["run", "-v", "--no-setup", rules, "true"]).run().ok();
    let said = "mptcpize: policy: TCP for port 22; TCP in bird, bird6, bgpd, gobgpd\n";
    assert!(done.stderr.ends_with(said), "{done}");
    let done = tool(&["run", "--explain", "-j", rules, "true"]).run().silent();
    assert!(done.stdout.contains("\"policy\": \"TCP for port 22; TCP in"), "{done}");
}

/// What the trace says, without the name of the program.
fn told(done: &Outcome) -> Vec<String> {
    let lines = done.stderr.lines().filter(|line| !line.contains("] socket("));
    lines.map(|line| line.split_once("] ").map_or(line, |(_, rest)| rest).to_owned()).collect()
}

#[test]
fn the_trace_tells_each_cause_and_counts_at_the_end() {
    let (namespace, _servers) = host();
    let table: [(&str, &str, &[&str]); 6] = [
        ("--loopback=tcp", "connect 127.0.0.1 8001", &["connect(3): TCP by policy (loopback)"]),
        ("--only-ports=1", "connect 192.0.2.1 8001", &["connect(3): TCP by policy (its port)"]),
        ("--except-ports=8001", "connect ::1 8001", &["connect(3): TCP by policy (its port)"]),
        ("--except-net=::1", "connect ::1 8001", &["connect(3): TCP by policy (its network)"]),
        ("--server-only", "connect ::1 8001", &["connect(3): TCP by policy (server only)"]),
        ("--client-only", "listen ::1 7060", &["listen(3): TCP by policy (client only)"]),
    ];
    for (option, line, causes) in table {
        let done = run(&namespace, &["-d", option], &[line]).ok();
        let mut expected: Vec<String> =
            causes.iter().map(|cause| format!("{cause}; the socket is TCP now")).collect();
        expected.push("at exit: 1 became TCP, 0 hints, 0 stayed MPTCP, 0 clamps".to_owned());
        assert_eq!(told(&done), expected, "{option}");
    }
    let done = run(&namespace, &["-d", "--loopback=tcp"], &["shared 127.0.0.1 8001"]).ok();
    let expected = [
        "connect(3): TCP by policy (loopback); the socket stays MPTCP: it has other descriptors \
         (dup, fork)",
        "at exit: 0 became TCP, 0 hints, 1 stayed MPTCP, 0 clamps",
    ];
    assert_eq!(told(&done), expected);
    let script = format!("python3 {} 'connect ::1 8001'; :", goes().display());
    let done = tool(&["run", "-d", "--tcp-programs=python3", "sh", "-c", &script]);
    let done = done.within(&namespace).run().ok();
    assert_eq!(told(&done), ["stays TCP, by policy (its name)"]);
}

#[test]
fn children_count_for_themselves_and_nothing_is_counted_where_nothing_was() {
    let program = "import os, socket as s\n\
        def become(): s.socket().setsockopt(6, 18, 5)\n\
        become(); s.socket().setsockopt(6, 12, 1)\n\
        if os.fork() == 0: become(); become(); become(); raise SystemExit\n\
        os.wait()\n\
        if os.fork() == 0: raise SystemExit\n\
        os.wait()";
    let done = tool(&["run", "-d", "python3", "-c", program]).run().ok();
    let counts: Vec<String> =
        told(&done).into_iter().filter(|line| line.starts_with("at exit")).collect();
    let expected = [
        "at exit: 3 became TCP, 0 hints, 0 stayed MPTCP, 0 clamps",
        "at exit: 1 became TCP, 1 hints, 0 stayed MPTCP, 0 clamps",
    ];
    assert_eq!(counts, expected, "{done}");
}
