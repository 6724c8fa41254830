//! Quantities as a person reads them: at most four characters of number, and the unit.

use std::time::Duration;

/// A rate in bits a second, in decimal units as links are sold in.
pub fn rate(bits: u64) -> String {
    let (value, unit) = match bits {
        0..1_000 => return format!("{bits} bit/s"),
        1_000..999_950 => (bits as f64 / 1e3, "kbit/s"),
        999_950..999_950_000 => (bits as f64 / 1e6, "Mbit/s"),
        _ => (bits as f64 / 1e9, "Gbit/s"),
    };
    format!("{value:.1} {unit}")
}

/// A rate in millions of bits a second, without the unit: `41.2`.
pub fn megabits(bits: u64) -> String {
    format!("{:.1}", bits as f64 / 1e6)
}

/// An amount of bytes, in binary units as files are shown in.
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 1023.5 || unit == "TiB" {
            let digits = usize::from(unit != "B" && value < 99.95);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    String::new()
}

/// A round trip, in milliseconds without the unit: `18`, `0.4`.
pub fn milliseconds(microseconds: u32) -> String {
    let value = f64::from(microseconds) / 1e3;
    if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// A time that has passed, in its largest unit: `2 h`, `10 min`.
pub fn ago(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A count with its digits in groups: `10,000`.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_take_the_unit_that_keeps_them_short() {
        for (bits, expected) in [
            (0, "0 bit/s"),
            (999, "999 bit/s"),
            (1_000, "1.0 kbit/s"),
            (999_949, "999.9 kbit/s"),
            (999_999, "1.0 Mbit/s"),
            (41_200_000, "41.2 Mbit/s"),
            (14_600_000_000, "14.6 Gbit/s"),
        ] {
            assert_eq!(rate(bits), expected);
        }
        for (amount, expected) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (432_013_312, "412 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(bytes(amount), expected);
        }
        for (rtt, expected) in [(8, "0.0"), (400, "0.4"), (9_960, "10"), (61_400, "61")] {
            assert_eq!(milliseconds(rtt), expected);
        }
        for (seconds, expected) in [(0, "0 s"), (600, "10 min"), (7_300, "2 h"), (90_000, "1 d")] {
            assert_eq!(ago(Duration::from_secs(seconds)), expected);
        }
        for (number, expected) in
            [(0, "0"), (999, "999"), (9_950, "9,950"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), expected);
        }
    }
}
