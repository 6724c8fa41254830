//! A library without a hook, for where a loader must find one and nothing shall happen.
//!
//! One line of /etc/ld.so.preload counts for every loader; the 32-bit one, finding no library of its own,
//! would complain at each start of a program. And what runs already may hand on a name of a library that
//! was switched off.
//!
//! Pure: bytes. Not here: the library that does something ([`crate::inject::library::system_copy`]).

/// What the library is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit programs of x86, which 64-bit hosts run too.
    I386,
    /// 64-bit programs of x86.
    X86_64,
    /// 64-bit programs of ARM.
    Aarch64,
}

impl Kind {
    /// That of programs as this one; `None` where no library of ours is built.
    pub fn own() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Kind::X86_64),
            "aarch64" => Some(Kind::Aarch64),
            _ => None,
        }
    }

    /// `e_machine` (elf.h).
    fn machine(self) -> u16 {
        match self {
            Kind::I386 => 3,
            Kind::X86_64 => 62,
            Kind::Aarch64 => 183,
        }
    }

    fn is_wide(self) -> bool {
        self != Kind::I386
    }

    /// A function that returns the address of what follows it.
    fn code(self) -> Vec<u8> {
        match self {
            // Call the next instruction, take its address from the stack, add the 6 bytes that are
            // left, return.
            Kind::I386 => vec![0xe8, 0, 0, 0, 0, 0x58, 0x05, 7, 0, 0, 0, 0xc3],
            // lea 1(%rip), %rax; ret
            Kind::X86_64 => vec![0x48, 0x8d, 0x05, 1, 0, 0, 0, 0xc3],
            // adr x0, 8; ret
            Kind::Aarch64 => [0x1000_0040u32, 0xd65f_03c0].map(u32::to_le_bytes).concat(),
        }
    }
}

/// What the library answers AddressSanitizer's runtime, as ours does (`shim/src/sanitizer.rs`): that one
/// ends a program where another library than itself is the first.
const ASKED: &[u8] = b"__asan_default_options\0";
const ANSWER: &[u8] = b"verify_asan_link_order=0\0";
const SONAME: &[u8] = b"\0libmptcpize.so\0";

/// Mapped apart from what is executed, for pages of every size.
const PAGE: u64 = 0x1_0000;

/// Numbers in the widths of a file.
struct Writer {
    wide: bool,
    bytes: Vec<u8>,
}

impl Writer {
    fn half(&mut self, value: u16) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn number(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn word(&mut self, value: u64) {
        let bytes = value.to_le_bytes();
        self.bytes.extend(if self.wide { &bytes[..] } else { &bytes[..4] });
    }
}

/// The library's bytes.
///
/// A loader wants a dynamic section with a string table, a symbol table and a hash table, and a
/// PT_GNU_STACK, without which it would make every stack executable. The one symbol is the function that
/// AddressSanitizer calls.
pub fn bytes(kind: Kind) -> Vec<u8> {
    let wide = kind.is_wide();
    let mut file = Writer { wide, bytes: b"\x7fELF".to_vec() };
    let (header, program, symbol, entry) = if wide { (64, 56, 24, 16) } else { (52, 32, 16, 8) };
    let code = kind.code();
    // Header, four program headers, then the tables.
    let hash = header + 4 * program;
    let symbols = (hash + 5 * 4u64).next_multiple_of(8);
    let strings = symbols + 2 * symbol;
    let strings_end = strings + (SONAME.len() + ASKED.len()) as u64;
    let start = strings_end.next_multiple_of(4);
    let end = start + (code.len() + ANSWER.len()) as u64;
    let dynamic_at = end.next_multiple_of(8);
    // DT_SONAME, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_NULL (elf(5)).
    let dynamic = [
        (14, 1),
        (4, hash),
        (5, strings),
        (6, symbols),
        (10, strings_end - strings),
        (11, symbol),
        (0, 0),
    ];
    let section = entry * dynamic.len() as u64;

    file.bytes.extend([1 + u8::from(wide), 1, 1]);
    file.bytes.resize(16, 0);
    file.half(3);
    file.half(kind.machine());
    file.number(1);
    // e_entry, e_phoff, e_shoff; e_flags.
    for value in [0, header, 0] {
        file.word(value);
    }
    file.number(0);
    // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
    for value in [header as u16, program as u16, 4, 0, 0, 0] {
        file.half(value);
    }
    // Two PT_LOAD: what is read and executed, and, a page behind it, the dynamic section, which the
    // loader relocates in place. PT_DYNAMIC. PT_GNU_STACK: not executable.
    for (what, at, address, size, flags, align) in [
        (1, 0, 0, dynamic_at, 5, PAGE),
        (1, dynamic_at, PAGE + dynamic_at, section, 6, PAGE),
        (2, dynamic_at, PAGE + dynamic_at, section, 6, 8),
        (0x6474_e551, 0, 0, 0, 6, 16),
    ] {
        file.number(what);
        if wide {
            file.number(flags);
        }
        for value in [at, address, address, size, size] {
            file.word(value);
        }
        if !wide {
            file.number(flags);
        }
        file.word(align);
    }
    // One bucket with one symbol (the other is the null one), whose chain ends there.
    for value in [1, 2, 1, 0, 0] {
        file.number(value);
    }
    file.bytes.resize((symbols + symbol) as usize, 0);
    // STB_GLOBAL and STT_FUNC, in a section that there is.
    file.number(SONAME.len() as u32);
    let (place, size) = (start, code.len() as u64);
    if wide {
        file.bytes.extend([0x12, 0, 1, 0]);
    }
    file.word(place);
    file.word(size);
    if !wide {
        file.bytes.extend([0x12, 0, 1, 0]);
    }
    file.bytes.extend([SONAME, ASKED].concat());
    file.bytes.resize(start as usize, 0);
    file.bytes.extend(code);
    file.bytes.extend(ANSWER);
    file.bytes.resize(dynamic_at as usize, 0);
    for (tag, value) in dynamic {
        file.word(tag);
        file.word(value);
    }
    file.bytes
}
