//! What `mptcpize setup` prints: the plan that changes nothing, JSON that is a test case, and an
//! error with its fix for each thing that can be asked wrongly.
//!
//! Not here: the plans of all sorts of hosts (pure/plan.rs).

use std::fs;

use crate::support::scratch::{self, scratch};
use crate::support::uplinks::{Station, Uplinks, assert_same};
use crate::support::{Cmd, Netns, Outcome, tool};
use mptcpize::output::diff;
use mptcpize::output::term::Term;
use mptcpize_model::config::Config;
use mptcpize_model::plan::plan;
use mptcpize_model::{HostState, desired};

const THREE_DONGLES: &str = include_str!("../screens/setup-three-dongles.txt");

#[test]
fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let lab = Uplinks::three_dongles("15mbit");
    let before = lab.client.state();
    let screen = lab.client.tool("setup --dry-run").env("LC_ALL", "C.UTF-8");
    let screen = screen.run().silent().stdout;
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/screens/setup-three-dongles.txt");
        fs::write(path, &screen).expect("the repository can be written");
    } else {
        assert_eq!(screen, THREE_DONGLES);
    }
    let outcome = lab.client.tool("setup --dry-run --exit-code").run();
    outcome.says(3, "");
    assert_same(&before, &lab.client.state(), "--dry-run");
    assert_eq!(lab.client.journal(), None);
    lab.client.setup("");
    let screen = lab.client.tool("setup --dry-run --exit-code").run().silent().stdout;
    assert_eq!(screen, "Nothing to change on this host.\n\nLeft out: lo (loopback)\n");
}

#[test]
fn an_ordinary_user_may_look() {
    let lab = Uplinks::three_dongles("15mbit");
    let binary = tool::public_binary().display().to_string();
    let id = scratch::NOBODY.to_string();
    let look = lab.client.command("setpriv");
    let look = look.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--", &binary]);
    let look = look.args(["setup", "--dry-run"]).env("LC_ALL", "C.UTF-8");
    assert_eq!(look.run().silent().stdout, THREE_DONGLES);
}

/// The state and the plan of a dry run's JSON.
fn parsed(station: &Station, arguments: &str) -> (HostState, serde_json::Value) {
    let text = station.setup(&format!("{arguments} --json"));
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(value["version"], 1);
    let state = serde_json::from_value(value["state"].clone()).expect("it is a state");
    (state, value)
}

#[test]
fn json_has_the_host_and_the_plan_that_follows_from_it() {
    let mixed = Uplinks::new(&["15mbit"; 3]);
    mixed.number_v6(1);
    mixed.number_v4(2);
    mixed.number_v4(3);
    mixed.client.net.ip("mptcp endpoint add 10.3.0.1 dev w3 subflow");
    for lab in [Uplinks::three_dongles("15mbit"), mixed] {
        let (state, value) = parsed(&lab.client, "--dry-run");
        // What the report says is enough to plan anew: a test case by copying one file.
        let config = Config::default();
        let again = plan(&state, &desired::desired(&state, &config));
        // Beside it stands what is wrong, which is no part of the plan.
        let planned = diff::json(&again, &state);
        for (key, planned) in planned.as_object().expect("an object") {
            assert_eq!(*planned, value[key], "{key}");
        }
        assert_eq!(value["verdict"], "problem");
        assert!(
            lab.client
                .setup("--dry-run")
                .contains(&diff::plan(&again, &Term { utf8: false, ..Term::PLAIN }))
        );
        let changes = value["changes"].as_array().expect("a list").len();
        let (after, value) = parsed(&lab.client, "");
        assert_eq!(value["changes"].as_array().expect("a list").len(), changes);
        assert!(plan(&after, &desired::desired(&after, &config)).is_empty());
        let undone = lab.client.setup("undo --json");
        let undone: serde_json::Value = serde_json::from_str(&undone).expect("it is JSON");
        assert_eq!(undone["undone"].as_array().expect("a list").len(), changes);
    }
}

#[test]
fn verbose_shows_each_change_as_it_happens() {
    let lab = Uplinks::three_dongles("15mbit");
    let said = lab.client.tool("setup --verbose").run().ok().stderr;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 25, "{said}");
    assert!(lines.iter().all(|line| line.starts_with("mptcpize: ")), "{said}");
    assert_eq!(lines[24], "mptcpize: + endpoint  192.168.0.13 subflow");
    let said = lab.client.tool("setup undo -v").run().ok().stderr;
    assert_eq!(said.lines().next(), Some("mptcpize: - endpoint  192.168.0.13 subflow"));
}

