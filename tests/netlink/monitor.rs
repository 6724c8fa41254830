//! `mptcpize monitor`: events of real connections, as `ip mptcp monitor` prints them; its end with
//! its reader; and what it says when it cannot keep up.

use std::fs;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};

use crate::support::kernel;
use crate::support::lab::Lab;
use crate::support::mptcp::{connection, listener};
use crate::support::process::FORKING;
use crate::support::{Cmd, Netns, Running, scratch, tool, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Ends a connection on both sides.
fn close(ends: [TcpStream; 2]) {
    for end in &ends {
        end.shutdown(Shutdown::Write).expect("connected");
    }
    for mut end in ends {
        end.read_to_end(&mut Vec::new()).expect("the other end has closed");
    }
}

/// A short connection on loopback, which both its ends report with this port.
fn mark(host: &Netns, port: u16) {
    let address = format!("127.0.0.1:{port}");
    let listener = listener(host, &address);
    close(connection(host, &address, &listener));
}

/// A monitor in the background, and the file that it writes.
fn start(host: &Netns, command: &str) -> (Running, PathBuf) {
    let file = scratch("monitor").join("events");
    let script = format!("exec {command} >{}", file.display());
    (Cmd::new("bash").args(["-c", &script]).within(host).start(), file)
}

fn ours(options: &str) -> String {
    format!("{} monitor {options}", tool::binary().display())
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// Waits until all the monitors have begun to listen: until one and the same connection is in
/// all their files.
fn listening(host: &Netns, files: &[&Path]) {
    wait::until("all monitors to listen", || {
        mark(host, 1000);
        files.iter().all(|file| !text(file).is_empty())
    });
    mark(host, 1001);
    written(files, "dport=1001", "\"dport\":1001");
}

fn written(files: &[&Path], word: &str, json: &str) {
    wait::until(&format!("{word} in all files"), || {
        files.iter().all(|file| {
            let text = text(file);
            // The end of that connection too, on both sides.
            let seen = text.rfind(word).or(text.rfind(json));
            seen.is_some_and(|at| text[at..].matches("CLOSED").count() >= 2)
        })
    });
}

/// What came after the connection to port 1001 and before that to port 1002.
fn between(file: &Path) -> Vec<String> {
    let text = text(file);
    let lines: Vec<&str> = text.lines().collect();
    let has = |line: &&str, port: u16| {
        line.contains(&format!("dport={port}")) || line.contains(&format!("\"dport\":{port}"))
    };
    let first = lines.iter().rposition(|line| has(line, 1001)).expect("it was waited for");
    let last = lines.iter().position(|line| has(line, 1002)).expect("it was waited for");
    lines[first + 1..last].iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn the_events_of_a_connection_are_those_that_ip_prints() {
    let lab = Lab::two_paths(&["50mbit", "50mbit"]);
    lab.multipath();
    lab.server.ip("address add 10.99.0.2/24 dev eth");
    lab.client.ip("mptcp limits set subflows 8 add_addr_accepted 8");
    let client = &lab.client;
    let (_ip, ip) = start(client, "ip mptcp monitor");
    let (_plain, plain) = start(client, &ours(""));
    let (_json, json) = start(client, &ours("--json"));
    let files = [&*ip, &*plain, &*json];
    listening(client, &files);
    let has = |word: &str| {
        wait::until(word, || {
            let text = text(&plain);
            let at = text.rfind("dport=1001").expect("it was waited for");
            text[at..].contains(word)
        });
    };

    let listener = listener(&lab.server, "0.0.0.0:4711");
    let ends = connection(client, "10.99.0.1:4711", &listener);
    has("[  SF_ESTABLISHED]");
    lab.server.ip("mptcp endpoint add 10.99.0.2 id 9 signal");
    has("[       ANNOUNCED]");
    // The client opens a subflow to it; whoever changes the priority tells the other.
    has(" daddr4=10.99.0.2 sport=");
    // The client is done first; the server knows the subflow when the client's answer has come.
    wait::until("the subflow on the server", || {
        let subflows = kernel::ss(&lab.server, "-t");
        subflows.lines().any(|line| line.starts_with("ESTAB") && line.contains("10.99.0.2:4711"))
    });
    lab.server.ip("mptcp endpoint change id 9 backup");
    has("[         SF_PRIO]");
    lab.server.ip("mptcp endpoint delete id 9");
    has("[         REMOVED]");
    client.ip("mptcp endpoint delete id 1");
    has("[       SF_CLOSED]");
    close(ends);
    has("[          CLOSED]");
    mark(client, 1002);
    written(&files, "dport=1002", "\"dport\":1002");

    let [ip, plain, json] = files.map(between);
    assert_eq!(ip.len(), plain.len(), "{ip:#?}\n{plain:#?}");
    for (ip, plain) in ip.iter().zip(&plain) {
        assert_eq!(same_width(plain, ip), *ip);
    }
    let kinds: Vec<&str> = plain
        .iter()
        .filter_map(|line| line.split([' ', '[', ']']).find(|word| !word.is_empty()))
        .collect();
    for kind in
        ["CREATED", "ESTABLISHED", "SF_ESTABLISHED", "SF_PRIO", "ANNOUNCED", "REMOVED", "SF_CLOSED"]
    {
        assert!(kinds.contains(&kind), "{kind} in {plain:#?}");
    }

    // JSON says the same with the same words, and knows who accepted the connection.
    assert_eq!(json.len(), plain.len());
    for (json, plain) in json.iter().zip(&plain) {
        let event: Value = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}"));
        assert_eq!(event["version"], 1, "{json}");
        assert!(
            plain.contains(&format!("{}]", event["event"].as_str().expect("a name"))),
            "{json}"
        );
        for word in plain.split(' ').filter(|word| word.contains('=')) {
            let (key, value) = word.split_once('=').expect("it has one");
            let key = match key {
                "saddr4" | "saddr6" => "saddr",
                "daddr4" | "daddr6" => "daddr",
                other => other,
            };
            let said = match &event[key] {
                Value::String(text) => text.clone(),
                Value::Number(number) if key == "flags" => {
                    format!("{:x}", number.as_u64().unwrap_or(0))
                }
                other => other.to_string(),
            };
            assert_eq!(said, value, "{key} in {json}\n{plain}");
        }
    }
    let accepted = text(files[2]);
    let mut accepted = accepted
        .lines()
        .filter(|line| line.contains("\"CREATED\"") && line.contains("\"sport\":1001,"));
    assert!(accepted.next().is_some_and(|line| line.contains("\"server_side\":true")));
}

/// Our line with the name as wide as ip has it, and without what an older ip does not know.
fn same_width(ours: &str, ip: &str) -> String {
    let (name, rest) = ours[1..].split_once(']').expect("a name in brackets");
    match (ip, name.trim()) {
        ("[UNKNOWN 15]", "LISTENER_CREATED") | ("[UNKNOWN 16]", "LISTENER_CLOSED") => {
            return ip.to_owned();
        }
        _ => {}
    }
    let width = ip.find(']').map_or(0, |end| end - 1);
    format!("[{:>width$}]{rest}", name.trim())
}

#[test]
fn listeners_come_and_go() {
    let host = Netns::new();
    let (_monitor, file) = start(&host, &ours(""));
    listening(&host, &[&file]);
    drop(listener(&host, "127.0.0.1:4712"));
    if !kernel::is_at_least(6, 2) {
        mark(&host, 1002);
        written(&[&file], "dport=1002", "\"dport\":1002");
        assert!(!text(&file).contains("LISTENER"), "an older kernel tells nothing of listeners");
        return;
    }
    wait::until("both events", || {
        text(&file).contains("[ LISTENER_CLOSED] saddr4=127.0.0.1 sport=4712\n")
    });
    assert!(text(&file).contains("\n[LISTENER_CREATED] saddr4=127.0.0.1 sport=4712\n"));
}

#[test]
fn it_ends_well_when_its_reader_goes() {
    let host = Netns::new();
    // Nothing happens in this namespace: it must see that by itself.
    for reader in ["true", "head -c 0"] {
        let script = format!("set -o pipefail; {} | {reader}", ours(""));
        let outcome = Cmd::new("bash").args(["-c", &script]).within(&host).run();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome}");
    }
    // And while much happens, between any two lines.
    for _ in 0..10 {
        let script = format!("set -o pipefail; {} | head -n 1", ours("-j"));
        let mut monitor = Cmd::new("bash").args(["-c", &script]).within(&host).start();
        wait::until("it to end", || {
            mark(&host, 1000);
            monitor.ended()
        });
        let outcome = monitor.finish();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome}");
    }
    let script = format!("{} >/dev/full", ours(""));
    let mut full = Cmd::new("bash").args(["-c", &script]).within(&host).start();
    wait::until("it to fail", || {
        mark(&host, 1000);
        full.ended()
    });
    let outcome = full.finish();
    assert_eq!(outcome.code(), 1, "{outcome}");
    assert!(outcome.stderr.contains("o space left on device"), "{outcome}");
}

