//! The process that probes a relay: `mptcpize-relay probe`, without any privilege and with a user of its
//! own where root starts it. It is told through a pipe, for what it is told has a key, and heard line by
//! line. Not here: what is told and said (the model's `relay::probe`).

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::host::gateway::confine::Confined;
use crate::host::gateway::user;
use crate::syscall::timespec;
use mptcpize_model::relay::probe::{Line, Settings};

/// More than a probe has to say.
const MOST: usize = 1 << 16;

/// How much longer than it was told it may take, on a host that has no time for it: it ends by itself.
const GRACE: Duration = Duration::from_secs(10);

/// A probe that runs; it ends with this.
struct Probe(Child);

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a probe to its end, and hands over each line. What is no line of a probe is passed over.
///
/// # Errors
/// It cannot be started, says too much, or does not end in time (`ErrorKind::TimedOut`).
pub fn run(program: &Path, settings: &Settings, mut hear: impl FnMut(Line)) -> io::Result<()> {
    let until = Instant::now() + Duration::from_millis(settings.millis.into()) + GRACE;
    let mut command = Command::new(program);
    command.args(["probe", "--settings", "-"]).env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let user = rustix::process::geteuid().is_root().then(user::free).flatten();
    Confined { user, capabilities: 0 }.apply(&mut command);
    let mut probe = Probe(command.spawn()?);
    if let Some(mut stdin) = probe.0.stdin.take() {
        // Far less than a pipe holds.
        stdin.write_all(&serde_json::to_vec(settings)?)?;
    }
    let Some(mut stdout) = probe.0.stdout.take() else { return Ok(()) };
    let (mut said, mut heard) = (Vec::new(), 0);
    let mut piece = [0; 4_096];
    while said.len() < MOST {
        wait(&stdout, until)?;
        let count = match stdout.read(&mut piece) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        said.extend_from_slice(&piece[..count]);
        while let Some(length) = said[heard..].iter().position(|byte| *byte == b'\n') {
            if let Ok(line) = serde_json::from_slice(&said[heard..heard + length]) {
                hear(line);
            }
            heard += length + 1;
        }
        if count == 0 {
            return Ok(());
        }
    }
    Err(io::Error::other("it says too much"))
}

/// Waits until there is something to read.
fn wait(pipe: impl AsFd, until: Instant) -> io::Result<()> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&timespec(left))) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
        }
    }
}
