//! Waiting: for a condition, with a deadline; never for a time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};

/// How long anything here may take. Generous, because a loaded machine is no bug: no test
/// passes or fails by how long it took.
pub fn deadline() -> Duration {
    Duration::from_secs(120) * slower()
}

/// How many times slower than others this machine is: `MPTCPIZE_SLOWER`, which scripts/kernels sets
/// where the processor is emulated. Deadlines are longer by it, and links of a laboratory slower, so
/// that they and not the processor limit what is measured.
pub fn slower() -> u32 {
    static TIMES: OnceLock<u32> = OnceLock::new();
    *TIMES.get_or_init(|| {
        let said = std::env::var("MPTCPIZE_SLOWER").ok();
        said.and_then(|text| text.parse().ok()).unwrap_or(1)
    })
}

/// Looks again until `condition` holds; panics when it does not come true.
#[track_caller]
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(comes(condition), "waited in vain: {what}");
}

/// Looks again until `condition` holds, and says whether it came true.
pub fn comes(mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() >= deadline() {
            return false;
        }
        pause(&mut []);
    }
    true
}

/// Waits until one of the descriptors is ready, for a few milliseconds at most.
pub fn pause(ready: &mut [PollFd<'_>]) {
    let moment = Timespec { tv_sec: 0, tv_nsec: 3_000_000 };
    // An interrupted wait is a shorter one; the caller looks again in any case.
    let _ = poll(ready, Some(&moment));
}
