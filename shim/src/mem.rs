//! The functions that the compiler calls for copies, fills and comparisons, of our own.
//!
//! libc's are chosen for the processor while a program is loaded (IFUNC). A reference to one is
//! a look-up more at each exec, and ends the program before it starts where an executable defines
//! it itself: `libc.so.6`, run as a program, is one. Ours are a byte at a time; what they work on
//! is short, and none is called when a socket is made.

#![allow(unsafe_code)]

// Under libc's names, but hidden: the program and the other libraries keep theirs. A section each,
// so that the linker leaves out what nobody calls.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".macro function name",
    ".section .text.\\name, \"ax\", @progbits",
    ".hidden \\name",
    ".globl \\name",
    "\\name:",
    ".endm",
    "function memmove",
    // Backwards where the destination begins within the source.
    "mov rax, rdi",
    "sub rax, rsi",
    "cmp rax, rdx",
    "jae memcpy",
    "mov rax, rdi",
    "mov rcx, rdx",
    "lea rdi, [rdi + rdx - 1]",
    "lea rsi, [rsi + rdx - 1]",
    "std",
    "rep movsb",
    "cld",
    "ret",
    "function memcpy",
    "mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    "function memset",
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    "function memcmp",
    // bcmp has to say only whether they differ; memcmp's answer is one too.
    ".hidden bcmp",
    ".globl bcmp",
    "bcmp:",
    // Equal, if there is nothing to compare.
    "xor eax, eax",
    "mov rcx, rdx",
    "repe cmpsb",
    "je 2f",
    "movzx eax, byte ptr [rdi - 1]",
    "movzx ecx, byte ptr [rsi - 1]",
    "sub eax, ecx",
    "2: ret",
    "function strlen",
    "xor eax, eax",
    "2: cmp byte ptr [rdi + rax], 0",
    "je 3f",
    "inc rax",
    "jmp 2b",
    "3: ret",
    ".purgem function",
    ".text",
);

#[cfg(not(target_arch = "x86_64"))]
mod elsewhere {
    use core::ffi::c_int;

    macro_rules! named {
        ($name:literal, $function:path) => {
            core::arch::global_asm!(
                concat!(".hidden ", $name),
                concat!(".globl ", $name),
                concat!($name, ": ", "b {}"),
                sym $function
            );
        };
    }

    named!("memcpy", forwards);
    named!("memmove", either_way);
    named!("memset", fill);
    named!("memcmp", compare);
    named!("bcmp", compare);
    named!("strlen", length);

    // Volatile: the compiler would know a loop for a copy or a fill, and make a call of the function
    // that the loop is in.

    unsafe extern "C" fn forwards(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        for at in 0..count {
            // SAFETY: memcpy's caller vouches for `count` bytes at both.
            unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
        }
        to
    }

    unsafe extern "C" fn either_way(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        if (to as usize) < (from as usize) {
            // SAFETY: as memmove's caller vouches; a byte is read before it is overwritten.
            return unsafe { forwards(to, from, count) };
        }
        for at in (0..count).rev() {
            // SAFETY: memmove's caller vouches for `count` bytes at both; read before overwritten.
            unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
        }
        to
    }

    unsafe extern "C" fn fill(to: *mut u8, value: c_int, count: usize) -> *mut u8 {
        for at in 0..count {
            // SAFETY: memset's caller vouches for `count` bytes.
            unsafe { to.add(at).write_volatile(value as u8) };
        }
        to
    }

    unsafe extern "C" fn compare(one: *const u8, other: *const u8, count: usize) -> c_int {
        for at in 0..count {
            // SAFETY: memcmp's caller vouches for `count` bytes at both.
            let (one, other) =
                unsafe { (one.add(at).read_volatile(), other.add(at).read_volatile()) };
            if one != other {
                return c_int::from(one) - c_int::from(other);
            }
        }
        0
    }

    unsafe extern "C" fn length(text: *const u8) -> usize {
        let mut count = 0;
        // SAFETY: strlen's caller vouches for a NUL; nothing behind it is read.
        while unsafe { text.add(count).read_volatile() } != 0 {
            count += 1;
        }
        count
    }
}
