//! Which of its memory a program may write, by /proc/PID/maps (proc_pid_maps(5)). Pure.

/// May it write to all of these bytes?
pub(super) fn may_write(mappings: &str, from: u64, length: usize) -> bool {
    let Some(end) = from.checked_add(length as u64) else { return false };
    // They are in the order of their addresses.
    let mut at = from;
    for line in mappings.lines() {
        if at >= end {
            break;
        }
        let Some((first, last, may)) = mapping(line) else { return false };
        if (first..last).contains(&at) {
            if !may.contains('w') {
                return false;
            }
            at = last;
        }
    }
    at >= end
}

/// A line: where it begins, where it ends, and what is allowed.
fn mapping(line: &str) -> Option<(u64, u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let (first, last) = words.next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(first)?, number(last)?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPINGS: &str = "00001000-00002000 r--p 00000000 08:01 12 /bin/a\n\
        00002000-00003000 rw-p 00000000 00:00 0\n\
        00003000-00004000 rw-s 00000000 00:00 0 [heap]\n\
        00004000-00005000 ---p 00000000 00:00 0\n\
        00006000-00007000 rw-p 00000000 00:00 0\n";

    #[test]
    fn only_what_is_writable_to_its_end_may_be_written() {
        for (from, length, may) in [
            (0x2000, 4, true),
            (0x2ffe, 4, true),
            (0x3ffc, 4, true),
            (0x3ffd, 4, false),
            (0x1000, 4, false),
            (0x1ffe, 4, false),
            (0x4000, 1, false),
            (0x5ffe, 4, false),
            (0x6ffd, 4, false),
            (0, 4, false),
            (u64::MAX - 1, 4, false),
            // Nothing can be written anywhere.
            (0, 0, true),
        ] {
            assert_eq!(may_write(MAPPINGS, from, length), may, "{from:x} {length}");
        }
        assert!(!may_write("no line\n", 0x2000, 4));
    }
}
