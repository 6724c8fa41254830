//! The numbers by which programs ask for a socket and for its options, for each kind of program that this processor
//! runs. Pure tables; tests compare them with the kernel's own headers.
//!
//! Not here: 32-bit ARM on aarch64 and x32 on x86-64; a filter lets their calls pass, over TCP.

/// One way into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abi {
    /// What the kernel tells a filter about the way in (`AUDIT_ARCH_*`, linux/audit.h).
    pub audit_arch: u32,
    /// `e_machine` of the programs that use it (elf.h).
    pub machine: u16,
    /// `socket`.
    pub socket: u32,
    /// `setsockopt`.
    pub setsockopt: u32,
    /// `getsockopt`.
    pub getsockopt: u32,
    /// `socketcall`, the one number for all calls about sockets that i386 began with; programs of
    /// glibc use it to this day.
    pub socketcall: Option<u32>,
}

/// `__AUDIT_ARCH_LE`, and `__AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE` (linux/audit.h).
const LITTLE: u32 = 0x4000_0000;
const LITTLE_64: u32 = 0xc000_0000;

/// 64-bit x86.
pub const X86_64: Abi = Abi {
    audit_arch: LITTLE_64 | 62,
    machine: 62,
    socket: 41,
    setsockopt: 54,
    getsockopt: 55,
    socketcall: None,
};
/// 32-bit x86.
pub const I386: Abi = Abi {
    audit_arch: LITTLE | 3,
    machine: 3,
    socket: 359,
    setsockopt: 366,
    getsockopt: 365,
    socketcall: Some(102),
};
/// 64-bit ARM.
pub const AARCH64: Abi = Abi {
    audit_arch: LITTLE_64 | 183,
    machine: 183,
    socket: 198,
    setsockopt: 208,
    getsockopt: 209,
    socketcall: None,
};

/// What this processor runs.
pub const HERE: &[Abi] = if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
    &[X86_64, I386]
} else if cfg!(target_arch = "aarch64") {
    &[AARCH64]
} else {
    &[]
};

/// Does a filter made here see the calls of a program for this machine?
pub fn covers(machine: u16) -> bool {
    HERE.iter().any(|abi| abi.machine == machine)
}

/// The ABI of a call, by the kernel's word for it.
pub fn of_arch(audit_arch: u32) -> Option<&'static Abi> {
    HERE.iter().find(|abi| abi.audit_arch == audit_arch)
}
