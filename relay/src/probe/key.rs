//! Does the relay take the key? A server of Shadowsocks 2022 says nothing to a wrong key, to a clock that is
//! more than 30 s off, and to noise (SIP022 section 3.1.3), so the three are told apart by trying: the
//! same request with other times in it, and one with a key that nobody has.
//!
//! Bounded: as many requests as [`shifts`], or three for a time that the relay is said to have, a few at a
//! time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mptcpize_model::relay::key::Key as Secret;
use mptcpize_model::relay::probe::{Answer, Key, Settings, Target};
use serde_json::Value;
use shadowsocks::relay::socks5::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{Relay, dial, flight};
use crate::shadowsocks::protocol::{ECHO, SPEED};

/// How long an answer to the key is waited for, beside three round trips: another server looks the name
/// up first.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long one to a shifted clock: the name is known by then.
const SHORT: Duration = Duration::from_millis(400);
/// How long one to the clock that the relay is said to have: there are three of them, and nobody asks again.
const LONG: Duration = Duration::from_millis(2_500);
/// Requests at a time: fewer than a careful server takes from one address.
const AT_ONCE: usize = 10;
/// The longest answer that is read: header, line and padding of our own server.
const MOST: usize = 4_096;

/// How one request ended.
enum Heard {
    /// An answer, with the relay's clock less ours and what it said.
    Taken(i64, Vec<u8>),
    /// Something else.
    Foreign,
    /// The connection ended without a byte.
    Ended,
    /// Nothing came.
    Silent,
    /// There was no connection.
    Unreached,
}

/// Asks the relay, and says whether it has the target of measurements.
pub(super) async fn ask(relay: &Relay<'_>) -> (Key, Target) {
    let end = Instant::now() + PATIENCE + relay.round_trips(3);
    let (answer, clock_s) = match attempt(relay, &echo(), 0, end).await {
        Heard::Taken(clock_s, line) => {
            return (Key { answer: Answer::Taken, clock_s: Some(clock_s) }, target(&line));
        }
        Heard::Foreign => (Answer::Foreign, None),
        Heard::Unreached => (Answer::Unreached, None),
        Heard::Silent => searched(relay, &echo(), Answer::Silent).await,
        Heard::Ended => ended(relay).await,
    };
    (Key { answer, clock_s }, Target { present: false, mptcp: None })
}

/// Another server ends a connection to a name that does not exist, if it takes the key; some end one with
/// a wrong key, too. What they do not end is a connection to themselves.
async fn ended(relay: &Relay<'_>) -> (Answer, Option<i64>) {
    if matches!(stranger(relay).await, Heard::Silent) {
        return (Answer::Taken, None);
    }
    let itself = Address::SocketAddress(relay.settings.to);
    match attempt(relay, &itself, 0, short(relay)).await {
        Heard::Silent => (Answer::Taken, None),
        _ => searched(relay, &itself, Answer::Ended).await,
    }
}

/// The answer to another time than ours, if there is one.
async fn searched(relay: &Relay<'_>, to: &Address, otherwise: Answer) -> (Answer, Option<i64>) {
    match shifted(relay, to).await {
        Some(clock_s) => (Answer::TakenAtOtherTime, Some(clock_s)),
        None => (otherwise, None),
    }
}

/// What our own server answers with a line about the connection.
fn echo() -> Address {
    Address::DomainNameAddress(SPEED.to_owned(), ECHO)
}

/// The end of an attempt whose answer is known to come soon.
fn short(relay: &Relay<'_>) -> Instant {
    Instant::now() + (SHORT + relay.round_trips(3)).min(relay.left())
}

/// What our own server says of the connection.
fn target(line: &[u8]) -> Target {
    let value: Value = serde_json::from_slice(line.trim_ascii()).unwrap_or_default();
    let present = value.get("mptcpize").and_then(Value::as_u64).is_some();
    Target { present, mptcp: value.get("mptcp").and_then(Value::as_bool) }
}

/// The clocks that are tried, nearest first: each minute of a quarter of an hour, which is how far a clock
/// drifts, and whole hours, which is how far it is off with the time zone of another place in it.
fn shifts() -> impl Iterator<Item = i64> {
    let near = (1..=15).map(|minutes| minutes * 60);
    let far = (1..=14).map(|hours| hours * 3_600);
    near.chain(far).flat_map(|shift| [shift, -shift])
}

/// What the relay is said to have, which is a time of day: on this day, and on those beside it.
fn hinted(said_s: i64) -> [i64; 3] {
    const DAY_S: i64 = 86_400;
    [0, DAY_S, -DAY_S].map(|day_s| said_s.saturating_add(day_s))
}