/// Runs `setup ARGUMENTS`, which is refused, and leaves the host as it is.
#[track_caller]
fn refused(lab: &Uplinks, arguments: &str) -> Outcome {
    let before = lab.client.state();
    let outcome = lab.client.tool("setup").args(arguments.split_whitespace()).run();
    assert_same(&before, &lab.client.state(), arguments);
    assert_eq!(lab.client.journal(), None, "{arguments}");
    assert_eq!(outcome.stdout, "", "{outcome}");
    outcome
}

#[test]
fn settings_that_do_not_fit_are_refused_with_their_fix() {
    let lab = Uplinks::two_subnets("15mbit");
    for (option, key) in [
        ("--only w1,w7", "only"),
        ("--exclude w7", "exclude"),
        ("--backup w7", "backup"),
        ("--gateway w7=10.1.0.254", "gateway"),
    ] {
        let unknown = format!(
            "error: there is no link w7, which {key} names\n  why: this host has w1, w2\n  \
             fix: ip link    # lists them\n"
        );
        refused(&lab, option).says(2, &unknown);
    }
    refused(&lab, "--gateway w2=10.1.0.254").says(
        2,
        "error: the gateway 10.1.0.254 is not in a network of w2\n  why: w2 has 10.2.0.0/24\n  \
         fix: ip addr show dev w2    # shows its networks\n",
    );
    for (wrong, why) in [
        ("--confirm 0", "'--confirm <SECONDS>': 0 is not in 1..=86400"),
        ("--confirm soon", "'--confirm <SECONDS>': invalid digit"),
        ("--max-subflows 9", "'--max-subflows <N>': 9 is not in 0..=8"),
        ("--only a/b", "has a slash"),
        ("--gateway w2", "it is not of the form IF=ADDR"),
        ("--gateway w2=here", "\"here\" is not an address"),
        ("--role boss", "possible values: client, server, both"),
        ("--exit-code", "--dry-run"),
        ("--both", "unexpected argument"),
    ] {
        let outcome = refused(&lab, wrong);
        assert_eq!(outcome.code(), 2, "{outcome}");
        assert!(outcome.stderr.starts_with("error: "), "{outcome}");
        assert!(outcome.stderr.contains(why), "{why}: {outcome}");
    }
}

#[test]
fn a_mistake_in_the_settings_file_is_told_with_its_place() {
    let lab = Uplinks::two_subnets("15mbit");
    let file = scratch("config").join("mptcpize.toml");
    for (text, place) in [
        ("rolle = \"client\"\n", "line 1, column 1"),
        ("role = \"client\"\nbackup = 3\n", "line 2, column 10"),
        ("only = [\"w1\"\n", "line 1, column 13"),
    ] {
        fs::write(&file, text).expect("a scratch file");
        let outcome = refused(&lab, &format!("--config {}", file.display()));
        assert_eq!(outcome.code(), 2, "{outcome}");
        let what = format!("error: {} has a mistake\n  why: ", file.display());
        assert!(outcome.stderr.starts_with(&what), "{outcome}");
        assert!(outcome.stderr.contains(place), "{place}: {outcome}");
    }
    let missing = refused(&lab, "--config /nonexistent/mptcpize.toml");
    assert_eq!(missing.code(), 2, "{missing}");
    assert!(missing.stderr.starts_with("error: cannot read /nonexistent/mptcpize.toml"));
    // A good one is obeyed, and the command line wins over it.
    fs::write(&file, "backup = [\"w2\"]\nmax_subflows = 3\n").expect("a scratch file");
    lab.client.setup(&format!("--config {} --max-subflows 4", file.display()));
    assert!(lab.client.net.ip("mptcp endpoint show").contains("subflow backup"));
    assert!(lab.client.net.ip("mptcp limits show").contains("subflows 4"));
}

