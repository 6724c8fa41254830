//! Commands: a clean environment, a namespace to run in, a deadline, and an end with the test.

#![allow(unsafe_code, reason = "what a child must do between fork and exec")]

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::RwLock;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};

use super::wait::{self, deadline};
use super::{Netns, mounts, netns, scratch};

/// Held for reading while a child is between fork and exec, for writing by whoever writes an
/// executable; see [`scratch::file`].
pub static FORKING: RwLock<()> = RwLock::new(());

/// Where the tests look for programs: not the caller's PATH, which may hold wrappers.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command under construction.
#[derive(Debug)]
pub struct Cmd {
    command: Command,
    input: Vec<u8>,
}

impl Cmd {
    /// A program with what every test starts from: a network namespace of this test process's
    /// own, mounts in which what root keeps in /var/cache and /run is in memory, our PATH, the C locale, and a home and a cache that are the tests' own.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Cmd::outside(program).within(netns::common())
    }

    /// A program in the network namespace of the host, with all else that every test starts from.
    pub(super) fn outside(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .env("HOME", scratch::root())
            .env("XDG_CACHE_HOME", scratch::root().join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group, so that what it leaves behind can be ended with it.
            .process_group(0);
        let covered = mounts::covered();
        // SAFETY: prctl(2), getcwd(2), setns(2) and chdir(2) are async-signal-safe and touch nothing
        // of the parent.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::KILL))?;
                mounts::enter_here(covered)
            });
        }
        Cmd { command, input: Vec::new() }
    }

    /// A program with its arguments, separated by blanks.
    pub fn line(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let program = words.next().expect("the line names a program");
        Cmd::new(program).args(words)
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What the command reads from standard input.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self.command.stdin(Stdio::piped());
        self
    }

    /// Standard error goes to this descriptor instead of into the outcome.
    pub fn stderr(mut self, to: OwnedFd) -> Self {
        self.command.stderr(to);
        self
    }

    /// Standard output and standard error go nowhere.
    pub fn quiet(mut self) -> Self {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self
    }

    /// Runs in that network namespace.
    pub fn within(mut self, namespace: &Netns) -> Self {
        let namespace = namespace.duplicate();
        // SAFETY: setns(2) is async-signal-safe, and the closure owns its descriptor.
        unsafe {
            self.command.pre_exec(move || Netns::enter_here(namespace.as_fd()));
        }
        self
    }

    /// Runs as an ordinary user, without groups and capabilities.
    pub fn by_nobody(mut self) -> Self {
        // `setpriv` and not `Command::uid`: it also drops the capability sets.
        let mut wrapped = Cmd::new("setpriv");
        let id = scratch::NOBODY;
        wrapped = wrapped.args([
            format!("--reuid={id}"),
            format!("--regid={id}"),
            "--clear-groups".to_owned(),
            "--".to_owned(),
        ]);
        wrapped.command.arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => wrapped.command.env(name, value),
                None => wrapped.command.env_remove(name),
            };
        }
        if let Some(directory) = self.command.get_current_dir() {
            wrapped.command.current_dir(directory);
        }
        wrapped.input = std::mem::take(&mut self.input);
        wrapped
    }

    /// Starts it in the background; it is ended when the result is dropped.
    pub fn start(mut self) -> Running {
        let label = format!("{:?}", self.command);
        let started = {
            let _forking = FORKING.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            self.command.spawn()
        };
        let mut child = started.unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => panic!("{label}: {error}\n{INSTALL}"),
            _ => panic!("{label}: {error}"),
        });
        if let Some(mut stdin) = child.stdin.take() {
            let input = self.input;
            // Whoever does not read all of it is the test's business, not an error here.
            std::thread::spawn(move || stdin.write_all(&input));
        }
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Running { child, label, stdout, stderr }
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        self.start().finish()
    }
}

/// What to do about a program that is missing.
const INSTALL: &str = "  fix: scripts/check installs what the tests need (Debian)";

/// Reads a pipe to its end.
fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}

/// A command in the background.
pub struct Running {
    child: Child,
    label: String,
    stdout: Option<Receiver<Vec<u8>>>,
    stderr: Option<Receiver<Vec<u8>>>,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it ended by itself?
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Ends it and returns what it said.
    pub fn stop(mut self) -> Outcome {
        self.kill();
        self.finish()
    }

    /// Waits for the end of the command, and of everything that holds its output open.
    pub fn finish(self) -> Outcome {
        self.finish_within(deadline())
    }

    /// Waits, at most so long, for the end of a command that takes longer than others.
    pub fn finish_within(mut self, limit: Duration) -> Outcome {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if start.elapsed() > limit {
                self.kill();
                let said = self.said();
                panic!("{} does not end\n{said}", self.label);
            }
            wait::pause(&mut []);
        };
        let stdout = self.text(true);
        let stderr = self.text(false);
        Outcome { label: self.label.clone(), status, stdout, stderr }
    }

    fn text(&mut self, stdout: bool) -> String {
        let pipe = if stdout { self.stdout.take() } else { self.stderr.take() };
        let Some(pipe) = pipe else { return String::new() };
        let bytes = pipe.recv_timeout(deadline()).unwrap_or_else(|_| {
            panic!("{}: something it started still holds its output", self.label)
        });
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn said(&mut self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.text(true), self.text(false))
    }

    fn kill(&mut self) {
        // The child is not reaped before `try_wait` or `wait` says so; until then its id, which
        // is also that of its group, cannot be anyone else's.
        if let Ok(None) = self.child.try_wait()
            && let Some(group) = Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    label: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The exit code; as a shell shows it (128 + number) when a signal ended the command.
    pub fn code(&self) -> i32 {
        self.status.code().or(self.status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
    }

    /// Itself, when the command ended with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// Itself, when the command ended with 0 and had nothing to say on standard error.
    #[track_caller]
    pub fn silent(self) -> Self {
        assert!(self.status.success() && self.stderr.is_empty(), "{self}");
        self
    }

    /// Itself, when it ended with this code and exactly this on standard error.
    #[track_caller]
    pub fn says(self, code: i32, stderr: &str) -> Self {
        assert_eq!((self.code(), self.stderr.as_str()), (code, stderr), "{self}");
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { label, status, stdout, stderr } = self;
        write!(f, "{label}: {status}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}
