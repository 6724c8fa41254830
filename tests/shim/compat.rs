//! What a socket keeps when it becomes TCP, when it must not become TCP, and real programs that set
//! what MPTCP refuses, natively and under the tool.
//!
//! Not here: every option and behaviour (compat_table.rs), CPython's own tests (compat_cpython.rs),
//! the laws of the library's file (laws.rs).

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Cmd, Launch, Netns, kernel, serve};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compat").join(name)
}

/// A Python program of tests/compat, run this way.
fn python(launch: Launch, namespace: &Netns, name: &str) -> Cmd {
    launch.command("python3").arg(file(name)).within(namespace)
}

#[test]
fn a_socket_that_becomes_tcp_keeps_what_was_done_to_it() {
    let native = python(Launch::Native, &Netns::new(), "replay.py").run().silent().stdout;
    let ours = python(Launch::Tool, &Netns::new(), "replay.py").run().silent().stdout;
    assert!(native.lines().count() > 40, "{native}");
    assert_eq!(native, ours);
}

#[test]
fn a_socket_that_became_tcp_is_inherited_or_closed_as_it_was_to_be() {
    let native = python(Launch::Native, &Netns::new(), "exec.py").run().silent().stdout;
    let ours = python(Launch::Tool, &Netns::new(), "exec.py").run().silent().stdout;
    assert_eq!(native.lines().count(), 5, "{native}");
    assert_eq!(native, ours);
}

#[test]
fn a_socket_that_others_share_or_that_has_a_past_stays_as_it_is() {
    let done = python(Launch::Tool, &Netns::new(), "stays.py").run().silent();
    let expected = "dup: ENOPROTOOPT 262\ndup2: ENOPROTOOPT 262\nfork, parent: ENOPROTOOPT 262\n\
        fork, child: ENOPROTOOPT 262\nSCM_RIGHTS: ENOPROTOOPT 262\nfailed connect: ENOPROTOOPT 262\n\
        two epolls: ENOPROTOOPT 262\nunprivileged address: ENOPROTOOPT 262\n\
        after a fork, a new one: ok 6\nclone, inherited: ENOPROTOOPT 262\n\
        clone, a new one: ok 6\nclone, inherited still: ENOPROTOOPT 262\n";
    assert_eq!(done.stdout, expected);
}

#[test]
fn an_option_that_is_set_to_what_it_is_leaves_a_socket_mptcp() {
    // A socket on a connection cannot say of these what they are; and a listener of TCP takes no
    // value at all for two, also not the one that changes nothing.
    let about_the_connection =
        ["IP_OPTIONS", "TCP_WINDOW_CLAMP", "TCP_REPAIR", "IPV6_2292PKTOPTIONS", "IPV6_MTU"];
    let of_a_listener = ["TCP_WINDOW_CLAMP", "TCP_REPAIR"];
    // TCP has no key to read and none to set: a refusal, of which Linux 6.1 has the other errno.
    let refused = "TCP_FASTOPEN_KEY";
    let [native, ours] = Launch::BOTH.map(|launch| {
        let options = fs::read_to_string(file("pairs.txt")).expect("the list is in the tree");
        let program = python(launch, &Netns::new(), "unchanged.py").input(options);
        program.run().silent().stdout
    });
    let mut same = 0;
    for (native, ours) in native.lines().zip(ours.lines()) {
        let fields = |line: &str| -> Vec<String> { line.split('\t').map(str::to_owned).collect() };
        let (native, ours) = (fields(native), fields(ours));
        let (state, option) = (native[0].as_str(), native[1].as_str());
        let excused = match state {
            "listening" => of_a_listener.contains(&option),
            "connected" | "accepted" => {
                about_the_connection.contains(&option)
                    || (option == refused && ours[2].starts_with("ENOPROTOOPT"))
            }
            _ => false,
        };
        assert!(native[..3] == ours[..3] || excused, "{native:?}, ours {ours:?}");
        assert_eq!(ours[3], "262", "{ours:?}");
        same += usize::from(native[2] == "ok, the same");
    }
    assert!(same > 300, "{native}");
}

#[test]
fn the_class_of_ipv6_packets_is_remembered_and_costs_no_socket_its_mptcp() {
    let [native, ours] =
        Launch::BOTH.map(|launch| python(launch, &Netns::new(), "class.py").run().silent().stdout);
    assert!(native.lines().count() > 15, "{native}");
    assert_eq!(native, ours);
}

