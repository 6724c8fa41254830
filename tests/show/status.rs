//! `mptcpize status` on real connections in a laboratory of two paths: what it says of them, of a
//! host that is not set up, and what an ordinary user sees.
//!
//! Not here: how the screens look (pure/status_screens.rs).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::lab::Lab;
use crate::support::mptcp::{connection, listener};
use crate::support::{Cmd, Netns, Outcome, tool, wait};
use serde_json::Value;

const SERVER: &str = "10.99.0.1:4711";

/// `mptcpize status ARGUMENTS` in a namespace.
fn status(host: &Netns, arguments: &str) -> Outcome {
    let words: Vec<&str> = ["status"].into_iter().chain(arguments.split_whitespace()).collect();
    tool(&words).env("LC_ALL", "C.UTF-8").within(host).run()
}

#[track_caller]
fn json(host: &Netns) -> Value {
    let outcome = status(host, "-j");
    assert!(outcome.stderr.is_empty(), "{outcome}");
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome}"))
}

/// A second default route, so that both links are paths.
fn two_uplinks() -> Lab {
    let lab = Lab::two_paths(&["50mbit", "50mbit"]);
    lab.multipath();
    lab.client.ip("route add default via 10.2.0.254 dev w2 metric 100");
    lab
}

/// The links of the open subflows of a connection, and of those that the kernel keeps in vain.
fn links(connection: &Value, which: &str) -> Vec<Value> {
    let all = connection["subflows"].as_array().expect("a list").iter();
    all.filter(|one| one[which] == true).map(|one| one["link"].clone()).collect()
}

/// The kernel keeps such a subflow established for minutes.
#[test]
fn a_link_that_is_off_or_gone_is_no_path_of_a_connection_any_more() {
    for (line, told) in [
        ("link set w2 down", ", w2 down"),
        ("address del 10.2.0.1/24 dev w2", ", w2 down"),
        ("link delete w2", ", a link down"),
    ] {
        let lab = two_uplinks();
        let listener = listener(&lab.server, SERVER);
        let ends = connection(&lab.client, SERVER, &listener);
        subflows(&lab, 2);
        lab.client.ip(line);
        let seen = json(&lab.client);
        let one = &seen["connections"][0];
        assert_eq!((&one["state"], links(one, "open")), (&"single_path".into(), vec!["w1".into()]));
        assert_eq!(
            (links(one, "down").len(), &seen["counts"]["multipath"]),
            (1, &0.into()),
            "{line}"
        );
        let screen = status(&lab.client, "").stdout;
        let row = screen.lines().find(|row| row.contains(SERVER)).expect("it is shown");
        assert!(row.contains(&format!("MPTCP, 1 path{told}")), "{line}: {row}");
        if cfg!(feature = "top") {
            let top = tool(&["top", "--once"]).env("LC_ALL", "C.UTF-8").env("COLUMNS", "120");
            let frame = top.within(&lab.client).run().stdout;
            let row = frame.lines().find(|row| row.contains("→ 10.99.0.1")).expect("it is shown");
            assert_eq!(
                (row.matches('●').count(), row.contains(" down ")),
                (1, true),
                "{line}: {row}"
            );
        }
        drop(ends);
    }
}

/// Waits until the client's only connection has so many open subflows; one that joins is listed before.
fn subflows(lab: &Lab, count: usize) -> Value {
    let mut seen = Value::Null;
    wait::until(&format!("{count} subflows"), || {
        seen = json(&lab.client);
        let all = seen["connections"][0]["subflows"].as_array();
        all.is_some_and(|all| all.iter().filter(|one| one["open"] == true).count() == count)
    });
    seen
}

#[test]
fn a_connection_over_two_paths_is_shown_with_both_and_its_program() {
    let lab = two_uplinks();
    let listener = listener(&lab.server, SERVER);
    let ends = connection(&lab.client, SERVER, &listener);
    let seen = subflows(&lab, 2);
    assert_eq!(seen["mptcp"], "on");
    let one = &seen["connections"][0];
    assert_eq!((&one["state"], &one["remote"]), (&"multipath".into(), &SERVER.into()));
    assert_eq!(one["program"]["pid"], std::process::id());
    assert_eq!(links(one, "open"), ["w1", "w2"]);
    assert!(one["subflows"][0]["rtt_us"].as_u64().is_some_and(|rtt| rtt > 0), "{one}");
    // The token is the one that ss shows.
    let token = one["token"].as_str().expect("it has one").trim_start_matches('0');
    let ss = lab.client.command("ss").args(["-niM"]).run().ok().stdout;
    assert!(ss.contains(&format!("token:{token}")), "{token}: {ss}");
    let paths: Vec<(&Value, &Value)> = seen["paths"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|path| (&path["link"], &path["subflows"]))
        .collect();
    assert_eq!(paths, [(&"w1".into(), &1.into()), (&"w2".into(), &1.into())]);
    let screen = status(&lab.client, "");
    assert_eq!(screen.code(), 0, "{screen}");
    assert!(screen.stdout.starts_with("● MPTCP is on · 2 paths · 1 connection (1 multipath)\n"));
    // From elsewhere, by its namespace.
    let outside = Netns::new();
    let there = status(&outside, &format!("--netns {}", lab.client.path()));
    assert!(there.stdout.contains("w1 w2"), "{there}");
    drop(ends);
}

