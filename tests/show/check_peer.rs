//! `mptcpize check HOST`: each fault between this host and a peer is made for real, on the peer, on
//! the router or on a link, and must be found on the path where it is. Byte counters of the links
//! and of the kernel are the witnesses.

use crate::support::check::{Checked, check, mend, paste};
use crate::support::kernel::{self, counter};
use crate::support::scratch::{self, scratch};
use crate::support::uplinks::{PORT, SERVER_V4, SERVER_V6, Uplinks, transfer_py};
use crate::support::{Running, serve, wait};

const RATE: &str = "15mbit";

/// Two links, set up, and a server that speaks MPTCP.
fn lab() -> (Uplinks, Running) {
    let lab = Uplinks::two_subnets(RATE);
    let server = lab.serve();
    lab.client.setup("");
    (lab, server)
}

fn peer() -> String {
    format!("{SERVER_V4}:{PORT}")
}

/// What is said of a path.
#[track_caller]
fn of_path(checked: &Checked, dev: &str) -> (String, String) {
    let finding = checked.topic(&format!("peer via {dev}"));
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    (text("code"), text("title"))
}

#[test]
fn a_peer_with_mptcp_is_joined_over_every_path_and_each_carries_data() {
    let (lab, _server) = lab();
    let before = lab.counters();
    let checked = check(&lab.client, &peer());
    checked.finds(&[], "all is well");
    assert_eq!(checked.topic("peer")["title"], format!("{SERVER_V4} port {PORT} speaks MPTCP"));
    let (_, first) = of_path(&checked, "w1");
    let (_, second) = of_path(&checked, "w2");
    assert!(first.contains(" ms, first path, ") && first.ends_with(" bytes arrived"), "{first}");
    assert!(second.contains(" ms, joined, ") && second.ends_with(" bytes arrived"), "{second}");
    // The kernel's own view: the bytes of each connection and the links agree that data moved.
    for (tried, (before, after)) in checked.0["observed"]["peer"]["tries"]
        .as_array()
        .expect("a list")
        .iter()
        .zip(before.iter().zip(lab.counters()))
    {
        let acked = tried["carried"]["acked_bytes"].as_u64().expect("a number");
        assert_eq!(acked, 64, "{tried}");
        assert!(after - before > 64, "{tried}");
    }
    assert!(counter(&lab.server.net, "MPTcpExt", "MPJoinAckRx") > 0);
    // It asked for nothing that a server would answer.
    let joint = &checked.0["observed"]["peer"]["joint"][0];
    assert_eq!((&joint["mptcp"], &joint["hung_up"]), (&true.into(), &false.into()));
}

#[test]
fn both_families_and_names_are_tried() {
    let lab = Uplinks::two_subnets(RATE);
    for link in [1, 2] {
        lab.number_v6(link);
    }
    let _server = lab.serve();
    lab.client.setup("");
    check(&lab.client, &format!("[{SERVER_V6}]:{PORT}")).finds(&[], "IPv6");
    let hosts = scratch::file(
        &scratch("hosts").join("hosts"),
        format!("{SERVER_V4} both.example\n{SERVER_V6} both.example\n"),
        0o644,
    );
    let mut lab = lab;
    lab.client.mounting(&format!("mount --bind {} /etc/hosts", hosts.display()));
    let checked = check(&lab.client, &format!("both.example:{PORT}"));
    checked.finds(&[], "a name with both");
    let tries = checked.0["observed"]["peer"]["tries"].as_array().expect("a list").len();
    assert_eq!(tries, 4, "{checked:?}");
    let checked = check(&lab.client, &format!("nowhere.example:{PORT}"));
    checked.finds(&["peer.name"], "no such name");
    let checked = check(&lab.client, &format!("{SERVER_V4}:9"));
    checked.finds(&["peer.unreachable"], "nobody listens");
    assert_eq!(checked.topic("peer")["why"], "connection refused");
}

#[test]
fn a_peer_on_this_host_is_tried_without_a_path() {
    let (lab, _server) = lab();
    let listener = lab.client.tool("run --no-setup python3").arg(transfer_py());
    let listener = listener.args(["serve", "8081"]);
    let _local = serve::listening(&lab.client.net, listener.quiet(), 8081);
    for to in ["127.0.0.1:8081", "10.1.0.1:8081", "[::1]:8081"] {
        let checked = check(&lab.client, to);
        checked.finds(&[], to);
        let title = checked.topic("peer here")["title"].as_str().expect("a text");
        assert!(title.ends_with(" ms, MPTCP, 64 bytes arrived"), "{title}");
    }
}