#[test]
fn a_program_sees_the_end_of_a_stream_and_itself_as_on_tcp() {
    let native = python(Launch::Native, &Netns::new(), "inq.py").run().silent().stdout;
    let ours = python(Launch::Tool, &Netns::new(), "inq.py").run().silent().stdout;
    assert!(!native.is_empty());
    assert_eq!(native, ours);
}

#[test]
fn a_receive_buffer_reads_as_on_tcp_and_stalls_nobody() {
    let native = python(Launch::Native, &Netns::new(), "buffer.py").run().silent().stdout;
    let ours = python(Launch::Tool, &Netns::new(), "buffer.py").run().silent().stdout;
    assert!(native.lines().count() > 20, "{native}");
    assert_eq!(native, ours);
    // And what is behind it: TCP, or MPTCP with room.
    let done = python(Launch::Tool, &Netns::new(), "buffer.py").arg("protocols").run().silent();
    assert_eq!(done.stdout, "before 6\nlistening 262\nconnected 262\nlarge 262\n");
}

#[test]
fn threads_that_set_options_at_once_lose_none() {
    let program = crate::support::cc::c("race", crate::support::cc::Build::Plain);
    for launch in Launch::BOTH {
        let done = launch.command(&program).arg("20000").run().silent();
        assert_eq!(done.stdout, "0 lost\n", "{launch:?}");
    }
}

#[test]
fn what_another_thread_does_to_a_socket_that_becomes_tcp_is_not_lost() {
    let program = crate::support::cc::c("meanwhile", crate::support::cc::Build::Plain);
    for (what, rounds) in [("bind", "2000"), ("connect", "1000"), ("fork", "500")] {
        for launch in Launch::BOTH {
            let done = launch.command(&program).args([what, rounds]).within(&Netns::new()).run();
            assert_eq!(done.silent().stdout, "0 lost\n", "{launch:?} {what}");
        }
    }
}

/// As on a machine that takes the processor away at the worst moment: strace holds one thread there.
#[test]
fn nothing_is_lost_however_long_a_thread_is_stopped_while_it_makes_a_socket_tcp() {
    let program = crate::support::cc::c("meanwhile", crate::support::cc::Build::Plain);
    for (what, when, held) in [
        ("bind", "late", "inject=dup3:delay_enter=100000"),
        ("connect", "late", "inject=dup3:delay_enter=100000"),
        ("fork", "late", "inject=dup3:delay_enter=100000"),
        ("bind", "early", "inject=bind:delay_exit=100000"),
    ] {
        let strace = Cmd::new("strace").args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"]);
        let tool = strace
            .args(["-e", "trace=dup3,bind", "-e", held])
            .arg(crate::support::tool::binary())
            .arg("run")
            .arg(&program);
        let done = tool.args([what, "2", when]).within(&Netns::new()).run().silent();
        assert_eq!(done.stdout, "0 lost\n", "{what} {when}");
    }
}

#[test]
fn the_trace_tells_what_became_of_an_option_and_why() {
    let namespace = Netns::new();
    let program = "import socket as s\n\
        a = s.socket(); a.setsockopt(6, 18, 5)\n\
        b = s.socket(); b.setsockopt(6, 12, 1)\n\
        c = s.socket(); d = c.dup()\n\
        try: c.setsockopt(6, 18, 5)\n\
        except OSError: pass\n\
        e = s.socket(); e.setsockopt(1, 8, 300000)\n\
        f = s.socket(); f.setsockopt(1, 8, 65536)\n";
    let command = crate::support::tool(&["run", "-d", "python3", "-c", program]).within(&namespace);
    let done = command.run().ok();
    let lines: Vec<&str> = done
        .stderr
        .lines()
        .filter_map(|line| line.split_once("] setsockopt").map(|(_, rest)| rest))
        .collect();
    let expected = [
        "(3, IPPROTO_TCP, 18): MPTCP refused: ENOPROTOOPT; the socket is TCP now",
        "(4, IPPROTO_TCP, 12): MPTCP refused: ENOPROTOOPT; answered as TCP would, it changes \
         nothing",
        "(5, IPPROTO_TCP, 18): MPTCP refused: ENOPROTOOPT; the socket stays MPTCP: it has other \
         descriptors (dup, fork)",
        "(7, SOL_SOCKET, 8): too small for MPTCP; MPTCP, with a larger one",
        "(8, SOL_SOCKET, 8): too small for MPTCP; the socket is TCP now",
    ];
    assert_eq!(lines, expected, "{done}");
}

