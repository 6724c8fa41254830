//! `mptcpize subflow` on a client whose path manager is in user space: what it makes is seen in the
//! kernel's own lists and counters, and each mistake gets its own words.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::lab::Lab;
use crate::support::mptcp::{connection, listener};
use crate::support::{Netns, Outcome, kernel, tool, wait};

const SERVER: &str = "10.99.0.1:4711";

/// Two paths, and one connection under a path manager in user space.
struct Fixture {
    lab: Lab,
    ends: [TcpStream; 2],
    token: String,
    _listener: TcpListener,
}

impl Fixture {
    fn new() -> Self {
        let lab = Lab::two_paths(&["50mbit", "50mbit"]);
        lab.source_rules();
        lab.limits(8, 8);
        lab.client.sysctl("net/mptcp/pm_type", "1");
        let listener = listener(&lab.server, SERVER);
        let ends = connection(&lab.client, SERVER, &listener);
        let token = token(&lab.client);
        Fixture { lab, ends, token, _listener: listener }
    }

    /// `mptcpize subflow LINE` on the client, `TOKEN` replaced.
    fn subflow(&self, line: &str) -> Outcome {
        let line = line.replace("TOKEN", &self.token);
        let words: Vec<&str> = ["subflow"].into_iter().chain(line.split_whitespace()).collect();
        tool(&words).within(&self.lab.client).run()
    }

    /// The client's open subflows as ss shows them: local and remote ends.
    fn subflows(&self) -> Vec<String> {
        let text = kernel::ss(&self.lab.client, "-tn");
        text.lines()
            .filter(|line| line.starts_with("ESTAB"))
            .map(|line| line.split_whitespace().skip(3).take(2).collect::<Vec<_>>().join(" > "))
            .collect()
    }

    /// Bytes that the client's second link has sent.
    fn over_w2(&self) -> u64 {
        self.lab.traffic()[1].sent
    }
}

/// The token of the only connection.
fn token(host: &Netns) -> String {
    let text = tool(&["status", "-j"]).within(host).run().stdout;
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    value["connections"][0]["token"].as_str().expect("there is a connection").to_owned()
}

#[test]
fn a_subflow_is_opened_carries_data_and_is_ended() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.subflows().len(), 1);
    let made = fixture.subflow("create --token TOKEN --from 10.2.0.1").ok();
    assert_eq!(fixture.subflows().len(), 2, "{made}");
    assert!(made.stdout.starts_with("10.2.0.1:"), "{made}");
    // The first path is made the backup: the second one carries it all.
    fixture.subflow("backup --token TOKEN --from 10.1.0.1").silent();
    // The kernel sends nothing over a joined subflow before the peer has acknowledged the join.
    wait::until("the last packet of the join", || {
        let subflows = kernel::ss(&fixture.lab.client, "-tiO");
        let own = subflows.lines().find(|line| line.contains(" 10.2.0.1:"));
        let flags = own.and_then(|line| line.split(" flags:").nth(1));
        // `e`: fully established.
        flags.and_then(|rest| rest.split(' ').next()).is_some_and(|flags| flags.contains('e'))
    });
    let before = fixture.over_w2();
    let [near, far] = &mut fixture.ends;
    near.write_all(&[7; 200_000]).expect("connected");
    far.read_exact(&mut vec![0; 200_000]).expect("connected");
    let moved = fixture.over_w2() - before;
    assert!(moved > 150_000, "{moved} of 200000 bytes over the second link");
    fixture.subflow("destroy --token TOKEN --from 10.2.0.1").silent();
    wait::until("one subflow", || fixture.subflows().len() == 1);
    let [near, far] = &mut fixture.ends;
    near.write_all(b"still").expect("connected");
    far.read_exact(&mut [0; 5]).expect("connected");
}

