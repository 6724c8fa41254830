//! The functions that the hooks stand in for, as the program would have reached them without: libc's,
//! or those of another preloaded library (torsocks, proxychains), which thus keep working.
//!
//! Looked up once, at load: a first call may come from a signal handler or between fork and exec.
//! Not here: what the hooks do (`hooks.rs`, `compat`).

#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::mem::transmute;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{chain, dlsym, process, raw, syscall};

/// The places of [`NEXT`], in the order of [`NAMES`].
#[derive(Clone, Copy)]
#[repr(usize)]
enum Name {
    Socket,
    Connect,
    Sendmsg,
    Sendto,
    Fcntl,
    Accept,
    Accept4,
    Poll,
    Ppoll,
    EpollWait,
    EpollPwait,
    EpollPwait2,
    Recvfrom,
    Recvmsg,
    Read,
    Readv,
    // From here on looked up only where another library was preloaded (`ALWAYS`).
    Bind,
    Listen,
    Setsockopt,
    Getsockopt,
    Ioctl,
    Dup,
    Dup2,
    Dup3,
    EpollCtl,
    Recv,
    Prctl,
}

/// One text and no table of pointers: those would have to be relocated at each exec.
const NAMES: &[u8] = b"socket\0connect\0sendmsg\0sendto\0fcntl\0\
    accept\0accept4\0poll\0ppoll\0epoll_wait\0epoll_pwait\0epoll_pwait2\0recvfrom\0\
    recvmsg\0read\0readv\0\
    bind\0listen\0setsockopt\0getsockopt\0ioctl\0dup\0dup2\0dup3\0epoll_ctl\0recv\0prctl\0";

/// [`NAMES`] with the sums by which `chain` looks them up.
static TABLE: [chain::Name; NEXT.len()] = chain::names(NAMES);

/// How many of them are always looked up: in these libc does more than the system call (a thread can
/// be cancelled while it waits). In the others it does not, so that they are looked up only where
/// another library was preloaded too: each look-up is paid at each exec.
const ALWAYS: usize = Name::Bind as usize;

/// The addresses of the next functions; 0 for those that are system calls.
static NEXT: [AtomicUsize; 27] = [const { AtomicUsize::new(0) }; 27];

/// `dlsym` as data, so that its address is what the loader wrote here: null where the process
/// has none (before glibc 2.34 it lived in libdl, which few programs load).
static DLSYM: Dlsym = dlsym;

type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;
/// A function that libc calls around fork(3).
pub(crate) type Handler = extern "C" fn();
type RegisterAtfork =
    unsafe extern "C" fn(Handler, Option<Handler>, Handler, *const c_void) -> c_int;

/// `__register_atfork` as data, for the reason given at [`DLSYM`]; null under musl.
static REGISTER_ATFORK: RegisterAtfork = super::__register_atfork;

/// Looks up the next functions, and has `forking` called around every fork(3), in parent and child.
/// For load time.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn find(forking: Handler) {
    let preloaded = process::getenv(b"LD_PRELOAD").map_or(&b""[..], CStr::to_bytes);
    let alone = !preloaded.iter().any(|byte| matches!(byte, b':' | b' '));
    let wanted = NEXT.get(..if alone { ALWAYS } else { NEXT.len() }).unwrap_or(&[]);
    chain::find(NAMES, &TABLE, wanted);
    // SAFETY: a volatile read of an initialised static; volatile because the compiler takes the
    // address of a function to be non-null, which a weak one is not.
    let address = unsafe { ptr::read_volatile((&raw const DLSYM).cast::<usize>()) };
    if address == 0 {
        return;
    }
    for (next, name) in wanted.iter().zip(&TABLE) {
        if next.load(Ordering::Relaxed) == 0 {
            let name = NAMES.as_ptr().wrapping_add(name.start());
            // SAFETY: DLSYM is not null, and dlsym takes RTLD_NEXT and a NUL-terminated name.
            let found = unsafe { transmute::<usize, Dlsym>(address)(libc::RTLD_NEXT, name.cast()) };
            next.store(found as usize, Ordering::Relaxed);
        }
    }
    at_fork(address, forking);
}

