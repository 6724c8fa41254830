//! A daemon has the judgement that every other verb has: after each fault, what it says in its line, what it
//! publishes, and what `status`, `check`, `top --once` and `setup --dry-run` find.
//!
//! Not here: packet filters and `enable --system`, which the daemon does not look at; what it tells systemd
//! (the room daemon).

use std::collections::BTreeSet;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::agree::agree;
use crate::support::tunnel::{self, Style};
use crate::support::uplinks::{PORT, SERVER_V4, Station, Uplinks, assert_same, transfer_py};
use crate::support::{Running, tool, wait};

const RATE: &str = "15mbit";
const BOTH: &str = "w1 and w2 are set up";

fn ip(lab: &Uplinks, line: &str) {
    lab.client.net.ip(line);
}

/// Something of which a message tells, so that the daemon looks.
fn nudge(lab: &Uplinks) {
    ip(lab, "address add 198.51.100.7/32 dev lo");
}

fn status(station: &Station) -> Value {
    let said = station.tool("status -j").run().stdout;
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The names and remedies of the faults in a list; those of `status` are one line each.
fn faults(list: &Value) -> BTreeSet<(String, String)> {
    let all = list.as_array().into_iter().flatten();
    let faults = all.filter(|one| one["severity"] == "problem" || one["severity"] == "warning");
    faults
        .map(|one| {
            let code = one["code"].as_str().expect("a text").to_owned();
            let fix = match &one["fix"] {
                Value::Array(all) => {
                    let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
                    all.join(" && ")
                }
                one => one.as_str().unwrap_or_default().to_owned(),
            };
            (code, fix)
        })
        .collect()
}

/// Waits until the daemon says this line and has these findings, and `status` the same; then sees that every
/// verb agrees.
#[track_caller]
fn comes_to(lab: &Uplinks, standing: &str, found: &[&str], paths: &[&str], what: &str) {
    let expected: BTreeSet<&str> = found.iter().copied().collect();
    let mut last = Value::Null;
    let came = wait::comes(|| {
        last = status(&lab.client);
        let (daemon, now) = (&last["daemon"], faults(&last["findings"]));
        let codes: BTreeSet<&str> = now.iter().map(|(code, _)| code.as_str()).collect();
        daemon["standing"] == standing
            && daemon["findings"].is_array()
            && faults(&daemon["findings"]) == now
            && codes == expected
            && daemon["usable_paths"] == last["usable_paths"]
            && daemon["behind"] == false
    });
    assert!(came, "{what}: {standing:?} with {found:?}, and not {last:#}");
    assert_eq!(last["usable_paths"], serde_json::json!(paths), "{what}");
    agree(&lab.client, what).finds(found, what);
}

/// What happens to a host with two links that a daemon has set up, and what all say of it then.
struct Fault {
    name: &'static str,
    make: fn(&Uplinks),
    standing: &'static str,
    found: &'static [&'static str],
    paths: &'static [&'static str],
}

/// What a daemon mends is no fault any more when it has looked.
const MENDED: Fault =
    Fault { name: "", make: |_| (), standing: BOTH, found: &[], paths: &["w1", "w2"] };

