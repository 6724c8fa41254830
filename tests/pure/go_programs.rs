//! Real Go programs, each cut down to what is read of it (scripts/go-fixtures): the release that built
//! them is found wherever a linker has put it.
//!
//! Not here: damaged headers and information (run/elf.rs), programs that run (run/any.rs).

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mptcpize::inject::target::elf::{self, ReadAt};

use crate::support::{scratch, tool};

/// Programs of Debian with the release that `go version` prints for them.
const PROGRAMS: [(&str, Option<&str>); 10] = [
    ("prometheus", Some("1.19")),
    ("caddy", Some("1.19")),
    ("caddy-go1.24", Some("1.24")),
    ("docker", Some("1.19")),
    ("dockerd", Some("1.19")),
    ("node-exporter", Some("1.19")),
    ("node-exporter-go1.15", Some("1.15")),
    ("node-exporter-s390x", Some("1.19")),
    ("node-exporter-armhf", Some("1.19")),
    // Packed: a static program that says nothing of itself.
    ("docker-proxy-upx", None),
];

/// The program as a sparse file of its true size.
fn program(name: &str) -> PathBuf {
    program_without(name, &[])
}

/// The program as a sparse file, with "x" where one of these texts stood.
fn program_without(name: &str, texts: &[&[u8]]) -> PathBuf {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recorded/go").join(name);
    let text = fs::read_to_string(recorded).expect("it is in the repository");
    let path = scratch("go-program").join(name);
    let file = File::create_new(&path).expect("a scratch file can be made");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (first, second) = line.split_once(' ').expect("two words a line");
        if first == "size" {
            file.set_len(second.parse().expect("a number")).expect("there are sparse files");
            continue;
        }
        let byte = |at| u8::from_str_radix(&second[at..at + 2], 16).expect("hexadecimal digits");
        let mut bytes: Vec<u8> = (0..second.len()).step_by(2).map(byte).collect();
        for text in texts {
            while let Some(at) = bytes.windows(text.len()).position(|part| part == *text) {
                bytes[at..at + text.len()].fill(b'x');
            }
        }
        file.write_all_at(&bytes, first.parse().expect("a number")).expect("it can be written");
    }
    file.set_permissions(fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

/// Takes the table of section headers out of the header, as `objcopy --strip-section-headers` does.
fn without_sections(path: &Path) {
    let file = File::options().read(true).write(true).open(path).expect("it was made");
    let mut class = [0];
    FileExt::read_at(&file, &mut class, 4).expect("it has a header");
    // e_shoff, then e_shentsize, e_shnum, e_shstrndx.
    let fields = if class == [2] { [(40, 8), (58, 6)] } else { [(32, 4), (46, 6)] };
    for (at, size) in fields {
        file.write_all_at(&vec![0; size], at).expect("it can be written");
    }
}

fn release(path: &Path) -> Option<String> {
    let elf = elf::read(&File::open(path).expect("it is there")).expect("its headers are sound");
    Some(elf.go?.to_string())
}

#[test]
fn the_release_is_found_in_the_section_that_the_linker_made() {
    for (name, wanted) in PROGRAMS {
        assert_eq!(release(&program(name)).as_deref(), wanted, "{name}");
    }
}

#[test]
fn the_release_is_found_in_the_data_of_a_program_without_sections() {
    for (name, wanted) in PROGRAMS {
        let path = program(name);
        without_sections(&path);
        assert_eq!(release(&path).as_deref(), wanted, "{name}");
    }
}

#[test]
fn run_takes_a_go_program_with_cgo_for_what_it_is() {
    let table = [
        ("prometheus", "via      seccomp", "built with Go 1.19, MPTCP came with 1.21"),
        ("dockerd", "via      seccomp", "built with Go 1.19, MPTCP came with 1.21"),
        ("caddy-go1.24", "via      godebug", "built with Go 1.24"),
        ("docker-proxy-upx", "via      seccomp", "it is statically linked"),
    ];
    for (name, via, why) in table {
        let done = tool(&["run", "--explain"]).arg(program(name)).run().ok();
        assert!(done.stdout.contains(via) && done.stdout.contains(why), "{name}: {done}");
    }
}

/// As of Go before 1.13, or where somebody takes it out: the program is still Go's.
#[test]
fn a_go_program_without_build_information_is_not_taken_for_one_of_c() {
    for name in ["prometheus", "dockerd", "node-exporter-armhf"] {
        let path = program_without(name, &[b"\xff Go buildinf:", b".go.buildinfo"]);
        assert_eq!(release(&path).as_deref(), Some("of a release that it does not tell"), "{name}");
    }
}

/// Data of a program that Go did not build as it seems: what precedes the true information.
#[test]
fn the_magic_in_other_data_does_not_hide_the_information() {
    let path = program("dockerd");
    without_sections(&path);
    let file = File::options().write(true).open(&path).expect("it was made");
    // Aligned and empty, aligned with a version that is none, and not aligned.
    let data = 0x3049910;
    for (at, bytes) in [
        (data, &b"\xff Go buildinf:\x08\x02"[..]),
        (data + 0x20000, b"\xff Go buildinf:\x08\x02                \x05other"),
        (data + 0x30008, b"\xff Go buildinf:\x08\x02                \x06go1.99"),
    ] {
        file.write_all_at(bytes, at).expect("it can be written");
    }
    assert_eq!(release(&path).as_deref(), Some("1.19"));
}

/// A file without an end, all of whose bytes after the headers are the same line.
struct Endless {
    header: Vec<u8>,
    line: [u8; 16],
    read: Cell<usize>,
}

impl ReadAt for Endless {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.read.set(self.read.get() + into.len());
        if offset == 0 {
            let size = into.len().min(self.header.len());
            into[..size].copy_from_slice(&self.header[..size]);
            return Ok(size);
        }
        if offset == 64 {
            into.copy_from_slice(&self.header[64..][..into.len()]);
            return Ok(into.len());
        }
        for part in into.chunks_mut(16) {
            part.copy_from_slice(&self.line[..part.len()]);
        }
        Ok(into.len())
    }
}

#[test]
fn a_program_of_nothing_but_data_is_looked_through_to_an_end() {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(64 + 56, 0);
    header[18] = 62;
    header[32] = 64;
    header[54] = 56;
    header[56] = 1;
    // PT_LOAD, writable, from 4096 on to beyond every end.
    header[64] = 1;
    header[68] = 6;
    header[64 + 9] = 16;
    header[64 + 32..64 + 40].fill(0x7f);
    let line = |text: &[u8]| <[u8; 16]>::try_from(text).expect("16 bytes");
    for line in [line(b"\xff Go buildinf:\x08\x02"), line(&[0; 16])] {
        let file = Endless { header: header.clone(), line, read: Cell::new(0) };
        let elf = elf::read(&file).expect("its headers are sound");
        assert_eq!(elf.go, None);
        let read = file.read.get();
        assert!(read <= elf::MOST_READ, "{read} bytes were read");
    }
}