/// Registers `forking` with libc, before a fork and in the child after it.
///
/// glibc has `__register_atfork`, musl only `pthread_atfork`, which in glibc is not in the shared
/// library. Where there is neither, a child is still known by its emptied page
/// ([`process::emptied_in_children`]).
#[cfg_attr(test, allow(dead_code))]
fn at_fork(dlsym: usize, forking: Handler) {
    type Musl = unsafe extern "C" fn(Handler, Option<Handler>, Handler) -> c_int;
    // SAFETY: a volatile read of an initialised static, as in `find`.
    let glibc = unsafe { ptr::read_volatile((&raw const REGISTER_ATFORK).cast::<usize>()) };
    if glibc != 0 {
        // SAFETY: it is not null; the signature since glibc 2.3.2. No library handle, for we are
        // never unloaded.
        let register = unsafe { transmute::<usize, RegisterAtfork>(glibc) };
        // SAFETY: as above.
        unsafe { register(forking, None, forking, ptr::null()) };
        return;
    }
    // SAFETY: `find` has seen that dlsym is not null; the name is NUL-terminated.
    let musl =
        unsafe { transmute::<usize, Dlsym>(dlsym)(libc::RTLD_DEFAULT, c"pthread_atfork".as_ptr()) };
    if !musl.is_null() {
        // SAFETY: the signature is POSIX's.
        unsafe { transmute::<*mut c_void, Musl>(musl)(forking, None, forking) };
    }
}

/// The address of the next function of this name, or 0.
#[inline(always)]
fn address(name: Name) -> usize {
    NEXT.get(name as usize).map_or(0, |next| next.load(Ordering::Relaxed))
}

/// The next `connect` in the chain, else the system call. Its answer is a long: see the hook.
///
/// # Safety
/// The arguments are what it asks for.
#[inline(always)]
pub(crate) unsafe fn connect(fd: c_int, to: *const c_void, size: c_uint) -> isize {
    type Function = unsafe extern "C" fn(c_int, *const c_void, c_uint) -> isize;
    match address(Name::Connect) {
        // SAFETY: the caller vouches for the arguments.
        0 => unsafe { syscall(libc::SYS_connect, fd, to, size) as isize },
        // SAFETY: dlsym gave this address for `connect`; of the long that is taken for its
        // answer, only the int that it is reaches the program.
        next => unsafe { transmute::<usize, Function>(next)(fd, to, size) },
    }
}

/// Calls the next function in the chain, else the system call: any function of up to five arguments,
/// each an integer or a pointer, that does not wait. `which` is the function ([`which`]). One place for
/// all of them is less code, and one jump more.
///
/// # Safety
/// The arguments are what the function asks for; what it does not ask for is not looked at.
unsafe extern "C" fn call(a: usize, b: usize, c: usize, d: usize, e: usize, which: u32) -> isize {
    type Function = unsafe extern "C" fn(usize, usize, usize, usize, usize, ...) -> isize;
    match NEXT.get((which & 0xff) as usize).map_or(0, |next| next.load(Ordering::Relaxed)) {
        // SAFETY: the caller vouches for the arguments.
        0 => unsafe { syscall(c_long::from(which >> 8), a, b, c, d, e) as isize },
        // SAFETY: dlsym gave this address for the function. It finds its arguments in the
        // registers where C passes the first integers and pointers, as a variadic one does too.
        next => unsafe { transmute::<usize, Function>(next)(a, b, c, d, e) },
    }
}

/// A function, as [`call`] is told: its [`Name`] in the low byte, the system call's number above.
const fn which(name: Name, number: c_long) -> u32 {
    ((number as u32) << 8) | name as u32
}

