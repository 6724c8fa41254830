//! Clients that mean harm or are broken: the relay stays small and the others are served.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use mptcpize_model::gateway::Limits;
use rustix::net::sockopt;

use crate::lan::{Gateway, Relay, SERVER_V4, content, send};
use crate::support::{Cmd, Running, hold, kernel, wait};

const RATES: [&str; 2] = ["200mbit", "200mbit"];

/// A field of /proc/PID/status in bytes.
fn memory(relay: &Relay, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", relay.running.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn descriptors(relay: &Relay) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", relay.running.pid())).unwrap().count()
}

/// A byte to the server and back.
fn is_served(gateway: &Gateway) {
    let listener = gateway.serve(SERVER_V4);
    let near = gateway.laptop.enter(|| TcpStream::connect(listener.1).unwrap());
    let (mut far, _) = listener.0.accept().unwrap();
    let mut near = near;
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
    far.write_all(b"x").unwrap();
    near.read_exact(&mut [0]).unwrap();
}

/// Sends SYNs that nobody completes: raw packets from addresses of the LAN that no host has.
const FLOOD: &str = "
import random, socket, struct, sys
number, target, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
for one in range(number):
    source = socket.inet_aton('192.168.77.%d' % (10 + one % 200))
    destination = socket.inet_aton(target)
    ports = struct.pack('!HH', 1024 + one // 200 % 60000, port)
    head = ports + struct.pack('!IIBBH', random.getrandbits(32), 0, 5 << 4, 2, 65535)
    pseudo = source + destination + struct.pack('!BBH', 0, 6, 20)
    tcp = head + struct.pack('!HH', checksum(pseudo + head + bytes(4)), 0)
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 40, one & 0xffff, 0, 64, 6, 0) + source + destination
    raw.sendto(ip + tcp, (target, 0))
";

#[test]
fn a_flood_of_half_open_connections_is_the_kernels_and_keeps_nobody_out() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    let before = (memory(&relay, "RssAnon"), descriptors(&relay));
    let flood = Cmd::new("python3").args(["-c", FLOOD, "20000", SERVER_V4, "80"]);
    flood.within(&gateway.phone).run().ok();
    is_served(&gateway);
    let after = (memory(&relay, "RssAnon"), descriptors(&relay));
    assert!(after.0 < before.0 + (1 << 20), "{before:?} {after:?}");
    assert!(after.1 < before.1 + 20, "{before:?} {after:?}");
}

#[test]
fn a_client_that_reads_slowly_gets_everything_and_holds_up_nobody() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let (mut near, mut far) = gateway.connect(&listener);
    sockopt::set_socket_recv_buffer_size(&near, 4096).unwrap();
    let bytes = content(300_000);
    std::thread::scope(|scope| {
        scope.spawn(|| send(&mut far, &bytes));
        let mut came = Vec::new();
        let mut piece = [0; 700];
        while let length @ 1.. = near.read(&mut piece).unwrap() {
            came.extend_from_slice(&piece[..length]);
            if came.len() < 20_000 {
                is_served(&gateway);
            }
        }
        assert!(came == bytes);
    });
}

#[test]
fn a_client_that_writes_single_bytes_is_heard_byte_by_byte() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let (mut near, mut far) = gateway.connect(&listener);
    for byte in 0..200u8 {
        near.write_all(&[byte]).unwrap();
        let mut came = [0];
        far.read_exact(&mut came).unwrap();
        assert_eq!(came, [byte]);
    }
}

#[test]
fn a_client_that_goes_while_the_server_is_dialled_leaves_nothing() {
    let gateway = Gateway::new(&RATES);
    let relay = gateway.relay();
    // Nobody answers there, and nobody refuses.
    gateway.lab.server.command("nft").args(["-f", "-"]).input(
        "table inet silent {\n chain input {\n type filter hook input priority 0\n tcp dport 81 drop\n }\n }",
    ).run().ok();
    let before = descriptors(&relay);
    let to: SocketAddr = "10.99.0.1:81".parse().unwrap();
    let waiting: Vec<TcpStream> =
        (0..50).map(|_| gateway.phone.enter(|| TcpStream::connect(to).unwrap())).collect();
    wait::until("fifty that wait", || descriptors(&relay) >= before + 100);
    for stream in waiting {
        sockopt::set_socket_linger(stream.as_fd(), Some(Duration::ZERO)).unwrap();
        drop(stream);
    }
    wait::until("nothing that is left of them", || descriptors(&relay) <= before + 5);
}

