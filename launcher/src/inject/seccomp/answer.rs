//! Answering one call: what was asked for, who asks, an MPTCP socket made and handed over, or the
//! call left to the kernel, which then makes the TCP socket that was asked for.

use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libc::seccomp_data;
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

use crate::inject::seccomp::abi;
use crate::inject::seccomp::filter::TYPE_MASK;
use crate::inject::seccomp::memory::{Place, Words};
use crate::inject::seccomp::surroundings::{Owner, Surroundings, Unsuited};
use crate::inject::seccomp::sys::{self, Desk, Reply};
use crate::inject::seccomp::trace::Trace;

/// `IPPROTO_MPTCP` (include/uapi/linux/in.h).
const MPTCP: Protocol = Protocol::from_raw(NonZeroU32::new(262).expect("262 is not 0"));

/// A call that killed its supervisor this often is left to the kernel: something (a sandbox that
/// the rehearsal did not meet) does not let us make its socket.
const MOST_ATTEMPTS: u32 = 5;

/// The arguments of a socket(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) domain: i32,
    pub(super) kind: i32,
    pub(super) protocol: i32,
}

impl Wanted {
    /// The same question that the filter asks, for arguments that it could not see.
    fn is_tcp(self) -> bool {
        matches!(self.domain, libc::AF_INET | libc::AF_INET6)
            && self.kind & TYPE_MASK as i32 == libc::SOCK_STREAM
            && matches!(self.protocol, 0 | libc::IPPROTO_TCP)
    }

    /// What is not the type in `type`.
    pub(super) fn flags(self) -> i32 {
        self.kind & !(TYPE_MASK as i32)
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With an MPTCP socket of this number.
    Mptcp(i32),
    /// Without a socket, with this errno, which TCP would have met too.
    Failed(i32),
    /// As TCP: MPTCP was refused with this errno.
    Refused(i32),
    /// As TCP: not for this caller.
    Unsuited(Unsuited),
    /// As TCP: see [`MOST_ATTEMPTS`].
    GivenUp,
    /// It was about something else than TCP.
    NotTcp,
    /// The caller is gone, or was called away by a signal.
    Gone,
}

/// Everything that an answer needs; the standby has the same.
#[derive(Debug)]
pub(super) struct Clerk {
    pub(super) listener: OwnedFd,
    pub(super) desk: Desk,
    pub(super) surroundings: Surroundings,
    pub(super) trace: Option<Trace>,
    /// Hand the descriptor over first and let the call return it second, instead of both at once
    /// (`SECCOMP_ADDFD_FLAG_SEND`).
    ///
    /// Both at once is not safe against our own death: killed while the caller has not yet woken
    /// up, we take the descriptor back and leave the answer standing, and the call returns 0. In two
    /// steps the standby finds the call where it was. It takes a kernel that lets no signal call
    /// the caller away between them.
    pub(super) in_two_steps: bool,
}

impl Clerk {
    /// Where the arguments of the call in this slot lie, if they are in memory that must be read
    /// before it can be answered.
    pub(super) fn place(&self, number: usize) -> Option<Place> {
        let slot = self.desk.read(number);
        let decided = slot.given > 0 || slot.attempts >= MOST_ATTEMPTS;
        let data = &slot.call.data;
        (!decided && is_socketcall(data))
            .then_some(Place { thread: slot.call.pid, address: data.args[1] as u32 })
    }

    /// Answers the call in this slot and empties it. `words` are those of [`Self::place`].
    pub(super) fn answer(&self, number: usize, words: Words) {
        let mut slot = self.desk.read(number);
        slot.attempts += 1;
        self.desk.write(number, slot);
        let (id, thread) = (slot.call.id, slot.call.pid);
        // Asked before the answer: afterwards the caller may be gone.
        let who = self.trace.as_ref().map(|_| self.surroundings.name(thread));
        let wanted = wanted(&slot.call.data, words);
        let outcome = if slot.given > 0 {
            self.finish(id, Reply::Value(slot.given - 1), Outcome::Mptcp(slot.given - 1))
        } else if slot.attempts > MOST_ATTEMPTS {
            self.finish(id, Reply::Continue, Outcome::GivenUp)
        } else {
            match wanted {
                Some(wanted) if wanted.is_tcp() => self.give(number, id, thread, wanted),
                Some(_) => self.finish(id, Reply::Continue, Outcome::NotTcp),
                None => self.finish(id, Reply::Continue, Outcome::Unsuited(Unsuited::Unread)),
            }
        };
        let unknown = Wanted { domain: -1, kind: libc::SOCK_STREAM, protocol: 0 };
        let wanted = wanted.unwrap_or(unknown);
        self.desk.clear(number);
        if let (Some(trace), Some(who)) = (&self.trace, who) {
            trace.call(&who, wanted, outcome);
        }
    }

    /// Makes the socket and hands it over.
    fn give(&self, number: usize, id: u64, thread: u32, wanted: Wanted) -> Outcome {
        let owner = match self.surroundings.owner(thread) {
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
                let mut slot = self.desk.read(number);
                slot.given = fd + 1;
                self.desk.write(number, slot);
                self.finish(id, Reply::Value(fd), Outcome::Mptcp(fd))
            }
            Ok(fd) => Outcome::Mptcp(fd),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT | libc::EINPROGRESS) | None => Outcome::Gone,
                // The caller's own: it has no descriptor left.
                Some(errno) => self.finish(id, Reply::Error(errno), Outcome::Failed(errno)),
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
        if self.surroundings.is_us(owner) {
            return make();
        }
        let us = self.surroundings.us();
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

    fn finish(&self, id: u64, reply: Reply, outcome: Outcome) -> Outcome {
        match sys::reply(self.listener(), id, reply) {
            Ok(()) => outcome,
            Err(_) => Outcome::Gone,
        }
    }

    pub(super) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn is_socketcall(call: &seccomp_data) -> bool {
    abi::of_arch(call.arch)
        .is_some_and(|abi| abi.socketcall.is_some_and(|number| number == call.nr as u32))
}

/// The arguments of a call; `None` when they are in memory that could not be read.
fn wanted(call: &seccomp_data, words: Words) -> Option<Wanted> {
    let [domain, kind, protocol] = match is_socketcall(call) {
        true => words?,
        // The low halves, as the kernel takes them.
        false => [call.args[0] as u32, call.args[1] as u32, call.args[2] as u32],
    };
    Some(Wanted {
        domain: domain.cast_signed(),
        kind: kind.cast_signed(),
        protocol: protocol.cast_signed(),
    })
}