/// Defines a function that goes through [`call`].
macro_rules! short {
    (fn $function:ident($($argument:ident: $type:ty),*; $($rest:expr),*), $name:ident, $number:ident) => {
        #[inline(always)]
        pub(crate) unsafe fn $function($($argument: $type),*) -> c_int {
            let which = const { which(Name::$name, libc::$number) };
            // SAFETY: the caller vouches for the arguments.
            unsafe { call($($argument as usize,)* $($rest,)* which) as c_int }
        }
    };
}

short!(
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, size: c_uint;),
    Setsockopt, SYS_setsockopt
);
short!(
    fn getsockopt(fd: c_int, level: c_int, name: c_int, value: *mut c_void, size: *mut c_uint;),
    Getsockopt, SYS_getsockopt
);
short!(fn socket_raw(domain: c_int, kind: c_int, protocol: c_int; 0, 0), Socket, SYS_socket);
short!(fn bind(fd: c_int, to: *const c_void, size: c_uint; 0, 0), Bind, SYS_bind);
short!(fn listen(fd: c_int, backlog: c_int; 0, 0, 0), Listen, SYS_listen);
short!(fn dup(fd: c_int; 0, 0, 0, 0), Dup, SYS_dup);
// For different descriptors: as dup3(2), because newer architectures have no dup2(2).
short!(fn dup2(fd: c_int, to: c_int; 0, 0, 0), Dup2, SYS_dup3);
short!(fn dup3(fd: c_int, to: c_int, flags: c_int; 0, 0), Dup3, SYS_dup3);
short!(
    fn epoll_ctl(epoll: c_int, operation: c_int, fd: c_int, event: *mut c_void; 0),
    EpollCtl, SYS_epoll_ctl
);
// fcntl(2) with F_DUPFD, which does not wait. Not through `fcntl`: the compiler would make one
// function of both uses, and a call of the jump in which the hook must end.
short!(fn dup_above(fd: c_int, command: c_int, argument: usize; 0, 0), Fcntl, SYS_fcntl);
short!(fn ioctl(fd: c_int, request: c_ulong, argument: usize; 0, 0), Ioctl, SYS_ioctl);

/// Defines functions that give the address of what a [`Step`](super::wait::Step) wants called: the next
/// function in the chain, or the system call.
macro_rules! waiting {
    ($($function:ident, $name:ident, $raw:ident;)*) => {$(
        #[cfg_attr(test, allow(dead_code))]
        #[inline(always)]
        pub(crate) fn $function() -> usize {
            match address(Name::$name) {
                0 => raw::$raw as raw::Function as usize,
                next => next,
            }
        }
    )*};
}

waiting!(
    accept, Accept, accept;
    accept4, Accept4, accept4;
    poll, Poll, poll;
    ppoll, Ppoll, ppoll;
    epoll_wait, EpollWait, epoll_wait;
    epoll_pwait, EpollPwait, epoll_pwait;
    epoll_pwait2, EpollPwait2, epoll_pwait2;
    recvfrom, Recvfrom, recvfrom;
    recvmsg, Recvmsg, recvmsg;
    read, Read, read;
    readv, Readv, readv;
);

/// recv(2), which the kernel has as recvfrom(2).
#[cfg_attr(test, allow(dead_code))]
#[inline(always)]
pub(crate) fn recv() -> usize {
    match address(Name::Recv) {
        0 => recvfrom(),
        next => next,
    }
}

/// The next function of a name, looked up now; 0 for none. For a program that is about to end.
#[cold]
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn by_name(name: &CStr) -> usize {
    // SAFETY: as in `find`.
    match unsafe { ptr::read_volatile((&raw const DLSYM).cast::<usize>()) } {
        0 => 0,
        // SAFETY: DLSYM is not null, and the name is NUL-terminated.
        address => unsafe {
            transmute::<usize, Dlsym>(address)(libc::RTLD_NEXT, name.as_ptr()) as usize
        },
    }
}

