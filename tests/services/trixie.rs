//! What wants a newer system than Debian 12: sockets that systemd 257 makes, and podman.
//!
//! In a machine whose root is an image of Debian 13 (`MPTCPIZE_MACHINE`); scripts/trixie makes it and
//! runs this. Not here: units on this host's own systemd (enabled.rs).

use crate::support::Cmd;
use crate::support::systemd::machine;

/// A service that takes its socket from systemd and tells each client what the connection is, as the
/// server's kernel has it (`TCP_IS_MPTCP`, option 43).
const SERVER: &str = "
import socket
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept()
    connection.send(b'MPTCP' if connection.getsockopt(6, 43) else b'TCP')
    connection.close()
";

/// What that service tells a client that asks for MPTCP.
const CLIENT: &str = "
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
client.settimeout(30)
client.connect(('127.0.0.1', 9050))
print(client.recv(10).decode())
";

#[test]
fn a_socket_that_systemd_opens_is_mptcp_while_it_is_enabled() {
    let machine = machine();
    let version = machine.sh("systemctl --version | awk 'NR == 1 { print $2 }'").ok().stdout;
    assert!(version.trim().parse::<u32>().is_ok_and(|version| version >= 257), "{version}");
    machine.write("/opt/server.py", SERVER);
    machine.write("/opt/client.py", CLIENT);
    machine.write("/etc/systemd/system/tell.socket", "[Socket]\nListenStream=9050\n");
    machine.write(
        "/etc/systemd/system/tell.service",
        "[Service]\nExecStart=/usr/bin/python3 /opt/server.py\n",
    );
    machine.sh("systemctl daemon-reload; systemctl start tell.socket").ok();
    let before = machine.state();
    let told = || machine.sh("python3 /opt/client.py").ok().stdout;
    assert_eq!((machine.speaks(9050).as_str(), told().as_str()), ("TCP", "TCP\n"), "before");

    let outcome = machine.tool("enable --now tell.socket").ok();
    assert!(outcome.stdout.contains("+ tell.socket "), "{outcome}");
    let dropin = "/etc/systemd/system/tell.socket.d/50-mptcpize.conf";
    let text = machine.sh(&format!("cat {dropin}")).ok().stdout;
    assert!(text.contains("\n[Socket]\n") && text.contains("\nSocketProtocol=mptcp\n"), "{text}");
    assert_eq!(machine.property("tell.socket", "SocketProtocol"), "262");
    assert_eq!((machine.speaks(9050).as_str(), told().as_str()), ("MPTCP", "MPTCP\n"), "on");
    // A client without MPTCP is served as before.
    let plain = machine.sh("sed 's/, 262)/)/' /opt/client.py | python3 -").ok().stdout;
    assert_eq!(plain, "TCP\n", "a client without MPTCP");
    let row = machine.listed("", "tell.socket").unwrap_or_default();
    assert_eq!(row, "socket active yes 1 MPTCP, 0 TCP");

    machine.tool("disable --now tell.socket").ok();
    assert_eq!((machine.speaks(9050).as_str(), told().as_str()), ("TCP", "TCP\n"), "after");
    machine.assert_is(&before);
    machine.sh("systemctl stop tell.socket tell.service; rm /etc/systemd/system/tell.*").ok();
}

