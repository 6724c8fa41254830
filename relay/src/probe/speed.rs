//! How much goes through a relay: a download from the target that our server has, or an upload to it.

use std::time::Duration;

use mptcpize_model::relay::probe::{Direction, Moved};
use shadowsocks::ProxyClientStream;
use shadowsocks::relay::socks5::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::{Relay, dial};
use crate::shadowsocks::protocol::{CHUNK, DOWNLOAD, SPEED, UPLOAD};
use crate::sys::{self, subflows};

/// Carries bytes for that long. Nothing where no connection was made, or nothing moved.
pub(super) async fn measure(
    relay: &Relay<'_>,
    direction: Direction,
    mptcp: bool,
    time: Duration,
) -> Option<Moved> {
    let start = Instant::now();
    let end = start + time;
    let socket = match mptcp {
        true => dial::multipath(relay).await.ok()?,
        false => dial::plain(relay).await.ok()?,
    };
    let port = if direction == Direction::Down { DOWNLOAD } else { UPLOAD };
    let to = Address::DomainNameAddress(SPEED.to_owned(), port);
    let context = relay.context.clone();
    let mut stream = ProxyClientStream::from_stream(context, socket, &relay.config, to);
    // With a byte, which the target passes by: servers refuse a request that has neither bytes nor padding
    // (SIP022 section 3.1.3), and the crate draws a padding of nothing once in 901 times. What it asks for
    // begins a round trip later.
    timeout_at(end, stream.write(&[0])).await.ok()?.ok()?;
    // Windows grow and further paths join in the first half.
    let half = start + time / 2;
    let mut piece = vec![0; CHUNK];
    let (mut moved, mut before) = (0u64, None);
    loop {
        let step = async {
            match direction {
                Direction::Down => stream.read(&mut piece).await,
                Direction::Up => stream.write(&piece).await,
            }
        };
        let limit = if before.is_none() { half } else { end };
        match timeout_at(limit, step).await {
            Ok(Ok(count @ 1..)) => moved += count as u64,
            Ok(_) => break,
            Err(_) if before.is_some() => break,
            Err(_) => {}
        }
        let now = Instant::now();
        if now >= end {
            break;
        }
        if before.is_none() && now >= half {
            before = Some((now, arrived(stream.get_ref(), direction, moved)));
        }
    }
    let (since, before) = before?;
    let bytes = arrived(stream.get_ref(), direction, moved).saturating_sub(before);
    let micros = since.elapsed().as_micros().max(1);
    let bit_s = u64::try_from(u128::from(bytes) * 8_000_000 / micros).unwrap_or(u64::MAX);
    Some(Moved { direction, mptcp, bit_s, subflows: by_path(stream.get_ref(), direction) })
}

/// Of what was moved, that which is at the other end: what is written may wait in this host's buffers.
fn arrived(socket: &TcpStream, direction: Direction, moved: u64) -> u64 {
    let waits = match direction {
        Direction::Down => 0,
        Direction::Up => sys::unacknowledged(socket).unwrap_or(0),
    };
    moved.saturating_sub(waits.into())
}

fn by_path(socket: &TcpStream, direction: Direction) -> Vec<(std::net::IpAddr, u64)> {
    let all = subflows::subflows(socket).unwrap_or_default();
    let of = |one: &subflows::Subflow| match direction {
        Direction::Down => one.down,
        Direction::Up => one.up,
    };
    all.iter().map(|one| (one.local, of(one))).collect()
}
