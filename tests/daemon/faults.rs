//! What a daemon survives: a full disk, a kernel that refuses in the middle, SIGKILL at any change of
//! a withdrawal, a namespace whose name goes. The host is never left with what `setup undo` does not
//! take back.
//!
//! strace(1) makes a system call fail or kills at it. Not here: a plain set-up that is killed
//! (setup/crash.rs), messages that are lost (life.rs).

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use super::host::{Daemon, is_whole, status};
use crate::support::uplinks::{Station, Uplinks, assert_same};
use crate::support::{Cmd, tool, wait};

const BOTH: &str = "w1 and w2 are set up";

/// A tunnel's default route, better than the uplinks'.
const CAPTURE: &str = "route add default via 10.8.0.1 dev tun0 metric 50";

fn add_tunnel(lab: &Uplinks) {
    for line in ["tuntap add tun0 mode tun", "address add 10.8.0.2/24 dev tun0", "link set tun0 up"]
    {
        lab.client.net.ip(line);
    }
}

fn own_rules(lab: &Uplinks) -> bool {
    lab.client.net.ip("rule show").contains("proto 86")
}

/// A file that takes all room that is left.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("filler");
    let mut file = File::create(&path).expect("a file without a byte needs no room");
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}

#[test]
fn a_full_disk_is_told_withdraws_all_the_same_and_is_over_when_there_is_room() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let script = "mkdir -p /run/mptcpize
        mount -t tmpfs -o size=128k,mode=755 none /run/mptcpize
        exec \"$0\" daemon";
    let command = lab.client.command("sh").args(["-ec", script]).arg(tool::binary());
    let mut daemon = Daemon::start_unseen(command);
    daemon.says("set up w1 and w2 with ");
    let directory = format!("/proc/{}/root/run/mptcpize", daemon.pid());
    let table = || lab.client.net.ip("route show table 8685");
    let is_there = || table().contains("default via 10.2.0.254");

    let filler = fill(Path::new(&directory));
    // The journal takes what fits into the page that it has.
    while !daemon.said().contains("no space left on device") {
        wait::until("its table", is_there);
        lab.client.net.ip("route flush table 8685");
        wait::until("its table again, or no room for it", || {
            is_there() || daemon.said().contains("no space left on device")
        });
    }
    assert!(!daemon.ended(), "{}", daemon.said());
    fs::remove_file(&filler).expect("it is there");
    wait::until("its table, with room", is_there);

    let filler = fill(Path::new(&directory));
    add_tunnel(&lab);
    lab.client.net.ip(CAPTURE);
    wait::until("no rule that leads around the VPN", || !own_rules(&lab));
    let times = || daemon.said().matches("set up w1 and w2 with ").count();
    let before_it = times();
    lab.client.net.ip("link delete tun0");
    fs::remove_file(&filler).expect("it is there");
    // It says so when it has let go of the journal's lock.
    wait::until("both links", || own_rules(&lab) && is_there() && times() > before_it);

    // What stands in the journal after all of it is what an undo needs, and it needs no room.
    daemon.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", daemon.pid());
    wait::until("a process that is stopped", || {
        fs::read_to_string(&stat).expect("it lives").contains(") T ")
    });
    fill(Path::new(&directory));
    let undo = lab.client.net.command("nsenter").args(["-t", &daemon.pid().to_string(), "-m"]);
    undo.arg(tool::binary()).args(["setup", "undo"]).run().ok();
    assert_same(&before, &lab.client.state(), "undone");
    daemon.signal(Signal::CONT);
    daemon.kill();
}

/// A daemon under strace(1) with this done to a system call.
fn injected(station: &Station, call: &str, what: &str) -> Cmd {
    let strace = station.command("strace").args(["-f", "-qq", "-o", "/dev/null"]);
    let strace = strace.args(["-e", &format!("trace={call}")]);
    let strace = strace.args(["-e", &format!("inject={call}:{what}")]);
    strace.arg(tool::binary()).arg("daemon")
}

/// Forgets what a daemon before let others know.
fn forget(station: &Station) {
    let entries = fs::read_dir(station.state_directory()).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.extension().is_some_and(|it| it == "daemon") {
            fs::remove_file(path).expect("it is there");
        }
    }
}

