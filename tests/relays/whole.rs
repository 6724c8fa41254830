//! `mptcpize relay agent`: all TCP of a host, and programs that have a proxy setting.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{RELAY_V4, Ready, WEB_V4, WEB_V6, file_at};
use crate::support::{Cmd, Outcome, Running, scratch, wait};

/// What a program loads.
const BYTES: usize = 4_000_000;

/// An agent that runs, and what it says.
struct Agent {
    running: Running,
    log: std::path::PathBuf,
}

/// Starts one with these options; back when it takes connections.
fn start(ready: &Ready, nobody: bool, options: &str) -> Agent {
    let log = scratch("agent").join("log");
    let file = fs::File::create(&log).expect("it is ours");
    let agent = ready.relays.tool_of(nobody).args(["relay", "agent"]);
    let running = agent.args(options.split_whitespace()).stderr(file.into()).start();
    let agent = Agent { running, log };
    agent.says(" goes through rented");
    agent
}

impl Agent {
    fn text(&self) -> String {
        fs::read_to_string(&self.log).expect("it was made")
    }

    fn says(&self, what: &str) {
        wait::until(what, || self.text().contains(what));
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.running.pid().cast_signed()).expect("it runs");
        kill_process(pid, signal).expect("it runs");
    }

    /// Its agent's process.
    fn child(&self) -> Pid {
        let pid = self.running.pid();
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = fs::read_to_string(path).expect("it runs");
        let all = text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
        let named = |pid: &i32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it.contains("relay"))
        };
        Pid::from_raw(all.into_iter().find(named).expect("there is one")).expect("a process")
    }

    fn end(self) -> Outcome {
        self.signal(Signal::TERM);
        self.running.finish()
    }
}

fn ready(bytes: usize) -> Ready {
    let ready = Ready::new(bytes);
    ready.relays.stored(false, "/nonexistent", &ready.url).run().ok();
    ready
}

fn curl(ready: &Ready, host: &str) -> Cmd {
    let curl = ready.relays.client().command("curl").args(["-sSf", "-o", "/dev/null"]);
    curl.args(["-w", "%{remote_ip}"]).arg(file_at(host))
}

fn tables(ready: &Ready) -> String {
    ready.relays.client().net.command("nft").args(["list", "tables"]).run().ok().stdout
}

#[test]
fn all_tcp_of_a_host_goes_through_the_relay_while_the_agent_runs() {
    let ready = ready(BYTES);
    let before = tables(&ready);
    let agent = start(&ready, false, "--host");
    for host in [WEB_V4, WEB_V6] {
        assert_eq!(ready.loads(|| curl(&ready, host)), host);
    }
    // The network of a link is reached directly.
    let carried = ready.relays.carried();
    let refused = ready.relays.client().command("curl").args(["-sS", "http://10.1.0.254/"]).run();
    assert_eq!(refused.code(), 7, "{refused}");
    assert_eq!(ready.relays.carried(), carried);
    assert_eq!(agent.end().code(), 0);
    assert_eq!(tables(&ready), before);
    curl(&ready, WEB_V4).run().ok();
    assert_eq!(ready.relays.carried(), carried);
}

#[test]
fn when_the_agent_is_killed_connections_go_directly_and_then_through_another_one() {
    let ready = ready(1_000);
    let agent = start(&ready, false, "--host");
    let first = agent.child();
    kill_process(first, Signal::KILL).expect("it runs");
    curl(&ready, WEB_V4).run().ok();
    agent.says("connections go directly until it runs again");
    wait::until("another agent", || agent.text().matches(" goes through rented").count() == 2);
    let carried = ready.relays.carried();
    curl(&ready, WEB_V4).run().ok();
    assert!(ready.relays.carried() > carried);
}

#[test]
fn of_a_killed_launcher_nothing_is_left() {
    let ready = ready(1_000);
    let before = tables(&ready);
    let agent = start(&ready, false, "--host");
    let child = agent.child();
    assert_ne!(tables(&ready), before);
    agent.signal(Signal::KILL);
    wait::until("the table to go", || tables(&ready) == before);
    wait::until("the agent to end", || {
        let path = format!("/proc/{}/stat", child.as_raw_nonzero());
        fs::read_to_string(path).map_or(true, |text| text.contains(") Z"))
    });
    curl(&ready, WEB_V4).run().ok();
}

#[test]
fn programs_with_a_proxy_setting_go_through_it_without_root() {
    let ready = ready(BYTES);
    let home = scratch("home").display().to_string();
    ready.relays.stored(true, &home, &ready.url).run().ok();
    let log = scratch("agent").join("log");
    let file = fs::File::create(&log).expect("it is ours");
    let agent = ready.relays.tool_of(true).env("HOME", &home);
    let options = ["relay", "agent", "--proxy", "127.0.0.1:1080"];
    let agent = Agent { running: agent.args(options).stderr(file.into()).start(), log };
    agent.says("what comes to 127.0.0.1:1080 goes through rented");
    for proxy in ["socks5h", "http"] {
        let proxy = format!("{proxy}://127.0.0.1:1080");
        ready.loads(|| curl(&ready, WEB_V4).args(["-p", "-x", &proxy]));
    }
    assert_eq!(agent.end().code(), 0);
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_remedy() {
    let ready = ready(1_000);
    for (nobody, options, code, said) in [
        (false, "--proxy 0.0.0.0:1080", 2, "loopback address"),
        (false, "", 2, "neither --host nor --proxy"),
        (false, "--host --relay unknown", 5, "there is no relay unknown"),
        (true, "--host", 4, "sudo mptcpize relay agent --host"),
        (true, "--proxy 127.0.0.1:1080", 5, "no relay is stored"),
    ] {
        let agent = ready.relays.tool_of(nobody).args(["relay", "agent"]);
        let outcome = agent.args(options.split_whitespace()).run();
        assert_eq!(outcome.code(), code, "{outcome}");
        assert!(outcome.stderr.contains(said), "{outcome}");
    }
}

#[test]
fn a_dry_run_shows_the_table_and_no_key_and_changes_nothing() {
    let ready = ready(1_000);
    let before = tables(&ready);
    let run = ready.relays.tool_of(false).args(["relay", "agent", "--host", "--dry-run"]);
    let said = run.run().silent().stdout;
    assert!(said.contains("flags owner") && said.contains("through rented"), "{said}");
    assert!(!said.contains("WlpaWlpa") && !said.contains(RELAY_V4), "{said}");
    assert_eq!(tables(&ready), before);
}
