//! Network namespaces without names.
//!
//! A namespace is a descriptor: made by a thread that unshares, joined by commands between fork
//! and exec, gone when the descriptor is closed and the last process has left. iproute2 takes the
//! path of the descriptor wherever it takes the name of a namespace.

#![allow(unsafe_code, reason = "unshare(2) and setns(2) have no safe binding")]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use super::{Cmd, Outcome, scratch, wait};

/// The namespace of the calling thread; `/proc/self` would be the main thread's.
const CURRENT: &str = "/proc/thread-self/ns/net";

/// The namespace of every command that names no other: MPTCP there is as the kernel starts it,
/// whatever the host's administrator set.
pub fn common() -> &'static Netns {
    static COMMON: OnceLock<Netns> = OnceLock::new();
    COMMON.get_or_init(Netns::new)
}

/// A network namespace.
#[derive(Debug)]
pub struct Netns(OwnedFd);

impl Netns {
    /// A fresh namespace with its loopback interface up.
    pub fn new() -> Self {
        let made = thread::spawn(|| {
            // SAFETY: a thread may unshare its network namespace alone; no other thread shares
            // that part of its state, and the thread ends here.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            File::open(CURRENT)
        });
        let namespace = made
            .join()
            .expect("the thread does not panic")
            .unwrap_or_else(|error| panic!("no network namespace: {error}\n  fix: run as root"));
        let namespace = Netns(namespace.into());
        namespace.ip("link set lo up");
        namespace
    }

    /// A fresh namespace in which the kernel refuses MPTCP.
    pub fn without_mptcp() -> Self {
        let namespace = Netns::new();
        namespace.sysctl("net/mptcp/enabled", "0");
        namespace
    }

    /// Runs `work` on a thread inside.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                Netns::enter_here(self.as_fd()).expect("the namespace is open");
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread inside, for good. Async-signal-safe.
    pub(super) fn enter_here(namespace: BorrowedFd<'_>) -> io::Result<()> {
        Ok(move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?)
    }

    /// Another descriptor of the namespace, for whoever outlives this one.
    pub(super) fn duplicate(&self) -> OwnedFd {
        self.0.try_clone().expect("there is a descriptor left")
    }

    /// A command inside.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Cmd {
        Cmd::outside(program).within(self)
    }

    /// `ip ARGUMENTS` inside; returns what it prints. An error is a panic with iproute2's words.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> String {
        self.run_line("ip", arguments).stdout
    }

    /// Lines for `ip -batch` inside: the fastest way to change much. An error is a panic with
    /// iproute2's words.
    #[track_caller]
    pub fn ip_batch(&self, lines: &str) {
        let file = scratch("batch").join("lines");
        fs::write(&file, lines).expect("a scratch file can be written");
        self.command("ip").arg("-batch").arg(file).run().ok();
    }

    /// `tc ARGUMENTS` inside.
    #[track_caller]
    pub fn tc(&self, arguments: &str) -> String {
        self.run_line("tc", arguments).stdout
    }

    /// A rule of the packet filter (nft(8)) for what comes in on this link, before routing.
    #[track_caller]
    pub fn filter(&self, link: &str, rule: &str) {
        let script = format!(
            "nft add table inet f; nft add chain inet f p '{{ type filter hook prerouting priority -150; }}'
             nft 'add rule inet f p iifname {link} {rule}'"
        );
        self.command("sh").args(["-euc", &script]).run().silent();
    }

    #[track_caller]
    fn run_line(&self, program: &str, arguments: &str) -> Outcome {
        self.command(program).args(arguments.split_whitespace()).run().ok()
    }

    /// Sets `/proc/sys/NAME` inside.
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/{name}");
        self.enter(|| fs::write(&path, value))
            .unwrap_or_else(|error| panic!("{name} = {value}: {error}"));
    }

    /// Waits until the kernel has done what it leaves to workers of its own after a link went up or
    /// down: it notes the carrier, then it marks routes, makes a link-local address or opens the
    /// port of a bridge; and it ends the look for duplicates of an address.
    pub fn settle(&self) {
        wait::until("links and addresses to settle", || {
            // The last question is for the lock of rtnetlink: whoever took `tentative` from an
            // address has made its route when that is answered.
            self.has_noted_carriers()
                && self.ip("-6 -o address show up tentative").is_empty()
                && self.has_noted_carriers()
        });
    }

    /// LOWER_UP is the carrier itself; NO-CARRIER is what the worker has made of it.
    fn has_noted_carriers(&self) -> bool {
        let links = self.ip("-o link show up");
        links.lines().all(|link| link.contains("LOWER_UP") != link.contains("NO-CARRIER"))
    }

    /// A file of `/proc/net`, as it reads inside.
    pub fn proc_net(&self, name: &str) -> String {
        let path = format!("/proc/thread-self/net/{name}");
        self.enter(|| fs::read_to_string(&path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// What to write where `ip` wants the name of a namespace (`netns NAME`).
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
