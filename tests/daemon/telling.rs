//! What others are told of a daemon's decisions: `mptcpize monitor` and `mptcpize metrics`.

use std::fs::{self, File};
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::host::{Daemon, OFF, stands, status};
use crate::support::uplinks::{Station, Uplinks};
use crate::support::{Running, scratch, wait};

const RATE: &str = "15mbit";
const BOTH: &str = "w1 and w2 are set up";

/// `mptcpize monitor` of a station, which writes into a file.
struct Monitor {
    running: Running,
    log: PathBuf,
}

impl Monitor {
    /// Back when it follows the decisions: from then on none is missed.
    fn start(station: &Station, arguments: &str) -> Monitor {
        let log = scratch("monitor").join("log");
        File::create(&log).expect("a scratch file can be made");
        // Its standard output is this file, and the shell becomes it.
        let command = station.command("sh").args(["-c", "exec \"$0\" monitor $2 >\"$1\" 2>&1"]);
        let command = command.arg(crate::support::tool::binary()).arg(&log).arg(arguments);
        let mut monitor = Monitor { running: command.start(), log };
        wait::until("a monitor that watches", || {
            assert!(!monitor.running.ended(), "it ended: {}", monitor.said());
            monitor.watches()
        });
        monitor
    }

    /// It first watches, then reads what was decided before, then waits: only one that waits has done both.
    fn watches(&self) -> bool {
        let process = PathBuf::from(format!("/proc/{}", self.running.pid()));
        let all = fs::read_dir(process.join("fdinfo")).into_iter().flatten().flatten();
        let mut texts = all.filter_map(|one| fs::read_to_string(one.path()).ok());
        let waits =
            || fs::read_to_string(process.join("wchan")).is_ok_and(|at| at.starts_with("poll_"));
        texts.any(|text| text.contains("inotify wd:")) && waits()
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("it was made")
    }

    /// The objects of the daemon's lines.
    fn decisions(&self) -> Vec<Value> {
        let said = self.said();
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let all = whole.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        all.filter(|object| object["event"] == "DAEMON").collect()
    }

    /// Waits for a line whose text is this.
    #[track_caller]
    fn tells(&self, text: &str) {
        assert!(wait::comes(|| self.said().contains(text)), "no {text:?} in:\n{}", self.said());
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.running.pid().cast_signed()).expect("it is no process 0");
        kill_process(pid, signal).expect("it is our child and was not waited for");
    }
}

fn words(objects: &[Value], key: &str) -> Vec<String> {
    objects.iter().filter_map(|object| Some(object[key].as_str()?.to_owned())).collect()
}

#[test]
fn monitor_prints_each_decision_in_its_place_and_the_end_of_the_daemon() {
    let lab = Uplinks::two_subnets(RATE);
    // It waits where there is no run directory yet.
    let monitor = Monitor::start(&lab.client, "-j");
    let daemon = Daemon::start(&lab.client, "");
    lab.client.net.ip("link set w2 down");
    stands(&lab.client, OFF);
    lab.client.net.ip("link set w2 up");
    stands(&lab.client, BOTH);
    wait::until("five decisions", || monitor.decisions().len() >= 5);
    let decisions = monitor.decisions();
    let kinds = words(&decisions, "kind");
    assert_eq!(kinds, ["set_up", "link_gone", "standing", "link_back", "set_up"]);
    assert_eq!(words(&decisions, "dev"), ["w2", "w2"]);
    let numbers: Vec<_> = decisions.iter().map(|object| object["number"].as_u64()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5].map(Some));
    let times: Vec<_> = decisions.iter().map(|object| object["time_ms"].as_u64()).collect();
    assert!(times.is_sorted(), "{times:?}");
    daemon.end().ok();
    monitor.tells("\"text\":\"the daemon has ended\"");
}

