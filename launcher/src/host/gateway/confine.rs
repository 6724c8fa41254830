//! A child with a user of its own, the capabilities that it needs, and an end with this process. What runs
//! between fork(2) and exec(2).

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `CAP_NET_ADMIN` (linux/capability.h): IP_TRANSPARENT, and entries of neighbours.
pub const NET_ADMIN: u32 = 1 << 12;
/// `CAP_NET_BIND_SERVICE`: ports below 1024.
pub const NET_BIND_SERVICE: u32 = 1 << 10;
/// `CAP_NET_RAW`: packets of ICMP.
pub const NET_RAW: u32 = 1 << 13;

/// More than the kernel knows; it says EINVAL to those that it does not.
const CAPABILITIES: u32 = 64;

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;

/// Descriptors that a child may have: six for each of 16,384 connections, and some.
const DESCRIPTORS: u64 = 6 * 16_384 + 1_024;

/// What a child keeps.
#[derive(Clone, Copy, Debug)]
pub struct Confined {
    /// The user and group that it gets; none where there is none to be had, as in a user namespace.
    pub user: Option<u32>,
    /// Its capabilities, a bit each, all below 32.
    pub capabilities: u32,
}

impl Confined {
    /// Lets the command give up all else before it is executed.
    pub fn apply(self, command: &mut Command) {
        // SAFETY: what runs between fork and exec makes system calls alone, allocates nothing and
        // touches no lock.
        unsafe { command.pre_exec(move || self.confine()) };
    }

    /// Async-signal-safe.
    fn confine(self) -> io::Result<()> {
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
        let kept = |number: u32| number < 32 && self.capabilities & (1 << number) != 0;
        // SAFETY: each call reads plain values or structs of this frame that outlive it; all zeroes is a
        // value of sigset_t and of rlimit.
        unsafe {
            // Signals that this process waits for elsewhere (signalfd(2)) are the child's own matter.
            let mut none: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            let mut limit: libc::rlimit = mem::zeroed();
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
            let wanted = limit.rlim_max.max(DESCRIPTORS);
            let more = libc::rlimit { rlim_cur: wanted, rlim_max: wanted };
            // Without CAP_SYS_RESOURCE, or above fs.nr_open, the relay takes fewer connections, and
            // says so.
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const more);
            // Without CAP_SETPCAP (a container) the set stays as small as it is.
            for number in (0..CAPABILITIES).filter(|number| !kept(*number)) {
                libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0);
            }
            if let Some(user) = self.user {
                check(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0).into())?;
                check(libc::setgroups(0, std::ptr::null()).into())?;
                check(libc::setresgid(user, user, user).into())?;
                check(libc::setresuid(user, user, user).into())?;
            }
            let own = self.capabilities;
            let header = Header { version: VERSION, pid: 0 };
            let none = Data { effective: 0, permitted: 0, inheritable: 0 };
            let data = [Data { effective: own, permitted: own, inheritable: own }, none];
            check(libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()))?;
            for number in (0..CAPABILITIES).filter(|number| kept(*number)) {
                let raise = libc::PR_CAP_AMBIENT_RAISE;
                check(libc::prctl(libc::PR_CAP_AMBIENT, raise, number, 0, 0).into())?;
            }
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
            // After the user, which takes it away (prctl(2)).
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0).into())
        }
    }
}
