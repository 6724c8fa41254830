//! `mptcpize metrics`: what Prometheus' own readers make of it, the file that is replaced whole, and a
//! server among clients that mean it no good.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;

use crate::support::kernel::counter;
use crate::support::uplinks::{SERVER_V4, Station, Uplinks};
use crate::support::{Cmd, Running, kernel, scratch, wait};

const RATE: &str = "15mbit";
const BYTES: u64 = 1_000_000;

/// The value of a sample in a text.
fn sample(text: &str, name: &str) -> Option<u64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut samples = lines.filter_map(|line| line.rsplit_once(' '));
    samples.find(|(found, _)| *found == name)?.1.parse().ok()
}

/// Every line of samples.
fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn prometheus_own_readers_accept_both_forms() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    let older = lab.client.tool("metrics --form prometheus").run().silent().stdout;
    Cmd::line("promtool check metrics").input(older.as_str()).run().silent();
    let open = lab.client.tool("metrics").run().silent().stdout;
    // Debian's package python3-prometheus-client, which Debian's own python3 sees; its reader is strict.
    let script = "import sys\n\
                  from prometheus_client.openmetrics.parser import text_string_to_metric_families\n\
                  print(sum(len(one.samples) for one in text_string_to_metric_families(sys.stdin.read())))";
    let read = Cmd::new("/usr/bin/python3").args(["-c", script]).input(open.as_str()).run().ok();
    assert_eq!(read.stdout.trim().parse(), Ok(samples(&open).len()), "{open}");
}

#[test]
fn bytes_paths_and_the_kernels_counters_are_those_of_the_kernel() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("--backup w2");
    let _server = lab.serve();
    lab.client_of("put", SERVER_V4, BYTES).run().ok();
    wait::until("the end of the connection", || kernel::ss(&lab.client.net, "-Ma").is_empty());
    let text = lab.client.tool("metrics").run().silent().stdout;
    for link in ["w1", "w2"] {
        let sent = sample(&text, &format!("mptcpize_link_sent_bytes_total{{link=\"{link}\"}}"));
        // ARP and the like may have gone between the two looks.
        let now = kernel::traffic(&lab.client.net, link).sent;
        assert!(sent.is_some_and(|sent| sent > 0 && sent <= now), "{link} {now}: {text}");
    }
    let path = |name: &str, link: u32| {
        let labels = format!("link=\"w{link}\"");
        sample(&text, &format!("mptcpize_path_{name}{{{labels}}}"))
    };
    assert_eq!([path("backup", 1), path("backup", 2)], [Some(0), Some(1)], "{text}");
    assert_eq!([path("up", 1), path("up", 2)], [Some(1), Some(1)], "{text}");
    assert_eq!(sample(&text, "mptcpize_usable_paths"), Some(2), "{text}");
    let joins = sample(&text, "mptcpize_kernel_events_total{event=\"MPJoinSynTx\"}");
    assert_eq!(joins, Some(counter(&lab.client.net, "MPTcpExt", "MPJoinSynTx")), "{text}");
    assert_eq!(sample(&text, "mptcpize_daemon_up"), Some(0), "{text}");
    assert!(!text.contains("mptcpize_daemon_decisions"), "{text}");
}

#[test]
fn a_file_is_replaced_whole_and_a_device_is_not() {
    let station = Station::new();
    let directory = scratch("metrics");
    let path = directory.join("mptcpize.prom");
    for _ in 0..2 {
        station.tool("metrics --output").arg(&path).run().silent();
        let text = fs::read_to_string(&path).expect("it was written");
        assert!(text.starts_with("# HELP mptcpize_build_info ") && text.ends_with("# EOF\n"));
    }
    let mode = fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    assert_eq!(fs::read_dir(&directory).expect("it is there").count(), 1);
    let refused = "error: cannot write /dev/null\n  why: it is there and no regular file\n";
    station.tool("metrics --output /dev/null").run().says(2, refused);
}

/// A server of metrics on a free port of the loopback.
struct Server {
    running: Running,
    address: SocketAddr,
}

impl Server {
    fn start(station: &Station) -> Server {
        station.net.ip("link set lo up");
        let log = scratch("metrics").join("log");
        let file = File::create(&log).expect("a scratch file can be made");
        let command = station.tool("metrics --listen 127.0.0.1:0").stderr(file.into());
        let mut running = command.start();
        let mut address = None;
        wait::until("the server's address", || {
            assert!(!running.ended(), "it ended");
            let said = fs::read_to_string(&log).expect("it was made");
            let url = said
                .strip_prefix("mptcpize: serving http://")
                .and_then(|rest| rest.strip_suffix("/metrics\n")?.parse().ok());
            address = url;
            address.is_some()
        });
        Server { running, address: address.expect("it was waited for") }
    }

    /// A connection to it, from its own namespace.
    fn connect(&self, station: &Station) -> TcpStream {
        let address = self.address;
        let stream = station.net.enter(|| TcpStream::connect(address)).expect("it listens");
        stream.set_read_timeout(Some(wait::deadline())).expect("a period above 0");
        stream
    }

    /// What it answers to these bytes.
    fn ask(&self, station: &Station, bytes: &[u8]) -> String {
        let mut stream = self.connect(station);
        // It may have answered, and closed, before all of it was sent.
        let _ = stream.write_all(bytes);
        answer(&mut stream)
    }
}

/// What comes until the end; a reset after an answer is an end, too.
fn answer(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        all.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_scraper_gets_the_form_that_it_asks_for() {
    let station = Station::new();
    let server = Server::start(&station);
    let said = server.ask(&station, GET);
    let (head, body) = said.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("version=0.0.4"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert!(body.contains("# TYPE mptcpize_kernel_events_total counter\n"), "{body}");
    let open = b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;q=1\r\n\r\n";
    let said = server.ask(&station, open);
    assert!(said.contains("# TYPE mptcpize_kernel_events counter\n"), "{said}");
    for (asked, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "404 "),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405 "),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", "400 "),
    ] {
        let said = server.ask(&station, asked);
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{said}");
    }
}

/// Clients that say nothing, never end, or leave: each costs the others a moment, and none ends the server.
#[test]
fn clients_that_mean_harm_cost_the_others_a_moment_at_most() {
    let station = Station::new();
    let mut server = Server::start(&station);
    let silent: Vec<TcpStream> = (0..2).map(|_| server.connect(&station)).collect();
    let endless = server.ask(&station, &[b'a'; 100_000]);
    assert!(endless.is_empty() || endless.starts_with("HTTP/1.1 431 "), "{endless}");
    for mut stream in silent {
        assert!(answer(&mut stream).starts_with("HTTP/1.1 408 "));
    }
    for _ in 0..50 {
        drop(server.connect(&station));
    }
    // One that asks and never reads: the answer fits its socket.
    let mut deaf = server.connect(&station);
    deaf.write_all(GET).expect("it listens");
    let said = server.ask(&station, GET);
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
    assert!(!server.running.ended());
}

#[test]
fn an_address_that_others_can_reach_wants_consent() {
    let station = Station::new();
    let refused = "error: cannot listen on 0.0.0.0:0\n  \
                   why: others can reach that address, and would see this host's links and traffic\n  \
                   fix: mptcpize metrics --listen 127.0.0.1:0\n";
    station.tool("metrics --listen 0.0.0.0:0").run().says(2, refused);
    let both = station.tool("metrics --listen-any").run();
    assert_eq!(both.code(), 2, "{both}");
}
