//! What a link may carry in a period: `20 GB/month`, `500 MB/day`, `5 GiB/week from sunday`,
//! `20 GB/month from 15`.
//!
//! Periods begin at midnight, local time. Both directions count, as the byte counters of the link do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::calendar::{Day, WEEKDAYS};

/// The units of sizes, the largest decimal one first, with their bytes.
const UNITS: [(&str, u64); 9] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

/// No month has fewer days.
const SHORTEST_MONTH: u8 = 28;

/// How such a setting looks, for who wrote another one.
const FORM: &str = "it is not of the form \"20 GB/month\", \"500 MB/day\", \"5 GB/week from sunday\" \
                    or \"20 GB/month from 15\"";

/// What a link may carry, and in which period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Budget {
    /// How much, in bytes.
    pub bytes: u64,
    /// In which period.
    pub period: Period,
}

crate::kind! {
    Budget: "a size and a period",
    Size: "a size",
}

/// A period and when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Each day.
    Day,
    /// Seven days from this day of the week, 0 for Monday to 6.
    Week(u8),
    /// From this day of the month to the one before it in the next month, 1 to 28.
    Month(u8),
}

impl Period {
    /// The first day of the period that this day is in.
    pub fn begin(self, day: Day) -> Day {
        match self {
            Period::Day => day,
            Period::Week(first) => Day(day.0 - i64::from((day.weekday() + 7 - first) % 7)),
            Period::Month(first) => {
                let (.., of_month) = day.date();
                let first_of_month = Day(day.0 - i64::from(of_month) + 1);
                if of_month >= first {
                    return Day(first_of_month.0 + i64::from(first) - 1);
                }
                self.begin(Day(first_of_month.0 - 1))
            }
        }
    }

    /// The first day of the next period.
    pub fn next(self, day: Day) -> Day {
        let begin = self.begin(day);
        match self {
            Period::Day => Day(begin.0 + 1),
            Period::Week(_) => Day(begin.0 + 7),
            // From any 1st to 28th, 31 days later is in the next month, and on that day or after it.
            Period::Month(_) => self.begin(Day(begin.0 + 31)),
        }
    }
}

/// A size: `1 MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        size(&text).map(Size)
    }
}

impl From<Size> for String {
    fn from(size: Size) -> String {
        exact(size.0)
    }
}

/// Reads a size: a number, which may have a decimal point, and a unit.
///
/// # Errors
/// A clause.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size, such as 20 GB or 500 MB");
    let text_of = text.trim();
    let end = text_of.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text_of.split_at(end.ok_or_else(wrong)?);
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * *bytes as f64;
    // Beyond this a byte more or less could not be told.
    if !(1.0..9e15).contains(&bytes) {
        return Err(wrong());
    }
    Ok(bytes.round() as u64)
}

/// A size in the decimal unit in which it is short: `20 GB`, `1.5 GB`, `17 B`.
pub fn shown(bytes: u64) -> String {
    let decimal = UNITS.iter().take(4).find(|(_, unit)| bytes >= *unit);
    let Some((name, unit)) = decimal else { return format!("{bytes} B") };
    let number = format!("{:.1}", bytes as f64 / *unit as f64);
    format!("{} {name}", number.strip_suffix(".0").unwrap_or(&number))
}

/// A size as it is read back: in the largest decimal unit of which it has at most thousandths.
fn exact(bytes: u64) -> String {
    let fits =
        |(_, unit): &&(&str, u64)| bytes >= *unit && bytes.is_multiple_of(unit.div_ceil(1000));
    let (name, unit) = UNITS.iter().take(5).find(fits).unwrap_or(&UNITS[4]);
    let (whole, rest) = (bytes / unit, bytes % unit);
    let thousandths = format!("{:03}", rest / unit.div_ceil(1000));
    match thousandths.trim_end_matches('0') {
        "" => format!("{whole} {name}"),
        decimals => format!("{whole}.{decimals} {name}"),
    }
}

impl FromStr for Budget {
    type Err = String;