#[test]
fn only_sockets_of_ip_are_touched_whatever_a_unit_opens_beside_them() {
    let machine = machine();
    let table = [
        ("with-udp", "ListenStream=9061\nListenDatagram=9061", ""),
        (
            "with-fifo",
            "ListenStream=9062\nListenFIFO=/run/with-fifo\nListenNetlink=kobject-uevent 1",
            "",
        ),
        (
            "with-dgram",
            "ListenStream=[::]:9063\nBindIPv6Only=ipv6-only\nListenDatagram=/run/with-dgram",
            "",
        ),
        ("for-each", "ListenStream=127.0.0.1:9064\nAccept=yes", ""),
        (
            "with-unix",
            "ListenStream=9065\nListenStream=/run/with-unix",
            "/run/with-unix is of AF_UNIX",
        ),
        ("abstract", "ListenStream=@9066", "@9066 is of AF_UNIX"),
        ("vsock", "ListenStream=vsock::9067", "vsock::9067 is of AF_VSOCK"),
        (
            "packets",
            "ListenStream=9068\nListenSequentialPacket=/run/packets",
            "is of SOCK_SEQPACKET",
        ),
        ("datagram", "ListenDatagram=9069", "has no stream socket"),
        ("fifo", "ListenFIFO=/run/fifo", "has no stream socket"),
        ("netlink", "ListenNetlink=kobject-uevent 1", "has no stream socket"),
        ("queue", "ListenMessageQueue=/queue", "has no stream socket"),
        ("sctp", "ListenStream=9070\nSocketProtocol=sctp", "SocketProtocol=sctp"),
        ("over", "ListenStream=9071", "SocketProtocol=sctp"),
    ];
    let own = "/etc/systemd/system";
    for (name, lines, _) in table {
        machine.write(&format!("{own}/own-{name}.socket"), &format!("[Socket]\n{lines}\n"));
        let service = if name == "for-each" { "own-for-each@" } else { &format!("own-{name}") };
        let text = "[Service]\nExecStart=/bin/sleep infinity\n";
        machine.write(&format!("{own}/{service}.service"), text);
    }
    let later = format!("{own}/own-over.socket.d/99-mine.conf");
    machine.write(&later, "[Socket]\nSocketProtocol=sctp\n");
    machine.sh("systemctl daemon-reload").ok();
    let before = machine.state();
    for (name, _, why) in table.iter().filter(|(_, _, why)| !why.is_empty()) {
        let outcome = machine.tool(&format!("enable --now own-{name}.socket"));
        assert_eq!(outcome.code(), 2, "{outcome}");
        assert!(outcome.stderr.contains(why), "{outcome}");
        machine.assert_is(&before);
    }
    let good: Vec<String> = table
        .iter()
        .filter(|(_, _, why)| why.is_empty())
        .map(|(name, ..)| format!("own-{name}.socket"))
        .collect();
    // Each opens as ever, and its streams are MPTCP.
    let told = machine.tool("enable own-*.socket").ok().stdout;
    assert_eq!(told.matches("\n+ ").count() + 1, good.len(), "{told}");
    machine.sh(&format!("systemctl start {}", good.join(" "))).ok();
    for (unit, port) in good.iter().zip(9061..) {
        let listens = machine.sh(&format!("ss -HlnM 'sport = :{port}'")).ok().stdout;
        assert_eq!(listens.lines().count(), 1, "{unit}: {listens}");
        let row = machine.listed("", unit).unwrap_or_default();
        assert_eq!(row, "socket active yes 1 MPTCP, 0 TCP", "{unit}");
    }
    let datagrams = machine.sh("ss -Hlnu 'sport = :9061'; ls /run/with-fifo /run/with-dgram").ok();
    assert_eq!(datagrams.stdout.lines().count(), 3, "{datagrams}");
    machine.sh(&format!("systemctl stop {}", good.join(" "))).ok();
    machine.tool("disable --all").ok();
    machine.assert_is(&before);
    machine
        .sh("cd /etc/systemd/system; rm -r own-*; systemctl daemon-reload; systemctl reset-failed")
        .ok();
}