const FAULTS: [Fault; 10] = [
    Fault {
        name: "a link that is cut",
        make: |lab| {
            lab.cut(2);
            lab.client.wait_for_lost_carrier("w2");
        },
        standing: "w1 and w2 are set up; paths: w2 has no carrier",
        found: &["paths.carrier"],
        paths: &["w1"],
    },
    // mptcpd #334: both cables are unplugged, addresses and endpoints stay.
    Fault {
        name: "both links are cut",
        make: |lab| {
            for (link, name) in [(1, "w1"), (2, "w2")] {
                lab.cut(link);
                lab.client.wait_for_lost_carrier(name);
            }
        },
        standing: "w1 and w2 are set up; paths: w1 has no carrier; paths: w2 has no carrier",
        found: &["paths.carrier"],
        paths: &[],
    },
    Fault {
        name: "a link that is switched off",
        make: |lab| ip(lab, "link set w2 down"),
        standing: "only one path, w1: nothing to set up; endpoints: w2, with 10.2.0.1, is switched off",
        found: &["endpoints.link_down"],
        paths: &["w1"],
    },
    Fault {
        name: "the table of a link is empty",
        make: |lab| ip(lab, "route flush table 8685"),
        ..MENDED
    },
    Fault {
        name: "a link has no default route",
        make: |lab| ip(lab, "route del default dev w2"),
        ..MENDED
    },
    Fault {
        name: "a link has another address",
        make: |lab| {
            ip(lab, "address del 10.2.0.1/24 dev w2");
            ip(lab, "address add 10.2.0.7/24 dev w2");
            ip(lab, "route add default via 10.2.0.254 dev w2 metric 200");
        },
        ..MENDED
    },
    Fault {
        name: "an endpoint of somebody else whose address nobody has",
        make: |lab| {
            ip(lab, "mptcp endpoint add 10.9.9.9 subflow");
            nudge(lab);
        },
        standing: "w1 and w2 are set up; endpoints: 10.9.9.9 (id 3) is on no link",
        found: &["endpoints.vanished"],
        ..MENDED
    },
    Fault {
        name: "MPTCP is off",
        make: |lab| {
            lab.client.net.sysctl("net/mptcp/enabled", "0");
            nudge(lab);
        },
        ..MENDED
    },
    Fault {
        name: "the limits are 0",
        make: |lab| {
            ip(lab, "mptcp limits set subflows 0 add_addr_accepted 0");
            nudge(lab);
        },
        ..MENDED
    },
    Fault {
        name: "the path manager is a program that is not there",
        make: |lab| {
            lab.client.net.sysctl("net/mptcp/pm_type", "1");
            nudge(lab);
        },
        standing: "w1 and w2 are set up; kernel: the path manager is a program that is not there",
        found: &["kernel.userspace_manager"],
        ..MENDED
    },
];

fn follow(lab: &Uplinks) -> Running {
    lab.client.tool("daemon").start()
}

#[test]
fn after_every_fault_a_daemon_says_what_all_verbs_say() {
    for Fault { name, make, standing, found, paths } in FAULTS {
        let lab = Uplinks::two_subnets(RATE);
        let daemon = follow(&lab);
        comes_to(&lab, BOTH, &[], &["w1", "w2"], "set up");
        make(&lab);
        comes_to(&lab, standing, found, paths, name);
        drop(daemon);
    }
}

