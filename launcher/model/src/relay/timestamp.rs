//! What time another host has: the Timestamp message of ICMP (RFC 792), in milliseconds since midnight UT.
//!
//! Nobody authenticates an answer, so it is a hint which time to try and never a finding. Not here: the
//! socket.

/// The type of a question, and of an answer to it.
const TIMESTAMP: u8 = 13;
const REPLY: u8 = 14;
/// Type, code, checksum, identifier, sequence number, and three times.
const LENGTH: usize = 20;
/// The protocol in the header of IPv4.
const ICMP: u8 = 1;
/// The milliseconds of a day. What is not below is no time of day: RFC 792 marks that by the highest bit.
const DAY_MS: i64 = 86_400_000;

/// A question that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// What tells it from those of others.
    pub id: u16,
    /// This host's time when it was sent, in milliseconds since midnight UT.
    pub at_ms: u32,
}

impl Question {
    /// One that is sent at this time, in milliseconds since 1970.
    pub fn new(id: u16, unix_ms: u64) -> Self {
        let at_ms = unix_ms % DAY_MS.unsigned_abs();
        Question { id, at_ms: u32::try_from(at_ms).unwrap_or(0) }
    }

    /// The message.
    pub fn bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0] = TIMESTAMP;
        bytes[4..6].copy_from_slice(&self.id.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.at_ms.to_be_bytes());
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// How far the clock of the one who answered is ahead of this host's, in seconds, to half a day; from a
    /// packet of IPv4, after so many milliseconds. Nothing where it is no answer to this question, or
    /// its time is none.
    pub fn answered(self, packet: &[u8], after_ms: u64) -> Option<i64> {
        let first = *packet.first()?;
        let header = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || header < 20 || *packet.get(9)? != ICMP {
            return None;
        }
        let message = packet.get(header..)?.get(..LENGTH)?;
        let word = |at: usize| Some(u32::from_be_bytes(*message.get(at..)?.first_chunk()?));
        let ours = message.get(..2)? == [REPLY, 0]
            && message.get(4..8)? == [self.id.to_be_bytes(), [0; 2]].concat()
            && word(8)? == self.at_ms
            && checksum(message) == 0;
        let theirs = i64::from(word(12)?);
        if !ours || theirs >= DAY_MS {
            return None;
        }
        // It was there half of the time later.
        let since = i64::try_from(after_ms / 2).ok()?.rem_euclid(DAY_MS);
        let here = i64::from(self.at_ms) + since;
        let ahead = (theirs - here + DAY_MS / 2).rem_euclid(DAY_MS) - DAY_MS / 2;
        Some((ahead + 500).div_euclid(1_000))
    }
}

/// The Internet checksum (RFC 1071); 0 of a message that has the right one in it.
fn checksum(message: &[u8]) -> u16 {
    let word = |pair: &[u8]| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    };
    let mut sum: u32 = message.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 23:59:50 of some day.
    const LATE: u64 = 20_000 * 86_400_000 - 10_000;

    /// An answer to a question by a clock that is so far ahead, in a packet.
    fn answer(question: Question, ahead_ms: i64) -> Vec<u8> {
        let mut message = question.bytes().to_vec();
        message[0] = REPLY;
        let theirs = (i64::from(question.at_ms) + ahead_ms).rem_euclid(DAY_MS);
        let theirs = u32::try_from(theirs).expect("it is less than a day").to_be_bytes();
        message[12..16].copy_from_slice(&theirs);
        sealed(message)
    }

    fn sealed(mut message: Vec<u8>) -> Vec<u8> {
        message[2..4].fill(0);
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut packet = vec![0; 20];
        (packet[0], packet[9]) = (0x45, ICMP);
        packet.extend(message);
        packet
    }

    #[test]
    fn a_clock_is_told_around_midnight_too_and_to_half_a_day() {
        let question = Question::new(7, LATE);
        assert_eq!(checksum(&question.bytes()), 0);
        for (ahead_ms, expected) in [
            (0, 0),
            (20_000, 20),
            (-1_234_400, -1_234),
            (7_199_600, 7_200),
            (43_199_000, 43_199),
            (-43_199_000, -43_199),
            (86_400_000 * 3 + 5_000, 5),
        ] {
            assert_eq!(question.answered(&answer(question, ahead_ms), 0), Some(expected));
        }
        assert_eq!(question.answered(&answer(question, 20_000), 10_000), Some(15));
    }

    #[test]
    fn what_is_no_answer_to_the_question_says_nothing() {
        let question = Question::new(7, LATE);
        let good = answer(question, 0);
        let message = good[20..].to_vec();
        let with = |at: usize, byte: u8| {
            let mut message = message.clone();
            message[at] = byte;
            sealed(message)
        };
        for (what, packet) in [
            ("a question", with(0, TIMESTAMP)),
            ("another code", with(1, 3)),
            ("another identifier", with(5, 8)),
            ("another time in it", with(11, message[11] ^ 1)),
            ("a time that is none", with(12, 0x80)),
            ("more than a day", with(12, 0x7f)),
        ] {
            assert_eq!(question.answered(&packet, 0), None, "{what}");
        }
        let mut damaged = good.clone();
        damaged[39] ^= 1;
        assert_eq!(question.answered(&damaged, 0), None);
        for length in 0..good.len() {
            assert_eq!(question.answered(&good[..length], 0), None, "{length}");
        }
        for (at, byte) in [(0, 0x65), (0, 0x44), (0, 0x4f), (9, 6)] {
            let mut packet = good.clone();
            packet[at] = byte;
            assert_eq!(question.answered(&packet, 0), None, "{at}");
        }
        assert!(question.answered(&good, u64::MAX).is_some(), "a long time is no fault");
    }
}
