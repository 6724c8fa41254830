//! `mptcpize run` sets the host up by itself, where it may and where nobody else does; it says so
//! in one line, and keeps out of the way everywhere else.

use std::fs;

use crate::support::scratch::{self, scratch};
use crate::support::uplinks::{Uplinks, assert_same};
use crate::support::{Cmd, serve, tool};

const BYTES: usize = 8_000_000;
const SET_UP: &str = "mptcpize: set up w1, w2 and w3 with 25 changes (undo: mptcpize setup undo)\n\
    mptcpize: run sets the host up where it may and that helps; to keep it from doing so: run \
    --no-setup, or run_setup = false in /etc/mptcpize.toml\n";
const ASKED: &str = "mptcpize: set up w1, w2 and w3 with 26 changes (undo: mptcpize setup undo)\n";

#[test]
fn a_download_with_nothing_prepared_uses_all_three_uplinks() {
    let lab = Uplinks::three_dongles("15mbit");
    let (directory, bytes) = serve::content(BYTES);
    // Ahead of what else this machine does: what is measured is the network.
    let first = "nice -n -20";
    let server = format!("run --no-setup {first} python3 -m http.server --bind :: --directory");
    let server = lab.server.tool(&server);
    let server = server.arg(&directory).arg("80").quiet();
    let _server = serve::listening(&lab.server.net, server, 80);
    let get = |file: &std::path::Path| {
        let words = ["-sS", "-w", "%{time_total}", "-o"];
        let url = "http://10.99.0.1/file";
        lab.client.tool(&format!("run {first} curl")).args(words).arg(file).arg(url)
    };
    let file = scratch("curl").join("file");
    for said in [SET_UP, ""] {
        let before = lab.counters();
        let outcome = get(&file).run().ok();
        assert_eq!(outcome.stderr, said, "{outcome}");
        assert!(fs::read(&file).expect("curl wrote it") == bytes, "the bytes that were served");
        let after = lab.counters();
        let moved: Vec<u64> = before.iter().zip(&after).map(|(one, other)| other - one).collect();
        assert!(moved.iter().all(|link| *link > BYTES as u64 / 6), "{moved:?}");
    }
}

#[test]
fn no_setup_changes_nothing() {
    let lab = Uplinks::three_dongles("15mbit");
    let before = lab.client.state();
    let outcome = lab.client.tool("run --no-setup true").run();
    outcome.says(0, "");
    assert_same(&before, &lab.client.state(), "--no-setup");
    assert_eq!(lab.client.journal(), None);
}

#[test]
fn what_run_set_up_stays_and_is_undone_like_any_other() {
    let lab = Uplinks::three_dongles("15mbit");
    let before = lab.client.state();
    lab.client.tool("run true").run().says(0, SET_UP);
    let after = lab.client.state();
    lab.client.tool("run true").run().says(0, "");
    lab.client.tool("run --setup true").run().says(0, "");
    assert_same(&after, &lab.client.state(), "the second run");
    assert_eq!(lab.client.setup("undo"), "undid 25 changes\n");
    assert_same(&before, &lab.client.state(), "undone");
}

#[test]
fn an_administrators_off_is_respected_unless_asked() {
    let lab = Uplinks::three_dongles("15mbit");
    lab.client.net.sysctl("net/mptcp/enabled", "0");
    let before = lab.client.state();
    let said = lab.client.tool("run true").run().ok().stderr;
    assert!(!said.contains("set up"), "{said}");
    assert_same(&before, &lab.client.state(), "MPTCP is off");
    let said = lab.client.tool("run --setup true").run().ok().stderr;
    assert_eq!(said, ASKED);
    lab.client.setup("undo");
    assert_same(&before, &lab.client.state(), "undone");
    // The administrator's own verb is another matter.
    assert!(lab.client.setup("").starts_with("set up w1, w2 and w3 with 26 changes"));
}

#[test]
fn a_host_that_somebody_else_bonds_is_left_to_them() {
    let lab = Uplinks::two_subnets("15mbit");
    // As NetworkManager does: an endpoint for each link, and a default route.
    for (address, link) in [("10.1.0.1", "w1"), ("10.2.0.1", "w2")] {
        lab.client.net.ip(&format!("mptcp endpoint add {address} dev {link} subflow"));
    }
    let before = lab.client.state();
    lab.client.tool("run true").run().says(0, "");
    assert_same(&before, &lab.client.state(), "somebody else bonds");
}

