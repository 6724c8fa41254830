//! The next function of a name among the loaded libraries, as dlsym(3) with RTLD_NEXT tells it.
//!
//! dlsym takes 0.7 µs for each name, for it finds its caller, takes a lock and readies itself for
//! an error, and every exec below us would pay for every hook. So the loader's list of libraries is
//! read here, at load, when no other thread is there to change it; and it is there where dlsym is
//! not, before glibc 2.34 in programs without libdl. What is not plain (a library without a GNU hash
//! table, a function that the loader chooses at run time) is left to dlsym.
//!
//! Structures: link.h, elf.h; the hash table as in "GNU hash ELF sections" of the binutils.

#![allow(unsafe_code)]

use core::ffi::{c_char, c_int};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

/// struct link_map: a loaded library. Its `dynamic` section is pairs of a tag and a value.
#[repr(C)]
struct Library {
    bias: usize,
    name: *const c_char,
    dynamic: *const [usize; 2],
    next: *const Library,
}

/// struct r_debug, by which the loader shows debuggers its list.
#[repr(C)]
struct Debug {
    version: c_int,
    first: *const Library,
}

/// Elf64_Sym.
#[repr(C)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: usize,
    size: u64,
}

#[cfg(not(test))]
core::arch::global_asm!(".weak _r_debug", ".hidden _DYNAMIC");

unsafe extern "C" {
    static _r_debug: Debug;
    static _DYNAMIC: [usize; 2];
}

/// The address of `_r_debug`, as data that the loader fills in before it runs the library: null under
/// musl, which has no such symbol.
static DEBUG: AtomicPtr<Debug> = AtomicPtr::new((&raw const _r_debug).cast_mut());

/// A name in a text of many: its sum in a GNU hash table, and where it is, with its NUL.
#[derive(Clone, Copy)]
pub(super) struct Name {
    sum: u32,
    start: u16,
    end: u16,
}

impl Name {
    /// Where it begins in its text.
    pub(super) fn start(self) -> usize {
        self.start.into()
    }
}

/// The names of a text, each of which ends with a NUL. For compile time: it is half of a look-up.
pub(super) const fn names<const COUNT: usize>(text: &[u8]) -> [Name; COUNT] {
    let mut names = [Name { sum: 5381, start: 0, end: 0 }; COUNT];
    let (mut index, mut at) = (0, 0);
    while index < COUNT {
        names[index].start = at as u16;
        while text[at] != 0 {
            names[index].sum = names[index].sum.wrapping_mul(33).wrapping_add(text[at] as u32);
            at += 1;
        }
        at += 1;
        names[index].end = at as u16;
        index += 1;
    }
    names
}

/// Writes to each place of `into` the address of the function of that place in `names`, whose letters
/// are in `text`: of the first library behind ours that has it. Places without one stay 0. For load
/// time.
#[cfg(target_pointer_width = "64")]
pub(super) fn find(text: &[u8], names: &[Name], into: &[AtomicUsize]) {
    // SAFETY: a volatile read of an initialised static; volatile because the compiler takes the
    // address of a symbol to be non-null, which a weak one is not.
    let debug = unsafe { ptr::read_volatile((&raw const DEBUG).cast::<*const Debug>()) };
    // SAFETY: null, or the loader's own, which stays where it is.
    let Some(debug) = (unsafe { debug.as_ref() }) else { return };
    let own = &raw const _DYNAMIC;
    let mut rest = debug.first;
    loop {
        // SAFETY: the loader's list is complete before it calls a constructor, and ends with null.
        let Some(library) = (unsafe { rest.as_ref() }) else { return };
        rest = library.next;
        if library.dynamic == own {
            break;
        }
    }
    let mut left = into.len();
    let mut unclear = 0u64;
    while left > 0 {
        // SAFETY: as above.
        let Some(library) = (unsafe { rest.as_ref() }) else { return };
        rest = library.next;
        let Some(tables) = Tables::of(library) else { return };
        for (index, (place, name)) in into.iter().zip(names).enumerate() {
            if place.load(Relaxed) != 0 || unclear & (1 << (index % 64)) != 0 {
                continue;
            }
            let wanted = text.get(name.start.into()..name.end.into()).unwrap_or(&[]);
            match tables.find(name.sum, wanted) {
                Found::Nothing => continue,
                Found::At(address) => place.store(address, Relaxed),
                Found::Unclear => unclear |= 1 << (index % 64),
            }
            left -= 1;
        }
    }
}

/// What a library says of a name.
enum Found {
    /// It has no such function.
    Nothing,
    /// The function's address.
    At(usize),
    /// It has a symbol that only the loader can resolve.
    Unclear,
}

/// The tables of a library by which a name is looked up.
struct Tables {
    bias: usize,
    hash: *const u32,
    symbols: *const Symbol,
    strings: *const u8,
    /// Null where its names have no versions.
    versions: *const u16,
}

