//! Every `unsafe` of the shim: libc's symbols, `errno`, the system calls, the environment.
//!
//! libc is reached by weak, unversioned names, declared weak to the assembler because stable
//! Rust cannot say it. So the library needs no other library, loads under every glibc since 2.17
//! and under musl, and a name that is missing is a null address and not a failed start.

#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_long, c_ulong, c_void};
use core::mem::MaybeUninit;
use core::ptr;

pub(crate) mod net;
pub(crate) mod next;

use crate::system::SLOT;

#[cfg(not(test))]
core::arch::global_asm!(
    ".weak dlsym",
    ".weak syscall",
    ".weak __register_atfork",
    ".weak environ",
    ".weak __errno_location",
    ".weak getauxval",
);

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
    fn getauxval(kind: c_ulong) -> c_ulong;
    fn __register_atfork(
        prepare: extern "C" fn(),
        parent: Option<extern "C" fn()>,
        child: extern "C" fn(),
        library: *const c_void,
    ) -> c_int;
    static environ: *const *const c_char;
}

/// `getauxval` as data, so that its address is what the loader wrote here: null where libc has
/// none (glibc has it since 2.16, musl since 1.1).
static GETAUXVAL: unsafe extern "C" fn(c_ulong) -> c_ulong = getauxval;

#[cfg(not(test))]
ctor::declarative::ctor! {
    /// Runs when the library is loaded, before the program's `main`.
    #[ctor(unsafe)]
    fn load() {
        next::find();
        crate::compat::load();
        crate::config::load();
    }
}

#[inline(always)]
pub(crate) fn errno() -> c_int {
    // SAFETY: libc returns the valid address of this thread's errno.
    unsafe { *__errno_location() }
}

pub(crate) fn set_errno(value: c_int) {
    // SAFETY: as in `errno`; the address is this thread's own.
    unsafe { *__errno_location() = value }
}

/// The value of an environment variable, in place. For load time, before the program can change
/// its environment.
pub(crate) fn getenv(name: &[u8]) -> Option<&'static CStr> {
    // SAFETY: libc set `environ` before it runs constructors: null, or an array of pointers that
    // ends with null.
    let mut entry = unsafe { environ };
    if entry.is_null() {
        return None;
    }
    loop {
        // SAFETY: `entry` is inside that array, at most at its final null.
        let text = unsafe { *entry };
        if text.is_null() {
            return None;
        }
        // SAFETY: every entry is a NUL-terminated string, and the process keeps the initial ones
        // for its lifetime.
        let bytes = unsafe { CStr::from_ptr(text) }.to_bytes_with_nul();
        if let Some(rest) = bytes.strip_prefix(name)
            && let Some(value) = rest.strip_prefix(b"=")
        {
            return CStr::from_bytes_until_nul(value).ok();
        }
        // SAFETY: the entry was not the final null, so there is a next one.
        entry = unsafe { entry.add(1) };
    }
}

/// A value that the kernel gave the program at its start (getauxval(3)); 0 where there is none.
fn auxiliary(kind: c_ulong) -> Option<c_ulong> {
    // SAFETY: a volatile read of an initialised static; volatile because the compiler takes the
    // address of a function to be non-null, which a weak one is not.
    let address = unsafe { ptr::read_volatile((&raw const GETAUXVAL).cast::<usize>()) };
    if address == 0 {
        return None;
    }
    // SAFETY: GETAUXVAL is not null; getauxval takes any number, and finds none for unknown ones.
    Some(unsafe { GETAUXVAL(kind) })
}

/// Has the program gained privilege when it was executed? Yes also where nobody can tell.
pub(crate) fn is_secure() -> bool {
    auxiliary(libc::AT_SECURE) != Some(0)
}

/// The name that was executed; of a script, the script's. Empty where nobody tells.
pub(crate) fn executed() -> &'static [u8] {
    match auxiliary(libc::AT_EXECFN) {
        None | Some(0) => &[],
        // SAFETY: the kernel put a NUL-terminated string at the top of the stack, for good.
        Some(name) => unsafe { CStr::from_ptr(name as *const c_char) }.to_bytes(),
    }
}

/// The file that is being executed, all links followed; empty where /proc is not mounted.
pub(crate) fn executable(into: &mut [u8]) -> &[u8] {
    let errno_before = errno();
    // SAFETY: the name is terminated, and the pointer and the length are those of one slice.
    let got = unsafe {
        let name = c"/proc/self/exe".as_ptr();
        syscall(libc::SYS_readlinkat, libc::AT_FDCWD, name, into.as_mut_ptr(), into.len())
    };
    set_errno(errno_before);
    usize::try_from(got).ok().and_then(|got| into.get(..got)).unwrap_or(&[])
}

