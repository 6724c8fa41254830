//! A network namespace of its own for each example in the documentation.

use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::error::KernelError;

/// Moves this thread into a new network namespace, and for an ordinary user into a new user
/// namespace, in which it may change the network.
///
/// # Errors
/// Namespaces are forbidden here; an ordinary user may have one thread alone.
#[allow(unsafe_code)]
pub fn enter_new() -> Result<(), KernelError> {
    let flags = match rustix::process::geteuid().is_root() {
        true => UnshareFlags::NEWNET,
        false => UnshareFlags::NEWUSER | UnshareFlags::NEWNET,
    };
    // SAFETY: new namespaces leave the table of descriptors shared; only `UnshareFlags::FILES`
    // would part it from other threads.
    unsafe { unshare_unsafe(flags) }.map_err(|errno| std::io::Error::from(errno).into())
}
