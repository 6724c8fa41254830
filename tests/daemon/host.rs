//! A daemon on a host of the laboratory: started, asked, told to end.

use std::fs::{self, File};
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::hold::Hold;
use crate::support::uplinks::{Station, Uplinks};
use crate::support::{Cmd, Outcome, Running, scratch, wait};

/// What it says of a host whose second link is switched off.
pub(super) const OFF: &str =
    "only one path, w1: nothing to set up; endpoints: w2, with 10.2.0.1, is switched off";

/// A daemon that runs and has made its first look.
pub(super) struct Daemon {
    running: Running,
    log: PathBuf,
}

impl Daemon {
    /// `mptcpize daemon ARGUMENTS`; back when it says what it found.
    #[track_caller]
    pub(super) fn start(station: &Station, arguments: &str) -> Daemon {
        Daemon::start_as(station, station.tool("daemon").args(arguments.split_whitespace()))
    }

    /// A daemon by a command of its own, such as one under strace(1); back when it says what it found.
    #[track_caller]
    pub(super) fn start_as(station: &Station, command: Cmd) -> Daemon {
        let mut daemon = Daemon::start_unseen(command);
        wait::until("the daemon's first look", || {
            assert!(!daemon.running.ended(), "it ended: {}", daemon.said());
            // One that was killed may have left its own.
            let said = status(station);
            said["pid"] == daemon.pid() && said["status"]["standing"] != ""
        });
        daemon
    }

    /// One whose run directory is its own, so that nobody sees what it lets others know.
    pub(super) fn start_unseen(command: Cmd) -> Daemon {
        let log = scratch("daemon").join("log");
        let file = File::create(&log).expect("a scratch file can be made");
        Daemon { running: command.stderr(file.into()).start(), log }
    }

    /// Has it ended?
    pub(super) fn ended(&mut self) -> bool {
        self.running.ended()
    }

    /// Waits for its end; what became of it.
    pub(super) fn finish(self) -> Outcome {
        self.running.finish()
    }

    pub(super) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What it has said on standard error.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("it was made")
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(super) fn says(&self, text: &str) {
        wait::until(&format!("{text:?} in\n{}", self.said()), || self.said().contains(text));
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("it is no process 0");
        kill_process(pid, signal).expect("it is our child and was not waited for");
    }

    /// Ends it as systemd does.
    #[track_caller]
    pub(super) fn end(self) -> Outcome {
        self.signal(Signal::TERM);
        self.running.finish()
    }

    /// Ends it as the kernel does that is out of memory.
    pub(super) fn kill(self) {
        self.signal(Signal::KILL);
        assert_eq!(self.running.finish().code(), 128 + 9);
    }
}

/// What the daemon of this host lets others know; null where there is none.
pub(super) fn status(station: &Station) -> Value {
    let entries = fs::read_dir(station.state_directory()).into_iter().flatten().flatten();
    let mut files = entries.map(|entry| entry.path());
    let file = files.find(|path| path.extension().is_some_and(|it| it == "daemon"));
    let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Waits until the daemon says that this is the case.
#[track_caller]
pub(super) fn stands(station: &Station, standing: &str) {
    wait::until(&format!("{standing:?}: {}", status(station)), || {
        status(station)["status"]["standing"] == standing
    });
}

/// Waits until a set-up would find nothing to do.
#[track_caller]
pub(super) fn is_whole(station: &Station) {
    let dry_run = || station.tool("setup --dry-run --exit-code").run();
    wait::until("a host that is set up", || dry_run().code() == 0);
}

/// An upload that stops in the middle until it is to go on.
pub(super) struct Half<'a> {
    lab: &'a Uplinks,
    hold: Hold,
    client: Running,
}

impl<'a> Half<'a> {
    /// One of so many bytes to this host; back when the first half has left.
    #[track_caller]
    pub(super) fn upload(lab: &'a Uplinks, host: &str, bytes: u64) -> Self {
        let hold = Hold::new();
        let mut client = hold.on(lab.client_of("put", host, bytes)).start();
        wait::until("the first half", || {
            assert!(!client.ended(), "it waits for its second half");
            lab.counters().iter().sum::<u64>() > bytes / 2
        });
        Half { lab, hold, client }
    }

    /// Lets it go on to its end; at least so many bytes of the second half leave over this link.
    #[track_caller]
    pub(super) fn ends_over(self, link: usize, least: u64) {
        let before = self.lab.counters();
        self.hold.release();
        self.client.finish().ok();
        let after = self.lab.counters();
        assert!(after[link - 1] - before[link - 1] > least, "{before:?} {after:?}");
    }
}
