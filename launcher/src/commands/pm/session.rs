//! What `endpoint`, `limits` and `monitor` share: the namespace that they work in, and what they
//! say when the kernel refuses.

use crate::cli::pm::Common;
use crate::error::{Error, Exit};
use crate::host::netlink::KernelError;
use crate::host::netlink::pm::Pm;
use crate::host::netns;
use crate::host::observe::kernel::MptcpSocket;
use crate::host::process::privilege;
use mptcpize_model::shell;

/// One thing that a verb tries.
pub(in crate::commands) struct Attempt {
    what: String,
    /// The verb and its words.
    line: String,
    /// What names the namespace at the end of a command line.
    place: String,
}

impl Attempt {
    /// Enters the namespace. `what` is the clause of every error, such as `cannot add …`; `line`
    /// are the verb and its words.
    ///
    /// # Errors
    /// There is no such namespace, or it may not be entered.
    pub(in crate::commands) fn new(
        what: String,
        common: &Common,
        line: &[&str],
    ) -> Result<Self, Error> {
        let place =
            common.netns.as_ref().map(|name| format!(" {}", shell::option("--netns", name)));
        let attempt = Attempt { what, line: shell::line(line), place: place.unwrap_or_default() };
        if let Some(name) = &common.netns {
            netns::enter(name).map_err(|error| match error.exit() {
                Exit::NotPermitted => error.fix(attempt.sudo()),
                _ => error,
            })?;
        }
        Ok(attempt)
    }

    /// A command line of ours that works in the same namespace.
    pub(in crate::commands) fn command(&self, line: &str) -> String {
        format!("mptcpize {line}{}", self.place)
    }

    /// The command line that would be permitted.
    fn sudo(&self) -> String {
        privilege::with_sudo(&self.command(&self.line))
    }

    /// A connection to the path manager.
    ///
    /// # Errors
    /// 5: the kernel has none.
    pub(in crate::commands) fn open(&self) -> Result<Pm, Error> {
        Pm::open().map_err(|error| self.closed(&error))
    }

    /// Why the path manager cannot be reached at all.
    pub(in crate::commands) fn closed(&self, error: &KernelError) -> Error {
        if error.errno != libc::ENOENT {
            return self.refused(error, "");
        }
        let why = error.text.as_deref().unwrap_or("this kernel has no path manager for MPTCP");
        let fix = MptcpSocket::Absent.fix().unwrap_or_default();
        Error::new(Exit::Missing, &self.what).why(why).fix(fix)
    }

    /// The kernel's refusal in its own words; `fix` may be empty.
    pub(in crate::commands) fn refused(&self, error: &KernelError, fix: &str) -> Error {
        let exit = Exit::from(error);
        let shown = Error::new(exit, &self.what);
        match exit {
            Exit::NotPermitted => shown.why("the kernel wants CAP_NET_ADMIN").fix(self.sudo()),
            _ if fix.is_empty() => shown.why(error),
            _ => shown.why(error).fix(fix),
        }
    }

    /// A refusal of our own: this host is not so.
    pub(in crate::commands) fn not_so(
        &self,
        why: impl std::fmt::Display,
        fix: impl std::fmt::Display,
    ) -> Error {
        Error::new(Exit::Failed, &self.what).why(why).fix(fix)
    }
}
