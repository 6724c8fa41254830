//! What the server tells of itself to whoever asks ([`crate::told`]).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mptcpize_model::relay::status::{Server, VERSION};

use super::shared::Shared;
use crate::told::{self, Told};

/// Tells the state from now on, to root and to the user that the server runs as.
pub fn tell(settings: &Path, shared: &Arc<Shared>) -> Option<Told> {
    let shared = Arc::clone(shared);
    let look = move || {
        let text = serde_json::to_vec(&look(&shared)).unwrap_or_default();
        async move { text }
    };
    told::tell(settings, |uid| uid == rustix::process::getuid().as_raw(), look)
}

/// The state at this moment.
fn look(shared: &Shared) -> Server {
    let keys = shared.keys();
    let users = keys.accounts().map(|account| (account.name.clone(), account.state()));
    Server {
        version: VERSION,
        pid: std::process::id(),
        running_ms: u64::try_from(shared.now().as_millis()).unwrap_or(u64::MAX),
        mptcp: shared.mptcp.load(Ordering::Relaxed),
        all: shared.all.amounts(),
        users: users.collect(),
        strangers: shared.strangers(),
        refused: shared.refusals().all(),
        clocks: shared.clocks(),
    }
}
