//! Stock Shadowsocks (sslocal and ssserver of shadowsocks-rust, built by scripts/stock) with either end
//! of ours, over MPTCP, by every method and with keys of users.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;

use mptcpize_model::relay::agent::Relay;
use mptcpize_model::relay::key::{Key, Method};
use serde_json::{Value, json};

use crate::agent::lab::{Bed, PORT, PROXY, RENTED_V4, WEB_V4};
use crate::lan::{content, send};
use crate::server::rented::{key, met, settings, user, with_method};
use crate::support::{Cmd, Netns, Running, kernel, scratch, tool, wait};

/// More than the buffers of all hosts on the way hold.
const BYTES: usize = 3_000_000;

/// One of the two stock programs.
fn stock(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/stock/debug/bin").join(name);
    assert!(place.exists(), "no {name}\n  fix: scripts/stock --debug");
    place
}

/// Starts a program with a file of settings; back when it listens at the port.
fn start(host: &Netns, command: Cmd, settings: &Value, port: u16) -> Running {
    let file = scratch("stock").join("settings.json");
    fs::write(&file, settings.to_string()).unwrap();
    let mut running = command.arg(&file).within(host).start();
    wait::until("it listens", || {
        assert!(!running.ended(), "it ended");
        kernel::is_listening(host, port)
    });
    running
}

fn sslocal(bed: &Bed, method: Method, keys: &str) -> Running {
    let settings = json!({
        "server": RENTED_V4, "server_port": PORT, "method": method.name(), "password": keys,
        "local_address": "127.0.0.1", "local_port": PROXY, "mptcp": true,
    });
    start(bed.client(), Cmd::new(stock("sslocal")).arg("-c"), &settings, PROXY)
}

fn ssserver(bed: &Bed, method: Method, users: &[(&str, &Key)]) -> Running {
    let users: Vec<_> =
        users.iter().map(|(name, key)| json!({"name": name, "password": key.base64()})).collect();
    let mut server = json!({
        "address": "::", "port": PORT, "method": method.name(),
        "password": key(method, 1).base64(),
    });
    if !users.is_empty() {
        server["users"] = users.into();
    }
    let settings = json!({"servers": [server], "mptcp": true});
    start(&bed.lab.server, Cmd::new(stock("ssserver")).arg("-c"), &settings, PORT)
}

/// A connection to the web server through the SOCKS5 port of sslocal, and its other end there.
fn through_socks(bed: &Bed) -> (TcpStream, TcpStream) {
    let (listener, at) = bed.serve(WEB_V4);
    let mut near = bed.dial(format!("127.0.0.1:{PROXY}").parse().unwrap());
    near.write_all(&[5, 1, 0]).unwrap();
    near.read_exact(&mut [0; 2]).unwrap();
    let [high, low] = at.port().to_be_bytes();
    near.write_all(&[5, 1, 0, 1, 203, 0, 113, 80, high, low]).unwrap();
    near.read_exact(&mut [0; 10]).unwrap();
    // It sends its request with the first bytes of the program.
    near.write_all(b"x").unwrap();
    (near, met(&listener))
}

/// Sends bytes both ways at once, and ends both halves.
fn carries(near: TcpStream, far: TcpStream, what: &str) {
    let bytes = content(BYTES);
    thread::scope(|scope| {
        let ends = [(&near, &far), (&far, &near)].map(|(from, to)| {
            let bytes = &bytes;
            scope.spawn(move || send(&mut from.try_clone().unwrap(), bytes));
            scope.spawn(move || {
                let (mut to, mut came) = (to, Vec::new());
                to.read_to_end(&mut came).map(|_| came == *bytes)
            })
        });
        for end in ends {
            assert!(end.join().unwrap().unwrap(), "{what}: other bytes came");
        }
    });
}

/// Did both links carry some of it?
fn both_links(bed: &Bed) -> bool {
    bed.lab.traffic().iter().all(|link| link.received + link.sent > 500_000)
}

#[test]
fn a_stock_client_uses_our_server_by_every_method_over_both_links() {
    for method in Method::ALL {
        let bed = Bed::slow();
        let mut told = serde_json::to_value(with_method(method)).unwrap();
        told["port"] = PORT.into();
        let server = Cmd::new(tool::binary()).args(["server", "--settings"]);
        let _server = start(&bed.lab.server, server, &told, PORT);
        let _client = sslocal(&bed, method, &key(method, 1).base64());
        let (near, far) = through_socks(&bed);
        carries(near, far, method.name());
        assert!(both_links(&bed), "{method}: {:?}", bed.lab.traffic());
    }
}

#[test]
fn a_stock_client_is_a_user_of_our_server_by_a_key_of_its_own() {
    let bed = Bed::new();
    let ann = user("ann", 7);
    let mut told = settings();
    (told.port, told.users) = (PORT, vec![ann.clone()]);
    let server = Cmd::new(tool::binary()).args(["server", "--settings"]);
    let _server = start(&bed.lab.server, server, &serde_json::to_value(&told).unwrap(), PORT);
    let keys = format!("{}:{}", told.key.base64(), ann.key.base64());
    let _client = sslocal(&bed, told.method, &keys);
    let (near, far) = through_socks(&bed);
    carries(near, far, "a user");
}

#[test]
fn our_agent_uses_a_stock_server_by_every_method_over_both_links() {
    for method in Method::ALL {
        let bed = Bed::slow();
        let _server = ssserver(&bed, method, &[]);
        let relay = known(method, vec![key(method, 1)]);
        let _agent = bed.agent(&bed.settings(&[&relay]));
        let (near, far) = bed.connect(&bed.serve(WEB_V4));
        assert_eq!(far.peer_addr().unwrap().ip().to_string(), RENTED_V4);
        carries(near, far, method.name());
        assert!(both_links(&bed), "{method}: {:?}", bed.lab.traffic());
    }
}

#[test]
fn our_agent_is_a_user_of_a_stock_server_by_a_key_of_its_own() {
    let bed = Bed::new();
    let own = key(Method::Aes128, 7);
    let _server = ssserver(&bed, Method::Aes128, &[("ann", &own)]);
    let relay = known(Method::Aes128, vec![key(Method::Aes128, 1), own]);
    let _agent = bed.agent(&bed.settings(&[&relay]));
    let (near, far) = bed.connect(&bed.serve(WEB_V4));
    assert_eq!(far.peer_addr().unwrap().ip().to_string(), RENTED_V4);
    carries(near, far, "a user");
}

/// The rented server as our agent knows it.
fn known(method: Method, keys: Vec<Key>) -> Relay {
    let name = "stock".parse().unwrap();
    Relay { name, host: RENTED_V4.to_owned(), port: PORT, method, keys }
}
