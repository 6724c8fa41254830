//! Names of destinations that have to be resolved here: those that go directly. What goes through a relay
//! is resolved there.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Look-ups at a time: each holds a thread for as long as the host's resolver takes.
const MOST_LOOKUPS: usize = 32;
/// How long a connection waits for the addresses of its destination.
const PATIENCE: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;

/// The look-ups that are going on.
#[derive(Clone, Debug)]
pub struct Lookups(Arc<Semaphore>);

impl Default for Lookups {
    fn default() -> Self {
        Lookups(Arc::new(Semaphore::new(MOST_LOOKUPS)))
    }
}

impl Lookups {
    /// The addresses of a name, as the host's resolver gives them (getaddrinfo(3)); none where there are
    /// none.
    pub async fn find(&self, name: &str, port: u16) -> Vec<SocketAddr> {
        let (turns, name) = (Arc::clone(&self.0), name.to_owned());
        let found = timeout(PATIENCE, async move {
            let turn = turns.acquire_owned().await.ok()?;
            let look = spawn_blocking(move || {
                // The turn ends when the resolver has answered, also where nobody waits any more.
                let _turn = turn;
                (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>).ok()
            });
            look.await.ok()?
        });
        let mut found = found.await.ok().flatten().unwrap_or_default();
        found.dedup();
        found.truncate(MOST_ADDRESSES);
        found
    }
}

/// Is it a name that only the networks around this host know: of one label, or below a domain that is
/// kept for that (RFC 6761, RFC 6762, RFC 8375, and `internal`)?
pub fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let kept = ["localhost", "local", "home.arpa", "internal", "lan"];
    let below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    !name.contains('.') || kept.iter().any(|domain| below(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_own_network_are_known() {
        for (name, expected) in [
            ("printer", true),
            ("localhost", true),
            ("a.localhost.", true),
            ("nas.local", true),
            ("nas.HOME.arpa", true),
            ("router.lan", true),
            ("example.org", false),
            ("local.example", false),
            ("notlocal.example.", false),
            ("xlocal.org", false),
        ] {
            assert_eq!(is_local(name), expected, "{name}");
        }
    }
}