    /// Reads `SIZE/PERIOD`, or `SIZE/PERIOD from DAY`.
    ///
    /// # Errors
    /// A clause that says the form.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no budget: {FORM}");
        let (bytes, period) = text.split_once('/').ok_or_else(wrong)?;
        let bytes = size(bytes).map_err(|_| wrong())?;
        let words: Vec<&str> = period.split_whitespace().collect();
        let day_of_month = |word: &str| {
            let day = word.parse().ok().filter(|day| (1..=SHORTEST_MONTH).contains(day));
            day.ok_or_else(|| {
                format!(
                    "{text:?}: a month begins on a day from 1 to {SHORTEST_MONTH}, which each has"
                )
            })
        };
        let day_of_week = |word: &str| {
            let known = WEEKDAYS.iter().position(|day| day.eq_ignore_ascii_case(word));
            known.and_then(|day| u8::try_from(day).ok()).ok_or_else(wrong)
        };
        let period = match words.as_slice() {
            ["day"] => Period::Day,
            ["week"] => Period::Week(0),
            ["week", "from", day] => Period::Week(day_of_week(day)?),
            ["month"] => Period::Month(1),
            ["month", "from", day] => Period::Month(day_of_month(day)?),
            _ => return Err(wrong()),
        };
        Ok(Budget { bytes, period })
    }
}

impl TryFrom<String> for Budget {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> String {
        budget.to_string()
    }
}

impl fmt::Display for Budget {
    /// As it is written in the settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", exact(self.bytes))?;
        match self.period {
            Period::Day => f.write_str("day"),
            Period::Week(0) => f.write_str("week"),
            Period::Week(first) => write!(f, "week from {}", WEEKDAYS[usize::from(first % 7)]),
            Period::Month(1) => f.write_str("month"),
            Period::Month(first) => write!(f, "month from {first}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_as_they_are_written() {
        for (text, bytes) in [
            ("20 GB/month", 20_000_000_000),
            ("1.5 GB/day", 1_500_000_000),
            ("500 MB/week", 500_000_000),
            ("5 TB/week from sunday", 5_000_000_000_000),
            ("17 B/month from 28", 17),
        ] {
            let budget: Budget = text.parse().expect(text);
            assert_eq!(budget.bytes, bytes, "{text}");
            assert_eq!(budget.to_string(), text);
        }
        let binary: Budget = "2GiB/month from 15".parse().expect("a budget");
        assert_eq!(binary.to_string().parse(), Ok(binary));
        for bad in [
            "20 XB/month",
            "20 GB",
            "GB/month",
            "20 GB/year",
            "20 GB/month from 29",
            "20 GB/month from monday",
            "5 GB/week from 3",
            "5 GB/day from 3",
            "-1 GB/day",
            "0 GB/day",
            "1e3 GB/day",
            "1.2.3 GB/day",
            "99999999 TB/day",
            "nan GB/day",
            "",
            "/",
        ] {
            let error = bad.parse::<Budget>().expect_err(bad);
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn sizes_are_shown_short() {
        let table =
            [(17, "17 B"), (1_000, "1 kB"), (1_234_567, "1.2 MB"), (20_000_000_000, "20 GB")];
        for (bytes, expected) in table {
            assert_eq!(shown(bytes), expected);
        }
    }

    #[test]
    fn periods_begin_and_end_by_the_calendar() {
        let day = |date: (i64, u8, u8)| Day::of(date);
        for (period, within, begin, next) in [
            (Period::Day, (2026, 2, 28), (2026, 2, 28), (2026, 3, 1)),
            (Period::Week(0), (2026, 11, 29), (2026, 11, 23), (2026, 11, 30)),
            (Period::Week(6), (2026, 11, 29), (2026, 11, 29), (2026, 12, 6)),
            (Period::Month(1), (2026, 11, 1), (2026, 11, 1), (2026, 12, 1)),
            (Period::Month(1), (2024, 2, 29), (2024, 2, 1), (2024, 3, 1)),
            (Period::Month(15), (2026, 12, 31), (2026, 12, 15), (2027, 1, 15)),
            (Period::Month(15), (2027, 1, 14), (2026, 12, 15), (2027, 1, 15)),
            (Period::Month(28), (2026, 3, 1), (2026, 2, 28), (2026, 3, 28)),
        ] {
            assert_eq!(period.begin(day(within)), day(begin), "{period:?} {within:?}");
            assert_eq!(period.next(day(within)), day(next), "{period:?} {within:?}");
        }
    }
}