#[test]
fn a_burst_that_is_longer_than_what_is_remembered_is_counted() {
    let lab = Uplinks::two_subnets(RATE);
    let daemon = Daemon::start(&lab.client, "");
    let monitor = Monitor::start(&lab.client, "-t");
    monitor.signal(Signal::STOP);
    for round in 1..=8 {
        daemon.signal(Signal::HUP);
        wait::until("the settings", || {
            status(&lab.client)["status"]["decisions"]["reloaded"] == round
        });
    }
    monitor.signal(Signal::CONT);
    monitor.tells("3 more decisions, which were not seen in time");
    wait::until("those that are remembered", || {
        monitor.said().matches("the settings were read again").count() == 5
    });
    daemon.end().ok();
}

#[test]
fn metrics_count_the_decisions_of_the_daemon_by_kind() {
    let lab = Uplinks::two_subnets(RATE);
    let daemon = Daemon::start(&lab.client, "");
    lab.client.net.ip("link set w2 down");
    stands(&lab.client, OFF);
    let text = lab.client.tool("metrics").run().silent().stdout;
    for line in [
        "mptcpize_daemon_up 1",
        "mptcpize_daemon_decisions_total{kind=\"set_up\"} 1",
        "mptcpize_daemon_decisions_total{kind=\"link_gone\"} 1",
        "mptcpize_daemon_decisions_total{kind=\"refused\"} 0",
        "mptcpize_daemon_held_links 0",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
    daemon.end().ok();
    let text = lab.client.tool("metrics").run().silent().stdout;
    assert!(text.contains("\nmptcpize_daemon_up 0\n"), "{text}");
}

#[test]
fn of_a_host_on_which_nothing_is_bonded_a_daemon_says_no_more_than_that() {
    const ONE: &str = "only one path, w1: nothing to set up";
    let lab = Uplinks::two_subnets(RATE);
    lab.client.setup("");
    lab.client.net.ip("link set w2 down");
    for (arguments, words) in [("--exclude w2", true), ("--exclude w2 --backup w1", false)] {
        let daemon = Daemon::start(&lab.client, arguments);
        stands(&lab.client, ONE);
        let said = daemon.said();
        let told = status(&lab.client)["status"]["events"].to_string();
        assert!(!said.contains("are set up") && !told.contains("are set up"), "{said}{told}");
        // The second one's command line is news, and there is nothing left to be taken away.
        assert_eq!(said.contains("took away"), words, "{said}");
        daemon.end().ok();
    }
}

#[test]
fn a_link_that_comes_and_goes_is_told_as_held_back_and_not_each_time_as_a_fault() {
    let lab = Uplinks::two_subnets(RATE);
    let daemon = Daemon::start(&lab.client, "");
    let judged = |found: &Value| {
        wait::until(&format!("{found} found"), || {
            let findings = &status(&lab.client)["status"]["judged"]["findings"];
            let codes: Option<Vec<Value>> =
                findings.as_array().map(|all| all.iter().map(|one| one["code"].clone()).collect());
            codes.is_some_and(|codes| Value::from(codes) == *found)
        });
    };
    let off = serde_json::json!(["endpoints.link_down"]);
    let on = serde_json::json!([]);
    let flap = || {
        lab.client.net.ip("link set w2 down");
        wait::until("a look at w2 that is down", || {
            status(&lab.client)["status"]["judged"]["usable_paths"] == serde_json::json!(["w1"])
        });
        lab.client.net.ip("link set w2 up");
        judged(&on);
    };
    lab.client.net.ip("link set w2 down");
    judged(&off);
    lab.client.net.ip("link set w2 up");
    judged(&on);
    wait::until("w2 to be held back", || {
        flap();
        status(&lab.client)["status"]["held"][0]["link"] == "w2"
    });
    (0..3).for_each(|_| flap());
    let said = daemon.said();
    assert!(said.contains("; held back: w2\n") && !said.contains("; held back: w2; "), "{said}");
    daemon.end().ok();
}
