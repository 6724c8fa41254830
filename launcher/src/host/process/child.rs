//! A process of mptcpize-relay that was started: told what to do by signals, and ended.

use std::os::fd::BorrowedFd;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::syscall::timespec;

/// How long it may take to reset its connections.
const STOPS: Duration = Duration::from_secs(2);

/// Sends it a signal. One that has ended hears nothing.
pub fn signal(child: &Child, signal: Signal) {
    let _ = kill_process(Pid::from_child(child), signal);
}

/// Ends it and its connections, and waits for that. `end` is readable once it has ended (pidfd_open(2)).
pub fn stop(child: &mut Child, end: BorrowedFd<'_>) {
    // The first takes no more connections, the second ends those that there are. Another signal, for two
    // of the same would be one while it has not taken the first (signal(7)).
    signal(child, Signal::TERM);
    signal(child, Signal::INT);
    let mut wait = [PollFd::from_borrowed_fd(end, PollFlags::IN)];
    if !poll(&mut wait, Some(&timespec(STOPS))).is_ok_and(|count| count > 0) {
        let _ = child.kill();
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::fd::AsFd;
    use std::process::{Command, Stdio};

    use rustix::process::{PidfdFlags, pidfd_open};

    use super::*;

    /// One that drains its connections at the first signal, as a relay does.
    #[test]
    fn what_drains_is_ended_by_the_second_signal_and_not_killed() {
        // wait(1) hears a signal that came just before it, which read(1) would sleep through. It waits for
        // what reads our input, which ends with the test.
        let script =
            "trap : TERM; trap 'exit 7' INT; exec 3<&0; cat <&3 & echo; while :; do wait; done";
        // Ignored by who started the tests, as `&` of a script does, a signal could not be trapped.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT,TERM", "sh", "-c", script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let mut ready = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        said.read_line(&mut ready).expect("it says that it is ready");
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("it lives");
        // The shell is waited for, which would close it.
        let input = child.stdin.take();
        stop(&mut child, end.as_fd());
        drop(input);
        assert_eq!(child.try_wait().expect("it was waited for").and_then(|it| it.code()), Some(7));
    }
}