#[test]
fn endpoints_of_others_that_bond_nothing_are_kept_and_the_host_is_set_up_beside_them() {
    // One link of several has an endpoint; without a default route of its own it carries nothing.
    for make in [Uplinks::two_subnets, Uplinks::three_dongles] {
        let lab = make("15mbit");
        let address = lab.client.net.ip("-br -4 address show dev w1");
        let address = address.split_whitespace().nth(2).and_then(|it| it.split('/').next());
        let theirs = format!("{} id 1 subflow dev w1 \n", address.expect("w1 has an address"));
        lab.client.net.ip(&format!("mptcp endpoint add {}", theirs.replace("id 1 ", "")));
        let before = lab.client.state();
        let said = lab.client.tool("run true").run().ok().stderr;
        assert!(said.starts_with("mptcpize: set up w1"), "{said}");
        let endpoints = lab.client.net.ip("mptcp endpoint show");
        assert!(endpoints.contains(&theirs), "{endpoints}");
        lab.client.setup("undo");
        assert_same(&before, &lab.client.state(), "undone beside theirs");
    }
}

#[test]
fn an_endpoint_without_flags_that_keeps_a_link_from_being_used_is_said_in_one_line() {
    let lab = Uplinks::two_subnets("15mbit");
    // As mptcpd does with Debian's settings.
    lab.client.net.ip("mptcp endpoint add 10.2.0.1 dev w2 id 7");
    let before = lab.client.state();
    let why = "w2 carries nothing: the endpoint 10.2.0.1 (id 7), which is not ours, has no flags";
    lab.client.tool("run true").run().says(0, &format!("mptcpize: {why}\n"));
    let refused = lab.client.tool("setup").run();
    assert_eq!(refused.code(), 1, "{refused}");
    assert!(refused.stderr.contains(&format!("why: {why}\n")), "{refused}");
    assert_same(&before, &lab.client.state(), "nothing would be bonded");
    let fix = refused.stderr.lines().find_map(|line| line.trim().strip_prefix("fix: "));
    for command in fix.expect("a fix").split(" && ") {
        let arguments = command.strip_prefix("mptcpize ").expect("a command of ours");
        lab.client.tool(arguments).run().ok();
    }
    assert!(lab.client.setup("").starts_with("already set up: w1 and w2"));
}

#[test]
fn with_one_path_there_is_nothing_to_say() {
    let lab = Uplinks::new(&["15mbit"]);
    lab.number_v4(1);
    let before = lab.client.state();
    lab.client.tool("run true").run().says(0, "");
    assert_same(&before, &lab.client.state(), "one path");
    assert_eq!(lab.client.journal(), None);
}

#[test]
fn a_damaged_journal_does_not_keep_a_program_from_running() {
    let lab = Uplinks::three_dongles("15mbit");
    lab.client.tool("run true").run().says(0, SET_UP);
    let journal = lab.client.journal().expect("a journal");
    fs::write(journal, "{}\n").expect("it is ours");
    let said = lab.client.tool("run echo on").run().ok();
    assert_eq!(said.stdout, "on\n");
    assert!(said.stderr.contains("the host is not set up:\nerror: the journal "), "{said}");
    let refused = lab.client.tool("run --setup echo on").run();
    assert_eq!((refused.code(), refused.stdout.as_str()), (1, ""));
}

/// `mptcpize run true` by an ordinary user with this runtime directory, on a terminal or not.
fn unprivileged(lab: &Uplinks, runtime: &std::path::Path, terminal: bool) -> Cmd {
    let id = scratch::NOBODY.to_string();
    let program = tool::public_binary().display().to_string();
    let command = lab
        .client
        .command("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"])
        .env("XDG_RUNTIME_DIR", runtime)
        .env("XDG_CACHE_HOME", runtime);
    match terminal {
        // A terminal for all three of its descriptors; what it prints comes out of ours.
        true => command.args(["script", "-qec", &format!("{program} run true"), "/dev/null"]),
        false => command.args([program.as_str(), "run", "true"]),
    }
}

#[test]
fn an_ordinary_user_gets_one_hint_on_a_terminal_and_only_there() {
    let lab = Uplinks::three_dongles("15mbit");
    let before = lab.client.state();
    let runtime = scratch::of_nobody(scratch("runtime"));
    unprivileged(&lab, &runtime, false).run().says(0, "");
    let first = unprivileged(&lab, &runtime, true).run().ok();
    let hint = "mptcpize: this host has several links and uses one: sudo mptcpize setup\r\n";
    assert_eq!(first.stdout, hint);
    for _ in 0..2 {
        assert_eq!(unprivileged(&lab, &runtime, true).run().ok().stdout, "");
    }
    assert_same(&before, &lab.client.state(), "an ordinary user");
    // Where the host is set up there is nothing to gain.
    lab.client.setup("");
    let fresh = scratch::of_nobody(scratch("runtime"));
    assert_eq!(unprivileged(&lab, &fresh, true).run().ok().stdout, "");
}

#[test]
fn the_program_and_its_exit_code_are_its_own() {
    let lab = Uplinks::three_dongles("15mbit");
    let outcome = lab.client.tool("run sh -c").arg("echo out; echo err >&2; exit 7").run();
    assert_eq!(outcome.code(), 7);
    assert_eq!(outcome.stdout, "out\n");
    assert_eq!(outcome.stderr, format!("{SET_UP}err\n"));
}
