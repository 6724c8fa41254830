//! Telling systemd how the relay is doing (sd_notify(3)), and the sockets that it hands over
//! (sd_listen_fds(3)).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// The socket of the service manager, if there is one.
#[derive(Debug)]
pub struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// From `NOTIFY_SOCKET`: a path, or with `@` in front an abstract name (unix(7)).
    pub fn from_env() -> Self {
        let open = || {
            let name = std::env::var_os("NOTIFY_SOCKET")?;
            let address = match name.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
                [b'/', ..] => SocketAddr::from_pathname(&name),
                _ => return None,
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        };
        Notify(open())
    }

    /// Connections are taken.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The settings are read again; [`Notify::ready`] follows.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// No more connections are taken.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, text: &str) {
        if let Some((socket, address)) = &self.0 {
            // A manager that is gone or does not read is no reason to stop.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

/// How many sockets the service manager has handed over, from descriptor 3 on: `LISTEN_FDS`, where
/// `LISTEN_PID` is this process.
pub fn handed_over() -> u32 {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    match number("LISTEN_PID") {
        Some(pid) if pid == std::process::id() => number("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}

/// The names of those sockets, in their order (`LISTEN_FDNAMES`); empty ones where no names were given.
pub fn names() -> Vec<String> {
    let text = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names: Vec<_> = text.split(':').map(str::to_owned).collect();
    names.resize(handed_over() as usize, String::new());
    names
}