/// The next `socket` in the chain, else the system call.
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    // SAFETY: socket(2) takes three integers and no pointer.
    unsafe { socket_raw(domain, kind, protocol) }
}

/// The next `socket` in the chain, else the system call, inlined where each of a program's sockets is
/// made: a jump less than [`socket`].
#[inline(always)]
pub(crate) fn socket_at_once(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    type Function = unsafe extern "C" fn(c_int, c_int, c_int) -> c_int;
    match address(Name::Socket) {
        0 => socket(domain, kind, protocol),
        // SAFETY: dlsym gave this address for `socket`, which takes three integers.
        next => unsafe { transmute::<usize, Function>(next)(domain, kind, protocol) },
    }
}

/// The next `fcntl` in the chain, else the system call. Its answer is a long: see the hook.
///
/// # Safety
/// `argument` is what `command` asks for.
#[inline(always)]
pub(crate) unsafe fn fcntl(fd: c_int, command: c_int, argument: usize) -> isize {
    type Function = unsafe extern "C" fn(c_int, c_int, ...) -> isize;
    match address(Name::Fcntl) {
        // SAFETY: the caller vouches for the argument.
        0 => unsafe { syscall(libc::SYS_fcntl, fd, command, argument) as isize },
        // SAFETY: dlsym gave this address for `fcntl`; called as the variadic function it is. Of
        // the long that is taken for its answer, only the int that it is reaches the program.
        next => unsafe { transmute::<usize, Function>(next)(fd, command, argument) },
    }
}

/// The next `sendmsg` in the chain, else the system call.
///
/// # Safety
/// `message` is what sendmsg(2) asks for.
pub(crate) unsafe fn sendmsg(fd: c_int, message: *const libc::msghdr, flags: c_int) -> isize {
    type Function = unsafe extern "C" fn(c_int, *const libc::msghdr, c_int) -> isize;
    match address(Name::Sendmsg) {
        // SAFETY: the caller vouches for the message.
        0 => unsafe { syscall(libc::SYS_sendmsg, fd, message, flags) as c_long as isize },
        // SAFETY: dlsym gave this address for `sendmsg`, whose signature POSIX fixes.
        next => unsafe { transmute::<usize, Function>(next)(fd, message, flags) },
    }
}

/// The next `sendto` in the chain, else the system call.
///
/// # Safety
/// The arguments are what sendto(2) asks for.
pub(crate) unsafe fn sendto(
    fd: c_int,
    bytes: *const c_void,
    length: usize,
    flags: c_int,
    to: *const c_void,
    size: c_uint,
) -> isize {
    type Function =
        unsafe extern "C" fn(c_int, *const c_void, usize, c_int, *const c_void, c_uint) -> isize;
    match address(Name::Sendto) {
        // SAFETY: the caller vouches for the arguments.
        0 => unsafe { syscall(libc::SYS_sendto, fd, bytes, length, flags, to, size) as isize },
        // SAFETY: dlsym gave this address for `sendto`, whose signature POSIX fixes.
        next => unsafe { transmute::<usize, Function>(next)(fd, bytes, length, flags, to, size) },
    }
}

/// The next `prctl` in the chain, else the system call.
///
/// # Safety
/// The arguments are what `option` asks for.
#[inline(always)]
pub(crate) unsafe fn prctl(option: c_int, a: usize, b: usize, c: usize, d: usize) -> c_int {
    type Function = unsafe extern "C" fn(c_int, ...) -> c_int;
    match address(Name::Prctl) {
        // SAFETY: the caller vouches for the arguments.
        0 => unsafe { syscall(libc::SYS_prctl, option, a, b, c, d) as c_int },
        // SAFETY: dlsym gave this address for `prctl`; called as the variadic function it is.
        next => unsafe { transmute::<usize, Function>(next)(option, a, b, c, d) },
    }
}