#[test]
fn where_mptcp_is_off_systemd_opens_the_socket_all_the_same() {
    let machine = machine();
    let own = "/etc/systemd/system";
    machine.write(&format!("{own}/off.socket"), "[Socket]\nListenStream=9081\nAccept=yes\n");
    machine.write(
        &format!("{own}/off@.service"),
        "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
    );
    machine.sh("systemctl daemon-reload; systemctl start off.socket").ok();
    let before = machine.state();
    let switch = |to: &str| {
        let namespace = format!("--net={}", machine.network());
        Cmd::line("nsenter")
            .arg(namespace)
            .args(["sysctl", "-qw"])
            .arg(format!("net.mptcp.enabled={to}"))
            .run()
            .ok();
    };
    // Enabled while it is open: it counts when it is opened again, and that is seen.
    machine.tool("enable off.socket").ok();
    assert_eq!(
        machine.listed("", "off.socket").as_deref(),
        Some("socket active no 0 MPTCP, 1 TCP")
    );
    machine.tool("enable --now off.socket").ok();
    assert_eq!(
        machine.listed("", "off.socket").as_deref(),
        Some("socket active yes 1 MPTCP, 0 TCP")
    );
    let on = machine.state();
    switch("0");
    machine.sh("systemctl restart off.socket").ok();
    assert_eq!(
        machine.listed("", "off.socket").as_deref(),
        Some("socket active no 0 MPTCP, 1 TCP")
    );
    machine.assert_is(&on);
    switch("1");
    machine.sh("systemctl restart off.socket").ok();
    assert_eq!(
        machine.listed("", "off.socket").as_deref(),
        Some("socket active yes 1 MPTCP, 0 TCP")
    );
    // A new release of its package listens at more.
    machine.write(&format!("{own}/off.socket.d/new.conf"), "[Socket]\nListenStream=/run/off\n");
    machine.sh("systemctl daemon-reload").ok();
    let told = machine.tool("list").ok().stdout;
    let hint =
        "! off.socket: /run/off is of AF_UNIX, so it cannot be opened: sudo mptcpize disable";
    assert!(told.contains(hint), "{told}");
    machine.sh("rm /etc/systemd/system/off.socket.d/new.conf; systemctl daemon-reload").ok();
    machine.tool("disable --now off.socket").ok();
    machine.assert_is(&before);
    machine
        .sh("systemctl stop off.socket; rm /etc/systemd/system/off*; systemctl daemon-reload")
        .ok();
}

/// A container without an image: the machine's own programs in an empty root, under podman's own
/// seccomp profile.
const CONTAINER: &str = "
    mkdir -p /srv/root/{usr,etc,proc,sys,dev,tmp,run,opt}
    for name in bin lib lib64; do ln -sfn usr/$name /srv/root/$name; done
    export PODMAN_IGNORE_CGROUPSV1_WARNING=1
    container() {
        podman --storage-driver vfs --root /srv/store --cgroup-manager cgroupfs run --rm \\
            --cgroups=disabled --volume /usr:/usr:ro \"$@\"
    }
";

/// What a program in a container gets, where `$1` stands before podman's own command and the others
/// among its options.
fn in_container(before: &str, options: &str) -> String {
    let program = "import socket; print(socket.socket().getsockopt(1, 38))";
    let script = format!(
        "{CONTAINER}
        podman() {{ command {before} podman \"$@\"; }}
        container {options} --rootfs /srv/root python3 -c '{program}'"
    );
    let done = machine().sh(&script).ok();
    done.stdout.trim().to_owned()
}

#[test]
fn a_container_is_reached_by_the_library_inside_and_by_nothing_from_outside() {
    let library = "/usr/local/lib/mptcpize-test.so";
    {
        let machine = machine();
        machine.tool("run true").ok();
        machine.sh(&format!("cp /var/cache/mptcpize/libmptcpize-*.so {library}")).ok();
    }
    // It has a file system and an environment of its own; a filter of podman's lies below ours.
    assert_eq!(in_container("", "--network none"), "6");
    assert_eq!(in_container("/opt/mptcpize run", "--network none"), "6");
    assert_eq!(in_container("/opt/mptcpize run --via seccomp", "--network host"), "6");
    let inside =
        format!("--volume {library}:/opt/mptcpize.so:ro --env LD_PRELOAD=/opt/mptcpize.so");
    assert_eq!(in_container("", &format!("--network none {inside}")), "262");
    assert_eq!(in_container("", &format!("--network host {inside}")), "262");
    machine().sh(&format!("rm -r {library} /srv/root /srv/store")).ok();
}
