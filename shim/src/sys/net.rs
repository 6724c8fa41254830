//! What `compat` asks the kernel about sockets, and the program's own calls as values: a call
//! holds the program's pointers, can be made again on another descriptor, and is built only by
//! the hooks, which have them from the program.

#![allow(unsafe_code)]

use core::ffi::{c_int, c_uint, c_void};
use core::mem::size_of;
use core::ptr;

pub(crate) use super::address::{Address, bind, is_connected, local, peer};
use super::{aside, memory, next, syscall};

/// The program's `setsockopt`.
#[derive(Clone, Copy)]
pub(crate) struct Set {
    pub(crate) fd: c_int,
    pub(crate) level: c_int,
    pub(crate) name: c_int,
    value: *const c_void,
    size: c_uint,
}

impl Set {
    /// # Safety
    /// `value` and `size` are the program's, and it waits for us: they stay valid, or as invalid
    /// as they are.
    pub(crate) unsafe fn new(
        fd: c_int,
        level: c_int,
        name: c_int,
        value: *const c_void,
        size: c_uint,
    ) -> Self {
        Set { fd, level, name, value, size }
    }

    /// Makes the call on `fd`.
    pub(crate) fn on(&self, fd: c_int) -> c_int {
        // SAFETY: the program's own pointers, see `new`; the kernel checks them.
        unsafe { next::setsockopt(fd, self.level, self.name, self.value, self.size) }
    }

    /// The number that is set; `None` when none is there. Also after a call that the kernel has
    /// accepted: MPTCP takes some options without reading their values.
    pub(crate) fn number(&self) -> Option<c_int> {
        let there = self.size.cast_signed() >= size_of::<c_int>() as c_int
            && memory::is_readable(self.value, size_of::<c_int>());
        // SAFETY: the kernel has just said so.
        there.then(|| unsafe { memory::copy(self.value) })
    }
}

/// The program's `getsockopt`.
#[derive(Clone, Copy)]
pub(crate) struct Get {
    pub(crate) fd: c_int,
    pub(crate) level: c_int,
    pub(crate) name: c_int,
    value: *mut c_void,
    size: *mut c_uint,
}

impl Get {
    /// # Safety
    /// As for [`Set::new`].
    pub(crate) unsafe fn new(
        fd: c_int,
        level: c_int,
        name: c_int,
        value: *mut c_void,
        size: *mut c_uint,
    ) -> Self {
        Get { fd, level, name, value, size }
    }

    /// Makes the call on `fd`.
    pub(crate) fn on(&self, fd: c_int) -> c_int {
        // SAFETY: the program's own pointers, see `new`; the kernel checks them.
        unsafe { next::getsockopt(fd, self.level, self.name, self.value, self.size) }
    }

    /// The number that the kernel has answered with; 0 for an answer that is none.
    pub(crate) fn answered(&self) -> c_int {
        // SAFETY: as in `answer`.
        unsafe {
            if *self.size as usize >= size_of::<c_int>() { memory::copy(self.value) } else { 0 }
        }
    }

    /// Answers with a number, after a call that the kernel answered with one.
    pub(crate) fn answer(&self, number: c_int) {
        // SAFETY: the kernel has just written there: `size` bytes, which it left in `size`.
        unsafe {
            if *self.size as usize >= size_of::<c_int>() {
                ptr::write_unaligned(self.value.cast(), number);
            } else if *self.size > 0 {
                // A byte is what ip(7) options give to a program that offers less than an int.
                ptr::write_unaligned(self.value.cast(), number as u8);
            }
        }
    }
}

impl Get {
    /// The size of the program's buffer as it gives it; `None` when it cannot be read.
    pub(crate) fn room(&self) -> Option<c_int> {
        let there = memory::is_readable(self.size.cast(), size_of::<c_int>());
        // SAFETY: the kernel has just said so.
        there.then(|| unsafe { memory::copy(self.size.cast()) })
    }

    /// Writes these bytes, for which there is room, where the kernel has no answer; false when they
    /// cannot be written.
    pub(crate) fn give(&self, bytes: &[u8]) -> bool {
        let writable = memory::is_writable(self.value, bytes.len());
        if writable {
            // SAFETY: the kernel has just written to all of them.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.value.cast(), bytes.len()) };
        }
        writable
    }
}