#[test]
fn socat_with_options_that_mptcp_refuses_runs() {
    for launch in Launch::BOTH {
        let namespace = Netns::new();
        let listen = "TCP-LISTEN:8080,bind=127.0.0.1,linger2=5,reuseaddr";
        let server = launch.command("socat").args(["-u", listen, "-"]).within(&namespace);
        let server = serve::listening(&namespace, server, 8080);
        let connect = "TCP:127.0.0.1:8080,linger2=5,syncnt=3,ttl=9";
        let client = launch.command("socat").args(["-u", "-", connect]).within(&namespace);
        client.input("through\n").run().silent();
        assert_eq!(server.finish().silent().stdout, "through\n", "{launch:?}");
    }
}

#[test]
fn a_program_with_every_descriptor_that_it_may_have_sees_what_it_would_on_tcp() {
    let [native, ours] =
        Launch::BOTH.map(|launch| python(launch, &Netns::new(), "full.py").run().ok());
    assert!(native.stdout.lines().count() > 40, "{native}");
    assert_eq!(native.stdout, ours.stdout);
    // But for one: there is no number for the TCP socket that would have to take the place.
    assert_eq!((native.stderr.as_str(), ours.stderr.as_str()), ("None\n", "ENOPROTOOPT\n"));
}

#[test]
fn a_connection_that_was_redirected_tells_where_it_was_to_go() {
    let namespace = Netns::new();
    namespace.ip("address add 10.9.9.9/32 dev lo");
    namespace.ip("address add fd00::9/128 dev lo nodad");
    let rules = "table inet redirecting { chain output { type nat hook output priority -100; \
        tcp dport 80 redirect to :9000\n}\n}\n";
    namespace.command("nft").args(["-f", "-"]).input(rules).run().silent();
    let native = python(Launch::Native, &namespace, "original.py").run().silent().stdout;
    assert_eq!(native.matches("('10.9.9.9', 80, 16)").count(), 2, "{native}");
    assert_eq!(native.matches("('fd00::9', 80, 28)").count(), 1, "{native}");
    let ours = python(Launch::Tool, &namespace, "original.py").run().silent().stdout;
    assert_eq!(native, ours);
    // Nobody but who administers the network is told so; a proxy has listeners of TCP instead.
    let relay = Cmd::new(crate::support::tool::public_binary()).args([
        "run",
        "--client-only",
        "python3",
        "-",
    ]);
    let program = fs::read_to_string(file("original.py")).expect("it is in the tree");
    let relay = relay.by_nobody().within(&namespace).input(program);
    let said = relay.run().silent().stdout;
    let servers = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.contains("client")).map(str::to_owned).collect()
    };
    assert_eq!(servers(&said), servers(&native));
}

#[test]
fn asyncio_sets_nodelay_on_every_transport_as_on_tcp() {
    let [native, ours] =
        Launch::BOTH.map(|launch| python(launch, &Netns::new(), "nodelay.py").run().ok());
    assert_eq!(native.stdout.matches(" 6 1\n").count(), 11, "{native}");
    assert_eq!(native.stdout, ours.stdout);
    assert_eq!((native.stderr.as_str(), ours.stderr.as_str()), ("alone 6\n", "alone 262\n"));
}

#[test]
fn ssh_over_ipv6_is_mptcp_at_both_ends_and_sshd_has_nothing_to_complain_of() {
    let namespace = Netns::new();
    let home = crate::support::scratch("sshd");
    let key = home.join("key");
    Cmd::line("ssh-keygen -q -t ed25519 -N").arg("").arg("-f").arg(&key).run().silent();
    let key = key.display();
    let configuration = format!(
        "ListenAddress [::1]:2222\nHostKey {key}\nAuthorizedKeysFile {key}.pub\nStrictModes no\n\
         UsePAM no\nPidFile none\nPermitRootLogin yes\nIPQoS af21 cs1\n"
    );
    let file = crate::support::scratch::file(&home.join("sshd.conf"), configuration, 0o600);
    // It wants an empty directory of this name, and to be called by its whole path.
    let server = Cmd::new("sh").args(["-c", "mkdir -p /run/sshd; exec \"$0\" \"$@\""]);
    let server =
        server.arg(crate::support::tool::binary()).args(["run", "/usr/sbin/sshd", "-D", "-e"]);
    let server = server.arg("-f").arg(file).within(&namespace);
    let server = serve::listening(&namespace, server, 2222);
    let options = "-6 -F none -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o IPQoS=af21 -o LogLevel=ERROR -i";
    let client = Launch::Tool.command("ssh").args(options.split_whitespace()).arg(key.to_string());
    let client = client.args(["root@::1", "echo", "through"]).within(&namespace);
    assert_eq!(client.run().silent().stdout, "through\n");
    assert_eq!(kernel::accepted(&namespace), 1);
    let said = server.stop().stderr;
    assert!(said.contains("Accepted publickey for root"), "{said}");
    assert!(!said.contains("setsockopt"), "{said}");
}

