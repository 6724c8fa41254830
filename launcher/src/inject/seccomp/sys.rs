//! Every `unsafe` of the seccomp filter: processes without a signal, the filter, the notifications,
//! the memory that supervisor and standby share.
//!
//! Not here: what rustix does safely (descriptors, poll, messages).

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

pub(super) use crate::syscall::fork::{
    End, block_signals, close_all_but, close_range, exit, fork, reap, set_name, wait,
};

use libc::{c_int, c_ulong, seccomp_notif, seccomp_notif_addfd, seccomp_notif_resp};

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Lets an [`alarm`] end a call that waits, with EINTR, in a process that blocks all signals.
pub(super) fn let_alarms_interrupt() {
    extern "C" fn nothing(_: c_int) {}
    // SAFETY: a zeroed action is a valid one, without SA_RESTART; the handler does nothing; the set
    // is initialised by sigemptyset.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut());
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGALRM);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
    }
}

/// SIGALRM in so many seconds; 0 for never.
pub(super) fn alarm(seconds: u32) {
    // SAFETY: an integer only.
    unsafe { libc::alarm(seconds) };
}

/// So many bytes at `address` in the memory of a thread. May wait for ever, but can be killed then,
/// which reading /proc/PID/mem can not.
pub(super) fn bytes_of(thread: u32, address: u64, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0u8; size];
    let ours = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: size };
    let theirs =
        libc::iovec { iov_base: ptr::without_provenance_mut(address as usize), iov_len: size };
    // SAFETY: `ours` is exactly the vector; `theirs` is in another process, where the kernel looks.
    let got = unsafe {
        libc::process_vm_readv(thread.cast_signed(), &raw const ours, 1, &raw const theirs, 1, 0)
    };
    match checked(got as libc::c_long)? as usize {
        got if got == size => Ok(bytes),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// No core file from this process.
pub(super) fn no_core() {
    // SAFETY: integers only.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

/// Lets that process read our memory, and so the program's, where the Yama module restricts
/// it to ancestors. Without Yama the kernel answers EINVAL, and nothing is needed.
pub(super) fn allow_reading_by(pid: i32) {
    // SAFETY: integers only.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, c_ulong::from(pid.unsigned_abs()), 0, 0, 0) };
}

/// From now on no exec gives privilege: what a filter costs those without CAP_SYS_ADMIN.
pub(super) fn set_no_new_privs() -> io::Result<()> {
    // SAFETY: integers only.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    Ok(())
}

/// Puts a filter on this thread and all that it will start; the descriptor is where the
/// notifications come out.
pub(super) fn install(filter: &[libc::sock_filter], flags: c_ulong) -> io::Result<OwnedFd> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program and its instructions outlive the call, which only reads them.
    let fd = checked(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    })?;
    // SAFETY: with NEW_LISTENER the result is a descriptor that nobody else knows yet.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

fn ioctl<T>(listener: BorrowedFd<'_>, request: libc::Ioctl, argument: *mut T) -> io::Result<c_int> {
    // SAFETY: each caller passes the structure that its request is defined with (linux/seccomp.h),
    // valid for reads and writes.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), request, argument) };
    Ok(checked(result.into())? as c_int)
}

/// Is the kernel asked to wake the other side on the same processor (6.6 and later)?
pub(super) fn wake_in_step(listener: BorrowedFd<'_>) -> bool {
    /// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` (linux/seccomp.h).
    const SYNC_WAKE_UP: c_ulong = 1;
    // SAFETY: the flags are the argument itself, not a pointer.
    unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) == 0
    }
}

/// Puts a copy of `fd` into the caller of the notification `id`, as the lowest free number there;
/// returns that number. With `finish` the call returns it at once.
pub(super) fn add_fd(
    listener: BorrowedFd<'_>,
    id: u64,
    fd: RawFd,
    cloexec: bool,
    finish: bool,
) -> io::Result<c_int> {
    let mut request = seccomp_notif_addfd {
        id,
        flags: if finish { libc::SECCOMP_ADDFD_FLAG_SEND as u32 } else { 0 },
        srcfd: fd as u32,
        newfd: 0,
        newfd_flags: if cloexec { libc::O_CLOEXEC as u32 } else { 0 },
    };
    ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut request)
}

