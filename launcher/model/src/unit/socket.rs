//! A socket of a unit's processes, and why one of them is TCP.

use std::net::SocketAddr;

use crate::socket_policy::Sockets;
use crate::unit::process::{Loss, Process};

/// A socket that listens or is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// What tells it from others.
    pub inode: u32,
    /// It is one of MPTCP.
    pub mptcp: bool,
    /// It listens.
    pub listens: bool,
    /// Its own address.
    pub local: SocketAddr,
    /// Its peer's.
    pub remote: SocketAddr,
    /// The process that has had it first.
    pub holder: u32,
    /// Its number there.
    pub descriptor: i32,
    /// What was set on it that MPTCP refuses.
    pub options: Vec<String>,
    /// MPTCP is switched off in its network namespace.
    pub off: bool,
    /// The service manager holds it too: it opened it.
    pub of_manager: bool,
}

/// Why a socket is TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The service manager opened it.
    Manager,
    /// The process was there before the unit was switched on.
    Older,
    /// `net.mptcp.enabled` is 0.
    Off,
    /// The process did not get the library.
    Lost(Loss),
    /// The process may not load the library.
    Denied(String),
    /// These options are set on it, and MPTCP refuses them.
    Options(Vec<String>),
    /// `MPTCPIZE=off` in the environment of the process.
    Asked,
    /// The process has a policy, which may say so.
    Policy,
    /// The process is not under the filter that its unit should give to it.
    Unfiltered,
    /// The library or the filter is there, and this socket did not come about by it.
    Past(Means),
}

/// How a unit is reached, as far as it matters for what its processes should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The library, by the environment.
    Environment,
    /// A filter.
    Filter,
}

impl Cause {
    /// Why a socket of this process is TCP, or would be.
    pub fn of(process: &Process, socket: Option<&Socket>, means: Means) -> Self {
        let environment = process.environment;
        let options = socket.map(|socket| socket.options.as_slice()).unwrap_or_default();
        if socket.is_some_and(|socket| socket.of_manager) {
            return Cause::Manager;
        }
        let filtered = means == Means::Filter && process.filtered;
        let has = process.library || filtered || process.go && environment.godebug;
        // A drop-in that was written anew is younger than what runs well by the one before.
        if process.older && !has {
            return Cause::Older;
        }
        if socket.is_some_and(|socket| socket.off) {
            return Cause::Off;
        }
        if environment.off {
            return Cause::Asked;
        }
        // A Go program may have the library, for its C part, and make its sockets without it.
        if let (Some(why), false) = (&process.beyond, filtered) {
            return Cause::Lost(Loss::Binary(why.clone()));
        }
        if has {
            return match () {
                () if !options.is_empty() => Cause::Options(options.to_vec()),
                () if environment.policy || is_named(process) => Cause::Policy,
                () => Cause::Past(means),
            };
        }
        match () {
            () if process.secure => Cause::Lost(Loss::Secure),
            () if means == Means::Filter => Cause::Unfiltered,
            () if environment.preload => Cause::denied(process),
            () => Cause::Lost(Loss::Cleaned),
        }
    }

    fn denied(process: &Process) -> Self {
        Cause::Denied(match (&process.unseen, &process.confined_by) {
            (Some(why), _) => why.clone(),
            (None, Some(profile)) => {
                format!("its loader was refused the library, perhaps by its profile {profile}")
            }
            (None, None) => "its loader did not load the library (its log says why)".to_owned(),
        })
    }

    /// As a clause, with the process or the socket as its subject.
    pub fn words(&self) -> String {
        match self {
            Cause::Manager => "systemd opens it, which is no program that this reaches".to_owned(),
            Cause::Older => "it was started without it, before the unit was switched on".to_owned(),
            Cause::Off => "net.mptcp.enabled is 0 in its network".to_owned(),
            Cause::Lost(loss) => loss.words(),
            Cause::Denied(why) => why.clone(),
            Cause::Options(names) => {
                format!("it has {}, which MPTCP refuses", names.join(" and "))
            }
            Cause::Asked => "MPTCPIZE=off is in its environment".to_owned(),
            Cause::Policy => {
                "so says the policy that it was given, as far as can be seen".to_owned()
            }
            Cause::Unfiltered => {
                "it is not under the filter, which its unit should give to it".to_owned()
            }
            Cause::Past(Means::Environment) => {
                "the library is in the process, and it was opened past it (by a plugin that sees libc \
                 first, getaddrinfo, io_uring or a system call of its own)"
                    .to_owned()
            }
            Cause::Past(Means::Filter) => {
                "the process is under the filter, and it was opened past it (by io_uring, in another \
                 network, or under a filter of its own)"
                    .to_owned()
            }
        }
    }