#[test]
fn of_a_link_that_passes_nothing_a_daemon_says_what_all_verbs_say() {
    let lab = Uplinks::two_subnets(RATE);
    let _server = lab.serve();
    let daemon = follow(&lab);
    comes_to(&lab, BOTH, &[], &["w1", "w2"], "set up");
    lab.router.ip("link set r1 arp off");
    ip(&lab, "neighbour flush dev w1");
    // It makes the kernel ask for the gateway. With MPTCP it would be counted as a SYN that vanished.
    let client = lab.client.command("python3").arg(transfer_py());
    let waits = client.args(["get", SERVER_V4, &PORT.to_string(), "1000"]).quiet().start();
    let standing = format!("{BOTH}; paths: nothing passes w1");
    comes_to(&lab, &standing, &["paths.held"], &["w2"], "a silent gateway");
    for verb in ["status", if cfg!(feature = "top") { "top --once" } else { "status" }] {
        let screen = lab.client.tool(verb).env("COLUMNS", "120").run().stdout;
        let row = screen.lines().find(|line| line.trim_start().starts_with("w1 "));
        assert!(row.is_some_and(|row| row.contains("passes nothing")), "{screen}");
        assert!(screen.contains(" paths: nothing passes w1\n"), "{screen}");
    }
    let metrics = lab.client.tool("metrics").run().ok().stdout;
    for line in [
        "mptcpize_attention 1",
        "mptcpize_usable_paths 1",
        "mptcpize_path_up{link=\"w1\"} 0",
        "mptcpize_path_up{link=\"w2\"} 1",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    lab.router.ip("link set r1 arp on");
    comes_to(&lab, BOTH, &[], &["w1", "w2"], "it answers again");
    drop((waits, daemon));
}

#[test]
fn under_a_vpn_and_after_it_a_daemon_says_what_all_verbs_say() {
    let lab = tunnel::host();
    let daemon = follow(&lab);
    comes_to(&lab, BOTH, &[], &["w1", "w2"], "before");
    let vpn = tunnel::connect(&lab, Style::LowerMetric);
    let captured = |seen: &Value| {
        let said = seen["daemon"]["standing"].as_str().unwrap_or_default();
        said.ends_with(": nothing that was set up leads around it")
            && seen["daemon"]["findings"] == serde_json::json!([])
            && seen["daemon"]["behind"] == false
            && faults(&seen["findings"]).is_empty()
    };
    wait::until("a set-up that is withdrawn", || captured(&status(&lab.client)));
    agree(&lab.client, "under the VPN").finds(&[], "under the VPN");
    drop(vpn);
    comes_to(&lab, BOTH, &[], &["w1", "w2"], "after");
    drop(daemon);
}

/// The settings file of this station, which `mounting` puts in the place of the host's.
fn settle(lab: &Uplinks, settings: &str) {
    let script = "printf '%s' \"$1\" >/etc/mptcpize.toml";
    lab.client.command("sh").args(["-c", script, "sh", settings]).run().ok();
}

#[test]
fn settings_that_setup_refuses_leave_what_is_set_up_under_a_daemon_too() {
    for (settings, code, told) in [
        ("only = [\"w9\"]\n", "settings.no_link", "there is no link w9, which only names"),
        ("only = [\"w1\", \"w9\"]\n", "settings.no_link", "there is no link w9, which only names"),
        ("backup = [\"w9\"]\n", "settings.no_link", "there is no link w9, which backup names"),
        (
            "[gateway]\nw2 = \"10.9.0.254\"\n",
            "settings.gateway",
            "the gateway 10.9.0.254 is not in a network of w2",
        ),
    ] {
        let mut lab = Uplinks::two_subnets(RATE);
        let etc = "[ -d /run/etc ] || cp -a /etc /run/etc; mount --bind /run/etc /etc";
        lab.client.mounting(etc);
        settle(&lab, "");
        lab.client.setup("");
        let before = lab.client.state();
        let standing = format!("{BOTH}; settings: {told}");
        let daemon = follow(&lab);
        comes_to(&lab, BOTH, &[], &["w1", "w2"], "set up");
        settle(&lab, settings);
        let pid = Pid::from_raw(daemon.pid().cast_signed()).expect("it is no process 0");
        kill_process(pid, Signal::HUP).expect("it is our child and was not waited for");
        comes_to(&lab, &standing, &[code], &["w1", "w2"], settings);
        assert_same(&before, &lab.client.state(), settings);
        drop(daemon);
        let daemon = follow(&lab);
        comes_to(&lab, &standing, &[code], &["w1", "w2"], settings);
        assert_same(&before, &lab.client.state(), settings);
        drop(daemon);
    }
}

#[test]
fn status_says_of_what_no_message_told_that_the_daemon_has_not_seen_it() {
    let lab = Uplinks::two_subnets(RATE);
    let daemon = follow(&lab);
    comes_to(&lab, BOTH, &[], &["w1", "w2"], "set up");
    ip(&lab, "mptcp endpoint add 10.9.9.9 subflow");
    let seen = status(&lab.client);
    assert_eq!(
        (&seen["daemon"]["behind"], &seen["daemon"]["standing"]),
        (&true.into(), &BOTH.into())
    );
    let nobody = lab.client.command("setpriv");
    let nobody = nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    let nobody = nobody.arg(tool::public_binary()).arg("status");
    for (screen, sudo) in [(lab.client.tool("status"), ""), (nobody, "sudo ")] {
        let screen = screen.env("COLUMNS", "120").run();
        let line = format!("it looks again by: {sudo}kill -HUP {}\n", daemon.pid());
        assert!(screen.stdout.contains(&line), "{screen}");
    }
    let pid = Pid::from_raw(daemon.pid().cast_signed()).expect("it is no process 0");
    kill_process(pid, Signal::HUP).expect("it is our child and was not waited for");
    let standing = "w1 and w2 are set up; endpoints: 10.9.9.9 (id 3) is on no link";
    comes_to(&lab, standing, &["endpoints.vanished"], &["w1", "w2"], "told to look");
    drop(daemon);
}
