//! Files that the library opens for itself: the trace, as a descriptor that is out of the program's way.
//!
//! Not here: what is written to it (`trace.rs`); descriptors that live for one call
//! (`own_fd.rs`).

#![allow(unsafe_code)]

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;

use super::{errno, set_errno, syscall};

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

/// Opens `path` for appending, under a high number; -1 when it cannot be opened. Follows no symbolic
/// link, and does not wait for the reader of a FIFO.
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

/// Which file is open under a descriptor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct File {
    /// The device's number, major in the upper half.
    pub(crate) dev: u64,
    /// The inode's number.
    pub(crate) ino: u64,
    /// A regular file of the effective user.
    pub(crate) is_own: bool,
}

/// The file that is open under this descriptor; `None` when none is.
pub(crate) fn at(fd: c_int) -> Option<File> {
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

/// Writes the bytes with one write(2); what cannot be written is lost.
pub(crate) fn write(fd: c_int, bytes: &[u8]) {
    // SAFETY: the pointer and the length are those of one slice.
    unsafe { syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
}