#[test]
fn it_works_in_another_namespace() {
    let (host, other) = (Netns::new(), Netns::new());
    let (_monitor, file) = start(&host, &ours(&format!("--netns {}", other.path())));
    wait::until("an event", || {
        mark(&other, 1000);
        text(&file).contains("dport=1000")
    });
}

#[test]
fn it_says_when_events_are_lost_and_goes_on() {
    let host = Netns::new();
    for (options, port) in [("", 1005), ("-j", 1006)] {
        let held = format!("127.0.0.1:{port}");
        let held_listener = listener(&host, &held);
        let _held = connection(&host, &held, &held_listener);
        let (monitor, file) = start(&host, &ours(options));
        listening(&host, &[&file]);
        let process = Pid::from_raw(monitor.pid().cast_signed()).expect("it is a process");
        kill_process(process, Signal::STOP).expect("it is ours");
        let address = "127.0.0.1:1003";
        let listener = listener(&host, address);
        wait::until("the queue to overflow", || {
            for _ in 0..50 {
                close(connection(&host, address, &listener));
            }
            // The next to last column counts what was dropped.
            host.proc_net("netlink")
                .lines()
                .skip(1)
                .any(|line| line.split_whitespace().rev().nth(1).is_some_and(|drops| drops != "0"))
        });
        kill_process(process, Signal::CONT).expect("it is ours");
        wait::until("an event after those that were lost", || {
            mark(&host, 1004);
            let text = text(&file);
            text.contains("dport=1004") || text.contains("\"dport\":1004")
        });
        let text = text(&file);
        // What there is, is told anew: the connection that began before.
        let present = if options == "-j" {
            assert!(text.contains("\n{\"version\":1,\"event\":\"LOST\"}\n"));
            ("\"event\":\"PRESENT\"", format!("\"dport\":{port},"))
        } else {
            ("[         PRESENT] token=", format!(" dport={port} "))
        };
        let has = |line: &str| line.contains(present.0) && line.contains(&present.1);
        assert!(text.lines().any(has), "{present:?} in {text}");
        let outcome = monitor.stop();
        let expected = "mptcpize: events were lost: they came faster than they were read\n";
        assert!(outcome.stderr.starts_with(expected), "{outcome}");
    }
}