#[test]
fn a_peer_without_mptcp_is_told_and_mended_by_running_it_with_the_tool() {
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    let plain = lab.server.command("python3").arg(transfer_py());
    let plain = plain.args(["serve", &PORT.to_string()]);
    let server = serve::listening(&lab.server.net, plain.quiet(), PORT);
    let checked = check(&lab.client, &peer());
    checked.finds(&["peer.no_mptcp"], "TCP alone");
    for dev in ["w1", "w2"] {
        let (_, title) = of_path(&checked, dev);
        assert!(title.ends_with("ms, TCP: see peer"), "{title}");
    }
    let advice = checked.topic("peer")["advice"].as_str().expect("a text");
    assert!(advice.contains("mptcpize run PROGRAM"), "{advice}");
    server.stop();
    let _server = lab.serve();
    check(&lab.client, &peer()).finds(&[], "under the tool");
}

#[test]
fn a_link_that_takes_mptcp_out_or_drops_it_is_named() {
    for (rule, code) in [
        ("reset tcp option mptcp", "peer.stripped"),
        ("tcp option mptcp exists drop", "peer.dropped"),
        ("tcp option mptcp exists reject with tcp reset", "peer.dropped"),
        ("tcp option mptcp subtype 1 drop", "peer.no_join"),
        // The handshake passes and the first packets with data lose the option.
        ("tcp flags & syn == 0 reset tcp option mptcp", "peer.lost_later"),
        ("tcp flags & syn == 0 meta length > 80 drop", "peer.carries_nothing"),
        ("drop", "peer.path_dead"),
    ] {
        let (lab, _server) = lab();
        lab.router.filter("r2", rule);
        let checked = check(&lab.client, &peer());
        checked.finds(&[code], rule);
        assert_eq!(of_path(&checked, "w2").0, code, "{rule}");
        assert_eq!(of_path(&checked, "w1").0, "peer.path", "{rule}");
        lab.router.command("nft").args(["flush", "ruleset"]).run().silent();
        // What was counted meanwhile is told until somebody has read it.
        paste(&lab.client, "mptcpize counters --since-last");
        check(&lab.client, &peer()).finds(&[], &format!("without {rule}"));
    }
}

#[test]
fn a_firewall_before_the_peer_is_found_and_never_taken_for_a_blackhole() {
    let (lab, _server) = lab();
    lab.router.filter("\"r*\"", "tcp option mptcp exists drop");
    for _ in 0..2 {
        check(&lab.client, &peer()).finds(&["peer.blocked"], "MPTCP is dropped everywhere");
    }
    // The kernel did not count a blackhole, and did not suspend MPTCP. An older one never does.
    let names = ["Blackhole", "MPCapableSYNTXDrop", "MPCapableSYNTXDisabled"];
    for name in names.into_iter().filter(|_| kernel::detects_blackholes()) {
        assert_eq!(counter(&lab.client.net, "MPTcpExt", name), 0, "{name}");
    }
}

#[test]
fn a_peer_that_refuses_joins_is_mended_there() {
    let (lab, _server) = lab();
    lab.server.net.ip("mptcp limits set subflows 0");
    let checked = check(&lab.client, &peer());
    checked.finds(&["peer.no_join"], "no joins on the peer");
    assert_eq!(of_path(&checked, "w2").0, "peer.no_join");
    let advice = checked.topic("peer via w2")["advice"].as_str().expect("a text");
    assert!(advice.contains("limits set subflows 8"), "{advice}");
    // On the peer, its own check says the same of its clients' joins; there it is mended.
    let seen = check(&lab.server, "");
    let counted = seen.codes().contains("counters.joins_rejected");
    assert_eq!(counted, kernel::counts_refused_joins(&lab.server.net), "{seen:?}");
    paste(&lab.server, "mptcpize limits set subflows 8");
    mend(&lab.server, &seen);
    check(&lab.server, "").finds(&[], "the peer");
    check(&lab.client, &peer()).finds(&[], "after it");
}

#[test]
fn what_depends_on_a_fault_of_this_host_is_skipped_and_says_on_which() {
    let (lab, _server) = lab();
    lab.client.net.ip("mptcp limits set subflows 0 add_addr_accepted 8");
    let checked = check(&lab.client, &peer());
    checked.finds(&["limits.no_subflows"], "no subflows here");
    let joined = checked.topic("peer via w2");
    assert_eq!((&joined["severity"], &joined["depends_on"]), (&"skipped".into(), &"limits".into()));
    mend(&lab.client, &checked);
    lab.client.net.sysctl("net/mptcp/enabled", "0");
    let checked = check(&lab.client, &peer());
    checked.finds(&["kernel.off"], "switched off");
    for topic in ["shim", "endpoints", "limits", "peer"] {
        let found = checked.topic(topic);
        let expected = (&"skipped".into(), &"kernel".into());
        assert_eq!((&found["severity"], &found["depends_on"]), expected, "{topic}");
    }
    mend(&lab.client, &checked);
    check(&lab.client, &peer()).finds(&[], "mended");
}

