//! Calendar months, by which the bytes of users are limited.

use std::time::{SystemTime, UNIX_EPOCH};

use mptcpize_model::calendar::Day;

/// Year and month.
pub type Month = (i64, u8);

/// The month of this moment (UTC).
pub fn this_month() -> Month {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let (year, month, _) = Day::at(now).date();
    (year, month)
}
