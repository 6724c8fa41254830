//! The dynamic loaders of a host or image, and the directory that each puts for `$LIB` (ld.so(8)).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::root::Root;

/// A loader of glibc. musl's reads no /etc/ld.so.preload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loader {
    /// Where it is, the root left out.
    pub path: PathBuf,
    /// What it puts for `$LIB`: `lib/x86_64-linux-gnu`, `lib64`.
    pub lib: String,
    /// It loads the programs that this tool's library is for; otherwise 32-bit ones.
    pub native: bool,
}

/// The native loader of each architecture, by the name that is in every program.
const NATIVE: &str = if cfg!(target_arch = "aarch64") {
    "/lib/ld-linux-aarch64.so.1"
} else {
    "/lib64/ld-linux-x86-64.so.2"
};

/// The loader of 32-bit programs on amd64. There is none of ours for arm.
const OTHER: Option<&str> =
    if cfg!(target_arch = "x86_64") { Some("/lib/ld-linux.so.2") } else { None };

/// The loaders that are there, the native one first. Those of an image are not run.
pub fn find(root: &Root) -> Vec<Loader> {
    let mut found = Vec::new();
    for (name, native) in [(Some(NATIVE), true), (OTHER, false)] {
        let Some(path) = name.map(PathBuf::from).filter(|path| root.has_file(path)) else {
            continue;
        };
        let told = if root.is_host() { ask(&path) } else { None };
        let lib = told.or_else(|| guess(root, native));
        found.extend(lib.map(|lib| Loader { path, lib, native }));
    }
    found
}

/// Asks the loader, which since glibc 2.33 tells. It needs no other file to run.
fn ask(loader: &Path) -> Option<String> {
    let output = Command::new(loader)
        .arg("--list-diagnostics")
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let lib = text.lines().find_map(|line| line.strip_prefix("dl_dst_lib=\""))?;
    let lib = lib.trim_end_matches('"');
    // It becomes a part of a path.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    (!lib.is_empty() && lib.bytes().all(plain)).then(|| lib.to_owned())
}

/// Older loaders do not tell: where the C library lies that they load, does.
fn guess(root: &Root, native: bool) -> Option<String> {
    let candidates: &[&str] = match (native, cfg!(target_arch = "aarch64")) {
        (true, false) => &["lib/x86_64-linux-gnu", "lib64", "lib"],
        (true, true) => &["lib/aarch64-linux-gnu", "lib64", "lib"],
        (false, _) => &["lib/i386-linux-gnu", "lib32", "lib"],
    };
    let has_libc = |lib: &&&str| {
        ["/", "/usr"]
            .iter()
            .any(|above| root.metadata(&Path::new(above).join(lib).join("libc.so.6")).is_ok())
    };
    candidates.iter().find(has_libc).map(|lib| (*lib).to_owned())
}