/// Before a login sshd is in a sandbox that kills for every call that it does not know, and with `-d`
/// it ends with its first connection.
#[test]
fn sshd_says_who_reset_a_connection_before_the_login() {
    let client = "import socket, struct\n\
        s = socket.create_connection(('127.0.0.1', 2222))\n\
        s.recv(100)\n\
        s.sendall(b'SSH-2.0-OpenSSH_9\\r\\n')\n\
        assert s.recv(5)\n\
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n\
        s.close()";
    let home = crate::support::scratch("sshd");
    let key = home.join("key");
    Cmd::line("ssh-keygen -q -t ed25519 -N").arg("").arg("-f").arg(&key).run().silent();
    let configuration = format!(
        "ListenAddress 127.0.0.1:2222\nHostKey {}\nUsePAM no\nPidFile none\n",
        key.display()
    );
    let file = crate::support::scratch::file(&home.join("sshd.conf"), configuration, 0o600);
    for launch in Launch::BOTH {
        let namespace = Netns::new();
        Cmd::line("mkdir -p /run/sshd").run().silent();
        let server = launch.command("/usr/sbin/sshd").args(["-d", "-e", "-f"]).arg(&file);
        let server = serve::listening(&namespace, server.within(&namespace), 2222);
        Cmd::new("python3").args(["-c", client]).within(&namespace).run().silent();
        let said = server.finish().stderr;
        assert!(said.contains("Connection reset by 127.0.0.1 port"), "{launch:?}: {said}");
    }
}

/// vsftpd for a directory, with the sandboxes that it makes for itself.
fn vsftpd(namespace: &Netns, launch: Launch, directory: &Path) -> crate::support::Running {
    let home = crate::support::scratch("vsftpd");
    let empty = home.join("empty");
    fs::create_dir(&empty).expect("the scratch directory is ours");
    let configuration = format!(
        "listen=YES\nlisten_port=2121\nbackground=NO\nanonymous_enable=YES\nno_anon_password=YES\n\
         anon_root={}\nsecure_chroot_dir={}\nxferlog_enable=NO\n",
        directory.display(),
        empty.display(),
    );
    let file = crate::support::scratch::file(&home.join("vsftpd.conf"), configuration, 0o644);
    serve::listening(namespace, launch.command("vsftpd").arg(file).within(namespace).quiet(), 2121)
}

#[test]
fn vsftpd_serves_curl_lftp_and_pythons_ftplib() {
    let (directory, bytes) = serve::content(200_000);
    for launch in Launch::BOTH {
        let namespace = Netns::new();
        let _server = vsftpd(&namespace, launch, &directory);
        let out = crate::support::scratch("fetched").join("file");
        for mode in [&["--ftp-pasv"][..], &["--ftp-port", "-"]] {
            let client =
                launch.command("curl").args(["-sS", "-m", "20"]).args(mode).arg("-o").arg(&out);
            client.arg("ftp://127.0.0.1:2121/file").within(&namespace).run().silent();
            assert!(fs::read(&out).expect("curl wrote it") == bytes, "{launch:?} {mode:?}");
            fs::remove_file(&out).expect("it was there");
        }
        for passive in ["yes", "no"] {
            let script = format!(
                "set net:timeout 20; set net:max-retries 1; set ftp:passive-mode {passive}; \
                 open -p 2121 127.0.0.1; get file -o {}; bye",
                out.display(),
            );
            launch
                .command("lftp")
                .args(["--norc", "-c", &script])
                .within(&namespace)
                .run()
                .silent();
            assert!(fs::read(&out).expect("lftp wrote it") == bytes, "{launch:?} {passive}");
            fs::remove_file(&out).expect("it was there");
        }
        let program = "import ftplib, hashlib\n\
            f = ftplib.FTP(); f.connect('127.0.0.1', 2121, timeout=20); f.login()\n\
            got = bytearray(); f.retrbinary('RETR file', got.extend); f.quit(); print(len(got))";
        let client = launch.command("python3").args(["-c", program]).within(&namespace);
        assert_eq!(client.run().silent().stdout, "200000\n", "{launch:?}");
    }
}

