//! Packets that no client sends, and a way to the server that is narrower than its first link.

use std::net::TcpStream;
use std::thread;

use crate::lan::{Gateway, ROUTER_V4, SERVER_V4, SERVER_V6, content, send};
use crate::support::{Cmd, Netns};

const RATES: [&str; 2] = ["200mbit", "200mbit"];

/// Scans as nmap(1) makes them, from one host to addresses and ports: no flag, FIN, SYN and FIN, FIN
/// with URG and PSH, ACK, RST, SYN with bytes, all flags; then IPv4 without TCP's header.
const SCAN: &str = "
import random, socket, struct, sys
source, targets = sys.argv[1], [word.rsplit(':', 1) for word in sys.argv[2:]]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
def packet(address, port, flags, data):
    ends = socket.inet_aton(source) + socket.inet_aton(address)
    head = struct.pack('!HHIIBB', random.randrange(1024, 60000), port, 7, 9, 5 << 4, flags) + b'\\xff\\xff'
    whole = head + bytes(4) + data
    tcp = head + struct.pack('!HH', checksum(ends + struct.pack('!BBH', 0, 6, len(whole)) + whole), 0)
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(whole), 0, 0, 64, 6, 0) + ends
    return ip + tcp + data
for address, port in targets:
    for flags, data in ((0, b''), (1, b''), (3, b''), (41, b''), (16, b''), (4, b''), (2, b'GET'), (63, b'')):
        for _ in range(20):
            raw.sendto(packet(address, int(port), flags, data), (address, 0))
    raw.sendto(packet(address, int(port), 2, b'')[:24], (address, 0))
print('sent')
";

/// Scans from a host that has this address.
fn scan(host: &Netns, source: &str, targets: &[String]) {
    let scan = Cmd::new("python3").args(["-c", SCAN, source]).args(targets);
    assert_eq!(scan.within(host).run().ok().stdout, "sent\n");
}

#[test]
fn scans_from_either_side_leave_nothing_and_disturb_nobody() {
    let gateway = Gateway::new(&RATES);
    gateway.filter("fib daddr type local accept");
    let mut relay = gateway.relay();
    let listener = gateway.serve(SERVER_V4);
    let (mut near, mut far) = gateway.connect(&listener);
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", relay.running.pid())).unwrap();
    let before = descriptors().count();
    let port = listener.1.port();
    let own = crate::lan::PORT;
    let from_lan =
        [format!("{SERVER_V4}:{port}"), format!("{ROUTER_V4}:{own}"), format!("127.0.0.1:{own}")];
    scan(&gateway.phone, "192.168.77.2", &from_lan[..2]);
    scan(&gateway.phone, "192.168.77.2", &from_lan[2..]);
    scan(&gateway.lab.router, "10.1.0.254", &[format!("10.1.0.1:{own}")]);
    let bytes = content(100_000);
    thread::scope(|scope| {
        scope.spawn(|| send(&mut near, &bytes));
        assert!(all(&mut far) == bytes);
    });
    // A SYN with bytes is a connection that nobody completes; all else is none.
    assert!(descriptors().count() < before + 20);
    assert!(!relay.running.ended());
    let _served = gateway.connect(&listener);
}

fn all(stream: &mut TcpStream) -> Vec<u8> {
    let mut came = Vec::new();
    std::io::Read::read_to_end(stream, &mut came).unwrap();
    came
}

#[test]
fn an_upload_finds_a_way_that_is_narrower_than_the_uplinks() {
    for address in [SERVER_V4, SERVER_V6] {
        let gateway = Gateway::new(&RATES);
        let _relay = gateway.relay();
        // As beyond a modem that dials by PPPoE, and narrower: routers answer by ICMP.
        let network = &gateway.lab.router;
        network.ip("route replace 10.99.0.0/24 dev core mtu 1400");
        network.ip("-6 route replace 2001:db8:99::/64 dev core metric 256 mtu 1400");
        for listener in [gateway.serve(address), gateway.serve_tcp(address)] {
            let (mut near, mut far) = gateway.connect(&listener);
            let bytes = content(2_000_000);
            thread::scope(|scope| {
                scope.spawn(|| send(&mut near, &bytes));
                assert!(all(&mut far) == bytes, "{address}");
            });
        }
        let narrowed = gateway.router().ip(if address == SERVER_V4 {
            "route get 10.99.0.1 from 10.1.0.1"
        } else {
            "route get 2001:db8:99::1 from 2001:db8:1::1"
        });
        assert!(narrowed.contains("mtu 1400"), "{narrowed}");
    }
}
