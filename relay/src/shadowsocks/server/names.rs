//! The addresses of a destination, in the order in which they are tried.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use shadowsocks::relay::Address;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::destination;
use super::reason::Reason;
use super::shared::Shared;
use crate::destination::{Way, way};

/// How long a connection waits for the addresses of its destination.
const PATIENCE: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;

/// Where a user's connection may go: the addresses of its destination that it may be connected to.
///
/// # Errors
/// There is none, or all are such as a user may not reach.
pub async fn resolve(shared: &Shared, to: Address) -> Result<Vec<SocketAddr>, Reason> {
    let private = shared.settings().allow_private;
    let all = match to {
        Address::SocketAddress(address) => vec![address],
        Address::DomainNameAddress(name, port) => look_up(shared, name, port).await?,
    };
    if all.is_empty() {
        return Err(Reason::Unreachable);
    }
    let mut allowed: Vec<_> = all.into_iter().filter(|one| may(*one, private)).collect();
    allowed.truncate(MOST_ADDRESSES);
    if allowed.is_empty() { Err(Reason::Private) } else { Ok(allowed) }
}

fn may(to: SocketAddr, private: bool) -> bool {
    let own = || way(to.ip()).map_or(true, |way| way == Way::Own);
    destination::may(to.ip(), private) && (private || !own())
}

/// Asks the host's resolver (getaddrinfo(3)).
async fn look_up(shared: &Shared, name: String, port: u16) -> Result<Vec<SocketAddr>, Reason> {
    let lookups = Arc::clone(&shared.lookups);
    let found = timeout(PATIENCE, async move {
        let turn = lookups.acquire_owned().await.ok()?;
        let look = spawn_blocking(move || {
            // The turn ends when the resolver has answered, also where nobody waits any more.
            let _turn = turn;
            (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>).ok()
        });
        look.await.ok()?
    });
    let found = found.await.ok().flatten().ok_or(Reason::Unreachable)?;
    Ok(in_turn(found))
}

/// The families by turns, that of the resolver's first answer first (RFC 8305 section 4).
fn in_turn(all: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = all.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = all.into_iter().partition(|to| to.is_ipv6() == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = [one.next(), other.next()];
        if pair.iter().all(Option::is_none) {
            return ordered;
        }
        ordered.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_tried_by_turns() {
        let of = |text: &str| {
            text.split(' ').map(|one| format!("{one}:1").parse().expect(one)).collect::<Vec<_>>()
        };
        let given = of("[2001:db8::1] [2001:db8::2] [2001:db8::3] 192.0.2.1");
        assert_eq!(in_turn(given), of("[2001:db8::1] 192.0.2.1 [2001:db8::2] [2001:db8::3]"));
        assert_eq!(in_turn(of("192.0.2.1 [2001:db8::1]")), of("192.0.2.1 [2001:db8::1]"));
    }
}
