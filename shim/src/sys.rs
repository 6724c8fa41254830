//! Every `unsafe` of the shim: libc's symbols, `errno`, the system calls, the environment.
//!
//! libc is reached by weak, unversioned names, declared weak to the assembler because stable
//! Rust cannot say it. So the library needs no other library, loads under every glibc since 2.17
//! and under musl, and a name that is missing is a null address and not a failed start.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicBool;

mod address;
pub(crate) mod aside;
mod chain;
pub(crate) mod conntrack;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod net;
pub(crate) mod next;
pub(crate) mod seal;
#[cfg(any(test, feature = "system"))]
pub(crate) mod start;
pub(crate) mod wait;

#[cfg(not(test))]
core::arch::global_asm!(
    ".weak dlsym",
    ".weak syscall",
    ".weak __register_atfork",
    ".weak environ",
    ".weak __errno_location",
);

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
    fn __register_atfork(
        prepare: extern "C" fn(),
        parent: Option<extern "C" fn()>,
        child: extern "C" fn(),
        library: *const c_void,
    ) -> c_int;
    static environ: *const *const c_char;
}

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

/// What the constructor writes, and others read after that.
pub(crate) struct AtLoad<T>(UnsafeCell<T>);

// SAFETY: `fill` and `get` are called as they say, so nothing is read while it is written.
unsafe impl<T: Sync> Sync for AtLoad<T> {}

impl<T> AtLoad<T> {
    pub(crate) const fn new(value: T) -> Self {
        AtLoad(UnsafeCell::new(value))
    }

    /// Writes it. Only the constructor does, once, and it says with a Release store elsewhere that
    /// it has.
    pub(crate) fn fill<R>(&self, write: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: one call, and no `get` before its end.
        write(unsafe { &mut *self.0.get() })
    }

    /// Reads it, after an Acquire load that saw that store.
    pub(crate) fn get(&self) -> &T {
        // SAFETY: nobody writes any more.
        unsafe { &*self.0.get() }
    }
}

/// Run by libc at exit(3): build.rs has the linker make it the library's `DT_FINI`, by this name.
/// (A table of such functions, as for the constructor, takes 120 bytes more.)
#[cfg(not(test))]
extern "C" fn at_exit() {
    crate::trace::at_exit();
}

#[cfg(not(test))]
core::arch::global_asm!(
    ".globl mptcpize_at_exit",
    ".hidden mptcpize_at_exit",
    "mptcpize_at_exit:",
    #[cfg(target_arch = "x86_64")]
    "jmp {}",
    #[cfg(not(target_arch = "x86_64"))]
    "b {}",
    sym at_exit
);

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
        let mut text: *const u8 = unsafe { *entry }.cast();
        if text.is_null() {
            return None;
        }
        // Byte by byte, and no further than they agree: most entries differ in the first one.
        let mut differ = false;
        for byte in name.iter().chain(b"=") {
            // SAFETY: every entry is a NUL-terminated string; NUL agrees with none of the bytes.
            if unsafe { *text } != *byte {
                differ = true;
                break;
            }
            // SAFETY: as above, so there is one more byte.
            text = unsafe { text.add(1) };
        }
        if !differ {
            // SAFETY: the rest of that string; the process keeps the initial ones for its
            // lifetime.
            return Some(unsafe { CStr::from_ptr(text.cast()) });
        }
        // SAFETY: the entry was not the final null, so there is a next one.
        entry = unsafe { entry.add(1) };
    }
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

/// Opens `path` for appending, numbered high; -1 when it cannot be had. Never what a link leads to,
/// and it waits for nobody (a FIFO).
pub(crate) fn open_append(path: &CStr) -> c_int {
    let errno_before = errno();
    let flags = libc::O_WRONLY
        | libc::O_APPEND
        | libc::O_CREAT
        | libc::O_CLOEXEC
        | libc::O_NOCTTY
        | libc::O_NOFOLLOW
        | libc::O_NONBLOCK;
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

/// What an open file is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    /// A regular file of the effective user.
    pub(crate) is_own: bool,
}

/// What is open under this number; `None` when it is closed.
pub(crate) fn file(fd: c_int) -> Option<File> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    let mask = libc::STATX_INO | libc::STATX_TYPE | libc::STATX_UID;
    // SAFETY: AT_EMPTY_PATH with an empty path asks about `fd`; the buffer is a whole statx.
    // geteuid(2) takes nothing and cannot fail.
    let (result, user) = unsafe {
        let flags = libc::AT_EMPTY_PATH;
        let result = syscall(libc::SYS_statx, fd, c"".as_ptr(), flags, mask, stat.as_mut_ptr());
        (result, syscall(libc::SYS_geteuid) as u32)
    };
    if result != 0 {
        return None;
    }
    // SAFETY: the kernel filled the zeroed buffer; every bit pattern is a valid statx.
    let stat = unsafe { stat.assume_init_ref() };
    let is_regular = u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFREG;
    Some(File {
        dev: (u64::from(stat.stx_dev_major) << 32) | u64::from(stat.stx_dev_minor),
        ino: stat.stx_ino,
        is_own: is_regular && stat.stx_uid == user,
    })
}

/// Closes a descriptor of ours.
pub(crate) fn close(fd: c_int) {
    // SAFETY: the caller has it from `open_append` or `keep_stderr` and gives it up.
    unsafe { syscall(libc::SYS_close, fd) };
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

/// The byte that is 0 in every child; link.ld gives it a page of its own.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn emptied_in_children() -> &'static AtomicBool {
    unsafe extern "C" {
        static mptcpize_emptied: AtomicBool;
    }
    // SAFETY: link.ld defines it, with a page of zeros.
    unsafe { &mptcpize_emptied }
}

#[cfg(not(test))]
core::arch::global_asm!(".hidden mptcpize_emptied");

/// Has the kernel empty the page that this byte begins in every child with memory of its own.
pub(crate) fn empty_in_children(page: &AtomicBool) {
    // SAFETY: the page is of the library's own data, and nothing else is in it. Where it is no whole
    // page the kernel refuses, and nothing is lost but what `compat::process` says.
    unsafe {
        let page: *const AtomicBool = page;
        syscall(libc::SYS_madvise, page, 1usize, libc::MADV_WIPEONFORK);
    }
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
