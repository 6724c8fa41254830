//! Telling systemd how a service is doing (sd_notify(3)): a datagram to the socket that
//! `NOTIFY_SOCKET` names. Without that variable nothing is sent.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::syscall::message;
use mptcpize_model::plain;

/// The socket of the service manager, if there is one.
#[derive(Debug)]
pub struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    status: String,
    watchdog: Option<Duration>,
}

impl Notify {
    /// From the environment of the process: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub fn from_env() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name));
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        // Where a process is named it must be this one (sd_watchdog_enabled(3)).
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let period = number("WATCHDOG_USEC").filter(|micros| ours && *micros > 0);
        Notify { socket, status: String::new(), watchdog: period.map(Duration::from_micros) }
    }

    /// Is there a service manager that is told?
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// How often the watchdog is to be told that the service lives: half of the time after which
    /// systemd would end it.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.map(|period| period / 2)
    }

    /// The service does its work.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The service reads its settings again; [`Notify::ready`] follows.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The service is about to end.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The service lives.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Has the manager keep a copy of a descriptor while this process is away (`FDSTORE=1`); it gives the
    /// copy up when the descriptor can only tell its end.
    pub fn keep(&self, descriptor: BorrowedFd<'_>) {
        let Some((_, address)) = &self.socket else { return };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            socket.connect_addr(address)?;
            message::send_with(socket.as_fd(), b"FDSTORE=1", &[descriptor])
        });
        // A manager that is gone or does not read is no reason to stop.
        let _ = sent;
    }

    /// What `systemctl status` shows, where that has changed.
    pub fn status(&mut self, line: &str) {
        if self.status != line {
            line.clone_into(&mut self.status);
            self.send(&format!("STATUS={}", plain::words(line)));
        }
    }

    fn send(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that is gone or does not read is no reason to stop.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

/// A path, or with `@` in front a name of Linux's own (unix(7)).
fn connect(name: &OsStr) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => return None,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, address.ok()?))
}