/// The start of `/proc/self/cgroup`; empty where /proc is not mounted.
pub(crate) fn cgroup(into: &mut [u8]) -> &[u8] {
    let errno_before = errno();
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    let name = c"/proc/self/cgroup".as_ptr();
    // SAFETY: the name is terminated, the pointer and the length are those of one slice, and the
    // descriptor is ours alone.
    let got = unsafe {
        let fd = syscall(libc::SYS_openat, libc::AT_FDCWD, name, flags);
        let got = syscall(libc::SYS_read, fd, into.as_mut_ptr(), into.len());
        if fd >= 0 {
            syscall(libc::SYS_close, fd);
        }
        got
    };
    set_errno(errno_before);
    usize::try_from(got).ok().and_then(|got| into.get(..got)).unwrap_or(&[])
}

/// The real user of this process.
pub(crate) fn user() -> c_int {
    // SAFETY: getuid(2) takes nothing and cannot fail.
    unsafe { syscall(libc::SYS_getuid) as c_int }
}

/// The block behind the library, if it has one; see [`SLOT`].
pub(crate) fn block() -> Option<&'static CStr> {
    let slot = &raw const SLOT;
    // SAFETY: a volatile read of an initialised static; volatile because the launcher writes
    // another number into the file than the one that the compiler sees.
    let distance = unsafe { ptr::read_volatile(&raw const (*slot).distance) } as usize;
    if distance == 0 {
        return None;
    }
    // SAFETY: the launcher that wrote the distance made the segment longer by a block that ends
    // with an empty string, and ld.so mapped it whole.
    Some(unsafe { CStr::from_ptr(slot.cast::<c_char>().add(distance)) })
}

/// What begins `skip` bytes behind the start of a string: a part of it when `skip` is at most its
/// length, the next of a block's strings when it is one more.
pub(crate) fn tail(text: &CStr, skip: usize) -> &CStr {
    // SAFETY: inside the string or its NUL, or the start of the next string: a block ends with an
    // empty one, and nobody asks for what follows that.
    unsafe { CStr::from_ptr(text.as_ptr().add(skip)) }
}

/// A close-on-exec copy of standard error with a high number, out of the way of programs that
/// count on getting low ones; -1 when there is none.
pub(crate) fn keep_stderr() -> c_int {
    keep_high(2)
}

/// Copies `fd` to a high number; lower ones are tried when the descriptor limit is small.
fn keep_high(fd: c_int) -> c_int {
    let errno_before = errno();
    let mut copy = -1;
    for lowest in [1000, 200, 20] {
        // SAFETY: fcntl(2) with F_DUPFD_CLOEXEC takes integers only.
        copy = unsafe { syscall(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, lowest) as c_int };
        if copy >= 0 {
            break;
        }
    }
    set_errno(errno_before);
    copy
}

/// Opens `path` for appending, numbered high; -1 when it cannot be had.
pub(crate) fn open_append(path: &CStr) -> c_int {
    let errno_before = errno();
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NOCTTY;
    // SAFETY: `path` is NUL-terminated and outlives the call.
    let low = unsafe {
        syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0o600 as c_int) as c_int
    };
    let mut fd = -1;
    if low >= 0 {
        fd = keep_high(low);
        // SAFETY: `low` is ours, opened above and known to nobody else.
        unsafe { syscall(libc::SYS_close, low) };
    }
    set_errno(errno_before);
    fd
}

/// Device and inode of an open file: what it is, whatever its number. `None` when `fd` is closed.
pub(crate) fn identity(fd: c_int) -> Option<(u64, u64)> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: AT_EMPTY_PATH with an empty path asks about `fd`; the buffer is a whole statx.
    let result = unsafe {
        syscall(
            libc::SYS_statx,
            fd,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_INO,
            stat.as_mut_ptr(),
        )
    };
    if result != 0 {
        return None;
    }
    // SAFETY: the kernel filled the zeroed buffer; every bit pattern is a valid statx.
    let stat = unsafe { stat.assume_init_ref() };
    let dev = (u64::from(stat.stx_dev_major) << 32) | u64::from(stat.stx_dev_minor);
    Some((dev, stat.stx_ino))
}

/// One `write(2)`; a debug line that cannot be written is lost.
pub(crate) fn write(fd: c_int, bytes: &[u8]) {
    // SAFETY: the pointer and the length are those of one slice.
    unsafe { syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
}

/// This process's id, asked afresh: a forked child is another process.
pub(crate) fn pid() -> c_int {
    // SAFETY: getpid(2) takes nothing and cannot fail.
    unsafe { syscall(libc::SYS_getpid) as c_int }
}

/// The name of the calling thread (prctl(2), PR_GET_NAME), NUL-terminated.
pub(crate) fn program_name(into: &mut [u8; 16]) {
    // SAFETY: PR_GET_NAME writes at most 16 bytes, the size of the buffer.
    unsafe { syscall(libc::SYS_prctl, libc::PR_GET_NAME, into.as_mut_ptr()) };
}

/// What a panic would call. No optimised build holds a panic path, so this symbol, which nobody
/// defines, must not appear among the library's undefined ones: a test looks.
#[cfg(not(test))]
pub(crate) fn panic_path_is_linked() -> ! {
    unsafe extern "C" {
        fn mptcpize_shim_has_a_panic_path() -> !;
    }
    // SAFETY: never reached; see above.
    unsafe { mptcpize_shim_has_a_panic_path() }
}
