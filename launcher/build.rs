//! Builds the shim in release mode and hands it to the launcher for embedding; links the launcher
//! statically where the C library can.
//!
//! The shim's sources are links in `shim/`, beside this file: `cargo package` puts what they lead to into
//! the crate, so that a registry has all that is needed. The library gets a target directory of its own
//! under `OUT_DIR`: the shared one is locked by the cargo that runs us. Sets `MPTCPIZE_SHIM` (path),
//! `MPTCPIZE_SHIM_SHA256` (hex), and `MPTCPIZE_SHIM_SYSTEM`, the library for the whole host.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the library is built, the profile `release.package.mptcpize-shim` of the workspace. Small rather
/// than fast: each exec below us maps and relocates it. A no_std library has no unwinder, so it aborts.
const PROFILE: &str = "
[workspace]

[profile.release]
opt-level = \"z\"
panic = \"abort\"
lto = \"fat\"
codegen-units = 1
strip = true
";

fn main() {
    println!("cargo::rerun-if-changed=shim");
    // In the tree; a crate from a registry has none.
    for file in ["../Cargo.toml", "../Cargo.lock"].iter().filter(|file| Path::new(file).exists()) {
        println!("cargo::rerun-if-changed={file}");
    }
    let shim = &package();
    let library = build(shim, "shim", &[]);
    let bytes = fs::read(&library)
        .unwrap_or_else(|error| panic!("the shim is not at {}: {error}", library.display()));
    let hash: String =
        hmac_sha256::Hash::hash(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    // The name of the function that shim/src/sys.rs has for a panic, which is nowhere.
    let panics = b"mptcpize_shim_has_a_panic_path";
    assert!(
        !bytes.windows(panics.len()).any(|window| window == panics),
        "the library has a path to panic!(), and no program would start with it: was it optimised?"
    );
    println!("cargo::rustc-env=MPTCPIZE_SHIM={}", library.display());
    println!("cargo::rustc-env=MPTCPIZE_SHIM_SHA256={hash}");
    let for_all = build(shim, "shim-system", &["--features", "system"]);
    println!("cargo::rustc-env=MPTCPIZE_SHIM_SYSTEM={}", for_all.display());

    if env::var("PROFILE").as_deref() == Ok("release") {
        link_statically();
    }
}

/// Links the binary without shared libraries: it starts in half the time (`scripts/bench start`)
/// and runs on a host with an older C library.
///
/// Not with `target-feature=+crt-static`: cargo gives that flag to the shim and to procedural
/// macros too, which are shared libraries and refuse it. Instead the names that rustc passes to
/// the linker lead to the static archives, for the binary alone. Where the C library has no
/// archive (Fedora without glibc-static) the binary stays dynamic and works the same.
fn link_statically() {
    let gnu = environment() == "gnu";
    let already = env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|all| all.contains("crt-static"));
    let cross = env::var_os("TARGET") != env::var_os("HOST");
    if !gnu || already || cross || !has_static_libc() {
        return;
    }
    let scripts = out_dir().join("static");
    fs::create_dir_all(&scripts).expect("OUT_DIR is ours to write");
    let archives = "GROUP(libc.a libgcc.a libgcc_eh.a)\n";
    // libm is among them lest the linker find a shared one and make a dynamic program after all.
    let all = [("libc.so", archives), ("libgcc_s.so", archives), ("libm.so", "GROUP(libm.a)\n")];
    for (name, text) in all {
        fs::write(scripts.join(name), text).expect("OUT_DIR is ours to write");
    }
    println!("cargo::rustc-link-arg-bins=-L{}", scripts.display());
    println!("cargo::rustc-link-arg-bins=-static");
    // At a fixed address nothing is relocated at start, and seven page faults fewer. The program
    // is not setuid and holds no secrets that address space randomisation would guard.
    println!("cargo::rustc-link-arg-bins=-no-pie");
    println!("cargo::rustc-link-arg-bins=-Wl,-z,norelro");
}

/// gcc and clang print a path for a file that they have, and the bare name for one that they lack.
fn has_static_libc() -> bool {
    let found = Command::new("cc").arg("-print-file-name=libc.a").output();
    found.is_ok_and(|output| output.stdout.contains(&b'/'))
}

