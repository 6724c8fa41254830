//! Whether units that were started stay up: systemd calls a `Type=simple` service started once its
//! process exists, and any service may end just after it said that it is ready.
//!
//! Watched until each unit has fallen, or its processes have come to rest; no time has to pass. A
//! program that is busy from its first moment on is believed at the end of the watch.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::Error;
use crate::host::procfs::activity::Activity;
use crate::host::systemd::journalctl;
use crate::host::systemd::systemctl::{Properties, Systemctl};
use crate::syscall::timespec;

/// The whole watch: longer than most programs take to read their settings and to refuse them.
const LONGEST: Duration = Duration::from_secs(10);
/// Between two looks. The end of a main process is seen at once.
const LOOK: Duration = Duration::from_millis(50);
/// Looks in a row at which nothing happens in a unit that rests.
const REST: u32 = 5;

const PROPERTIES: [&str; 9] = [
    "ActiveState",
    "SubState",
    "Result",
    "NRestarts",
    "ExecMainCode",
    "ExecMainStatus",
    "MainPID",
    "ControlGroup",
    "Id",
];

/// A unit that did not stay up.
#[derive(Clone, Debug)]
pub struct Fallen {
    /// Its name.
    pub unit: String,
    /// How it ended.
    pub how: String,
    /// What it said last.
    pub lines: Vec<String>,
}

impl Fallen {
    /// How it ended, and its last lines below.
    pub fn told(&self) -> String {
        let mut all = vec![self.how.clone()];
        all.extend(self.lines.iter().cloned());
        all.join("\n")
    }
}

/// What one look at a unit says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It ended, or is being started once more.
    Fallen(String),
    /// Nothing of it runs that could end.
    Settled,
    /// Its processes are looked at.
    Running,
}

/// Watches units that were started at a moment, with whether each ran before. Returns those that
/// fell.
///
/// # Errors
/// No systemd answers.
pub fn watch(
    manager: Systemctl,
    units: &[(&str, bool)],
    since: SystemTime,
) -> Result<Vec<Fallen>, Error> {
    let mut pending: Vec<(&str, bool, Activity, u32)> =
        units.iter().map(|(name, ran)| (*name, *ran, Activity::default(), 0)).collect();
    let mut fallen = Vec::new();
    let until = Instant::now() + LONGEST;
    while !pending.is_empty() {
        let names: Vec<&str> = pending.iter().map(|(name, ..)| *name).collect();
        let shown = manager.show(&names, &PROPERTIES)?;
        let mut left = Vec::new();
        let mut processes = Vec::new();
        for ((name, ran, before, rested), properties) in pending.into_iter().zip(&shown) {
            match state(properties, ran) {
                State::Settled => {}
                State::Fallen(how) => {
                    let lines = journalctl::last_lines(manager, name, since);
                    fallen.push(Fallen { unit: name.to_owned(), how, lines });
                }
                State::Running => {
                    let now = Activity::of(one(properties, "ControlGroup"));
                    let rested = if now.rests_since(&before) { rested + 1 } else { 0 };
                    if rested < REST {
                        processes.extend(main_process(properties));
                        left.push((name, ran, now, rested));
                    }
                }
            }
        }
        pending = left;
        if Instant::now() >= until {
            break;
        }
        if !pending.is_empty() {
            wait(&processes);
        }
    }
    Ok(fallen)
}

fn one<'a>(properties: &'a Properties, name: &str) -> &'a str {
    properties.get(name).and_then(|values| values.first()).map_or("", String::as_str)
}

fn state(properties: &Properties, ran: bool) -> State {
    let one = |name| one(properties, name);
    let restarts: u32 = one("NRestarts").parse().unwrap_or(0);
    let code = one("ExecMainStatus");
    let ended = match (one("Result"), one("ExecMainCode")) {
        // CLD_EXITED; the others of waitid(2) are signals.
        (_, "1") => format!("it ended at once, with exit code {code}"),
        (_, "2" | "3") => format!("it ended at once, by signal {code}"),
        ("success" | "", _) => "it ended at once".to_owned(),
        (result, _) => format!("it did not come up ({result})"),
    };
    match one("ActiveState") {
        "failed" => State::Fallen(ended),
        _ if restarts > 0 || one("SubState").starts_with("auto-restart") => {
            State::Fallen(format!("{ended}, and systemd starts it again and again"))
        }
        "inactive" if ran => State::Fallen(ended),
        // A job that has done its work, or one that its conditions leave out.
        "inactive" => State::Settled,
        "active" if ["exited", "listening", "running"].contains(&one("SubState")) => {
            // A socket has no process, and a service that `RemainAfterExit=` keeps has none left.
            match one("SubState") == "running" && !one("Id").ends_with(".socket") {
                true => State::Running,
                false => State::Settled,
            }
        }
        _ => State::Running,
    }
}

fn main_process(properties: &Properties) -> Option<OwnedFd> {
    let pid = Pid::from_raw(one(properties, "MainPID").parse().ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Waits for the end of one of the processes, or for the next look.
fn wait(processes: &[OwnedFd]) {
    let mut ready: Vec<PollFd<'_>> =
        processes.iter().map(|process| PollFd::new(process, PollFlags::IN)).collect();
    let look = timespec(LOOK);
    // An interrupted wait is a shorter one.
    let _ = poll(&mut ready, Some(&look));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(text: &str) -> Properties {
        let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).collect()
    }

    #[test]
    fn what_systemd_says_of_a_unit_is_judged() {
        let fell = |how: &str| State::Fallen(how.to_owned());
        let table = [
            ("ActiveState=active SubState=running Id=a.service", true, State::Running),
            ("ActiveState=active SubState=exited Id=a.service", true, State::Settled),
            ("ActiveState=active SubState=running Id=a.socket", true, State::Settled),
            ("ActiveState=active SubState=listening Id=a.socket", true, State::Settled),
            ("ActiveState=activating SubState=start Id=a.service", true, State::Running),
            ("ActiveState=inactive SubState=dead Result=success", false, State::Settled),
            (
                "ActiveState=inactive SubState=dead Result=success ExecMainCode=1 ExecMainStatus=0",
                true,
                fell("it ended at once, with exit code 0"),
            ),
            (
                "ActiveState=failed Result=exit-code ExecMainCode=1 ExecMainStatus=3",
                false,
                fell("it ended at once, with exit code 3"),
            ),
            (
                "ActiveState=failed Result=core-dump ExecMainCode=3 ExecMainStatus=11",
                true,
                fell("it ended at once, by signal 11"),
            ),
            (
                "ActiveState=failed Result=timeout ExecMainCode=0",
                true,
                fell("it did not come up (timeout)"),
            ),
            (
                "ActiveState=activating SubState=auto-restart ExecMainCode=1 ExecMainStatus=1",
                true,
                fell("it ended at once, with exit code 1, and systemd starts it again and again"),
            ),
            (
                "ActiveState=active SubState=running NRestarts=2 ExecMainCode=0 Result=success",
                true,
                fell("it ended at once, and systemd starts it again and again"),
            ),
        ];
        for (text, ran, expected) in table {
            assert_eq!(state(&properties(text), ran), expected, "{text}");
        }
    }
}
