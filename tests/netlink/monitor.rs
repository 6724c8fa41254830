//! `mptcpize monitor`: events of real connections, as `ip mptcp monitor` prints them; its end with
//! its reader; and what it says when it cannot keep up.

use std::fs;
use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
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

/// A short connection on loopback, which both its ends report with one port. The kernel chooses it: a child
/// of another test may hold the last one until it executes.
fn mark(host: &Netns) -> Mark {
    let listener = listener(host, "127.0.0.1:0");
    let address = listener.local_addr().expect("it is bound");
    close(connection(host, &address.to_string(), &listener));
    Mark { port: address.port(), _listener: listener }
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

/// The port of a short connection, given to no other one as long as this lives.
struct Mark {
    port: u16,
    _listener: TcpListener,
}

impl Mark {
    /// The last place at which the text has it as one end of a connection, in words or in JSON.
    fn last_in(&self, text: &str) -> Option<usize> {
        let words = [format!("dport={}", self.port), format!("\"dport\":{}", self.port)];
        let found = words.iter().flat_map(|word| text.match_indices(word));
        let whole = found.filter(|(at, word)| !text[at + word.len()..].starts_with(is_digit));
        whole.map(|(at, _)| at).max()
    }
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
/// all their files, which is given back.
fn listening(host: &Netns, files: &[&Path]) -> Mark {
    wait::until("all monitors to listen", || {
        mark(host);
        files.iter().all(|file| !text(file).is_empty())
    });
    marked(host, files)
}

/// A short connection whose end on both sides is in all the files.
fn marked(host: &Netns, files: &[&Path]) -> Mark {
    let mark = mark(host);
    wait::until(&format!("port {} in all files", mark.port), || {
        files.iter().all(|file| {
            let text = text(file);
            mark.last_in(&text).is_some_and(|at| text[at..].matches("CLOSED").count() >= 2)
        })
    });
    mark
}

/// What came after the first of two short connections and before the second.
fn between(file: &Path, first: &Mark, second: &Mark) -> Vec<String> {
    let text = text(file);
    let after = first.last_in(&text).expect("it was waited for");
    let lines: Vec<&str> = text[after..].lines().skip(1).collect();
    let is_second = |line: &&str| second.last_in(line).is_some();
    let end = lines.iter().position(is_second).expect("it was waited for");
    lines[..end].iter().map(|line| (*line).to_owned()).collect()
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
    let first = listening(client, &files);
    let has = |word: &str| {
        wait::until(word, || {
            let text = text(&plain);
            let at = first.last_in(&text).expect("it was waited for");
            text[at..].contains(word)
        });
    };

    let listener = listener(&lab.server, "0.0.0.0:0");
    let port = listener.local_addr().expect("it is bound").port();
    let ends = connection(client, &format!("10.99.0.1:{port}"), &listener);
    has("[  SF_ESTABLISHED]");
    lab.server.ip("mptcp endpoint add 10.99.0.2 id 9 signal");
    has("[       ANNOUNCED]");
    // The client opens a subflow to it; whoever changes the priority tells the other.
    has(" daddr4=10.99.0.2 sport=");
    // The client is done first; the server knows the subflow when the client's answer has come.
    wait::until("the subflow on the server", || {
        let subflows = kernel::ss(&lab.server, "-t");
        subflows
            .lines()
            .any(|line| line.starts_with("ESTAB") && line.contains(&format!("10.99.0.2:{port}")))
    });
    lab.server.ip("mptcp endpoint change id 9 backup");
    has("[         SF_PRIO]");
    lab.server.ip("mptcp endpoint delete id 9");
    has("[         REMOVED]");
    client.ip("mptcp endpoint delete id 1");
    has("[       SF_CLOSED]");
    close(ends);
    has("[          CLOSED]");
    let second = marked(client, &files);

    let [ip, plain, json] = files.map(|file| between(file, &first, &second));
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
    let sport = format!("\"sport\":{},", first.port);
    let mut accepted =
        accepted.lines().filter(|line| line.contains("\"CREATED\"") && line.contains(&sport));
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
    let _first = listening(&host, &[&file]);
    let listener = listener(&host, "127.0.0.1:0");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    if !kernel::is_at_least(6, 2) {
        let _second = marked(&host, &[&file]);
        assert!(!text(&file).contains("LISTENER"), "an older kernel tells nothing of listeners");
        return;
    }
    wait::until("both events", || {
        text(&file).contains(&format!("[ LISTENER_CLOSED] saddr4=127.0.0.1 sport={port}\n"))
    });
    let created = format!("\n[LISTENER_CREATED] saddr4=127.0.0.1 sport={port}\n");
    assert!(text(&file).contains(&created));
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
            mark(&host);
            monitor.ended()
        });
        let outcome = monitor.finish();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{outcome}");
    }
    let script = format!("{} >/dev/full", ours(""));
    let mut full = Cmd::new("bash").args(["-c", &script]).within(&host).start();
    wait::until("it to fail", || {
        mark(&host);
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
        let mark = mark(&other);
        mark.last_in(&text(&file)).is_some()
    });
}

#[test]
fn it_says_when_events_are_lost_and_goes_on() {
    let host = Netns::new();
    for options in ["", "-j"] {
        let held_listener = listener(&host, "127.0.0.1:0");
        let held = held_listener.local_addr().expect("it is bound");
        let (held, port) = (held.to_string(), held.port());
        let _held = connection(&host, &held, &held_listener);
        let (monitor, file) = start(&host, &ours(options));
        let _first = listening(&host, &[&file]);
        let process = Pid::from_raw(monitor.pid().cast_signed()).expect("it is a process");
        kill_process(process, Signal::STOP).expect("it is ours");
        let listener = listener(&host, "127.0.0.1:0");
        let address = listener.local_addr().expect("it is bound").to_string();
        wait::until("the queue to overflow", || {
            for _ in 0..50 {
                close(connection(&host, &address, &listener));
            }
            // The next to last column counts what was dropped.
            host.proc_net("netlink")
                .lines()
                .skip(1)
                .any(|line| line.split_whitespace().rev().nth(1).is_some_and(|drops| drops != "0"))
        });
        kill_process(process, Signal::CONT).expect("it is ours");
        wait::until("an event after those that were lost", || {
            let mark = mark(&host);
            mark.last_in(&text(&file)).is_some()
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
    let is_up = |file: &Path| !text(file).is_empty();
    wait::until("both to listen", || {
        mark(client);
        is_up(&words) && is_up(&json)
    });
    // A child has all our sockets until it executes, and where process ids have begun anew its own is
    // the lower one, which is shown.
    let _no_fork = FORKING.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let listener = listener(&lab.server, "10.99.0.1:0");
    let to = listener.local_addr().expect("it is bound").to_string();
    let ends = connection(client, &to, &listener);
    let pid = std::process::id();
    wait::until("the second subflow in words", || {
        text(&words).lines().any(|line| {
            let mut parts = line.splitn(2, "  ");
            let clock = parts.next().unwrap_or_default();
            let rest = parts.next().unwrap_or_default();
            clock.len() == 8
                && rest.starts_with("w2        subflow up            10.2.0.1:")
                && rest.contains(&format!(" > {to}  token "))
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
