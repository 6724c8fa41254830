//! The upgrade as one would write it with `redhook`, `ctor` and std: the measure of what the
//! shim's `no_std` and its weak symbols are worth (`scripts/bench`).
//!
//! Same behaviour as the shim, without the trace. Not safe to use: `redhook` looks the next
//! `socket` up at the first call and under a lock, which a signal handler or a fork can find held.

use std::sync::atomic::{AtomicBool, Ordering};

use libc::c_int;

static OFF: AtomicBool = AtomicBool::new(false);

#[ctor::ctor(unsafe)]
fn load() {
    let off = std::env::var_os("MPTCPIZE").is_some_and(|value| value == "off" || value == "0");
    OFF.store(off, Ordering::Relaxed);
}

fn is_tcp(domain: c_int, kind: c_int, protocol: c_int) -> bool {
    (domain == libc::AF_INET || domain == libc::AF_INET6)
        && kind & 0xf == libc::SOCK_STREAM
        && (protocol == 0 || protocol == libc::IPPROTO_TCP)
}

fn means_no_mptcp(errno: c_int) -> bool {
    !matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EINTR)
}

redhook::hook! {
    unsafe fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int => upgraded_socket {
        let next = redhook::real!(socket);
        if !is_tcp(domain, kind, protocol) || OFF.load(Ordering::Relaxed) {
            return next(domain, kind, protocol);
        }
        let before = *libc::__errno_location();
        let fd = next(domain, kind, libc::IPPROTO_MPTCP);
        if fd >= 0 || !means_no_mptcp(*libc::__errno_location()) {
            return fd;
        }
        *libc::__errno_location() = before;
        next(domain, kind, protocol)
    }
}