#[test]
fn haproxy_serves_mptcp_as_it_is_configured_mostly() {
    // It sets TCP_USER_TIMEOUT on every listener, to 0 where nothing is configured.
    let namespace = Netns::new();
    let configuration = "defaults\n mode http\n timeout connect 9s\n timeout client 9s\n \
         timeout server 9s\nfrontend f\n bind 127.0.0.1:8080\n \
         http-request return status 200 content-type text/plain string through\n";
    let file = crate::support::scratch("haproxy").join("haproxy.cfg");
    let file = crate::support::scratch::file(&file, configuration, 0o644);
    let proxy = Launch::Tool.command("haproxy").arg("-db").arg("-f").arg(file).within(&namespace);
    let _proxy = serve::listening(&namespace, proxy.quiet(), 8080);
    let client = Launch::Tool.command("curl").args(["-sS", "-m", "20", "http://127.0.0.1:8080/"]);
    assert_eq!(client.within(&namespace).run().silent().stdout, "through");
    assert_eq!(kernel::accepted(&namespace), 1);
}

#[test]
fn haproxy_serves_with_time_limits_that_mptcp_refuses_and_keeps_them() {
    let (directory, bytes) = serve::content(100_000);
    for launch in Launch::BOTH {
        let namespace = Netns::new();
        let _server = serve::python(&namespace, launch, &directory, 8081);
        let home = crate::support::scratch("haproxy");
        let configuration = "defaults\n mode http\n timeout connect 9s\n timeout client 9s\n \
             timeout server 9s\nfrontend f\n bind 127.0.0.1:8080 tcp-ut 30s\n default_backend b\n\
             frontend asked\n bind 127.0.0.1:8082 tcp-ut 25s\n timeout client 1h\n \
             default_backend b\n\
             frontend short\n bind 127.0.0.1:8083 tcp-ut 35s\n timeout client 500\n \
             default_backend b\nbackend b\n server s 127.0.0.1:8081 tcp-ut 20s\n";
        let file = crate::support::scratch::file(&home.join("haproxy.cfg"), configuration, 0o644);
        let proxy = launch.command("haproxy").arg("-db").arg("-f").arg(file).within(&namespace);
        let proxy = serve::listening(&namespace, proxy.quiet(), 8080);
        let out = home.join("out");
        let client = Cmd::new("curl").args(["-sS", "-m", "20", "-o"]).arg(&out);
        client.arg("http://127.0.0.1:8080/file").within(&namespace).run().silent();
        assert!(fs::read(&out).expect("curl wrote it") == bytes, "{launch:?}");
        // A connection has its listener's limit; the process closes one that stays silent.
        let (pid, limits) = (proxy.pid().to_string(), self::file("limits.py"));
        let asked = Cmd::new("python3").arg(limits).args([&pid, "8082", "8083"]);
        let asked = asked.args(["25000", "25000", "30000", "35000"]).within(&namespace);
        let said = asked.run().silent().stdout;
        assert_eq!(said, "[25000, 25000, 30000, 35000]\nclosed b''\n", "{launch:?}");
    }
}

#[test]
fn bind9_listens_with_mptcp_for_both_families() {
    // It sets IPV6_MTU on listeners of IPv6, which TCP takes and has no use for, and TCP_MAXSEG, which
    // MPTCP takes from Linux 6.18 on.
    let namespace = Netns::new();
    let home = crate::support::scratch("bind9");
    let configuration = format!(
        "options {{ directory \"{0}\"; pid-file \"{0}/pid\"; session-keyfile \"{0}/key\";\n \
         listen-on port 5353 {{ 127.0.0.1; }}; listen-on-v6 port 5353 {{ ::1; }}; recursion no; }};\n\
         controls {{ }};\n",
        home.display()
    );
    let file = crate::support::scratch::file(&home.join("named.conf"), configuration, 0o644);
    let named = Launch::Tool.command("/usr/sbin/named").args(["-g", "-n", "1", "-c"]).arg(file);
    let _named = named.within(&namespace).quiet().start();
    crate::support::wait::until("listeners of both families", || {
        kernel::ss(&namespace, "-lt").matches(":5353").count() >= 2
    });
    let mptcp = kernel::ss(&namespace, "-lM").matches(":5353").count();
    assert_eq!(mptcp, if kernel::is_at_least(6, 18) { 2 } else { 0 });
}
