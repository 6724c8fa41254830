//! Other programs that are asked something: started with a deadline, and what they say, bounded.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::syscall::timespec;

/// More than a helper has to say.
const MOST: usize = 16 << 20;

/// How long a helper that has said all may take to end.
const LOOK: Duration = Duration::from_millis(5);

/// What a helper did.
#[derive(Debug)]
pub struct Said {
    /// It ended with 0.
    pub success: bool,
    /// Standard output, up to 16 MiB.
    pub stdout: Vec<u8>,
    /// Standard error, up to 4 KiB.
    pub stderr: String,
}

/// Runs a program to its end, or to the deadline (`ErrorKind::TimedOut`), when it is killed.
/// Besides PATH it is looked for where administrators' tools are.
///
/// # Errors
/// It is not there (`NotFound`), cannot be started, or takes too long.
pub fn run(mut command: Command, until: Instant) -> io::Result<Said> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":/usr/sbin:/sbin:/usr/bin:/bin"));
    command.env("PATH", path).env("LC_ALL", "C");
    // A file, so that a helper that complains a lot cannot block on a second pipe.
    let mut complaints = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints.try_clone()?);
    let mut child = command.spawn()?;
    let outcome = listen(&mut child, until);
    if outcome.is_err() {
        let _ = child.kill();
    }
    let ended = child.wait();
    let (stdout, in_time) = outcome?;
    if !in_time {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut stderr = Vec::new();
    io::Seek::rewind(&mut complaints)?;
    complaints.take(4096).read_to_end(&mut stderr)?;
    Ok(Said {
        success: ended?.success(),
        stdout,
        stderr: String::from_utf8_lossy(&stderr).trim().to_owned(),
    })
}

/// Reads all that it says; false when it has not ended by then, and was killed.
fn listen(child: &mut Child, until: Instant) -> io::Result<(Vec<u8>, bool)> {
    let mut said = Vec::new();
    let mut part = vec![0; 64 << 10];
    if let Some(mut pipe) = child.stdout.take() {
        while said.len() < MOST {
            if !readable(&pipe, until)? {
                child.kill()?;
                return Ok((said, false));
            }
            match pipe.read(&mut part)? {
                0 => break,
                count => said.extend_from_slice(&part[..count]),
            }
        }
    }
    while child.try_wait()?.is_none() {
        if Instant::now() >= until {
            child.kill()?;
            return Ok((said, false));
        }
        let _ = poll(&mut [], Some(&timespec(LOOK)));
    }
    Ok((said, true))
}

fn readable(pipe: &impl AsFd, until: Instant) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&timespec(left))) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(count) => return Ok(count > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> io::Result<Said> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, Instant::now() + patience)
    }

    #[test]
    fn a_helper_is_heard_to_its_end() {
        let said = shell("echo out; echo err >&2; exit 3", Duration::from_secs(60));
        let said = said.expect("there is a shell");
        assert_eq!((said.success, said.stdout.as_slice()), (false, &b"out\n"[..]));
        assert_eq!(said.stderr, "err");
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        // Also where it has closed its output, and nothing more can come.
        for script in ["echo a; exec tail -f /dev/null", "exec >/dev/null; exec tail -f /dev/null"]
        {
            let outcome = shell(script, Duration::from_millis(50));
            assert_eq!(outcome.err().map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
        }
    }
}
