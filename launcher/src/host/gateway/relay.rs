//! The relay's process, whatever it does: started with a user of its own and the capabilities that it needs,
//! told about by a socket, and ended with this process.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::host::gateway::confine::{Confined, NET_ADMIN};
use crate::host::gateway::user;
use crate::host::process::{child, handed};

/// What a relay does, by the verb of mptcpize-relay, and the capabilities that it has for it.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// The verb.
    pub verb: &'static str,
    /// Its capabilities, a bit each.
    pub capabilities: u32,
}

/// It carries the connections of a LAN.
pub const GATEWAY: Task = Task { verb: "gateway", capabilities: NET_ADMIN };

/// Where it is kept what a relay needs.
#[derive(Clone, Debug)]
pub struct Places(pub PathBuf);

impl Places {
    /// The settings of the relay.
    pub fn settings(&self) -> PathBuf {
        self.0.join("settings.json")
    }

    /// The socket at which it tells its state.
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// The socket at which it says that it is ready.
    pub fn notify(&self) -> PathBuf {
        self.0.join("notify")
    }

    /// The settings of dnsmasq, where that gives clients their addresses.
    pub fn dnsmasq(&self) -> PathBuf {
        self.0.join("dnsmasq.conf")
    }

    /// Removes them all.
    pub fn clear(&self) {
        for path in [self.settings(), self.state(), self.notify(), self.dnsmasq()] {
            let _ = fs::remove_file(path);
        }
    }
}

/// What all relays at one place share, one after another.
#[derive(Debug)]
pub struct Sockets {
    state: UnixListener,
    notify: UnixDatagram,
    user: Option<u32>,
}

impl Sockets {
    /// Makes them, in the place of what a crash left.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn make(places: &Places) -> io::Result<Self> {
        places.clear();
        // Only root can make a process somebody else's.
        let user = rustix::process::geteuid().is_root().then(user::free).flatten();
        let state = state(places)?;
        let notify = UnixDatagram::bind(places.notify())?;
        notify.set_nonblocking(true)?;
        fs::set_permissions(places.notify(), fs::Permissions::from_mode(0o600))?;
        if user.is_some() {
            chown(places.notify(), user, user)?;
        }
        Ok(Sockets { state, notify, user })
    }

    /// Another socket for the state: one that drains answers no more.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn renew(&mut self, places: &Places) -> io::Result<()> {
        let _ = fs::remove_file(places.state());
        self.state = state(places)?;
        Ok(())
    }

    /// The user of the children.
    pub fn user(&self) -> Option<u32> {
        self.user
    }

    /// Has the relay said since that it is ready?
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

impl AsFd for Sockets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }
}

/// The socket at which a relay tells its state, to root alone.
fn state(places: &Places) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(places.state())?;
    fs::set_permissions(places.state(), fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Which file a program is: another one has taken its place where this differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64, u64, i64);

impl Identity {
    /// That of the file at a path; nothing where there is none.
    pub fn of(program: &Path) -> Option<Self> {
        let found = fs::metadata(program).ok()?;
        Some(Identity(found.dev(), found.ino(), found.mtime()))
    }
}

/// A relay that was started.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    end: OwnedFd,
}

impl Relay {
    /// Starts one, which gets these sockets by their names.
    ///
    /// # Errors
    /// The program cannot be executed, or its user not be made.
    pub fn start(
        program: &Path,
        task: Task,
        places: &Places,
        sockets: &Sockets,
        handed: &[(&str, BorrowedFd<'_>)],
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args([task.verb, "--settings"]).arg(places.settings());
        command.env_clear().env("NOTIFY_SOCKET", places.notify()).current_dir("/");
        command.stdin(Stdio::from(OwnedFd::from(sockets.state.try_clone()?)));
        command.stdout(Stdio::null());
        Confined { user: sockets.user, capabilities: task.capabilities }.apply(&mut command);
        if !handed.is_empty() {
            handed::hand_over(&mut command, handed)?;
        }
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let end = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        Ok(Relay { child, end })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Lets it read its settings again.
    pub fn reload(&self) {
        child::signal(&self.child, Signal::HUP);
    }

    /// Lets it take no more connections, and end with the last of those that it has.
    pub fn drain(&self) {
        child::signal(&self.child, Signal::TERM);
    }

    /// Ends it and its connections.
    pub fn stop(mut self) {
        child::stop(&mut self.child, self.end.as_fd());
    }
}

impl AsFd for Relay {
    /// Readable once it has ended (pidfd_open(2)).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}
