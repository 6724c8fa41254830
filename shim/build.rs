//! Link options of the shim, each with its reason.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // No crt files: they bring versioned references (`__cxa_finalize`) that musl lacks.
    println!("cargo::rustc-cdylib-link-arg=-nostartfiles");
    // One hash table, the one that every loader since glibc 2.5 and musl 0.9 reads.
    println!("cargo::rustc-cdylib-link-arg=-Wl,--hash-style=gnu");
    // Resolve at load: a first call inside a signal handler must not enter the dynamic linker.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,now");
    // Two mappings instead of four, and no mprotect: the exec cost is nearly halved
    // (`scripts/bench exec`). lld's name for the same layout, --no-rosegment, is unknown to older
    // linkers; every one of them has bfd's. What RELRO would protect, a table of four addresses,
    // stands beside a function pointer that must be writable anyway.
    println!("cargo::rustc-cdylib-link-arg=-fuse-ld=bfd");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,noseparate-code");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,norelro");
    println!("cargo::rustc-cdylib-link-arg=-Wl,--build-id=none");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-fini=mptcpize_at_exit");
    // One hook that calls another need not ask the loader for it.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic-functions");
    // The layout; why is in the file.
    println!("cargo::rerun-if-changed=link.ld");
    println!("cargo::rustc-cdylib-link-arg=-T{}/link.ld", env!("CARGO_MANIFEST_DIR"));
    // The option stays the same when the layout changes; this makes cargo link anew.
    let layout = std::fs::read_to_string("link.ld").unwrap_or_default();
    let sum = layout.bytes().fold(0u32, |sum, byte| sum.rotate_left(5) ^ u32::from(byte));
    println!("cargo::rustc-env=LAYOUT={sum:08x}");
    println!("cargo::rustc-cdylib-link-arg=-Wl,--no-eh-frame-hdr");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libmptcpize.so");
}