    /// Would a seccomp filter reach what the library does not?
    pub fn is_for_a_filter(&self) -> bool {
        matches!(self, Cause::Lost(_) | Cause::Denied(_) | Cause::Past(_))
    }
}

/// Is it one of the programs that stay TCP where no policy says otherwise?
fn is_named(process: &Process) -> bool {
    Sockets::default().names(process.name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::process::Environment;

    fn socket(options: &[&str]) -> Socket {
        let any = "0.0.0.0:80".parse().expect("an address");
        Socket {
            inode: 1,
            mptcp: false,
            listens: true,
            local: any,
            remote: any,
            holder: 1,
            descriptor: 3,
            options: options.iter().map(|name| (*name).to_owned()).collect(),
            off: false,
            of_manager: false,
        }
    }

    #[test]
    fn each_cause_is_told_from_what_the_process_and_the_socket_are() {
        let given = Environment { preload: true, invocation: true, ..Environment::default() };
        let with = Process { library: true, environment: given, ..Process::default() };
        let without = Process { environment: given, ..Process::default() };
        let cleaned = Process::default();
        let option = socket(&["TCP_USER_TIMEOUT"]);
        let plain = socket(&[]);
        let by = |process: &Process, socket: &Socket| {
            Cause::of(process, Some(socket), Means::Environment)
        };
        assert_eq!(by(&with, &option), Cause::Options(vec!["TCP_USER_TIMEOUT".into()]));
        assert_eq!(by(&with, &plain), Cause::Past(Means::Environment));
        assert_eq!(by(&cleaned, &option), Cause::Lost(Loss::Cleaned));
        assert!(matches!(by(&without, &plain), Cause::Denied(_)));
        let table = [
            (Process { secure: true, ..without.clone() }, Cause::Lost(Loss::Secure)),
            (Process { older: true, ..cleaned.clone() }, Cause::Older),
            (
                Process { beyond: Some("old Go".into()), ..with.clone() },
                Cause::Lost(Loss::Binary("old Go".into())),
            ),
            (
                Process { environment: Environment { off: true, ..given }, ..without.clone() },
                Cause::Asked,
            ),
            (
                Process { environment: Environment { policy: true, ..given }, ..with.clone() },
                Cause::Policy,
            ),
        ];
        for (process, cause) in table {
            assert_eq!(by(&process, &plain), cause, "{process:?}");
        }
        assert_eq!(by(&Process { name: "bgpd".into(), ..with.clone() }, &plain), Cause::Policy);
        let anew = Process { older: true, ..with.clone() };
        assert_eq!(by(&anew, &option), Cause::Options(vec!["TCP_USER_TIMEOUT".into()]));
        let off = Socket { off: true, ..plain.clone() };
        let of_manager = Socket { of_manager: true, ..plain.clone() };
        assert_eq!(by(&with, &off), Cause::Off);
        assert_eq!(by(&cleaned, &of_manager), Cause::Manager);
        // Under a filter what the library would lose does not matter.
        let filtered = Process { filtered: true, secure: true, ..cleaned.clone() };
        let under =
            |process: &Process, socket: &Socket| Cause::of(process, Some(socket), Means::Filter);
        assert_eq!(under(&filtered, &plain), Cause::Past(Means::Filter));
        assert_eq!(under(&filtered, &option), Cause::Options(vec!["TCP_USER_TIMEOUT".into()]));
        assert_eq!(under(&cleaned, &plain), Cause::Unfiltered);
    }
}