impl Tables {
    /// Reads where they are; `None` without a GNU hash table.
    fn of(library: &Library) -> Option<Self> {
        const DT_STRTAB: usize = 5;
        const DT_SYMTAB: usize = 6;
        const DT_GNU_HASH: usize = 0x6fff_fef5;
        const DT_VERSYM: usize = 0x6fff_fff0;
        let bias = library.bias;
        let (mut hash, mut symbols, mut strings, mut versions) = (0, 0, 0, 0);
        let mut entry = library.dynamic;
        // SAFETY: the section ends with the tag 0.
        while let (tag @ 1.., value) = unsafe { ((*entry)[0], (*entry)[1]) } {
            // glibc adds the bias to addresses where the section can be written, and there alone.
            let address = if value < bias { value.wrapping_add(bias) } else { value };
            match tag {
                DT_STRTAB => strings = address,
                DT_SYMTAB => symbols = address,
                DT_GNU_HASH => hash = address,
                DT_VERSYM => versions = address,
                _ => {}
            }
            // SAFETY: this was not the last one.
            entry = unsafe { entry.add(1) };
        }
        (hash != 0 && symbols != 0 && strings != 0).then_some(Tables {
            bias,
            hash: hash as *const u32,
            symbols: symbols as *const Symbol,
            strings: strings as *const u8,
            versions: versions as *const u16,
        })
    }

    /// Looks up a name, which ends with its NUL, by its sum.
    fn find(&self, sum: u32, name: &[u8]) -> Found {
        // SAFETY: the table as the linker wrote it: four numbers, as many words of the filter and
        // buckets as they say, then a chain of sums, each list of which ends with an odd one.
        unsafe {
            let [buckets, first, words, shift] = *self.hash.cast::<[u32; 4]>();
            if buckets == 0 || words == 0 {
                return Found::Nothing;
            }
            let filter = self.hash.add(4).cast::<u64>();
            let word = *filter.add((sum / 64 % words) as usize);
            if word >> (sum % 64) & word >> ((sum >> shift) % 64) & 1 == 0 {
                return Found::Nothing;
            }
            let heads = filter.add(words as usize).cast::<u32>();
            let chain = heads.add(buckets as usize);
            let mut index = *heads.add((sum % buckets) as usize);
            if index < first {
                return Found::Nothing;
            }
            loop {
                let this = *chain.add((index - first) as usize);
                if this | 1 == sum | 1 {
                    let found = self.look(index as usize, name);
                    if !matches!(found, Found::Nothing) {
                        return found;
                    }
                }
                if this & 1 != 0 {
                    return Found::Nothing;
                }
                index += 1;
            }
        }
    }

    /// Is the symbol of this index the function of the name?
    ///
    /// # Safety
    /// The index is of the hash table.
    unsafe fn look(&self, index: usize, name: &[u8]) -> Found {
        const NO_TYPE: u8 = 0;
        const FUNCTION: u8 = 2;
        /// The bit of a version that a name without a version does not mean.
        const HIDDEN: u16 = 0x8000;
        // SAFETY: the table has the index.
        let (symbol, version) = unsafe {
            let version = if self.versions.is_null() { 0 } else { *self.versions.add(index) };
            (&*self.symbols.add(index), version)
        };
        if symbol.section == 0 || version & HIDDEN != 0 {
            return Found::Nothing;
        }
        let mut letter = self.strings.wrapping_add(symbol.name as usize);
        for wanted in name {
            // SAFETY: names are offsets into the strings; the last letter of `name` is the NUL.
            if unsafe { *letter } != *wanted {
                return Found::Nothing;
            }
            letter = letter.wrapping_add(1);
        }
        match symbol.info & 0xf {
            NO_TYPE | FUNCTION => Found::At(self.bias.wrapping_add(symbol.value)),
            _ => Found::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn what_is_found_is_what_dlsym_finds() {
        const NAMES: &[u8] =
            b"socket\0connect\0poll\0fcntl\0epoll_pwait2\0no_such_function\0memcpy\0dlsym\0";
        let places = [const { AtomicUsize::new(0) }; 8];
        find(NAMES, &names::<8>(NAMES), &places);
        let mut names = NAMES.split_inclusive(|byte| *byte == 0);
        for place in &places {
            let name = CStr::from_bytes_with_nul(names.next().expect("as many")).expect("a NUL");
            // SAFETY: dlsym takes a NUL-terminated name.
            let theirs = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) } as usize;
            // The loader chooses among several memcpy.
            let expected = if name == c"memcpy" { 0 } else { theirs };
            assert_eq!(place.load(Relaxed), expected, "{name:?}");
        }
        assert!(places[0].load(Relaxed) != 0);
    }
}
