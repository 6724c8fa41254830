//! What wants a newer system than Debian 12: sockets that systemd 257 makes, and podman.
//!
//! In a machine whose root is an image of Debian 13 (`MPTCPIZE_MACHINE`); scripts/trixie makes it and
//! runs this. Not here: units on this host's own systemd (units.rs).

mod support;

use support::systemd::machine;

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
    assert!(row.starts_with("socket active "), "{row}");

    machine.tool("disable --now tell.socket").ok();
    assert_eq!((machine.speaks(9050).as_str(), told().as_str()), ("TCP", "TCP\n"), "after");
    machine.assert_is(&before);
    machine.sh("systemctl stop tell.socket tell.service; rm /etc/systemd/system/tell.*").ok();
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
