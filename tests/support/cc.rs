//! Compiling the small programs of tests/c, and one Go program, each once for a test process.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use super::{Cmd, scratch, wait};

/// How a C program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Build {
    /// With the host's C library, dynamic.
    Plain,
    /// Statically linked.
    Static,
    /// With musl, dynamic.
    Musl,
    /// For 32 bits.
    Bits32,
    /// With AddressSanitizer, whose runtime is a library.
    Sanitized,
    /// With AddressSanitizer, for 32 bits.
    Sanitized32,
    /// A shared library, to be preloaded.
    Library,
    /// With the host's C library, and cleaned up by the unwinder.
    Exceptions,
    /// With a loader that does not exist.
    NoLoader,
}

/// The loader of [`Build::NoLoader`].
pub const NO_LOADER: &str = "/nonexistent/ld.so.7";

impl Build {
    fn compiler(self) -> (&'static str, Vec<String>) {
        let option = |text: &str| vec![text.to_owned()];
        match self {
            Build::Plain => ("cc", vec![]),
            Build::Static => ("cc", option("-static")),
            Build::Musl => ("musl-gcc", vec![]),
            Build::Bits32 => ("cc", option("-m32")),
            Build::Sanitized => ("cc", option("-fsanitize=address")),
            Build::Sanitized32 => ("cc", vec!["-m32".to_owned(), "-fsanitize=address".to_owned()]),
            Build::Library => ("cc", vec!["-shared".to_owned(), "-fPIC".to_owned()]),
            Build::Exceptions => ("cc", option("-fexceptions")),
            Build::NoLoader => ("cc", vec![format!("-Wl,--dynamic-linker={NO_LOADER}")]),
        }
    }
}

/// The program `tests/c/NAME.c`, compiled.
pub fn c(name: &str, build: Build) -> PathBuf {
    static DONE: OnceLock<Mutex<HashMap<(String, Build), PathBuf>>> = OnceLock::new();
    let mut done = DONE.get_or_init(Default::default).lock().unwrap_or_else(|p| p.into_inner());
    let key = (name.to_owned(), build);
    if let Some(program) = done.get(&key) {
        return program.clone();
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/c/{name}.c"));
    let program = scratch("cc").join(name);
    let (compiler, options) = build.compiler();
    Cmd::new(compiler)
        .args(["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .args(options)
        .args([OsStr::new("-o"), program.as_os_str(), source.as_os_str()])
        .run()
        .ok();
    done.insert(key, program.clone());
    program
}

/// A Go of 1.21 or later: installed, or fetched by scripts/newer-go.
pub fn newer_go() -> PathBuf {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/newer-go/usr/lib");
    for place in ["/usr/lib".into(), fetched] {
        for minor in 21..40 {
            let go = place.join(format!("go-1.{minor}/bin/go"));
            if go.is_file() {
                return go;
            }
        }
    }
    panic!("no Go of 1.21 or later\n  fix: scripts/newer-go");
}

/// The program of a Go source, built by Debian's Go.
pub fn go(source: &Path) -> PathBuf {
    go_by(Path::new("go"), source)
}

/// The program of a Go source, built for this host without cgo (static, as most are).
pub fn go_by(go: &Path, source: &Path) -> PathBuf {
    go_for(go, source, false, "")
}

/// The program of a Go source, built without network, with or without cgo, for an architecture by Go's name of
/// it (`""` for this host's).
pub fn go_for(go: &Path, source: &Path, cgo: bool, architecture: &str) -> PathBuf {
    // The compiled standard library is kept from run to run: it takes longer than all the rest.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    fs::create_dir_all(&cache).expect("cargo's directory for tests can be written");
    let program = scratch("go").join("program");
    Cmd::new(go)
        .args(["build", "-o"])
        .args([program.as_os_str(), source.as_os_str()])
        .env("GOCACHE", &cache)
        .env("GOPATH", scratch::root().join("gopath"))
        .env("GO111MODULE", "off")
        .env("GOPROXY", "off")
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", if cgo { "1" } else { "0" })
        .env("GOARCH", architecture)
        .start()
        // The first time it compiles its standard library.
        .finish_within(wait::deadline() * 10)
        .ok();
    program
}