#[test]
fn without_privilege_nothing_is_changed_and_sudo_is_named() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let id = scratch::NOBODY.to_string();
    let binary = tool::public_binary().display().to_string();
    let base = ["--reuid", &id, "--regid", &id, "--clear-groups", "--", &binary, "setup"];
    let outcome = lab.client.command("setpriv").args(base).run();
    assert_eq!(outcome.code(), 4, "{outcome}");
    assert!(outcome.stderr.ends_with("\n  fix: sudo mptcpize setup\n"), "{outcome}");
    // Root without the capability, whom the kernel refuses.
    let bounded = lab.client.command("setpriv").args(["--bounding-set", "-net_admin", "--"]);
    let outcome = bounded.arg(tool::binary()).arg("setup").run();
    assert_eq!(outcome.code(), 4, "{outcome}");
    let fix = "\n  fix: run it outside of this container, or with root's capabilities in it\n";
    assert!(outcome.stderr.ends_with(fix), "{outcome}");
    // Root of a user namespace, to whom this network does not belong.
    let mapped = || lab.client.command("unshare").args(["--user", "--map-root-user", "--"]);
    let advice = "run it as root of the host, outside of this user namespace";
    let outcome = mapped().arg(tool::binary()).arg("setup").run();
    assert_eq!(outcome.code(), 4, "{outcome}");
    assert!(outcome.stderr.ends_with(&format!("\n  fix: {advice}\n")), "{outcome}");
    let words = ["endpoint", "add", "10.2.0.1", "dev", "w2", "subflow"];
    let outcome = mapped().arg(tool::binary()).args(words).run();
    assert_eq!(outcome.code(), 4, "{outcome}");
    let fix = format!("\n  fix: mptcpize {}    ({advice})\n", words.join(" "));
    assert!(outcome.stderr.ends_with(&fix), "{outcome}");
    assert_same(&before, &lab.client.state(), "without privilege");
}

#[test]
fn a_kernel_without_mptcp_or_with_the_old_one_is_recognised() {
    let mut lab = Uplinks::two_subnets("15mbit");
    for (mounts, what) in [
        ("mount -t tmpfs none /proc/sys/net", "error: this kernel has no MPTCP\n"),
        (
            "mount -t tmpfs none /proc/sys/net; mkdir /proc/sys/net/mptcp
             echo 1 >/proc/sys/net/mptcp/mptcp_enabled",
            "error: this kernel has the out-of-tree MPTCP (v0)\n",
        ),
    ] {
        lab.client.mounting(mounts);
        for arguments in ["", "--dry-run"] {
            let outcome = refused(&lab, arguments);
            assert_eq!(outcome.code(), 5, "{outcome}");
            assert!(outcome.stderr.starts_with(what), "{outcome}");
            assert!(outcome.stderr.contains("\n  fix: boot a kernel 5.6 or newer"), "{outcome}");
            assert!(outcome.stderr.contains("apt install linux-image-"), "{outcome}");
        }
        // A program runs all the same.
        let outcome = lab.client.tool("run echo on").run().ok();
        assert_eq!(outcome.stdout, "on\n", "{outcome}");
    }
}

#[test]
fn more_uplinks_than_the_kernel_takes_endpoints_are_named() {
    let lab = Uplinks::new(&["15mbit"; 10]);
    lab.share();
    lab.client.net.ip("route add default via 192.168.0.1 dev w4 metric 100");
    let plan = lab.client.setup("--dry-run");
    let left_out = "endpoint 192.168.0.19 (the kernel takes 8 endpoints), \
                    endpoint 192.168.0.110 (the kernel takes 8 endpoints)\n";
    assert!(plan.contains(left_out), "{plan}");
    lab.client.setup("");
    let endpoints = lab.client.net.ip("mptcp endpoint show");
    assert_eq!(endpoints.lines().count(), 8, "{endpoints}");
    assert!(endpoints.starts_with("192.168.0.14 id 1 subflow"), "{endpoints}");
    // Its address is still routed by its own link.
    let way = lab.client.net.ip("route get 192.0.2.1 from 192.168.0.110");
    assert!(way.contains("dev w10"), "{way}");
}

#[test]
fn another_network_namespace_is_set_up_by_name_and_by_process() {
    let mut lab = Uplinks::two_subnets("15mbit");
    let elsewhere = Netns::new();
    let holder = Cmd::new("tail").args(["-f", "/dev/null"]).within(&lab.client.net).start();
    lab.client.mounting(&format!(
        "mkdir -p /run/netns; touch /run/netns/lab; mount --bind /proc/{}/ns/net /run/netns/lab",
        holder.pid()
    ));
    let before = lab.client.state();
    for place in ["lab", &holder.pid().to_string(), "/run/netns/lab"] {
        let tool = |arguments: &str| {
            let place = ["--netns", place];
            let command = lab.client.tool(arguments).args(place).within(&elsewhere);
            command.run().silent().stdout
        };
        assert!(tool("setup --dry-run").starts_with("Would change"), "{place}");
        assert!(tool("setup").starts_with("set up w1 and w2"), "{place}");
        assert!(lab.client.setup("").starts_with("already set up"), "{place}");
        assert!(tool("setup undo").starts_with("undid"), "{place}");
        assert_same(&before, &lab.client.state(), place);
    }
    let wrong = lab.client.tool("setup --netns nowhere").run();
    assert_eq!(wrong.code(), 1, "{wrong}");
    assert!(wrong.stderr.starts_with("error: there is no network namespace \"nowhere\""));
}
