//! Calls that wait, with something to do before or after them.
//!
//! A thread can be cancelled while it waits, and a signal handler can throw or print a trace: then
//! the unwinder walks over every frame from libc's function to the program. The library has unwind
//! tables for one function alone, [`Call`]'s frame below, in assembly. It is the only one of ours on
//! the stack while libc waits. A hook jumps to it with a *step*, a function that does not wait; the
//! step says which of libc's functions to call next and with which arguments, and is called again
//! with its answer, until it says that the hook is done.
//!
//! Not here: the steps (`hooks/wait.rs`).

#![allow(unsafe_code)]

use core::ffi::c_int;
use core::mem::size_of;

/// The state of a hook, in its frame.
#[repr(C)]
pub(crate) struct Call {
    /// The arguments of the hook at first, then those of the function to be called.
    pub(crate) arguments: [usize; 6],
    step: usize,
    /// How far the step has come; 0 at first. The numbers are the step's own.
    pub(crate) phase: usize,
    /// What the hook returns.
    pub(crate) result: isize,
    /// For the step, from one of its calls to the next.
    pub(crate) kept: [usize; 10],
}

// The frame is as large as this, and a multiple of 16 with the return address.
const _: () = assert!(size_of::<Call>() == 152);

/// Is called first with 0, then with what the function returned that it named last. It returns the
/// address of the next function to be called with the arguments, or 0 when the result is known.
#[cfg_attr(test, allow(dead_code))]
pub(crate) type Step = extern "C" fn(&mut Call, isize) -> usize;

impl Call {
    /// Ends the hook with this result.
    pub(crate) fn done(&mut self, result: isize) -> usize {
        self.result = result;
        0
    }

    /// The first argument, where that is a descriptor.
    pub(crate) fn fd(&self) -> c_int {
        self.arguments[0] as c_int
    }

    /// Goes on with another step, as if that were the hook's own.
    #[cfg_attr(test, allow(dead_code))]
    pub(crate) fn become_step(&mut self, step: Step) -> usize {
        self.step = step as usize;
        step(self, 0)
    }
}

// Called with the step in r11 and the arguments of the hook where C passes them.
#[cfg(all(not(test), target_arch = "x86_64"))]
core::arch::global_asm!(
    ".text",
    ".globl mptcpize_waits",
    ".hidden mptcpize_waits",
    "mptcpize_waits:",
    "sub rsp, 152",
    ".Lframe:",
    "mov [rsp], rdi",
    "mov [rsp + 8], rsi",
    "mov [rsp + 16], rdx",
    "mov [rsp + 24], rcx",
    "mov [rsp + 32], r8",
    "mov [rsp + 40], r9",
    "mov [rsp + 48], r11",
    "mov qword ptr [rsp + 56], 0",
    "xor esi, esi",
    "2: mov rdi, rsp",
    "call qword ptr [rsp + 48]",
    "test rax, rax",
    "je 3f",
    "mov r11, rax",
    "mov rdi, [rsp]",
    "mov rsi, [rsp + 8]",
    "mov rdx, [rsp + 16]",
    "mov rcx, [rsp + 24]",
    "mov r8, [rsp + 32]",
    "mov r9, [rsp + 40]",
    "call r11",
    "mov rsi, rax",
    "jmp 2b",
    "3: mov rax, [rsp + 64]",
    "add rsp, 152",
    ".Lno_frame:",
    "ret",
    ".Lend:",
    // Where the caller's frame ends: 8 above the stack pointer (7), 160 above it within the frame.
    ".macro entry",
    ".byte 0x0c, 7, 8", // DW_CFA_def_cfa
    ".byte 0x90, 1",    // DW_CFA_offset: the return address (16), 8 below
    ".endm",
    ".macro moves",
    ".byte 2, .Lframe - mptcpize_waits", // DW_CFA_advance_loc1
    ".byte 0x0e, 0xa0, 1",               // DW_CFA_def_cfa_offset 160
    ".byte 2, .Lno_frame - .Lframe",
    ".byte 0x0e, 8",
    ".endm",
    ".equ code_unit, 1",
    ".equ return_register, 16",
);