/// Reads an option into `buffer`; its length, or `None`.
#[inline(always)]
pub(crate) fn read_option(
    fd: c_int,
    level: c_int,
    name: c_int,
    buffer: &mut [u8],
) -> Option<usize> {
    let size = size_of_option(fd, level, name, buffer);
    (size >= 0).then_some(size as usize)
}

/// The same, with -1 for none.
#[inline(never)]
fn size_of_option(fd: c_int, level: c_int, name: c_int, buffer: &mut [u8]) -> isize {
    let mut size = buffer.len() as c_uint;
    // SAFETY: the buffer is as long as `size` says.
    let result = unsafe {
        syscall(libc::SYS_getsockopt, fd, level, name, buffer.as_mut_ptr(), &raw mut size)
    };
    if result == 0 { size as isize } else { -1 }
}

#[inline(never)]
pub(crate) fn write_option(fd: c_int, level: c_int, name: c_int, value: &[u8]) -> bool {
    // SAFETY: the pointer and the length are those of one slice.
    unsafe { syscall(libc::SYS_setsockopt, fd, level, name, value.as_ptr(), value.len()) == 0 }
}

/// An option that is a number.
#[inline(always)]
pub(crate) fn number(fd: c_int, level: c_int, name: c_int) -> Option<c_int> {
    let number = number_or_min(fd, level, name);
    (number != c_int::MIN).then_some(number)
}

/// The same, with the lowest number for none: less code where it is compared.
#[inline(never)]
fn number_or_min(fd: c_int, level: c_int, name: c_int) -> c_int {
    let mut bytes = [0; 4];
    match read_option(fd, level, name, &mut bytes) {
        Some(_) => c_int::from_ne_bytes(bytes),
        None => c_int::MIN,
    }
}

#[inline(never)]
pub(crate) fn set_number(fd: c_int, level: c_int, name: c_int, value: c_int) -> bool {
    write_option(fd, level, name, &value.to_ne_bytes())
}

#[inline(never)]
pub(crate) fn is_mptcp(fd: c_int) -> bool {
    number(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL) == Some(libc::IPPROTO_MPTCP)
}

/// The low half of the socket's cookie, which no other socket of this boot has soon; 0 for
/// none.
#[inline(never)]
pub(crate) fn cookie(fd: c_int) -> u32 {
    /// include/uapi/asm-generic/socket.h
    const SO_COOKIE: c_int = 57;
    let mut bytes = [0; 8];
    read_option(fd, libc::SOL_SOCKET, SO_COOKIE, &mut bytes);
    u64::from_ne_bytes(bytes) as u32
}

