//! `mptcpize relay serve` from the first start to the end: its key, the line that it prints, what it changes
//! on the host, and that all of it is taken back.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, Signal, kill_process};

use mptcpize_model::relay::url;

use crate::lab::{Relays, relay_binary, used_all};
use crate::serving::{Host, Serving, at};
use crate::support::uplinks::assert_same;
use crate::support::{Cmd, scratch, serve, tool, wait};

#[test]
fn a_first_start_makes_a_key_that_later_ones_keep_and_the_end_leaves_the_host_as_it_was() {
    let host = Host::new();
    let before = host.station().state();
    let first = host.serve("");
    first.says("made a key, in /var/lib/mptcpize/relay/server.json");
    let line = first.url();
    let relay = url::read(&line).expect("it can be stored");
    assert_eq!(relay.keys.len(), 1);
    assert!(line.contains(&at(8686)), "{line}");
    let found = fs::metadata(host.file()).expect("it was made");
    assert_eq!((found.mode() & 0o7777, found.uid()), (0o600, 0));
    let limits = host.station().net.ip("mptcp limits show");
    assert!(limits.contains("subflows 8"), "{limits}");
    let second = host.tool("relay serve").run();
    assert_eq!(second.code(), 1);
    assert!(second.stderr.contains("a relay runs here already"), "{second}");
    first.end();
    assert_same(&before, &host.station().state(), "ended");

    let later = host.serve("--port 443 --address [2001:db8:99::1]");
    assert!(!later.said().contains("made a key"), "{}", later.said());
    let moved = url::read(&later.url()).expect("it can be stored");
    assert_eq!(moved.keys, relay.keys);
    assert_eq!((moved.host.as_str(), moved.port), ("2001:db8:99::1", 443));
    later.end();
    // Both are remembered.
    let last = host.serve("");
    assert_eq!(url::read(&last.url()), Ok(moved));
    last.end();
}

#[test]
fn the_line_as_it_is_printed_makes_a_client_whose_bytes_come_over_all_of_its_links() {
    let host = Host::of(Relays::new());
    host.relays.bond();
    let web = host.relays.serve(4_000_000);
    let serving = host.serve("");
    serving.url();
    let printed = serving.printed();
    let line = printed.lines().find(|line| line.contains("relay add")).expect("it is printed");
    let home = scratch::of_nobody(scratch("home"));
    let script = format!("mptcpize() {{ \"$0\" \"$@\"; }}; {line}");
    let paste = Cmd::new("sh").args(["-euc", &script]).arg(tool::public_binary());
    let stored = paste.env("HOME", &home).by_nobody().run().ok();
    let relay = url::read(&serving.url()).expect("it can be stored");
    assert!(stored.stdout.starts_with(&format!("+ relay  {}  ", relay.name)), "{stored}");
    let moved = host.relays.moved(|| host.carries(&serving.url(), &web));
    used_all(&moved);
    serving.end();
}

#[test]
fn its_key_is_in_no_command_line_no_environment_and_no_log() {
    let host = Host::new();
    let serving = host.serve("-v");
    let key = url::read(&serving.url()).expect("it can be stored").keys[0].base64();
    let digits = key.trim_end_matches('=').to_owned();
    let relay = serving.relay().expect("it runs");
    for process in [serving.running.pid(), relay] {
        for file in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{process}/{file}")).expect("it runs");
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.is_empty() && !text.contains(&digits), "{file}: {text}");
        }
    }
    assert!(!serving.said().contains(&digits), "{}", serving.said());
    // Under a service manager nothing that is printed may have it: that is a log too.
    serving.end();
    let quiet = Serving::by(|script| {
        let command = host.station().command("sh").args(["-euc", script]).arg(tool::binary());
        command.args(["relay", "serve"]).env("JOURNAL_STREAM", "1:1")
    });
    quiet.says("a relay at port ");
    quiet.signal(Signal::TERM);
    wait::until("its end", || quiet.said().contains("ended"));
    assert!(!quiet.printed().contains("ss://"), "{}", quiet.printed());
}

