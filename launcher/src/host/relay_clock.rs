//! What time a relay has, asked by ICMP: for a relay that says nothing to the key, which it does to a wrong
//! clock too. Linux answers unless a packet filter is before it.
//!
//! Wants CAP_NET_RAW, and IPv4: its successor has no such message. Not here: the message (the model's
//! `relay::timestamp`), and finding out whether the answer is true, which the probe does.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, ipproto, recv,
    send, socket_with,
};

use crate::syscall::timespec;
use mptcpize_model::relay::timestamp::Question;

/// How long an answer is waited for, beside a round trip.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the clock of a host is ahead of this one's, in seconds, to half a day; asked from an address of
/// this host. Nothing where it does not say, or this process may not ask. Whoever is on the way can lie.
pub fn ask(to: IpAddr, from: Option<IpAddr>, round_trip: Duration) -> Option<i64> {
    let (IpAddr::V4(_), None | Some(IpAddr::V4(_))) = (to, from) else { return None };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(ipproto::ICMP)).ok()?;
    if let Some(from) = from {
        bind(&socket, &SocketAddr::new(from, 0)).ok()?;
    }
    // So that it hears this host alone.
    connect(&socket, &SocketAddr::new(to, 0)).ok()?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let id = u16::try_from(std::process::id() & 0xffff).ok()?;
    let question = Question::new(id, u64::try_from(since.as_millis()).ok()?);
    let begun = Instant::now();
    send(&socket, &question.bytes(), SendFlags::empty()).ok()?;
    let until = begun + round_trip + PATIENCE;
    let mut packet = [0; 128];
    loop {
        let left = until.checked_duration_since(Instant::now())?;
        let mut wait = [PollFd::new(&socket, PollFlags::IN)];
        // An interruption is followed by another look.
        let _ = poll(&mut wait, Some(&timespec(left)));
        let Ok((count, _)) = recv(&socket, &mut packet, RecvFlags::empty()) else { continue };
        let after_ms = u64::try_from(begun.elapsed().as_millis()).ok()?;
        let heard = question.answered(packet.get(..count)?, after_ms);
        if heard.is_some() {
            return heard;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever may not ask, and a host that is this one, whose clock is its own.
    #[test]
    fn this_host_has_its_own_time_and_ipv6_has_none() {
        let here = ask(IpAddr::from([127, 0, 0, 1]), None, Duration::ZERO);
        assert!(here.is_none_or(|ahead_s| ahead_s.abs() <= 1), "{here:?}");
        assert_eq!(ask(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), None, Duration::ZERO), None);
    }
}