#[test]
fn bytes_are_counted_and_rates_measured_only_where_something_moves() {
    let lab = two_uplinks();
    let listener = listener(&lab.server, SERVER);
    let [mut near, mut far] = connection(&lab.client, SERVER, &listener);
    far.write_all(&[7; 100_000]).expect("connected");
    near.read_exact(&mut vec![0; 100_000]).expect("connected");
    let seen = json(&lab.client);
    assert_eq!(seen["connections"][0]["received_bytes"], 100_001, "{seen}");
    // The server's side of the same connection.
    assert_eq!(json(&lab.server)["connections"][0]["sent_bytes"], 100_001);
    wait::until("nothing to move for a second", || json(&lab.client)["rates_over_ms"].is_null());
    let screen = status(&lab.client, "").stdout;
    assert!(screen.contains(" idle "), "{screen}");
}

#[test]
fn a_busy_link_has_its_rate() {
    let lab = two_uplinks();
    let listener = listener(&lab.server, SERVER);
    let [mut near, far] = connection(&lab.client, SERVER, &listener);
    let sink = std::thread::spawn(move || {
        let mut far = far;
        let mut buffer = vec![0; 65_536];
        while far.read(&mut buffer).is_ok_and(|count| count > 0) {}
    });
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                if near.write_all(&[7; 65_536]).is_err() {
                    break;
                }
            }
            let _ = near.shutdown(std::net::Shutdown::Both);
        });
        wait::until("a rate of both links", || {
            let seen = json(&lab.client);
            let fast = |path: usize| {
                seen["paths"][path]["sent_bit_s"].as_u64().is_some_and(|rate| rate > 1_000_000)
            };
            fast(0) && fast(1)
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    sink.join().expect("it does not panic");
}

#[test]
fn a_fallback_is_told_with_its_reason_on_both_sides() {
    let lab = two_uplinks();
    // An MPTCP client of a TCP server.
    let plain = lab.server.enter(|| TcpListener::bind("10.99.0.1:0").expect("it is free"));
    let at = plain.local_addr().expect("it is bound").to_string();
    let lonely = lab.client.enter(|| crate::support::mptcp::connect(&at));
    // A TCP client of an MPTCP server.
    let both = listener(&lab.server, SERVER);
    let tcp = lab.client.enter(|| TcpStream::connect(SERVER).expect("somebody listens"));
    let held = (plain.accept().expect("it came"), both.accept().expect("it came"));
    let told = json(&lab.client);
    assert_eq!(told["counts"]["fallback"], 1, "{told}");
    assert_eq!(told["connections"][0]["fallback"], "peer_without");
    assert!(status(&lab.client, "").stdout.contains("TCP: peer has no MPTCP"));
    let told = json(&lab.server);
    assert_eq!(told["counts"], serde_json::json!({"all": 1, "fallback": 1, "multipath": 0}));
    assert_eq!(told["connections"][0]["fallback"], "asked_without");
    drop((held, tcp, lonely));
}

#[test]
fn a_host_that_is_not_set_up_wants_attention_and_its_fix_helps() {
    let lab = crate::support::uplinks::Uplinks::two_subnets("50mbit");
    let before = lab.client.tool("status").env("LC_ALL", "C.UTF-8").run();
    assert_eq!(before.code(), 3, "{before}");
    let told = "\n✗ endpoints: none on w2: connections never use it ";
    assert!(before.stdout.contains(told), "{before}");
    assert!(before.stdout.contains("fix: mptcpize setup\n"), "{before}");
    lab.client.setup("");
    let after = lab.client.tool("status").env("LC_ALL", "C.UTF-8").run();
    assert_eq!(after.code(), 0, "{after}");
    assert!(after.stdout.contains("s ago (undo: mptcpize setup undo)"), "{after}");
    // An endpoint whose address nobody has.
    lab.client.net.ip("mptcp endpoint add 10.9.9.9 subflow");
    let gone = lab.client.tool("status").run();
    assert_eq!(gone.code(), 3, "{gone}");
    assert!(gone.stdout.contains("endpoints: 10.9.9.9 (id 3) is on no link"), "{gone}");
    let fix = gone.stdout.split("fix: mptcpize ").find(|rest| rest.starts_with("endpoint"));
    let fix = fix.and_then(|fix| fix.lines().next()).expect("it has a fix");
    lab.client.tool(fix).run().silent();
    assert!(!lab.client.tool("status").run().stdout.contains("is on no link"));
}

#[test]
fn switched_off_is_told_with_the_switch() {
    let host = Netns::without_mptcp();
    let outcome = status(&host, "");
    assert_eq!(outcome.code(), 3, "{outcome}");
    assert!(outcome.stdout.starts_with("✗ MPTCP is off"), "{outcome}");
    assert!(outcome.stdout.contains("sysctl -w net.mptcp.enabled=1"), "{outcome}");
}

#[test]
fn an_ordinary_user_sees_everything_but_the_programs_of_others() {
    let lab = two_uplinks();
    let listener = listener(&lab.server, SERVER);
    let ends = connection(&lab.client, SERVER, &listener);
    let whole = subflows(&lab, 2);
    let binary = tool::public_binary();
    let nobody = |option: &str| {
        let command = Cmd::new(binary).args(["status", option]).env("LC_ALL", "C.UTF-8");
        command.by_nobody().within(&lab.client).run()
    };
    let outcome = nobody("--color=never");
    assert_eq!(outcome.code(), 0, "{outcome}");
    assert!(outcome.stdout.contains("\n?           programs of other users are hidden "));
    assert!(outcome.stdout.contains("\n?             ?  10.99.0.1:4711"), "{outcome}");
    let seen: Value = serde_json::from_str(&nobody("-j").stdout).expect("it is JSON");
    assert_eq!(seen["connections"][0]["program"], Value::Null);
    assert_eq!(seen["connections"][0]["token"], whole["connections"][0]["token"]);
    drop(ends);
}

#[test]
fn watching_shows_one_object_a_line_and_ends_with_its_reader() {
    let host = Netns::new();
    let script =
        format!("set -o pipefail; {} status -j --watch | head -n 2", tool::binary().display());
    let outcome = Cmd::new("bash").args(["-c", &script]).within(&host).run();
    assert_eq!(outcome.stdout.lines().count(), 2, "{outcome}");
    let second: Value = serde_json::from_str(outcome.stdout.lines().nth(1).expect("two lines"))
        .expect("it is JSON");
    assert!(second["rates_over_ms"].as_u64().is_some_and(|time| time >= 900), "{outcome}");
    assert_eq!(outcome.stderr, "", "{outcome}");
}

#[test]
fn watching_in_a_pipe_tells_screens_apart_and_calls_no_traffic_by_one_name() {
    let lab = two_uplinks();
    // Until a screen that is not the first shows both links without traffic.
    let until = r#"{ print } /^──────── [0-9][0-9]:/ { screens++; idle = 0 }
        /^w/ && $NF == "idle" { if (++idle == 2 && screens) exit }"#;
    let script = format!("{} status --watch=1 | awk '{until}'", tool::binary().display());
    let watch = Cmd::new("bash").args(["-c", &script]).env("LC_ALL", "C.UTF-8");
    let said = watch.within(&lab.client).run();
    let screens: Vec<&str> = said.stdout.split("\n\n──────── ").collect();
    assert!(screens.len() > 1, "{said}");
    assert!(said.stdout.starts_with(['●', '!', '✗']), "nothing stands before the first: {said}");
    for screen in screens {
        // The last one ends where the reader did.
        assert_eq!(screen.matches(" MPTCP is ").count(), 1, "{said}");
        assert!(!screen.contains(" 0 bit/s"), "{said}");
    }
}

#[test]
fn where_a_kernel_has_one_scheduler_and_no_parameter_for_it_its_name_is_said() {
    let mut lab = crate::support::uplinks::Uplinks::two_subnets("50mbit");
    // The parameters of Linux 6.1, as far as they are read.
    lab.client.mounting(
        "mount -t tmpfs tmpfs /proc/sys/net/mptcp
         for name in enabled=1 pm_type=1; do
             echo \"${name#*=}\" >\"/proc/sys/net/mptcp/${name%=*}\"
         done",
    );
    let outcome = lab.client.tool("status -j").run();
    let seen: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(
        (&seen["scheduler"], &seen["path_manager"]),
        (&"default".into(), &"userspace".into())
    );
}