/// Can there be rules that the program has made for itself about the ports of TCP (landlock(7))?
/// Whoever is under such rules has no_new_privs, or CAP_SYS_ADMIN.
#[inline(never)]
pub(crate) fn may_be_fenced() -> bool {
    let errno = super::errno();
    // SAFETY: prctl(2) with integers.
    let promised = unsafe { syscall(libc::SYS_prctl, libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 };
    super::set_errno(errno);
    promised
}

/// Would a TCP socket in the place of `fd` be refused the port of this address, to bind it or to
/// connect to it, by such rules? The kernel asks them about TCP alone, so an MPTCP socket passes,
/// whatever descriptor leads to it and whoever made it.
///
/// Asked of a TCP socket and an address that lead nowhere: what cannot be bound here, what cannot
/// be connected to. Where it is refused, errno says so.
pub(crate) fn is_fenced(fd: c_int, to: &Address, binds: bool) -> bool {
    // To bind, IPv4 takes an address without a family for one of its own.
    let names_a_port = to.is_inet() || (binds && to.family() == libc::AF_UNSPEC);
    let errno = super::errno();
    let asks = || {
        let scratch = Own::tcp(libc::AF_INET)?;
        let (call, [a, b, c, d]) = match binds {
            true => (libc::SYS_bind, [240, 0, 0, 1]),
            false => (libc::SYS_connect, [127, 255, 255, 255]),
        };
        let [high, low] = to.port().to_be_bytes();
        let [first, second] = (libc::AF_INET as u16).to_ne_bytes();
        let address = [first, second, high, low, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: the pointer and the length are those of one array.
        let result = unsafe { syscall(call, scratch.fd(), address.as_ptr(), address.len()) };
        Some(result != 0 && super::errno() == libc::EACCES)
    };
    let refused = names_a_port && is_mptcp(fd) && aside::ask(fd, asks) == Some(true);
    if !refused {
        super::set_errno(errno);
    }
    refused
}

/// Does a socket of this protocol know MSG_FASTOPEN here? Sends nothing, with an address that is
/// too short to be one.
pub(crate) fn takes_fastopen(protocol: c_int) -> bool {
    let Some(scratch) = Own::new(libc::AF_INET, libc::SOCK_STREAM, protocol) else { return false };
    let flags = libc::MSG_FASTOPEN | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let nothing = ptr::null::<c_void>();
    let address = (libc::AF_INET as u16).to_ne_bytes();
    // SAFETY: the pointer and the length are those of one array; of nothing, no bytes are read.
    let sent = unsafe {
        let (to, size) = (address.as_ptr(), address.len());
        syscall(libc::SYS_sendto, scratch.fd(), nothing, 0usize, flags, to, size)
    };
    sent >= 0 || super::errno() != libc::EOPNOTSUPP
}

pub(crate) fn is_listening(fd: c_int) -> bool {
    number(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN) == Some(1)
}

/// Shuts both directions down.
pub(crate) fn shut(fd: c_int) {
    // SAFETY: shutdown(2) takes integers.
    unsafe { syscall(libc::SYS_shutdown, fd, libc::SHUT_RDWR) };
}

/// A fourth argument, which socket(2) does not have: by it the filter of `mptcpize run --follow`
/// knows a TCP socket that is to stay one (`launcher/src/inject/seccomp/filter.rs`).
const LEAVE: c_int = 0x7463_7021;

/// A descriptor of ours, closed when dropped; `errno` stays.
pub(crate) struct Own(c_int);

impl Own {
    /// A TCP socket, straight from the kernel: no other library needs to know of it.
    #[inline(always)]
    pub(crate) fn tcp(domain: c_int) -> Option<Self> {
        Own::new(domain, libc::SOCK_STREAM, libc::IPPROTO_TCP)
    }

    #[inline(always)]
    fn new(domain: c_int, kind: c_int, protocol: c_int) -> Option<Self> {
        let fd = Self::number(domain, kind | libc::SOCK_CLOEXEC, protocol);
        (fd >= 0).then(|| Own(fd))
    }

    #[inline(never)]
    fn number(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
        // SAFETY: socket(2) takes integers only.
        unsafe { syscall(libc::SYS_socket, domain, kind, protocol, LEAVE) as c_int }
    }

    /// A socket for questions to a part of the kernel.
    pub(crate) fn netlink(protocol: c_int) -> Option<Self> {
        Own::new(libc::AF_NETLINK, libc::SOCK_RAW, protocol)
    }

    /// A TCP socket of the family of `fd`.
    #[inline(never)]
    pub(crate) fn like(fd: c_int) -> Option<Self> {
        Own::tcp(number(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)?)
    }

    /// Another descriptor of the same file.
    pub(crate) fn copy(fd: c_int) -> Option<Self> {
        let copy = control(fd, libc::F_DUPFD_CLOEXEC, 0);
        (copy >= 0).then(|| Own(copy))
    }

    /// Opens a file for reading. `path` ends with a NUL.
    pub(crate) fn open(path: &[u8]) -> Option<Self> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        if path.last() != Some(&0) {
            return None;
        }
        // SAFETY: `path` is NUL-terminated and outlives the call.
        let fd =
            unsafe { syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) as c_int };
        (fd >= 0).then(|| Own(fd))
    }

    pub(crate) fn fd(&self) -> c_int {
        self.0
    }

    pub(crate) fn read(&self, into: &mut [u8]) -> usize {
        // SAFETY: the pointer and the length are those of one slice.
        let got = unsafe { syscall(libc::SYS_read, self.0, into.as_mut_ptr(), into.len()) };
        usize::try_from(got).unwrap_or(0)
    }

    /// Puts it in the place of `fd`, whose file is closed by that.
    pub(crate) fn replace(&self, fd: c_int, cloexec: bool) -> bool {
        let flags = if cloexec { libc::O_CLOEXEC } else { 0 };
        // SAFETY: dup3(2) takes integers; that `fd` may be replaced is the caller's business.
        unsafe { syscall(libc::SYS_dup3, self.0, fd, flags) >= 0 }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let errno = super::errno();
        // SAFETY: the descriptor is ours and known to nobody else.
        unsafe { syscall(libc::SYS_close, self.0) };
        super::set_errno(errno);
    }
}