#[test]
fn an_idle_connection_is_kept_alive_on_the_way_to_its_server() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    for listener in [gateway.serve(SERVER_V4), gateway.serve_tcp(SERVER_V4)] {
        let (_near, _far) = gateway.connect(&listener);
        let port = listener.1.port();
        let words = ["-Htno", "dport", &format!("= :{port}")];
        let asks = ["1min", "2min"].map(|time| format!("timer:(keepalive,{time}"));
        let alive = |line: &str| asks.iter().any(|timer| line.contains(timer));
        // The server has it a moment before the relay asks for that.
        wait::until("it is kept alive", || {
            let shown = gateway.router().command("ss").args(words).run().ok().stdout;
            !shown.is_empty() && shown.lines().all(alive)
        });
    }
}

#[test]
fn a_client_that_vanished_is_noticed_by_the_kernels_questions() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let (near, _far) = gateway.connect(&listener);
    let own = near.local_addr().unwrap().port();
    let of_client = gateway.router().command("ss").args(["-Htno", "dport", &format!("= :{own}")]);
    let shown = of_client.run().ok().stdout;
    assert!(
        shown.contains("timer:(keepalive,9min") || shown.contains("timer:(keepalive,10min"),
        "{shown}"
    );
}

/// Opens so many connections and holds them, then writes how many are open.
const HOLD: &str = "
import resource, socket, sys
number, target, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held = []
for one in range(number):
    connection = socket.create_connection((target, port))
    connection.sendall(b'x')
    held.append(connection)
for connection in held:
    connection.recv(1)
print('held', flush=True)
sys.stdin.read()
";

/// Echoes the first byte of each and holds all.
const ECHO: &str = "
import resource, select, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
listener.bind(('10.99.0.1', 8080))
listener.listen(4096)
events = select.epoll()
events.register(listener, select.EPOLLIN)
held = {}
while True:
    for number, _ in events.poll():
        if number == listener.fileno():
            one = listener.accept()[0]
            held[one.fileno()] = one
            events.register(one, select.EPOLLIN)
        else:
            if not held[number].recv(1):
                events.unregister(number)
                held.pop(number).close()
            else:
                held[number].sendall(b'x')
";

#[test]
fn thousands_of_connections_are_held_in_bounded_memory() {
    // As many as the descriptors are enough for that this machine allows a process.
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let number = most.map_or(10_000, |most| (most.saturating_sub(1_000) / 6).min(10_000)) as usize;
    let gateway = Gateway::new(&RATES);
    let mut settings = gateway.settings();
    settings.log = false;
    settings.limits = Limits { connections: 11_000, per_client: 11_000, handshakes_s: 100_000 };
    let relay = Relay::start(gateway.router(), &settings);
    let server: Running =
        Cmd::new("python3").args(["-c", ECHO]).within(&gateway.lab.server).start();
    wait::until("the server", || kernel::is_listening(&gateway.lab.server, 8080));
    let (anonymous, open) = (memory(&relay, "RssAnon"), descriptors(&relay));
    let fifo = hold::fifo();
    let script = "exec 0<>\"$1\"; shift; exec python3 -c \"$@\"";
    let client = Cmd::new("sh").args(["-c", script, "sh"]).arg(&fifo).args([HOLD]);
    let client =
        client.args([&number.to_string(), SERVER_V4, "8080"]).within(&gateway.phone).start();
    // Each has two sockets; those whose bytes were passed on have no pipe any more.
    wait::until("all connections", || {
        let held = descriptors(&relay) - open;
        held >= 2 * number && held < 2 * number + 1_000
    });
    is_served(&gateway);
    let each = (memory(&relay, "RssAnon") - anonymous) / number as u64;
    assert!(each <= 8 * 1024, "{each} bytes for each connection");
    drop(client);
    wait::until("none of them", || descriptors(&relay) < open + 1_000);
    let _ = server.stop();
}

#[test]
fn a_client_that_closes_what_it_has_not_read_resets_the_server() {
    let gateway = Gateway::new(&RATES);
    let _relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let (near, mut far) = gateway.connect(&listener);
    far.write_all(b"unread").unwrap();
    near.peek(&mut [0]).unwrap();
    drop(near);
    far.set_nonblocking(false).unwrap();
    assert!(far.read(&mut [0]).is_err(), "a reset, not the end of a stream");
    let _ = far.shutdown(Shutdown::Both);
}
