//! The relay's process: started with one capability and a user of its own, told about by a socket, and
//! ended with this process.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::{fs, mem};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::host::gateway::user;

/// `CAP_NET_ADMIN` (linux/capability.h), which IP_TRANSPARENT wants.
const NET_ADMIN: u32 = 12;

/// More than the kernel knows; it says EINVAL to the first that it does not.
const CAPABILITIES: u32 = 64;

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;

/// Descriptors that the relay may have: six for each of 16,384 connections, and some.
const DESCRIPTORS: u64 = 6 * 16_384 + 1_024;

/// Where a gateway keeps what its relay needs.
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

    /// Removes them all.
    pub fn clear(&self) {
        for path in [self.settings(), self.state(), self.notify()] {
            let _ = fs::remove_file(path);
        }
    }
}

/// What all relays of a gateway share, one after another.
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
        let user = user::free();
        let state = UnixListener::bind(places.state())?;
        fs::set_permissions(places.state(), fs::Permissions::from_mode(0o600))?;
        let notify = UnixDatagram::bind(places.notify())?;
        notify.set_nonblocking(true)?;
        fs::set_permissions(places.notify(), fs::Permissions::from_mode(0o600))?;
        if user.is_some() {
            chown(places.notify(), user, user)?;
        }
        Ok(Sockets { state, notify, user })
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

/// A relay that was started.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    end: OwnedFd,
}

impl Relay {
    /// Starts one.
    ///
    /// # Errors
    /// The program cannot be executed, or its user not be made.
    pub fn start(program: &Path, places: &Places, sockets: &Sockets) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["gateway", "--settings"]).arg(places.settings());
        command.env_clear().env("NOTIFY_SOCKET", places.notify()).current_dir("/");
        command.stdin(Stdio::from(OwnedFd::from(sockets.state.try_clone()?)));
        command.stdout(Stdio::null());
        let user = sockets.user;
        // SAFETY: what runs between fork and exec makes system calls alone, allocates nothing and
        // touches no lock.
        unsafe { command.pre_exec(move || confine(user)) };
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
        self.signal(Signal::HUP);
    }

    /// Ends it and its connections.
    pub fn stop(mut self) {
        // The first takes no more connections, the second ends those that there are.
        self.signal(Signal::TERM);
        self.signal(Signal::TERM);
        if !ends(&self.end, STOPS) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }
}

/// How long a relay may take to reset its connections.
const STOPS: std::time::Duration = std::time::Duration::from_secs(2);

/// Does a process end within this time?
fn ends(process: &OwnedFd, within: std::time::Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut wait = [PollFd::new(process, PollFlags::IN)];
    poll(&mut wait, Some(&crate::syscall::timespec(within))).is_ok_and(|count| count > 0)
}

impl AsFd for Relay {
    /// Readable once it has ended (pidfd_open(2)).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// Gives up all but what a relay needs. Async-signal-safe.
fn confine(user: Option<u32>) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let check = |result: libc::c_long| match result {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: each call reads plain values or structs of this frame that outlive it.
    unsafe {
        let mut limit: libc::rlimit = mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let wanted = limit.rlim_max.max(DESCRIPTORS);
        let more = libc::rlimit { rlim_cur: wanted, rlim_max: wanted };
        // Without CAP_SYS_RESOURCE, or above fs.nr_open, the relay takes fewer connections, and says so.
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const more);
        // Without CAP_SETPCAP (a container) the set stays as small as it is.
        for capability in (0..CAPABILITIES).filter(|number| *number != NET_ADMIN) {
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        if let Some(user) = user {
            check(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0).into())?;
            check(libc::setgroups(0, std::ptr::null()).into())?;
            check(libc::setresgid(user, user, user).into())?;
            check(libc::setresuid(user, user, user).into())?;
        }
        let own = 1 << NET_ADMIN;
        let header = Header { version: VERSION, pid: 0 };
        let none = Data { effective: 0, permitted: 0, inheritable: 0 };
        let data = [Data { effective: own, permitted: own, inheritable: own }, none];
        check(libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()))?;
        check(
            libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, NET_ADMIN, 0, 0).into(),
        )?;
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
        // After the user, which takes it away (prctl(2)).
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0).into())
    }
}
