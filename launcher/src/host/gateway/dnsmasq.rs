//! dnsmasq(8) for the clients of a gateway: a child with settings of its own, which leaves the host's
//! alone and ends with the gateway.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Error, Exit, reason};
use crate::host::gateway::confine::{Confined, NET_ADMIN, NET_BIND_SERVICE, NET_RAW};

/// Where packages and administrators have it. Not by PATH, for root starts it.
const PLACES: [&str; 4] =
    ["/usr/sbin/dnsmasq", "/usr/bin/dnsmasq", "/usr/local/sbin/dnsmasq", "/sbin/dnsmasq"];

/// The program.
///
/// # Errors
/// 5 where it is not installed.
pub fn find() -> Result<PathBuf, Error> {
    let found = PLACES.iter().map(Path::new).find(|path| path.is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        Error::new(Exit::Missing, "dnsmasq is not here")
            .why("--dhcp gives addresses and names to the LAN by it")
            .fix("apt install dnsmasq-base    # or leave --dhcp out, and give clients theirs otherwise")
    })
}

/// One that was started.
#[derive(Debug)]
pub struct Dnsmasq {
    child: Child,
    end: OwnedFd,
}

impl Dnsmasq {
    /// Starts it with the settings in a file. What it gives is remembered in `leases`, over boots.
    ///
    /// # Errors
    /// It cannot be executed, or the file of leases not be made.
    pub fn start(
        program: &Path,
        settings: &Path,
        leases: &Path,
        user: Option<u32>,
    ) -> io::Result<Self> {
        if let Some(directory) = leases.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
        fchown(options.open(leases)?, user, user)?;
        let mut command = Command::new(program);
        command.arg(format!("--conf-file={}", settings.display())).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Confined { user, capabilities: NET_ADMIN | NET_BIND_SERVICE | NET_RAW }.apply(&mut command);
        let child = command.spawn()?;
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::NONBLOCK)?;
        Ok(Dnsmasq { child, end })
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it.
    pub fn stop(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl AsFd for Dnsmasq {
    /// Readable once it has ended (pidfd_open(2)).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// Why it does not run, where it ended at once.
pub fn ended(status: ExitStatus) -> Error {
    Error::new(Exit::Failed, "dnsmasq does not run")
        .why(format!("it ended ({status}); what it said stands above"))
        .fix("ss -ulnp 'sport = :53 or sport = :67'    # who else gives names and addresses here")
}

/// Why it was not started.
pub fn not_started(error: &io::Error) -> Error {
    Error::new(Exit::Failed, "cannot start dnsmasq").why(reason(error)).fix("leave --dhcp out")
}