/// Waits until the daemon has ended, or has come to rest; true where it ended.
fn ends(daemon: &mut Daemon, station: &Station, standing: &str) -> bool {
    let mut ended = false;
    wait::until(&format!("{standing:?}, or its end: {}", daemon.said()), || {
        ended = daemon.ended();
        let said = status(station)["status"]["standing"].clone();
        ended || said.as_str().is_some_and(|said| said.starts_with(standing))
    });
    ended
}

/// Ends one that runs under strace(1).
fn end(daemon: Daemon, station: &Station) {
    let pid = status(station)["pid"].as_i64().expect("it runs");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process")).expect("it is not 0");
    // What strikes it may have struck by now, or strike its last words.
    let _ = kill_process(pid, Signal::TERM);
    assert!(matches!(daemon.finish().code(), 0 | 137));
}

#[test]
fn one_that_is_killed_at_any_change_of_a_withdrawal_leaves_what_undo_takes_back() {
    let lab = Uplinks::two_subnets("15mbit");
    add_tunnel(&lab);
    let free = lab.client.state();
    lab.client.net.ip(CAPTURE);
    let captured = lab.client.state();
    lab.client.net.ip(&CAPTURE.replacen(" add ", " delete ", 1));
    // write: what was removed is not recorded; fdatasync: it is, and not on the medium.
    for call in ["write", "fdatasync"] {
        let mut kills = 0;
        for when in 1.. {
            lab.client.setup("");
            lab.client.net.ip(CAPTURE);
            forget(&lab.client);
            let what = format!("signal=KILL:when={when}");
            let mut daemon = Daemon::start_unseen(injected(&lab.client, call, &what));
            let killed = ends(&mut daemon, &lab.client, "traffic of this host");
            if killed {
                kills += 1;
                assert_eq!(daemon.finish().code(), 137);
            } else {
                assert!(!own_rules(&lab));
                end(daemon, &lab.client);
            }
            lab.client.setup("undo");
            assert_same(&captured, &lab.client.state(), &format!("killed at {call} {when}"));
            lab.client.net.ip(&CAPTURE.replacen(" add ", " delete ", 1));
            if !killed {
                break;
            }
        }
        // One endpoint and six rules.
        assert!(kills >= 7, "{kills} kills at {call}");
    }
    assert_same(&free, &lab.client.state(), "all of it");
}

#[test]
fn one_that_is_refused_once_takes_its_changes_back_and_tries_again() {
    let lab = Uplinks::two_subnets("15mbit");
    let before = lab.client.state();
    let mut refused = 0;
    for when in (1..160).step_by(6) {
        forget(&lab.client);
        let what = format!("error=EPERM:when={when}");
        let mut daemon = Daemon::start_unseen(injected(&lab.client, "sendto", &what));
        if ends(&mut daemon, &lab.client, BOTH) {
            // It was refused what it needs to begin.
            let said = daemon.said();
            assert_eq!(daemon.finish().code(), 4, "{said}");
        } else {
            refused += usize::from(daemon.said().contains("not permitted"));
            is_whole(&lab.client);
            end(daemon, &lab.client);
        }
        lab.client.tool("setup undo").run().ok();
        assert_same(&before, &lab.client.state(), &format!("refused at {when}"));
    }
    assert!(refused > 5, "{refused}");
}

#[test]
fn a_namespace_whose_name_and_links_go_is_no_reason_to_end() {
    let lab = Uplinks::two_subnets("15mbit");
    let script = "ip netns add gone; exec \"$0\" daemon --netns gone";
    let command = lab.client.command("sh").args(["-ec", script]).arg(tool::binary());
    let daemon = Daemon::start_unseen(command);
    daemon.says("no path at all: no link has a usable address and a gateway");
    let pid = daemon.pid().to_string();
    let within = |net: bool, line: &str| {
        let command = lab.client.net.command("nsenter").args(["-t", &pid, "-m"]);
        let command = if net { command.arg("-n") } else { command };
        command.arg("ip").args(line.split_whitespace()).run().ok();
    };
    for line in [
        "link add w1 type veth peer name p1",
        "link set w1 up",
        "link set p1 up",
        "address add 10.1.0.1/24 dev w1",
        "route add default via 10.1.0.254 dev w1",
    ] {
        within(true, line);
    }
    daemon.says("w1 is a path now");
    within(false, "netns delete gone");
    within(true, "link delete w1");
    daemon.says("w1 is no path any more: it is gone");
    daemon.end().ok();
}
