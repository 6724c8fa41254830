//! What a runtime says with the listener of a container's filter: the "container process state" of OCI's
//! runtime specification (config-linux.md, seccomp). Pure.

use std::num::NonZeroU32;

use serde::Deserialize;

/// The name that stands for the listener in `fds`.
const LISTENER: &str = "seccompFd";

/// As long as a message may be, in bytes: annotations of a container are part of it.
pub(super) const MOST: usize = 1 << 20;

/// A container that begins, or a process that enters one that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handover {
    /// The process that is under the filter, in the runtime's process namespace. Some runtimes name none
    /// when a process enters a container that runs (crun 1.8: 0).
    pub(super) process: Option<NonZeroU32>,
    /// The place of the listener among the descriptors of the message.
    pub(super) place: usize,
    /// The container's identifier; empty where it has none.
    pub(super) container: String,
}

#[derive(Deserialize)]
struct Message {
    fds: Vec<String>,
    pid: u32,
    #[serde(default)]
    state: State,
}

#[derive(Default, Deserialize)]
struct State {
    #[serde(default)]
    id: String,
}

impl Handover {
    /// Reads a message; `None` when it is none, or not whole yet.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let message: Message = serde_json::from_slice(bytes).ok()?;
        let place = message.fds.iter().position(|name| name == LISTENER)?;
        let process = NonZeroU32::new(message.pid);
        Some(Handover { process, place, container: message.state.id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the specification has it.
    const TEXT: &str = r#"{"ociVersion": "1.0.2", "fds": ["other", "seccompFd"], "pid": 4422,
        "metadata": "MKNOD=/dev/null", "state": {"ociVersion": "1.0.2", "id": "c1",
        "status": "creating", "pid": 4422, "bundle": "/containers/redis"}}"#;

    #[test]
    fn a_message_is_read_when_it_is_whole() {
        let process = NonZeroU32::new(4422);
        let whole = Handover { process, place: 1, container: "c1".to_owned() };
        assert_eq!(Handover::read(TEXT.as_bytes()), Some(whole));
        for end in 0..TEXT.len() {
            assert_eq!(Handover::read(&TEXT.as_bytes()[..end]), None, "{end}");
        }
    }

    #[test]
    fn what_is_no_such_message_is_nothing() {
        for (from, to) in [
            ("seccompFd", "seccomp"),
            ("4422", "-1"),
            ("4422", "4294967296"),
            ("[\"other\", \"seccompFd\"]", "\"seccompFd\""),
            ("\"c1\"", "7"),
        ] {
            assert_eq!(Handover::read(TEXT.replace(from, to).as_bytes()), None, "{to}");
        }
        let nobody = Handover::read(TEXT.replace("4422", "0").as_bytes());
        assert_eq!(nobody.map(|it| it.process), Some(None));
        assert_eq!(Handover::read(b"[".repeat(MOST).as_slice()), None);
        assert_eq!(Handover::read(b"\xff\0"), None);
    }
}