/// fcntl(2) with a number.
pub(crate) fn control(fd: c_int, command: c_int, argument: c_int) -> c_int {
    // SAFETY: the commands that `compat` uses take numbers.
    unsafe { syscall(libc::SYS_fcntl, fd, command, argument) as c_int }
}

/// Who gets the signals of a descriptor (fcntl(2), struct f_owner_ex): type and id.
pub(crate) type Owner = [c_int; 2];

pub(crate) fn owner(fd: c_int) -> Option<Owner> {
    /// include/uapi/asm-generic/fcntl.h
    const F_GETOWN_EX: c_int = 16;
    let mut owner = [0; 2];
    // SAFETY: the kernel writes two ints.
    let result = unsafe { syscall(libc::SYS_fcntl, fd, F_GETOWN_EX, owner.as_mut_ptr()) };
    (result == 0).then_some(owner)
}

pub(crate) fn set_owner(fd: c_int, owner: &Owner) -> bool {
    /// include/uapi/asm-generic/fcntl.h
    const F_SETOWN_EX: c_int = 15;
    // SAFETY: the kernel reads two ints.
    unsafe { syscall(libc::SYS_fcntl, fd, F_SETOWN_EX, owner.as_ptr()) == 0 }
}

/// What is ready at `fd` now, of these and the unconditional events.
pub(crate) fn ready(fd: c_int, events: i16) -> i16 {
    let mut wanted = libc::pollfd { fd, events, revents: 0 };
    let no_time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: one pollfd, a time, no signal mask. ppoll, because newer architectures lack poll.
    let result = unsafe {
        syscall(libc::SYS_ppoll, &raw mut wanted, 1, &raw const no_time, ptr::null::<c_void>(), 8)
    };
    if result == 1 { wanted.revents } else { 0 }
}

/// How many bytes there are to be read, `most` at most; they stay there, and none are copied
/// (MSG_TRUNC, tcp(7)).
pub(crate) fn peek(fd: c_int, most: c_int) -> c_int {
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    let nowhere = ptr::null_mut::<c_void>();
    // SAFETY: recvfrom(2) that writes nothing.
    let there =
        unsafe { syscall(libc::SYS_recvfrom, fd, nowhere, most as usize, flags, nowhere, nowhere) };
    (there as c_int).max(0)
}

pub(crate) fn epoll_add(epoll: c_int, fd: c_int, events: u32, data: u64) -> bool {
    let mut event = libc::epoll_event { events, u64: data };
    let add = libc::EPOLL_CTL_ADD;
    // SAFETY: one epoll_event.
    unsafe { syscall(libc::SYS_epoll_ctl, epoll, add, fd, &raw mut event) == 0 }
}

/// Waits until `over`, for what another thread does in a microsecond while it has a processor.
///
/// It may be off the processor for as long as the machine is busy with others; a second bounds what
/// a thread that died meanwhile costs. At first without sleeping; afterwards threads of a lower
/// priority run too.
pub(crate) fn settle(over: impl Fn() -> bool) {
    const YIELDS: u32 = 100;
    const SLEEPS: u32 = 5000;
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 200_000 };
    let null: *const libc::timespec = core::ptr::null();
    for round in 0..YIELDS + SLEEPS {
        if over() {
            return;
        }
        // SAFETY: sched_yield(2) takes nothing; nanosleep(2) reads a timespec, and writes none to
        // null.
        unsafe {
            match round < YIELDS {
                true => syscall(libc::SYS_sched_yield),
                false => syscall(libc::SYS_nanosleep, &raw const pause, null),
            }
        };
    }
}

/// An option that is a time: seconds and microseconds.
pub(crate) fn time(fd: c_int, level: c_int, name: c_int) -> Option<[u64; 2]> {
    let mut parts = [[0; 8]; 2];
    let size = read_option(fd, level, name, parts.as_flattened_mut());
    (size == Some(16)).then_some(parts.map(u64::from_ne_bytes))
}
