//! The network namespace in which the program of an ordinary user runs: names, services of the host and
//! of the program itself, and what does not go through a relay.

use std::net::{Ipv4Addr, TcpListener};

use crate::lab::{Ready, User, WEB_V4};
use crate::support::{scratch, wait};

/// A name server that knows one address, and says so to everybody.
const NAMES: &str = "
import socket, struct, sys
at = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
at.bind(('127.0.0.53', 53))
while True:
    question, asker = at.recvfrom(512)
    end = question.index(b'\\0', 12) + 5
    kind = struct.unpack('>H', question[end - 4:end - 2])[0]
    answer = b''
    if kind == 1:
        answer = struct.pack('>HHHLH', 0xc00c, 1, 1, 5, 4) + socket.inet_aton(sys.argv[1])
    head = question[:2] + b'\\x81\\x80\\0\\1' + struct.pack('>H', bool(answer)) + b'\\0' * 4
    at.sendto(head + question[12:end] + answer, asker)
";

#[test]
fn names_are_resolved_by_the_name_server_of_the_host() {
    let mut ready = Ready::new(1_000);
    let file = scratch::file(&scratch("resolv").join("conf"), "nameserver 127.0.0.53\n", 0o644);
    ready.relays.lab.client.mounting(&format!("mount --bind {} /etc/resolv.conf", file.display()));
    let client = &ready.relays.client().net;
    let _names = client.command("python3").args(["-c", NAMES, WEB_V4]).start();
    wait::until("the name server", || client.proc_net("udp").contains("3500007F:0035"));
    let url = "http://a.server.example/file";
    let run = ready.run(User::Nobody, "curl").args(["-sSf", "-w", "%{remote_ip}", url, "-o"]);
    assert_eq!(run.arg("/dev/null").run().silent().stdout, WEB_V4);
}

#[test]
fn a_service_of_the_host_is_reached_and_none_is_refused() {
    let ready = Ready::new(1_000);
    let client = &ready.relays.client().net;
    let listener = client.enter(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let listener = listener.expect("loopback is up");
    let port = listener.local_addr().expect("it is bound").port();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the program connects");
        std::io::Write::write_all(&mut stream, b"of the host").expect("it reads");
    });
    let script = "import socket, sys\n\
                  print(socket.create_connection(('127.0.0.1', int(sys.argv[1]))).recv(99).decode())\n\
                  for there in '127.0.0.1', '::1':\n\
                  \ttry: socket.create_connection((there, 9))\n\
                  \texcept ConnectionRefusedError: print('refused')\n\
                  own = socket.create_server(('127.0.0.1', 0))\n\
                  near = socket.create_connection(own.getsockname())\n\
                  print(own.accept()[1] == near.getsockname())\n";
    let run = ready.run(User::Nobody, "python3").args(["-c", script, &port.to_string()]);
    assert_eq!(run.run().silent().stdout, "of the host\nrefused\nrefused\nTrue\n");
    answering.join().expect("it answered");
}

#[test]
fn what_is_not_tcp_is_refused_at_once_and_addresses_are_the_host_s() {
    let ready = Ready::new(1_000);
    let script = format!(
        "import socket\n\
         for family, to in (socket.AF_INET, '{WEB_V4}'), (socket.AF_INET6, '2001:db8:80::80'):\n\
         \tat = socket.socket(family, socket.SOCK_DGRAM)\n\
         \tat.connect((to, 443))\n\
         \tprint(at.getsockname()[0])\n\
         \tat.send(b'quic')\n\
         \ttry: at.recv(1)\n\
         \texcept ConnectionRefusedError: print('refused')\n"
    );
    let run = ready.run(User::Nobody, "python3").args(["-c", &script]);
    let said = run.run().silent().stdout;
    assert_eq!(said, "10.1.0.1\nrefused\n2001:db8:1::1\nrefused\n");
}

#[test]
fn where_namespaces_are_forbidden_it_says_so_and_how_to_allow_them() {
    let ready = Ready::new(1_000);
    // A user namespace of its own, so that the limit is nobody else's.
    let script = "mount -t proc proc /proc 2>/dev/null; echo 0 >/proc/sys/user/max_user_namespaces; \
                  exec \"$@\"";
    let run = ready.relays.client().command("unshare").args(["-Ur", "sh", "-c", script, "sh"]);
    let run = run.args(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]);
    let run = run.arg(crate::support::tool::binary());
    let said = run.args(["run", "--no-setup", "--relay", &ready.url, "true"]).run();
    assert_eq!(said.code(), 1, "{said}");
    assert!(said.stderr.contains("cannot run true through a relay"), "{said}");
}