#[test]
fn an_address_is_announced_and_withdrawn() {
    let fixture = Fixture::new();
    let heard = |name| kernel::counter(&fixture.lab.server, "MPTcpExt", name);
    fixture.subflow("announce --token TOKEN --address 10.2.0.1 --id 5 --dev w2").silent();
    wait::until("the server to hear of it", || heard("AddAddr") == 1);
    fixture.subflow("remove --token TOKEN --id 5").silent();
    wait::until("the server to hear of its end", || heard("RmAddr") == 1);
    // One of the other family, and one with a port.
    fixture.subflow("announce --token TOKEN --address 2001:db8::7").silent();
    wait::until("the server to hear of that", || heard("AddAddr") == 2);
    fixture.subflow("announce --token TOKEN --address 10.1.0.1 --port 4713 --id 9").silent();
    wait::until("the server to hear of the port", || heard("PortAdd") == 1);
}

#[test]
fn every_mistake_has_its_own_words() {
    let fixture = Fixture::new();
    fixture.subflow("create --token TOKEN --from 10.2.0.1").ok();
    fixture.subflow("create --token TOKEN --from 10.2.0.1").ok();
    let token = &fixture.token;
    for (line, code, why, fix) in [
        (
            "create --token 00000001 --from 10.2.0.1",
            1,
            "no connection has this token",
            "mptcpize status -j",
        ),
        (
            "create --token TOKEN --from 10.2.0.1 --to 10.99.0.1",
            2,
            "the port is missing",
            "--to 10.99.0.1:4711    (the connection's port)",
        ),
        ("destroy --token TOKEN --from 10.7.0.1", 1, "it has no such subflow", "--from 10.1.0.1:"),
        (
            "destroy --token TOKEN --from 10.2.0.1",
            1,
            "several fit: a port is missing",
            "--from 10.2.0.1:",
        ),
        ("backup --token TOKEN --from 10.1.0.1:1", 1, "it has no such subflow", "--from 10.1.0.1:"),
    ] {
        let outcome = fixture.subflow(line);
        assert_eq!(outcome.code(), code, "{outcome}");
        assert!(outcome.stderr.starts_with("error: cannot "), "{outcome}");
        assert!(outcome.stderr.contains(&format!("\n  why: {why}\n")), "{why}: {outcome}");
        assert!(outcome.stderr.contains(&format!("\n  fix: {fix}")), "{fix}: {outcome}");
    }
    for line in [
        "create --token xyz --from 10.2.0.1",
        "create --from 10.2.0.1",
        "create --token TOKEN --from here",
        "create --token TOKEN --from 10.2.0.1 --id 0",
        "destroy --token TOKEN",
    ] {
        assert_eq!(fixture.subflow(line).code(), 2, "{line}");
    }
    // The kernel's own refusals.
    let unknown = fixture.subflow("remove --token TOKEN --id 77");
    assert_eq!(unknown.code(), 1, "{unknown}");
    assert!(unknown.stderr.contains(&format!("of connection {token}\n  why: ")), "{unknown}");
    let refused = fixture.subflow("create --token TOKEN --from 10.2.0.1 --to 10.99.0.1:9");
    assert_eq!(refused.code(), 1, "{refused}");
    assert!(refused.stderr.contains("did not take it up"), "{refused}");
}

#[test]
fn a_connection_under_the_kernels_path_manager_is_left_alone() {
    let fixture = Fixture::new();
    let server = token(&fixture.lab.server);
    let words = ["subflow", "remove", "--token", &server, "--id", "1"];
    let outcome = tool(&words).within(&fixture.lab.server).run();
    assert_eq!(outcome.code(), 1, "{outcome}");
    assert!(outcome.stderr.contains("why: it began under the kernel's own path manager"));
    assert!(outcome.stderr.contains("fix: sudo sysctl -w net.mptcp.path_manager=userspace"));
}

#[test]
fn without_privilege_sudo_is_named_with_the_whole_line() {
    let fixture = Fixture::new();
    let line = ["subflow", "remove", "--token", &fixture.token, "--id", "1"];
    let command = crate::support::Cmd::new(tool::public_binary()).args(line);
    let outcome = command.by_nobody().within(&fixture.lab.client).run();
    assert_eq!(outcome.code(), 4, "{outcome}");
    let fix = format!("fix: sudo mptcpize {}\n", line.join(" "));
    assert!(outcome.stderr.ends_with(&fix), "{outcome}");
}
