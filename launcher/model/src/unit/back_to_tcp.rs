//! The way back to TCP of a socket that systemd opens. Pure.
//!
//! With `SocketProtocol=mptcp` systemd does not open a socket where MPTCP is switched off or not in
//! the kernel, and nobody reaches an sshd behind it any more. No other drop-in can take the setting
//! back; but of the protocols that it accepts, `udplite` counts for datagrams alone, so streams are
//! TCP with it. So the unit looks first, and where there is no MPTCP it gives itself a drop-in that
//! says so, until it is open.
//!
//! Tried with systemd 257. Not for units with datagrams, which would become UDP-Lite.

use crate::unit::address::{Address, Kind};

/// Whose manager opens the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The system's.
    System,
    /// A user's own.
    User,
}

/// Has a unit with these addresses a way back?
pub fn is_possible(addresses: &[Address]) -> bool {
    addresses.iter().all(|address| address.kind != Kind::Datagram)
}

/// The settings of `[Socket]`: before it is opened, and after.
pub fn settings(manager: Manager) -> [String; 2] {
    let (place, systemctl) = match manager {
        Manager::System => ("system", "systemctl"),
        Manager::User => ("user", "systemctl --user"),
    };
    // It counts after 50-mptcpize.conf. systemd reads $$ as $.
    let own = format!("d=%t/systemd/{place}/%n.d; f=$$d/60-mptcpize-tcp.conf");
    let before = format!(
        "{own}; grep -qsx 1 /proc/sys/net/mptcp/enabled || {{ mkdir -p $$d && {{ echo [Socket]; \
         echo SocketProtocol=udplite; }} >$$f && {systemctl} daemon-reload; }}"
    );
    let after =
        format!("{own}; [ ! -e $$f ] || {{ rm $$f; rmdir $$d; {systemctl} daemon-reload; }}");
    // It is opened, or not, whatever these say.
    [
        format!("ExecStartPre=-+/bin/sh -c '{before}'"),
        format!("ExecStartPost=-+/bin/sh -c '{after}'"),
    ]
}
