//! What the kernel knows of this host's clock.

use std::mem;

/// `TIME_ERROR` (adjtimex(2)): the clock is not synchronised to anything.
const TIME_ERROR: libc::c_int = 5;

/// Is the clock kept right by somebody (NTP, the host of a virtual machine)? Nothing where the kernel does
/// not say, as in some sandboxes.
pub fn is_synchronised() -> Option<bool> {
    // SAFETY: all zeroes is a value of the struct, with modes = 0: nothing is set. The kernel writes into
    // it, and it outlives the call.
    let state = unsafe {
        let mut times: libc::timex = mem::zeroed();
        libc::adjtimex(&raw mut times)
    };
    (state >= 0).then_some(state != TIME_ERROR)
}
