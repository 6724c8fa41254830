//! What a service manager and `mptcpize status` see of a daemon.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;

use super::host::{Daemon, OFF, stands};
use crate::support::uplinks::Uplinks;
use crate::support::{scratch, wait};

const RATE: &str = "15mbit";

/// The datagrams that have come to a socket of sd_notify(3), one after another.
fn datagrams(socket: &UnixDatagram) -> Vec<String> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = socket.recv(&mut buffer) {
        all.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    all
}

#[test]
fn a_service_manager_is_told_when_it_is_ready_reads_its_settings_lives_and_ends() {
    let lab = Uplinks::two_subnets(RATE);
    let path = scratch("notify").join("socket");
    let socket = UnixDatagram::bind(&path).expect("the name is new");
    socket.set_nonblocking(true).expect("it is a socket");
    let command = lab.client.tool("daemon").env("NOTIFY_SOCKET", &path);
    let daemon = Daemon::start_as(&lab.client, command.env("WATCHDOG_USEC", "2000000"));
    let mut told = Vec::new();
    let mut comes = |wanted: &str| {
        wait::until(wanted, || {
            told.append(&mut datagrams(&socket));
            let at = told.iter().position(|text| text.starts_with(wanted));
            // What comes later is looked for behind it.
            at.map(|at| told.drain(..=at)).is_some()
        });
    };
    comes("STATUS=w1 and w2 are set up");
    comes("READY=1");
    comes("WATCHDOG=1");
    lab.cut(2);
    comes("STATUS=w1 and w2 are set up; paths: w2 has no carrier");
    lab.router.ip("link set r2 up");
    comes("STATUS=w1 and w2 are set up");
    daemon.signal(Signal::HUP);
    comes("RELOADING=1\nMONOTONIC_USEC=");
    comes("READY=1");
    daemon.signal(Signal::TERM);
    comes("STOPPING=1");
    daemon.end().ok();
}

#[test]
fn nothing_wakes_a_daemon_while_nothing_happens() {
    let lab = Uplinks::two_subnets(RATE);
    let daemon = Daemon::start(&lab.client, "");
    stands(&lab.client, "w1 and w2 are set up");
    idles(&daemon);
    daemon.end().ok();
}

/// Waits until a daemon idles, by the timers of its process and what it waits for in the words of
/// /proc: it sleeps in epoll_wait(2) without a limit, and its timer is off.
#[track_caller]
pub(super) fn idles(daemon: &Daemon) {
    let process = format!("/proc/{}", daemon.pid());
    let mut seen = String::new();
    let idles = wait::comes(|| {
        let call = fs::read_to_string(format!("{process}/syscall")).unwrap_or_default();
        let words: Vec<&str> = call.split(' ').collect();
        let timers = timers(Path::new(&process));
        seen = format!("{call}{timers:?}");
        // epoll_wait or epoll_pwait2; the fourth argument is the limit: -1, or no timespec.
        let endless = match words.as_slice() {
            [number, _, _, _, limit, ..] => {
                let number: i64 = number.parse().unwrap_or_default();
                let waits = [libc::SYS_epoll_wait, libc::SYS_epoll_pwait];
                let pwait2 = number == libc::SYS_epoll_pwait2 && *limit == "0x0";
                pwait2 || waits.contains(&number) && limit.ends_with("ffffffff")
            }
            _ => false,
        };
        // CLOCK_REALTIME is 0: the timer that is there to be cancelled when the clock is set.
        let off =
            timers.iter().filter(|timer| timer.clock != 0).all(|timer| timer.left == "(0, 0)");
        endless && off && timers.len() == 2
    });
    assert!(idles, "{seen}");
}

/// A timer of timerfd_create(2), as /proc/PID/fdinfo shows it.
#[derive(Debug)]
struct Timer {
    clock: i32,
    left: String,
}

fn timers(process: &Path) -> Vec<Timer> {
    let entries = fs::read_dir(process.join("fdinfo")).expect("it lives");
    let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts
        .filter_map(|text| {
            let field = |name: &str| {
                text.lines().find_map(|line| line.strip_prefix(name)).map(|it| it.trim().to_owned())
            };
            Some(Timer { clock: field("clockid:")?.parse().ok()?, left: field("it_value:")? })
        })
        .collect()
}

#[test]
fn status_shows_since_when_it_runs_and_what_it_did() {
    let lab = Uplinks::two_subnets(RATE);
    let daemon = Daemon::start(&lab.client, "");
    lab.client.net.ip("link set w2 down");
    stands(&lab.client, OFF);
    lab.client.net.ip("link set w2 up");
    stands(&lab.client, "w1 and w2 are set up");
    // As an ordinary user, who may not enter the directory of the locks.
    let text = lab.client.tool("status").run().stdout;
    let line = format!(" (process {}): w1 and w2 are set up\n", daemon.pid());
    assert!(text.contains("\ndaemon      running for ") && text.contains(&line), "{text}");
    for event in ["w2 is no path any more: it is down", "w2 is a path again", "set up w1 and w2"] {
        assert!(text.contains(&format!(" ago  {event}")), "{event}: {text}");
    }
    let json = lab.client.tool("status -j").run().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let seen = &json["daemon"];
    assert_eq!(seen["pid"], daemon.pid(), "{json}");
    assert_eq!(seen["held"], serde_json::json!([]), "{json}");
    let kinds: Vec<_> = seen["events"].as_array().expect("a list").iter().collect();
    let kinds: Vec<_> = kinds.iter().map(|event| event["kind"].as_str()).collect();
    let expected = ["set_up", "link_gone", "standing", "link_back", "set_up"].map(Some);
    assert_eq!(kinds, expected, "{json}");
    daemon.end().ok();
}
