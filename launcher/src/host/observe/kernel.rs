//! Does this kernel give MPTCP sockets, and if not, why not.

use std::fmt;
use std::fs;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

use crate::error::reason;
use crate::host::apply::sysctl;
use crate::syscall::MPTCP;
use mptcpize_model::path_manager;

/// The file behind the sysctl `net.mptcp.enabled`
/// (Documentation/networking/mptcp-sysctl.rst).
const ENABLED: &str = "/proc/sys/net/mptcp/enabled";

/// The answer to "can I have an MPTCP socket in this network namespace?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MptcpSocket {
    /// Yes: socket(2) gives one.
    On,
    /// No: the administrator switched it off (`net.mptcp.enabled=0`).
    Off,
    /// No: the kernel is too old (before 5.6) or was built without it.
    Absent,
    /// No: something else says so (a security policy, a sandbox), with this errno.
    Refused(i32),
}

impl MptcpSocket {
    /// Asks the kernel for a socket, the only answer that counts.
    pub fn probe() -> Self {
        match Self::open() {
            Ok(_) => MptcpSocket::On,
            Err(Errno::NOPROTOOPT) => MptcpSocket::Off,
            Err(Errno::INVAL | Errno::PROTONOSUPPORT) => MptcpSocket::Absent,
            Err(other) => MptcpSocket::Refused(other.raw_os_error()),
        }
    }

    /// An MPTCP socket.
    pub(in crate::host) fn open() -> rustix::io::Result<OwnedFd> {
        stream(AddressFamily::INET, Some(MPTCP))
    }

    /// Does the kernel give MPTCP sockets of IPv4 alone, although it has IPv6? So it does without
    /// CONFIG_MPTCP_IPV6 (net/mptcp/Kconfig), which wants IPv6 built in: to inet6_create() the protocol is
    /// then an unknown one.
    pub fn is_without_ipv6() -> bool {
        stream(AddressFamily::INET6, Some(MPTCP)).is_err_and(|error| error == Errno::PROTONOSUPPORT)
            && stream(AddressFamily::INET6, None).is_ok()
            && Self::open().is_ok()
    }

    /// The line that would switch it on, where one would.
    pub fn fix(self) -> Option<&'static str> {
        match self {
            MptcpSocket::Off => Some("sudo sysctl -w net.mptcp.enabled=1"),
            MptcpSocket::Absent => Some("boot a kernel 5.6 or newer built with CONFIG_MPTCP"),
            MptcpSocket::On | MptcpSocket::Refused(_) => None,
        }
    }
}

fn stream(family: AddressFamily, protocol: Option<Protocol>) -> rustix::io::Result<OwnedFd> {
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, protocol)
}

impl fmt::Display for MptcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MptcpSocket::On => match fs::read_to_string(ENABLED) {
                Ok(value) => write!(f, "MPTCP is on (net.mptcp.enabled={})", value.trim()),
                Err(_) => f.write_str("MPTCP is on"),
            },
            MptcpSocket::Off => f.write_str("MPTCP is off (net.mptcp.enabled=0)"),
            MptcpSocket::Absent => f.write_str("this kernel has no MPTCP"),
            MptcpSocket::Refused(errno) => {
                let error = std::io::Error::from_raw_os_error(*errno);
                write!(f, "MPTCP is refused: {}", reason(&error))
            }
        }
    }
}

/// The kernel's release, as `uname -r` prints it.
pub fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Who decides about subflows: `kernel`, `userspace`, or what a newer kernel has besides. `None`
/// where the kernel does not say.
pub fn path_manager() -> Option<String> {
    let (parameter, value) = path_manager::find(sysctl::read)?;
    Some(parameter.word(&value).to_owned())
}

/// Which scheduler chooses among subflows. `None` where the kernel does not say.
pub fn scheduler() -> Option<String> {
    sysctl::read("net.mptcp.scheduler").or_else(|| {
        // Before Linux 6.6 there is no choice: what 6.6 calls `default` is built in.
        sysctl::read("net.mptcp.enabled").map(|_| String::from("default"))
    })
}