#[test]
fn the_relay_has_no_privilege_and_a_user_of_its_own_and_may_read_its_settings_alone() {
    let host = Host::new();
    let serving = host.serve("--port 443");
    let relay = serving.relay().expect("it runs");
    let status = fs::read_to_string(format!("/proc/{relay}/status")).expect("it runs");
    let line = |name: &str| {
        let found = status.lines().find(|line| line.starts_with(name)).expect("it has one");
        found.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let user = line("Uid:")[0].clone();
    assert!(line("Uid:").iter().all(|one| *one == user && one != "0"), "{status}");
    for set in ["CapEff:", "CapPrm:", "CapInh:", "CapBnd:", "CapAmb:"] {
        assert_eq!(line(set), ["0000000000000000"], "{set}");
    }
    assert_eq!(line("NoNewPrivs:"), ["1"]);
    let told = host.station().state_directory().join("relay-server/settings.json");
    let found = fs::metadata(told).expect("it was made");
    assert_eq!((found.mode() & 0o777, found.uid().to_string()), (0o400, user));
    serving.end();
}

#[test]
fn a_relay_that_was_killed_is_followed_by_another_and_one_without_its_launcher_ends() {
    let host = Host::new();
    let before = host.station().state();
    let web = host.relays.serve(1_000);
    let serving = host.serve("");
    let first = serving.relay().expect("it runs");
    let kill = |pid: u32| {
        kill_process(Pid::from_raw(pid.cast_signed()).expect("no process 0"), Signal::KILL)
    };
    kill(first).expect("it runs");
    serving.says("the relay ended (signal: 9 (SIGKILL))");
    wait::until("another one", || serving.relay().is_some_and(|pid| pid != first));
    host.carries(&serving.url(), &web);
    let shown = host.tool("status").run().stdout;
    for part in ["relay       serves over MPTCP and TCP, for ", " carried so far, "] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    let report = host.tool("status -j").run().stdout;
    let report: serde_json::Value = serde_json::from_str(&report).expect("it is JSON");
    let all = &report["served"]["all"];
    assert!(all["carried"].as_u64() > Some(0) && all["carried"] == all["mptcp"], "{report}");

    let second = serving.relay().expect("it runs");
    serving.signal(Signal::KILL);
    assert_eq!(serving.running.finish().code(), 128 + 9);
    wait::until("the end of its relay", || !fs::exists(format!("/proc/{second}")).unwrap_or(true));
    let undone = host.tool("relay serve undo -v").run().ok();
    assert_eq!(undone.stdout, "undid 1 change\n", "{undone}");
    assert_same(&before, &host.station().state(), "undone");
    let again = host.tool("relay serve undo").run().silent();
    assert_eq!(again.stdout, "nothing to undo: no relay has left anything\n");
}

#[test]
fn a_dry_run_changes_nothing_and_makes_no_key() {
    let host = Host::new();
    let before = host.station().state();
    let shown = host.tool("relay serve --dry-run").run().ok().stdout;
    for part in ["~ limits    subflows 2 -> 8", "+ key ", "+ listener  port 8686, by "] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    assert!(!host.file().exists());
    assert_same(&before, &host.station().state(), "nothing was changed");
    assert!(!host.station().state_directory().exists());
}

#[test]
fn an_address_behind_translation_and_a_filter_that_drops_are_told_with_what_mends_them() {
    let host = Host::new();
    let net = &host.station().net;
    let filter = "table inet f { chain i { type filter hook input priority 0; policy drop; \
                  tcp dport 22 accept; }; }";
    net.command("nft").arg(filter).run().silent();
    let shown = host.tool("relay serve --dry-run").run().ok().stdout;
    let fix = "nft insert rule inet f i tcp dport 8686 accept";
    assert!(shown.contains(&format!("comes to port 8686, until a rule accepts it: sudo {fix}")));
    net.command("sh").args(["-euc", fix]).run().silent();
    let shown = host.tool("relay serve --dry-run").run().ok().stdout;
    assert!(!shown.contains("it drops"), "{shown}");
    net.ip("route replace default via 10.99.0.254 src 10.99.0.1");
    net.ip("-6 route flush default");
    let serving = host.serve("");
    assert!(serving.url().contains("@10.99.0.1:8686#"));
    serving.says("10.99.0.1 is a private address");
    serving.end();
    let named = host.serve("--address relay.example.org");
    assert!(named.url().contains("@relay.example.org:8686#"));
    assert!(!named.said().contains("private address"), "{}", named.said());
    named.end();
}

#[test]
fn a_host_without_mptcp_is_given_it_and_one_with_several_addresses_announces_them() {
    let host = Host::new();
    let net = &host.station().net;
    net.sysctl("net/mptcp/enabled", "0");
    // A second way out, by a gateway of its own.
    net.ip("link add up2 type veth peer name far2");
    net.ip("address add 198.51.101.7/24 dev up2");
    net.ip("link set far2 up");
    net.ip("link set up2 up");
    net.ip("route add default via 198.51.101.254 dev up2 metric 900");
    let before = host.station().state();
    let serving = host.serve("");
    let endpoints = net.ip("mptcp endpoint show");
    assert!(endpoints.contains("198.51.101.7") && endpoints.contains("signal"), "{endpoints}");
    assert!(!endpoints.contains("subflow"), "{endpoints}");
    let enabled = net.enter(|| fs::read_to_string("/proc/sys/net/mptcp/enabled"));
    assert_eq!(enabled.expect("it is there"), "1\n");
    serving.end();
    assert_same(&before, &host.station().state(), "ended");
}

#[test]
fn what_somebody_else_set_up_stays_as_it_is() {
    let host = Host::new();
    let net = &host.station().net;
    net.ip("link add up2 type veth peer name far2");
    net.ip("address add 198.51.101.7/24 dev up2");
    net.ip("link set far2 up");
    net.ip("link set up2 up");
    net.ip("route add default via 198.51.101.254 dev up2 metric 900");
    host.station().setup("--role server");
    let before = host.station().state();
    let serving = host.serve("");
    assert_same(&before, &host.station().state(), "it was set up");
    serving.end();
    assert_same(&before, &host.station().state(), "ended");
}

#[test]
fn a_port_that_is_taken_is_told_with_whoever_has_it() {
    let host = Host::new();
    let before = host.station().state();
    let (directory, _) = serve::content(1);
    let python = host.station().net.command("python3").args(["-m", "http.server", "8686"]);
    let net = &host.station().net;
    let taken = serve::listening(net, python.cwd(&directory).quiet(), 8686);
    let outcome = host.tool("relay serve").run();
    assert_eq!(outcome.code(), 1, "{outcome}");
    assert!(outcome.stderr.contains("error: cannot listen at port 8686\n  why: python3 (process "));
    assert!(outcome.stderr.contains("  fix: sudo mptcpize relay serve --port 8687"), "{outcome}");
    assert_same(&before, &host.station().state(), "it failed");
    taken.stop();
    let wrong = host.tool("relay serve --address relay.example:8686").run();
    assert_eq!(wrong.code(), 2, "{wrong}");
}

#[test]
fn an_ordinary_user_serves_with_a_key_of_its_own_and_changes_nothing_of_the_host() {
    let host = Host::new();
    let before = host.station().state();
    let web = host.relays.serve(1_000);
    let home = scratch::of_nobody(scratch("home"));
    let programs = scratch("programs");
    let launcher = scratch::copy(tool::binary(), &programs.join("mptcpize"), 0o755);
    scratch::copy(&relay_binary(), &programs.join("mptcpize-relay"), 0o755);
    let serving = Serving::by(|script| {
        let command = host.station().net.command("sh").args(["-euc", script]);
        let command = command.arg(&launcher).args(["relay", "serve"]);
        command.env("HOME", &home).by_nobody().within(&host.station().net)
    });
    serving.says("a relay at port 8686");
    let file = home.join(".local/share/mptcpize/relay/server.json");
    assert_eq!(fs::metadata(&file).expect("it was made").mode() & 0o7777, 0o600);
    host.carries(&serving.url(), &web);
    assert_same(&before, &host.station().state(), "an ordinary user");
    let low = host.station().net.command(&launcher);
    let low = low.args(["relay", "serve", "--port", "443"]).env("HOME", home.join("other"));
    let low = low.by_nobody().within(&host.station().net).run();
    assert_eq!(low.code(), 4, "{low}");
    serving.end();
}
