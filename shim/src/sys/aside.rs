//! Work in a process beside the program's, which has the program's memory and a copy of its table of
//! descriptors: for questions that need a descriptor when the program has every one it may have.
//!
//! It is a child as vfork(2) makes it, so the calling thread stands still until it has ended. In its
//! own table it closes a descriptor of the program's, which nobody else notices, and has a free
//! number. Whatever it does to memory stays; whatever it does to descriptors is gone with it.
//!
//! No signal of the program's comes between: all are blocked meanwhile, in the child too. No wait
//! of the program's sees the child, for its end sends no signal (clone(2), `__WCLONE`).

#![allow(unsafe_code)]

use core::ffi::{c_int, c_long, c_void};
use core::mem::size_of;
use core::ptr;

use super::{errno, seal, syscall};

/// The answer of `question`, which is `None` when it could make no descriptor. Where that is because the
/// program has all that it may have (EMFILE), `question` is asked again in such a process. There one
/// descriptor is closed; it is never `kept`.
#[inline(always)]
pub(crate) fn ask<T: Copy>(kept: c_int, question: impl Fn() -> Option<T>) -> Option<T> {
    let mut answer = question();
    if answer.is_none() && errno() == libc::EMFILE {
        run(kept, || answer = question());
    }
    answer
}

/// Runs `work` in a process beside, if there can be one.
#[cold]
#[inline(never)]
fn run<F: FnMut()>(kept: c_int, mut work: F) {
    extern "C" fn child<F: FnMut()>(work: *mut c_void) {
        // SAFETY: `run` passes its own `work`, and stands still.
        unsafe { (*work.cast::<F>())() };
    }
    let all = u64::MAX;
    let mut before = 0u64;
    let nothing = ptr::null_mut::<c_void>();
    let closed = c_int::from(kept == 0);
    // SAFETY: signal sets of the size that is passed, which live until the end of this function.
    // The child runs in memory of this frame and below, which nobody else uses while it stands
    // still; it ends without returning. wait4 wants no answers.
    unsafe {
        let (set, size) = (libc::SYS_rt_sigprocmask, size_of::<u64>());
        syscall(set, libc::SIG_BLOCK, &raw const all, &raw mut before, size);
        let pid = match seal::is_sealed() {
            true => 0,
            false => start(child::<F>, (&raw mut work).cast(), closed),
        };
        if pid > 0 {
            syscall(libc::SYS_wait4, pid, nothing, libc::__WALL, nothing);
        }
        syscall(set, libc::SIG_SETMASK, &raw const before, nothing, size);
    }
}

/// The child shares the memory, and the caller stands still until it has ended.
const FLAGS: c_long = (libc::CLONE_VM | libc::CLONE_VFORK) as c_long;

/// Makes the child, which closes `closed`, calls `function` and ends: its id, or an errno below 0.
///
/// All in one piece of assembly, because the child goes on with the registers and the stack of
/// this thread: what the compiler keeps on the stack must be the same for both.
///
/// # Safety
/// `function` takes `data`, touches no thread and no lock, and returns.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
unsafe fn start(function: extern "C" fn(*mut c_void), data: *mut c_void, closed: c_int) -> c_long {
    let result;
    // SAFETY: clone(2) with no stack of its own; see above. The callee keeps r12 to r14.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov eax, {close}",
            "mov edi, r14d",
            "syscall",
            "mov rdi, r13",
            "call r12",
            "mov eax, {exit}",
            "xor edi, edi",
            "syscall",
            "2:",
            close = const libc::SYS_close,
            exit = const libc::SYS_exit,
            in("r12") function,
            in("r13") data,
            in("r14") closed,
            in("rsi") 0, in("rdx") 0, in("r10") 0, in("r8") 0,
            in("rdi") FLAGS,
            inlateout("rax") libc::SYS_clone => result,
            clobber_abi("C"),
        );
    }
    result
}

/// Makes the child, which closes `closed`, calls `function` and ends: its id, or an errno below 0. In
/// one piece of assembly, because parent and child go on with one stack.
///
/// # Safety
/// `function` takes `data`, touches no thread and no lock, and returns.
#[cfg(target_arch = "aarch64")]
#[inline(never)]
unsafe fn start(function: extern "C" fn(*mut c_void), data: *mut c_void, closed: c_int) -> c_long {
    let result;
    // SAFETY: clone(2) with no stack of its own; see above. The callee keeps x20 to x22.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x8, {close}",
            "mov w0, w22",
            "svc 0",
            "mov x0, x21",
            "blr x20",
            "mov x8, {exit}",
            "mov x0, 0",
            "svc 0",
            "2:",
            close = const libc::SYS_close,
            exit = const libc::SYS_exit,
            in("x20") function,
            in("x21") data,
            in("x22") closed,
            in("x1") 0, in("x2") 0, in("x3") 0, in("x4") 0,
            in("x8") libc::SYS_clone,
            inlateout("x0") FLAGS => result,
            clobber_abi("C"),
        );
    }
    result
}
