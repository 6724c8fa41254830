//! Days of the Gregorian calendar. Which time zone they are of is for whoever makes them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The days of the week, as they are written in the settings.
pub const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Days of 400 years, after which the calendar is as before.
const ERA: i64 = 146_097;

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i64);

impl Day {
    /// The day of this moment, in seconds since 1970.
    pub fn at(unix_s: u64) -> Day {
        Day(i64::try_from(unix_s / 86_400).unwrap_or(i64::MAX))
    }

    /// When it begins, in seconds since 1970; 0 for what is before.
    pub fn unix_s(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0).saturating_mul(86_400)
    }

    /// The day of the week, 0 for Monday to 6.
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        u8::try_from((self.0.rem_euclid(7) + 3) % 7).unwrap_or(0)
    }

    /// Year, month (1 to 12) and day of the month (1 to 31).
    pub fn date(self) -> (i64, u8, u8) {
        let mut rest = self.0.rem_euclid(ERA);
        let mut year = 1970 + self.0.div_euclid(ERA) * 400;
        while rest >= days_of_year(year) {
            rest -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while rest >= days_of_month(year, month) {
            rest -= days_of_month(year, month);
            month += 1;
        }
        (year, month, u8::try_from(rest + 1).unwrap_or(1))
    }

    /// The day of a date.
    #[cfg(test)]
    pub(crate) fn of((year, month, day): (i64, u8, u8)) -> Day {
        let years: i64 = (1970..year).map(days_of_year).sum();
        let months: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
        Day(years + months + i64::from(day) - 1)
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: i64, month: u8) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

impl fmt::Display for Day {
    /// As ISO 8601 writes it: `2026-11-27`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_dates_and_weekdays_of_the_calendar() {
        for (unix_s, date, weekday) in [
            (0, "1970-01-01", 3),
            (951_782_400, "2000-02-29", 1),
            (1_795_737_600, "2026-11-27", 4),
            (4_107_542_400, "2100-03-01", 0),
        ] {
            let day = Day::at(unix_s);
            assert_eq!((day.to_string().as_str(), day.weekday()), (date, weekday));
            assert_eq!(Day::of(day.date()), day);
            assert_eq!(day.unix_s(), unix_s);
        }
        assert_eq!(Day(-1).to_string(), "1969-12-31");
        assert_eq!(Day(-1).weekday(), 2);
    }
}
