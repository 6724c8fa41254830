//! The time of day where this host is, and the time since its boot: the standard library knows
//! neither.

#![allow(unsafe_code)]

use std::mem;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use mptcpize_model::daemon::Millis;

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time since the boot, suspended time included: CLOCK_BOOTTIME, which is never set.
pub fn since_boot() -> Millis {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
    Millis(0) + Duration::new(seconds, nanos)
}

/// Seconds since 1970 by the calendar of this place: what a clock on the wall would have counted.
pub fn local_s() -> u64 {
    let seconds = now_ms() / 1_000;
    seconds.saturating_add_signed(broken(seconds).tm_gmtoff)
}

/// Hours, minutes and seconds as a clock on the wall shows them: `12:04:29`.
pub fn wall(now_ms: u64) -> String {
    let broken = broken(now_ms / 1_000);
    format!("{:02}:{:02}:{:02}", broken.tm_hour, broken.tm_min, broken.tm_sec)
}

/// A moment, in seconds since 1970, by the calendar of this place.
fn broken(seconds: u64) -> libc::tm {
    // A `time_t`, whichever width the C library gives it.
    let seconds = seconds.try_into().unwrap_or_default();
    // SAFETY: `tm` is plain data, for which all zeroes is a value.
    let mut broken: libc::tm = unsafe { mem::zeroed() };
    // SAFETY: both pointers are to locals that outlive the call, and the function keeps neither.
    unsafe { libc::localtime_r(&raw const seconds, &raw mut broken) };
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_two_digits_each() {
        let shown = wall(now_ms());
        assert_eq!(shown.len(), 8);
        assert!(shown.split(':').all(|part| part.len() == 2 && part.parse::<u8>().is_ok()));
        // All zones are whole quarters of an hour apart.
        assert!(wall(1_000 * 59).ends_with(":59"), "{}", wall(59_000));
    }
}