/// The first clock that the relay takes, as it differs from ours. Of requests for itself the one that is
/// not ended is taken, of others the one that is answered or ended.
async fn shifted(relay: &Relay<'_>, to: &Address) -> Option<i64> {
    let stays = matches!(to, Address::SocketAddress(_));
    let (shifts, patience): (Vec<i64>, _) = match relay.settings.hinted_s {
        Some(said_s) => (hinted(said_s).to_vec(), LONG),
        None => (shifts().collect(), SHORT),
    };
    for some in shifts.chunks(AT_ONCE) {
        if relay.left().is_zero() {
            return None;
        }
        let end = Instant::now() + (patience + relay.round_trips(3)).min(relay.left());
        let mut all = JoinSet::new();
        for shift in some {
            let (settings, to, shift) = (relay.settings.clone(), to.clone(), *shift);
            all.spawn(async move {
                let relay = Relay::of(&settings).ok()?;
                match attempt(&relay, &to, shift, end).await {
                    Heard::Taken(clock_s, _) => Some(clock_s),
                    Heard::Ended if !stays => Some(shift),
                    Heard::Silent if stays => Some(shift),
                    _ => None,
                }
            });
        }
        let mut taken = Vec::new();
        while let Some(heard) = all.join_next().await {
            taken.extend(heard.ok().flatten());
        }
        // Two neighbours may both be within 30 s; what takes many times takes any.
        match taken.as_slice() {
            [] => {}
            [clock_s] | [clock_s, _] => return Some(*clock_s),
            _ => return None,
        }
    }
    None
}

/// The same request with a key that nobody has.
async fn stranger(relay: &Relay<'_>) -> Heard {
    let mut settings: Settings = relay.settings.clone();
    for key in &mut settings.relay.keys {
        *key = Secret::new(key.bytes().iter().map(|byte| byte ^ 0xA5).collect());
    }
    match Relay::of(&settings) {
        Ok(stranger) => attempt(&stranger, &echo(), 0, short(relay)).await,
        Err(_) => Heard::Unreached,
    }
}

/// One request with the clock put ahead, and what comes until `end`.
async fn attempt(relay: &Relay<'_>, to: &Address, shift: i64, end: Instant) -> Heard {
    let ahead_s = relay.settings.ahead_s.saturating_add(shift);
    let Some(flight) = flight::request(relay, to, ahead_s).await else { return Heard::Unreached };
    let connected = match relay.settings.mptcp {
        true => dial::multipath(relay).await,
        false => dial::plain(relay).await,
    };
    let Ok(mut stream) = connected else { return Heard::Unreached };
    if stream.write_all(&flight.bytes).await.is_err() {
        return Heard::Ended;
    }
    let mut answer = Vec::new();
    let mut piece = [0; MOST];
    loop {
        let count = match timeout_at(end, stream.read(&mut piece)).await {
            Err(_) if answer.is_empty() => return Heard::Silent,
            Err(_) => return Heard::Foreign,
            Ok(Ok(0) | Err(_)) if answer.is_empty() => return Heard::Ended,
            Ok(Ok(0) | Err(_)) => return Heard::Foreign,
            Ok(Ok(count)) => count,
        };
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        match flight::open(relay, &flight, &answer) {
            flight::Answer::Whole(opened) => {
                let ours = now_s().saturating_add(relay.settings.ahead_s);
                return Heard::Taken(opened.clock_s.saturating_sub(ours), opened.payload);
            }
            flight::Answer::Short if answer.len() < MOST => {}
            _ => return Heard::Foreign,
        }
    }
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_tried_from_near_to_far_and_each_once() {
        let all: Vec<i64> = shifts().collect();
        assert_eq!((all.len(), all.first(), all.last()), (58, Some(&60), Some(&-50_400)));
        let distances: Vec<i64> = all.iter().map(|shift| shift.abs()).collect();
        assert!(distances.is_sorted());
        assert!(all.contains(&-7_200) && all.contains(&900));
    }

    #[test]
    fn our_own_server_is_known_by_its_line() {
        let ours = target(b"{\"mptcpize\":1,\"mptcp\":true,\"subflows\":2,\"clock\":1}\n");
        assert_eq!(ours, Target { present: true, mptcp: Some(true) });
        for other in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"[1]", b"\xff"] {
            assert_eq!(target(other), Target { present: false, mptcp: None });
        }
    }
}