fn out_dir() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"))
}

/// Makes a package of the shim's sources in `OUT_DIR`, for these may lie where nobody can write, and
/// returns its directory.
///
/// It is a workspace of its own, lest cargo look for ours above it: a crate from a registry has none.
fn package() -> PathBuf {
    let package = out_dir().join("shim-package");
    let sources = env::current_dir().expect("cargo starts us in the package").join("shim");
    fs::create_dir_all(&package).expect("OUT_DIR is ours to write");
    for part in ["src", "build.rs", "link.ld"] {
        let link = package.join(part);
        // What an earlier run made may lead to where the tree was then.
        let _ = fs::remove_file(&link);
        symlink(sources.join(part), &link).expect("OUT_DIR is ours to write");
    }
    let manifest = fs::read_to_string(sources.join("manifest.toml"))
        .unwrap_or_else(|error| panic!("no manifest in {}: {error}", sources.display()));
    fs::write(package.join("Cargo.toml"), manifest_alone(&manifest))
        .expect("OUT_DIR is ours to write");
    lock(&package);
    package
}

/// The shim's manifest without what it takes from the workspace.
fn manifest_alone(manifest: &str) -> String {
    let (own, _lints) = manifest.split_once("[lints]").expect("the shim's lints come last");
    let mut text = String::new();
    for line in own.lines() {
        match line.split_once(".workspace = true") {
            None => text.push_str(line),
            Some(("version", _)) => {
                text.push_str(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION")));
            }
            Some(("edition", _)) => text.push_str("edition = \"2024\""),
            // For those who read a registry's page.
            Some(_) => continue,
        }
        text.push('\n');
    }
    text + PROFILE
}

/// Gives the shim's package the versions that the launcher's own lock file names, where they are there:
/// a registry's crate brings one that `cargo install` goes by with `--locked` alone. Otherwise cargo
/// takes, of what has been fetched, the newest.
fn lock(package: &Path) {
    let ours = package.join("Cargo.lock");
    let _ = fs::remove_file(&ours);
    let Some(lock) = ["Cargo.lock", "../Cargo.lock"].iter().find(|lock| Path::new(lock).exists())
    else {
        return;
    };
    fs::copy(lock, &ours).expect("OUT_DIR is ours to write");
    let there = cargo("fetch", package).output().expect("cargo can be started again");
    if !there.status.success() {
        let _ = fs::remove_file(&ours);
    }
}

/// A cargo for the shim's package and our target, without a network: what the shim depends on is among
/// our own dependencies, so it has been fetched.
fn cargo(verb: &str, package: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"));
    command
        .args([verb, "--offline", "--quiet", "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .args(["--target", &target()])
        // Flags and wrappers meant for the launcher (coverage, clippy, a static C library) would
        // change the library or fail on it.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTC_WRAPPER")
        .env("RUSTFLAGS", flags());
    // And what a distribution sets for all that it builds: less optimised, the library has paths to panic!().
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PROFILE_") {
            command.env_remove(name);
        }
    }
    command
}

/// What rustc is told about the shim, beyond its package.
fn flags() -> String {
    let mut flags = Vec::new();
    // With musl rustc links statically unless told otherwise, and makes no library then.
    if environment() == "musl" {
        flags.push("-Ctarget-feature=-crt-static");
    }
    // Else atomics are calls of functions that ask libc for the processor (getauxval) at load: the
    // library would need libc.so.6, with versions, and load under no other.
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("aarch64") {
        flags.push("-Ctarget-feature=-outline-atomics");
    }
    flags.join(" ")
}

/// The C library of the target, in rustc's words.
fn environment() -> String {
    env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default()
}

fn target() -> String {
    env::var("TARGET").expect("cargo sets TARGET")
}

/// Runs cargo on the shim for our target, in a directory of this name, and returns the library's
/// path.
fn build(package: &Path, name: &str, options: &[&str]) -> PathBuf {
    let out = out_dir().join(name);
    let status = cargo("build", package)
        .args(["--release", "--lib"])
        .args(options)
        .arg("--target-dir")
        .arg(&out)
        .status()
        .expect("cargo can be started again");
    assert!(status.success(), "the shim did not build");
    out.join(target()).join("release").join("libmptcpize.so")
}
