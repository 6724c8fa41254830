//! Link options of the shim, each with its reason.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // No crt files: they bring versioned references (`__cxa_finalize`) that musl lacks.
    println!("cargo::rustc-cdylib-link-arg=-nostartfiles");
    // One hash table, the one that every loader since glibc 2.5 and musl 0.9 reads.
    println!("cargo::rustc-cdylib-link-arg=-Wl,--hash-style=gnu");
    // Resolve at load: a first call inside a signal handler must not enter the dynamic linker.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,now");
    // Two pages less to map at every exec.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,noseparate-code");
    println!("cargo::rustc-cdylib-link-arg=-Wl,--build-id=none");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libmptcpize.so");
}