#[test]
fn a_suspension_of_mptcp_is_found_and_ended() {
    let (lab, _server) = lab();
    lab.router.filter("\"r*\"", "tcp option mptcp exists drop");
    // A program that goes on as TCP, whereupon the kernel believes in a blackhole.
    let outcome = lab.client.tool("run --no-setup python3 -c");
    let script = format!("import socket; socket.create_connection(('{SERVER_V4}', {PORT}), 50)");
    let outcome = outcome.arg(script).run();
    lab.router.command("nft").args(["flush", "ruleset"]).run().silent();
    let checked = check(&lab.client, &peer());
    if !kernel::detects_blackholes() {
        // It never goes on as TCP, and so suspends nothing.
        assert_eq!(outcome.code(), 1, "{outcome}");
        checked.finds(&[], "an older kernel, the firewall gone");
        return;
    }
    outcome.ok();
    assert!(checked.codes().contains("kernel.suspended"), "{checked:?}");
    assert_eq!(checked.topic("peer")["depends_on"], "kernel");
    mend(&lab.client, &checked);
    let checked = check(&lab.client, &peer());
    checked.finds(&["counters.blackhole"], "it is told until somebody has read it");
    mend(&lab.client, &checked);
    check(&lab.client, &peer()).finds(&[], "read");
}

#[test]
fn the_time_limit_holds_whatever_is_silent() {
    let (lab, _server) = lab();
    lab.router.filter("\"r*\"", "drop");
    let seconds = wait::slower();
    let checked = check(&lab.client, &format!("{} --timeout {seconds}", peer()));
    checked.finds(&["peer.unreachable"], "nothing answers");
    let tries = checked.0["observed"]["peer"]["tries"].as_array().expect("a list");
    for tried in tries {
        // Where the look at the host took all the time nothing was tried: the limit held.
        let waited = tried["tcp"]["silent"]["waited_ms"].as_u64();
        assert!(waited.is_some() || tried["tcp"] == "untried", "{tried}");
        // Of a second it waits a part; without the limit three seconds.
        assert!(waited.unwrap_or(0) < 2500 * u64::from(seconds), "{tried}");
    }
    // Progress is for people: into a pipe there is none (`read` asserts it).
    let outcome = lab.client.tool("check --timeout 0").run();
    assert_eq!(outcome.code(), 2, "{outcome}");
    for wrong in ["http://a/b", "a:0", "a:b", "[::1"] {
        let outcome = lab.client.tool("check").arg(wrong).run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (2, ""), "{outcome}");
    }
}

#[test]
fn on_a_terminal_a_long_trial_is_told_and_the_words_are_wiped() {
    let (lab, _server) = lab();
    lab.router.filter("r2", "drop");
    let shown = lab
        .client
        .command("script")
        .args([
            "-qec",
            &format!("{} check {} --color=never", crate::support::tool::binary().display(), peer()),
        ])
        .arg("/dev/null")
        .env("TERM", "xterm")
        .run()
        .stdout;
    let wiped = "\r\u{1b}[K";
    let told = shown.find("TCP over each path ...").unwrap_or_else(|| panic!("{shown:?}"));
    let screen = shown.find("speaks MPTCP").unwrap_or_else(|| panic!("{shown:?}"));
    assert!(told < screen && shown[told..screen].contains(wiped), "{shown:?}");
    assert_eq!(shown.matches("TCP over each path ...").count(), 1, "{shown:?}");
}

#[test]
fn another_namespace_is_checked_and_its_fixes_name_it() {
    let lab = Uplinks::two_subnets(RATE);
    let holder =
        crate::support::Cmd::new("tail").args(["-f", "/dev/null"]).within(&lab.client.net).start();
    wait::until("the process runs", || kernel::ss(&lab.client.net, "-t").is_empty());
    let elsewhere = crate::support::uplinks::Station::new();
    let place = holder.pid().to_string();
    lab.client.net.sysctl("net/ipv4/conf/w2/rp_filter", "1");
    lab.client.net.sysctl("net/mptcp/enabled", "0");
    let checked = check(&elsewhere, &format!("--netns {place}"));
    let fixes = checked.fixes();
    assert!(fixes.contains(&format!("mptcpize setup --netns {place}")), "{fixes:?}");
    let sysctl = format!("nsenter --net=/proc/{place}/ns/net sysctl -w net.mptcp.enabled=1");
    // By hand it is another program's command.
    assert_eq!(checked.topic("kernel")["or"], serde_json::json!([sysctl]));
    mend(&elsewhere, &checked);
    check(&elsewhere, &format!("--netns {place}")).finds(&[], "mended from outside");
    check(&lab.client, "").finds(&[], "mended inside");
}
