//! Builds the shim in release mode and hands it to the launcher for embedding; links the launcher
//! statically where the C library can.
//!
//! The library gets a target directory of its own under `OUT_DIR`: the shared one is locked by
//! the cargo that runs us. Sets `MPTCPIZE_SHIM` (path),
//! `MPTCPIZE_SHIM_SHA256` (hex), and `MPTCPIZE_SHIM_SYSTEM`, the library for the whole host.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let shim = Path::new("../shim");
    for part in ["src", "build.rs", "link.ld", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", shim.join(part).display());
    }
    println!("cargo::rerun-if-changed=../Cargo.toml");

    let library = build(shim, "shim", &[]);
    let bytes = fs::read(&library)
        .unwrap_or_else(|error| panic!("the shim is not at {}: {error}", library.display()));
    let hash: String =
        hmac_sha256::Hash::hash(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
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
    let gnu = env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu");
    let already = env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|all| all.contains("crt-static"));
    let cross = env::var_os("TARGET") != env::var_os("HOST");
    if !gnu || already || cross || !has_static_libc() {
        return;
    }
    let scripts = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("static");
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

/// Runs cargo on the shim for our target, in a directory of this name, and returns the library's
/// path.
fn build(shim: &Path, name: &str, options: &[&str]) -> PathBuf {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join(name);
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let cargo = env::var_os("CARGO").expect("cargo sets CARGO");
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--lib", "--target", &target, "--manifest-path"])
        .arg(shim.join("Cargo.toml"))
        .args(options)
        .arg("--target-dir")
        .arg(&out)
        // Flags and wrappers meant for the launcher (coverage, clippy, a static C library) would
        // change the library or fail on it.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTC_WRAPPER")
        .env("RUSTFLAGS", "")
        .status()
        .expect("cargo can be started again");
    assert!(status.success(), "the shim did not build");
    out.join(target).join("release").join("libmptcpize.so")
}
