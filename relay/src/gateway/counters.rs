//! The byte counters of the uplinks, read while there are connections.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;

/// Between two readings: a connection that begins now is placed by the rates of this time.
const PERIOD: Duration = Duration::from_millis(500);

/// Tells placement what the links have carried, for ever. It sleeps while there is no connection.
pub async fn watch(shared: Arc<Shared>) {
    loop {
        let changed = shared.changed.notified();
        read(&shared);
        if shared.connections() == 0 {
            changed.await;
        } else {
            tokio::time::sleep(PERIOD).await;
        }
    }
}

fn read(shared: &Shared) {
    shared.tally.tick();
    // Of the network namespace that this process is in; what is mounted at /sys may be another's.
    let Ok(text) = fs::read_to_string("/proc/self/net/dev") else { return };
    let names: Vec<String> = shared.placement().names().map(str::to_owned).collect();
    for (place, name) in names.iter().enumerate() {
        let busy = shared.activity(Some(place)).take();
        // A link that is away for now has no counters.
        if let Some(counters) = of_link(&text, name) {
            shared.placement().sample(shared.now(), place, counters, busy);
        }
    }
}

/// Bytes received and sent by a link, from the text of `/proc/net/dev` (proc(5)).
fn of_link(text: &str, name: &str) -> Option<(u64, u64)> {
    let mut links = text.lines().filter_map(|line| line.trim_start().split_once(':'));
    let (_, counters) = links.find(|(link, _)| *link == name)?;
    let mut fields = counters.split_whitespace().map(|field| field.parse().ok());
    Some((fields.next()??, fields.nth(7)??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_from_the_kernels_table() {
        let text = "Inter-|   Receive                            |  Transmit\n \
            face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs\n    \
            lo:     1    0    0    0    0     0          0         0        2       0    0\n \
            wwan0:77 5    0    0    0     0          0         0       88       6    0    0\n";
        assert_eq!(of_link(text, "lo"), Some((1, 2)));
        assert_eq!(of_link(text, "wwan0"), Some((77, 88)));
        assert_eq!(of_link(text, "wwan"), None);
    }
}
