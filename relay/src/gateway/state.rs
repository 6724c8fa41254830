//! What the gateway tells of itself to whoever asks ([`crate::told`]).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mptcpize_model::gateway_status::{Client, MOST_CLIENTS, State, Uplink, VERSION};

use super::shared::Shared;
use super::tally::Sums;
use crate::sys;
use crate::told::{self, Told};

/// Tells the state from now on, to root alone.
pub fn tell(settings: &Path, shared: &Arc<Shared>) -> Option<Told> {
    let shared = Arc::clone(shared);
    let look = move || {
        let shared = Arc::clone(&shared);
        async move { serde_json::to_vec(&look(&shared).await).unwrap_or_default() }
    };
    told::tell(settings, |_| false, look)
}

/// The state at this moment.
async fn look(shared: &Shared) -> State {
    let settings = shared.settings();
    let now = shared.now();
    let sums = shared.tally.sums(now, &settings.uplinks).await;
    let standings: Vec<_> = shared.placement().standings().collect();
    let uplinks = standings.into_iter().map(|standing| {
        let dev = &standing.uplink.dev;
        let sum = sums.uplinks.get(dev).copied().unwrap_or_default();
        let missed_bytes = sums.missed.get(dev).copied().unwrap_or_default();
        let failing = standing.failures > 0;
        let left = standing.paused.saturating_sub(now);
        Uplink {
            dev: standing.uplink.dev,
            weight: standing.uplink.weight,
            backup: standing.uplink.backup,
            open: sum.open,
            carried: sum.carried,
            up_bytes: sum.up_bytes,
            down_bytes: sum.down_bytes,
            missed_bytes,
            failures: standing.failures,
            failing_ms: failing.then(|| milliseconds(now.saturating_sub(standing.failing))),
            last_for_ms: (!left.is_zero()).then(|| milliseconds(left)),
        }
    });
    State {
        version: VERSION,
        pid: std::process::id(),
        netns: sys::netns(),
        running_ms: milliseconds(now),
        draining: shared.draining.load(Ordering::Relaxed),
        lan: settings.lan.clone(),
        connections: shared.connections(),
        most_connections: shared.limits().connections,
        uplinks: uplinks.collect(),
        clients_all: sums.clients.len(),
        refused: shared.refusals().all(),
        without_mptcp: shared.placement().without_mptcp(now),
        all: sums.all,
        beside: sums.beside,
        relays: shared.relays().map(|relays| relays.state()),
        clients: busiest(&sums),
    }
}

/// Those that moved most, by address where that is the same.
fn busiest(sums: &Sums) -> Vec<Client> {
    let mut clients: Vec<Client> = sums
        .clients
        .iter()
        .map(|(address, amounts)| Client { address: *address, amounts: *amounts })
        .collect();
    clients.sort_by_key(|one| (std::cmp::Reverse(one.amounts.bytes()), one.address));
    clients.truncate(MOST_CLIENTS);
    clients
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