// Called with the step in x16 and the arguments of the hook where C passes them.
#[cfg(all(not(test), target_arch = "aarch64"))]
core::arch::global_asm!(
    ".text",
    ".globl mptcpize_waits",
    ".hidden mptcpize_waits",
    "mptcpize_waits:",
    "sub sp, sp, #176",
    "stp x29, x30, [sp, #160]",
    ".Lframe:",
    "add x29, sp, #160",
    "stp x0, x1, [sp]",
    "stp x2, x3, [sp, #16]",
    "stp x4, x5, [sp, #32]",
    "stp x16, xzr, [sp, #48]",
    "mov x1, xzr",
    "2: mov x0, sp",
    "ldr x16, [sp, #48]",
    "blr x16",
    "cbz x0, 3f",
    "mov x16, x0",
    "ldp x0, x1, [sp]",
    "ldp x2, x3, [sp, #16]",
    "ldp x4, x5, [sp, #32]",
    "blr x16",
    "mov x1, x0",
    "b 2b",
    "3: ldr x0, [sp, #64]",
    "ldp x29, x30, [sp, #160]",
    "add sp, sp, #176",
    ".Lno_frame:",
    "ret",
    ".Lend:",
    ".macro entry",
    ".byte 0x0c, 31, 0", // DW_CFA_def_cfa: the stack pointer
    ".endm",
    ".macro moves",
    ".byte 2, (.Lframe - mptcpize_waits) / 4",
    ".byte 0x0e, 0xb0, 1",    // DW_CFA_def_cfa_offset 176
    ".byte 0x9d, 2, 0x9e, 1", // DW_CFA_offset: x29 16 below, x30 8
    ".byte 2, (.Lno_frame - .Lframe) / 4",
    ".byte 0x0e, 0, 0xdd, 0xde", // and both as they were
    ".endm",
    ".equ code_unit, 4",
    ".equ return_register, 30",
);

// The unwind table of that one function, and the index of one entry by which it is found (DWARF 4,
// 6.4; Linux Standard Base, .eh_frame and .eh_frame_hdr). By hand, because the assembler's own would
// lie among those of all other functions. Aligned to 4 and no more: the linker takes longer padding
// out of a .eh_frame, and does not know of this index.
#[cfg(not(test))]
core::arch::global_asm!(
    ".section .unwind, \"a\"",
    ".balign 8",
    ".Lcommon:",
    ".long .Lcommon_end - .Lcommon - 4",
    ".long 0",
    ".byte 1",
    ".asciz \"zR\"",
    ".uleb128 code_unit",
    ".sleb128 -8",
    ".byte return_register",
    ".uleb128 1",
    ".byte 0x1b", // addresses are relative, in four bytes
    "entry",
    ".balign 4, 0",
    ".Lcommon_end:",
    ".Lentry:",
    ".long .Lentry_end - .Lentry - 4",
    ".long . - .Lcommon",
    ".long mptcpize_waits - .",
    ".long .Lend - mptcpize_waits",
    ".uleb128 0",
    "moves",
    ".balign 4, 0",
    ".Lentry_end:",
    ".long 0",
    ".section .unwind_index, \"a\"",
    ".balign 4",
    ".Lindex:",
    ".byte 1, 0x1b, 3, 0x3b",
    ".long .Lcommon - .",
    ".long 1",
    ".long mptcpize_waits - .Lindex",
    ".long .Lentry - .Lindex",
    ".purgem entry",
    ".purgem moves",
    ".text",
);

/// Defines a hook that jumps to the frame with a step.
#[macro_export]
macro_rules! waits {
    ($(#[$attribute:meta])* fn $name:ident, $step:path) => {
        $(#[$attribute])*
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name() {
            #[cfg(target_arch = "x86_64")]
            core::arch::naked_asm!(
                "lea r11, [rip + {step}]",
                "jmp mptcpize_waits",
                step = sym $step
            );
            #[cfg(target_arch = "aarch64")]
            core::arch::naked_asm!(
                "adrp x16, {step}",
                "add x16, x16, :lo12:{step}",
                "b mptcpize_waits",
                step = sym $step
            );
        }
    };
}