/// What a notified call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// What the kernel makes of it without us.
    Continue,
    /// This number.
    Value(c_int),
    /// This errno.
    Error(c_int),
}

/// Lets the caller of the notification `id` go on.
pub(super) fn reply(listener: BorrowedFd<'_>, id: u64, with: Reply) -> io::Result<()> {
    let mut response = seccomp_notif_resp { id, val: 0, error: 0, flags: 0 };
    match with {
        Reply::Continue => response.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        Reply::Value(value) => response.val = value.into(),
        Reply::Error(errno) => response.error = -errno,
    }
    ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response).map(drop)
}

/// Makes the caller's user and group those of what is made next; see credentials(7), file system
/// ids. Returns whether both took.
pub(super) fn act_as(user: u32, group: u32) -> bool {
    /// An id that nobody has: the call changes nothing and returns the one in force.
    const ASK: u32 = u32::MAX;
    // SAFETY: integers only. By number: libc's wrappers do the same.
    unsafe {
        // The group first: without the user it might not be allowed any more.
        libc::syscall(libc::SYS_setfsgid, group);
        libc::syscall(libc::SYS_setfsuid, user);
        libc::syscall(libc::SYS_setfsuid, ASK) as u32 == user
            && libc::syscall(libc::SYS_setfsgid, ASK) as u32 == group
    }
}

/// How many calls may have been taken up and not yet answered. More wait in the kernel, where a
/// signal can still end their waiting.
pub(super) const SLOTS: usize = 256;

/// A call that was taken up.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// As the kernel wrote it; an id of 0 is an empty slot.
    pub(super) call: seccomp_notif,
    /// How many supervisors have begun to answer it.
    pub(super) attempts: u32,
    /// The number of the descriptor that it already has, plus one; 0 for none.
    pub(super) given: i32,
}

/// The calls in work, in memory that the standby sees: what a killed supervisor had taken up, the
/// kernel gives to nobody a second time.
#[derive(Debug)]
pub(super) struct Slots(*mut Slot);

impl Slots {
    /// Empty slots, shared with every process started from now on. They are never unmapped.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: a new anonymous mapping touches no memory of ours.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                SLOTS * size_of::<Slot>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Slots(memory.cast()))
    }

    fn place(&self, number: usize) -> *mut Slot {
        assert!(number < SLOTS, "slots are numbered from 0 to {SLOTS}");
        // SAFETY: the mapping holds SLOTS slots, and `number` is below that.
        unsafe { self.0.add(number) }
    }

    pub(super) fn read(&self, number: usize) -> Slot {
        // SAFETY: `place` is inside the mapping and aligned; every bit pattern is a valid Slot.
        // Only one process at a time uses the slots: the standby begins when the supervisor is gone.
        unsafe { self.place(number).read_volatile() }
    }

    pub(super) fn write(&self, number: usize, slot: Slot) {
        // SAFETY: as in `read`.
        unsafe { self.place(number).write_volatile(slot) }
    }

    pub(super) fn clear(&self, number: usize) {
        // SAFETY: a Slot of zeroes is valid: it is an empty one.
        self.write(number, unsafe { std::mem::zeroed() });
    }

    /// Takes up the next waiting call, straight into an empty slot: there is no moment at which a
    /// call is taken up and in no slot.
    pub(super) fn receive(&self, listener: BorrowedFd<'_>, number: usize) -> io::Result<()> {
        // SAFETY: `call` lies inside the slot, which is inside the mapping.
        let call = unsafe { &raw mut (*self.place(number)).call };
        ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, call).map(drop)
    }
}

/// A word that a child leaves for its parent.
#[derive(Debug)]
pub(super) struct Shared(*mut u64);

impl Shared {
    pub(super) fn new() -> io::Result<Self> {
        // A page of the same kind; two uses of it are not worth another mmap.
        Slots::new().map(|slots| Shared(slots.0.cast()))
    }

    pub(super) fn get(&self) -> u64 {
        // SAFETY: the mapping is valid, aligned to a page and never unmapped.
        unsafe { self.0.read_volatile() }
    }

    pub(super) fn set(&self, value: u64) {
        // SAFETY: as in `get`.
        unsafe { self.0.write_volatile(value) }
    }
}
