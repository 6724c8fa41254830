//! The agent's process: started with the sockets that it takes connections from, without a privilege, and
//! ended with the process that started it.

#![allow(unsafe_code)]

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, Mode, fchmod, fchown, memfd_create};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Gid, Pid, PidfdFlags, Signal, Uid, pidfd_open};

use crate::host::agent::sockets::Named;
use crate::host::gateway::confine::Confined;
use crate::host::process::child;
use crate::host::process::handed::hand_over;
use crate::syscall::timespec;
use mptcpize_model::relay::agent::Settings;

/// The first descriptor of those that are handed over (sd_listen_fds(3)).
const FIRST: RawFd = 3;

/// What one agent after another is started with.
#[derive(Debug)]
pub struct Told {
    /// mptcpize-relay.
    pub program: PathBuf,
    /// Where connections come from.
    pub sockets: Vec<Named>,
    /// Where it is asked what it does.
    pub state: UnixListener,
    /// Whose process it is; that of this process where there is none.
    pub user: Option<u32>,
    settings: OwnedFd,
    notify: UnixDatagram,
    name: Vec<u8>,
}

impl Told {
    /// Puts all together. The settings hold keys, so they are in no file that has a name.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(
        program: PathBuf,
        sockets: Vec<Named>,
        state: UnixListener,
        user: Option<u32>,
        settings: &Settings,
    ) -> io::Result<Self> {
        let file = memfd_create(c"settings", MemfdFlags::CLOEXEC)?;
        fchmod(&file, Mode::RUSR | Mode::WUSR)?;
        if let Some(user) = user {
            fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(user)))?;
        }
        let notify = UnixDatagram::unbound()?;
        rustix::net::bind(&notify, &rustix::net::SocketAddrUnix::new_unnamed())?;
        notify.set_nonblocking(true)?;
        let name = notify.local_addr()?.as_abstract_name().unwrap_or_default().to_vec();
        let told = Told { program, sockets, state, user, settings: file, notify, name };
        told.write(settings)?;
        Ok(told)
    }

    /// Other settings, which a running agent reads when it is told to.
    ///
    /// # Errors
    /// No memory is left.
    pub fn write(&self, settings: &Settings) -> io::Result<()> {
        let text = serde_json::to_vec(settings)?;
        rustix::fs::ftruncate(&self.settings, 0)?;
        let mut file = std::fs::File::from(self.settings.try_clone()?);
        io::Seek::rewind(&mut file)?;
        file.write_all(&text)
    }

    /// Has the agent said since that it is ready?
    pub fn is_ready(&self) -> bool {
        let mut ready = false;
        let mut text = [0; 256];
        while let Ok(length) = self.notify.recv(&mut text) {
            let said = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
            ready |= said.lines().any(|line| line == "READY=1");
        }
        ready
    }
}

/// An agent that was started.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    end: OwnedFd,
}

impl Agent {
    /// Starts one; what it says goes to `complaints`, or where what this process says goes.
    ///
    /// # Errors
    /// The program cannot be executed, or its user not be made.
    pub fn start(told: &Told, complaints: Option<BorrowedFd<'_>>) -> io::Result<Self> {
        let mut command = Command::new(&told.program);
        let mut notify = b"@".to_vec();
        notify.extend(&told.name);
        // Out of the way of the sockets' places, and open in the child alone.
        let above = FIRST + 1 + RawFd::try_from(told.sockets.len()).map_err(io::Error::other)?;
        let settings = fcntl_dupfd_cloexec(&told.settings, above)?;
        command
            .args(["agent", "--settings"])
            .arg(format!("/proc/self/fd/{}", settings.as_raw_fd()))
            .env_clear()
            .env("NOTIFY_SOCKET", OsString::from_vec(notify))
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(told.state.try_clone()?)))
            .stdout(Stdio::null());
        if let Some(complaints) = complaints {
            command.stderr(Stdio::from(complaints.try_clone_to_owned()?));
        }
        // SAFETY: fcntl(2) is async-signal-safe, and the closure owns its descriptor.
        unsafe { command.pre_exec(move || Ok(fcntl_setfd(&settings, FdFlags::empty())?)) };
        Confined { user: told.user, capabilities: 0 }.apply(&mut command);
        let sockets = told.sockets.iter().map(|named| (named.name, named.socket.as_fd()));
        hand_over(&mut command, &sockets.collect::<Vec<_>>())?;
        let child = command.spawn()?;
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::NONBLOCK)?;
        Ok(Agent { child, end })
    }

    /// Waits until it takes connections; false where it ended before, or did not get that far in time.
    pub fn await_ready(&self, told: &Told, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            if told.is_ready() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            let mut all =
                [PollFd::new(&told.notify, PollFlags::IN), PollFd::new(&self.end, PollFlags::IN)];
            if left.is_zero() || poll(&mut all, Some(&timespec(left))).is_err() {
                return false;
            }
            if !all[1].revents().is_empty() {
                return told.is_ready();
            }
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Lets it read its settings again.
    pub fn reload(&self) {
        child::signal(&self.child, Signal::HUP);
    }

    /// Ends it and its connections, and waits for that.
    pub fn stop(mut self) {
        child::stop(&mut self.child, self.end.as_fd());
    }
}

impl AsFd for Told {
    /// Readable when the agent has said something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }
}

impl AsFd for Agent {
    /// Readable once it has ended (pidfd_open(2)).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// A socket at which an agent is asked, without a path: where there is no directory for it.
///
/// # Errors
/// No descriptor is left.
pub fn unnamed_state() -> io::Result<UnixListener> {
    // The kernel chooses the name where none is given (unix(7), autobind).
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new_unnamed())?;
    rustix::net::listen(&socket, 16)?;
    Ok(UnixListener::from(socket))
}
