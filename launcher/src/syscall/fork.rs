//! Processes without an exec: forked by a launcher that has one thread, with what such a child does
//! first.

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::ptr;

use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Forks; `None` is the child, which ends with [`exit`].
///
/// A clone(2) without an exit signal: a SIGCHLD would stay pending, through the exec, in a program
/// that has it blocked, and one that it never had a child for.
///
/// # Errors
/// No process can be had (EAGAIN: `RLIMIT_NPROC` or a cgroup's `pids.max`).
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: without CLONE_VM this is fork(2); the launcher has one thread, so the child finds
    // no lock taken and no state half changed. The five arguments are all zero, whatever their
    // order on this processor.
    let pid = checked(unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) })? as i32;
    Ok((pid != 0).then_some(pid))
}

/// Ends a process of [`fork`], without the exit handlers, which are the launcher's.
pub fn exit(code: i32) -> ! {
    // SAFETY: takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// How a process of [`fork`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Waits for a process of [`fork`].
///
/// # Errors
/// It is no child of this process.
pub fn wait(pid: i32) -> io::Result<End> {
    let mut status = 0;
    loop {
        // SAFETY: the status is a valid place for an int; no resource usage is asked for.
        // __WALL because a child without an exit signal is not waited for otherwise.
        let result = unsafe { libc::wait4(pid, &raw mut status, libc::__WALL, ptr::null_mut()) };
        match checked(result.into()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) if libc::WIFSIGNALED(status) => return Ok(End::Signal(libc::WTERMSIG(status))),
            Ok(_) => return Ok(End::Code(libc::WEXITSTATUS(status))),
        }
    }
}

/// Buries children that have ended, and waits for the others, so long at most: one that was killed
/// may be kept alive by what it waits for.
pub fn reap(patience: Duration) {
    let start = Instant::now();
    loop {
        let options = libc::__WALL | libc::WNOHANG;
        // SAFETY: no status and no resource usage is asked for.
        match unsafe { libc::wait4(-1, ptr::null_mut(), options, ptr::null_mut()) } {
            0 if start.elapsed() < patience => std::thread::sleep(Duration::from_millis(1)),
            1.. => {}
            _ => return,
        }
    }
}

/// Blocks every signal that can be blocked: the supervisor ends when its work does.
pub fn block_signals() {
    // SAFETY: the set is initialised by sigfillset before it is read.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut());
    }
}

/// Closes every descriptor but these and the standard ones.
pub fn close_all_but(mut kept: Vec<RawFd>) {
    kept.retain(|fd| *fd > 2);
    kept.sort_unstable();
    let mut from = 3;
    for fd in kept {
        close_range(from, fd - 1);
        from = fd + 1;
    }
    close_range(from, RawFd::MAX);
}

/// Closes every descriptor from `first` to `last`.
pub fn close_range(first: RawFd, last: RawFd) {
    if first <= last {
        // SAFETY: integers only. The caller is a fresh process that owns none of them: they are
        // copies of its parent's, and their owners in memory are never dropped.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// Gives this process (its only thread) a name, as ps(1) and top(1) show it.
pub fn set_name(name: &std::ffi::CStr) {
    // SAFETY: the name is terminated; the kernel cuts it after 15 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// Empties the command line of this process, as ps(1) shows it: it may hold what nobody is to read for as
/// long as this process lives (proc(5), `arg_start` and `arg_end` of /proc/PID/stat).
pub fn forget_arguments() -> Option<()> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold anything; the field after it is the third.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(48 - 3);
    let mut place = || fields.next()?.parse::<u64>().ok();
    let (start, end) = (place()?, place()?);
    let memory = File::options().write(true).open("/proc/self/mem").ok()?;
    let nothing = vec![0; usize::try_from(end.checked_sub(start)?).ok()?];
    memory.write_all_at(&nothing, start).ok()
}

/// Leaves everything that a program may want to close, end or unmount: its session, its directory, its
/// descriptors but for `control`, which moves above the standard ones, and those `kept`.
///
/// # Errors
/// There is no root directory, or no descriptor left.
pub fn detach(control: OwnedFd, mut kept: Vec<RawFd>) -> io::Result<OwnedFd> {
    block_signals();
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")?;
    // Above the standard ones, wherever the program's caller had left a gap.
    let control = rustix::io::fcntl_dupfd_cloexec(control, 3)?;
    kept.push(control.as_raw_fd());
    close_range(0, 2);
    close_all_but(kept);
    // In their places, so that no socket of ours becomes a standard descriptor. Without /dev/null they
    // stay closed, which harms nobody: nothing here reads or writes them.
    for _ in 0..3 {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        std::mem::forget(null);
    }
    Ok(control)
}