#[test]
fn an_event_can_say_its_link_and_the_program() {
    let lab = Lab::two_paths(&["50mbit", "50mbit"]);
    lab.multipath();
    let client = &lab.client;
    let (_words, words) = start(client, &ours("-t"));
    let (_json, json) = start(client, &ours("-j"));
    let is_up = |file: &Path| text(file).contains("1000");
    wait::until("both to listen", || {
        mark(client, 1000);
        is_up(&words) && is_up(&json)
    });
    // A child has all our sockets until it executes, and where process ids have begun anew its own is
    // the lower one, which is shown.
    let _no_fork = FORKING.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let listener = listener(&lab.server, "10.99.0.1:4711");
    let ends = connection(client, "10.99.0.1:4711", &listener);
    let pid = std::process::id();
    wait::until("the second subflow in words", || {
        text(&words).lines().any(|line| {
            let mut parts = line.splitn(2, "  ");
            let clock = parts.next().unwrap_or_default();
            let rest = parts.next().unwrap_or_default();
            clock.len() == 8
                && rest.starts_with("w2        subflow up            10.2.0.1:")
                && rest.contains(" > 10.99.0.1:4711  token ")
                && rest.ends_with(&format!("[{pid}]"))
        })
    });
    wait::until("the second subflow in JSON", || {
        text(&json).lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).any(|one| {
            one["event"] == "SF_ESTABLISHED"
                && one["dev"] == "w2"
                && one["program"]["pid"] == pid
                && one["time_ms"].as_u64().is_some_and(|time| time > 1_700_000_000_000)
        })
    });
    close(ends);
}
