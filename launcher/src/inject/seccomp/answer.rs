//! Answering one socket(2): who asks, an MPTCP socket made and handed over, or the call left to the
//! kernel, which then makes the TCP socket that was asked for.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::inject::seccomp::call::Wanted;
use crate::inject::seccomp::caller::{Callers, Owner, Unsuited};
use crate::inject::seccomp::outcome::Outcome;
use crate::inject::seccomp::refused::Refused;
use crate::inject::seccomp::sockets;
use crate::inject::seccomp::sys::{self, Reply, Slots};
use crate::inject::seccomp::trace::Trace;
use crate::syscall::MPTCP;

/// Everything that an answer needs; the standby has the same.
#[derive(Debug)]
pub(super) struct Responder {
    pub(super) listener: OwnedFd,
    pub(super) slots: Slots,
    pub(super) callers: Callers,
    pub(super) trace: Option<Trace>,
    /// What the filter asks about besides sockets.
    pub(super) refused: Refused,
    /// Hand the descriptor over first and let the call return it second, instead of both at once
    /// (`SECCOMP_ADDFD_FLAG_SEND`).
    ///
    /// Both at once is not safe against our own death: killed while the caller has not yet woken
    /// up, we take the descriptor back and leave the answer standing, and the call returns 0. In two
    /// steps the standby finds the call where it was. It takes a kernel that lets no signal
    /// interrupt the caller between them.
    pub(super) in_two_steps: bool,
}

impl Responder {
    /// Answers a socket(2) for TCP.
    pub(super) fn socket(&self, number: usize, id: u64, thread: u32, wanted: Wanted) {
        let who = self.trace.as_ref().map(|_| self.callers.name(thread));
        let outcome = self.give(number, id, thread, wanted);
        if let (Some(trace), Some(who)) = (&self.trace, who) {
            trace.call(&who, wanted, outcome);
        }
    }

    /// Makes the socket and hands it over.
    fn give(&self, number: usize, id: u64, thread: u32, wanted: Wanted) -> Outcome {
        let owner = match self.callers.owner(thread) {
            Ok(owner) => owner,
            // To let the call pass would overrule whoever confines it.
            Err(Unsuited::Confined) => {
                let outcome = Outcome::Unsuited(Unsuited::Confined);
                return self.finish(id, Reply::Error(libc::EPERM), outcome);
            }
            Err(why) => return self.finish(id, Reply::Continue, Outcome::Unsuited(why)),
        };
        let socket = match self.make(owner, wanted) {
            Ok(socket) => socket,
            Err(errno) => return self.refuse(id, errno.raw_os_error()),
        };
        let cloexec = wanted.flags() & libc::SOCK_CLOEXEC != 0;
        match sys::add_fd(self.listener(), id, socket.as_raw_fd(), cloexec, !self.in_two_steps) {
            Ok(fd) if self.in_two_steps => {
                let mut slot = self.slots.read(number);
                slot.given = fd + 1;
                self.slots.write(number, slot);
                self.finish(id, Reply::Value(fd), Outcome::Mptcp(fd))
            }
            Ok(fd) => Outcome::Mptcp(fd),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT | libc::EINPROGRESS) | None => Outcome::Gone,
                // The caller's own: it has no descriptor left.
                Some(errno @ libc::EMFILE) => {
                    self.finish(id, Reply::Error(errno), Outcome::Failed(errno))
                }
                // A security module may not let the caller have what another has made.
                Some(errno) => self.finish(id, Reply::Continue, Outcome::Refused(errno)),
            },
        }
    }

    /// An MPTCP socket that belongs to `owner`, in the inode (`ss -e`) and in the credentials that
    /// owner rules of the packet filter look at.
    fn make(&self, owner: Owner, wanted: Wanted) -> Result<OwnedFd, Errno> {
        let make = || {
            // Always close-on-exec on our side; the caller's copy has its own flag.
            let flags = wanted.flags() | libc::SOCK_CLOEXEC;
            socket_with(
                AddressFamily::from_raw(wanted.domain as u16),
                SocketType::STREAM,
                SocketFlags::from_bits_retain(flags.cast_unsigned()),
                Some(MPTCP),
            )
        };
        let make = || {
            let socket = make()?;
            sockets::mark(socket.as_fd());
            Ok(socket)
        };
        if self.callers.is_us(owner) {
            return make();
        }
        let us = self.callers.us();
        let socket = match sys::act_as(owner.user, owner.group) {
            true => make(),
            // Not ours to make: a user namespace, or a privilege that we gave up.
            false => Err(Errno::PERM),
        };
        sys::act_as(us.user, us.group);
        socket
    }

    /// There was no MPTCP socket to be had. By the library's rules (shim/src/upgrade.rs): a shortage
    /// is passed on, because TCP would meet it too; all else leads to TCP. But what we are short
    /// of ourselves, descriptors, is no matter of the caller's.
    fn refuse(&self, id: u64, errno: i32) -> Outcome {
        match errno {
            libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => {
                self.finish(id, Reply::Error(errno), Outcome::Failed(errno))
            }
            _ => self.finish(id, Reply::Continue, Outcome::Refused(errno)),
        }
    }

    pub(super) fn finish(&self, id: u64, reply: Reply, outcome: Outcome) -> Outcome {
        match sys::reply(self.listener(), id, reply) {
            Ok(()) => outcome,
            Err(_) => Outcome::Gone,
        }
    }

    pub(super) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
