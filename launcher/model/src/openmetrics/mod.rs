//! What `mptcpize metrics` says: the host, its paths, what the kernel counts of MPTCP and what the daemon
//! did, as a text that Prometheus reads. Pure: what was seen is handed in.
//!
//! There are two forms of that text. OpenMetrics is the standard
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>); Prometheus' own older one, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>), is the one that node_exporter's textfile
//! collector and `promtool check metrics` read. They differ in how the family of a counter is named, so that no
//! text is right in both. Names and samples are the same in both forms: whoever changes over keeps the dashboards.
//!
//! [`table`], [`gateway`] and [`relays`] have every metric, a row each; [`mod@text`] writes them; [`request`] reads what a scraper asks.

mod gateway;
mod relays;
pub mod request;
mod table;
mod text;

use std::collections::BTreeMap;

use crate::connection::Connection;
use crate::counters::Counters;
use crate::daemon;
use crate::net::{Bytes, IfName};
use crate::status::{Report, Seen, Whereabouts};

/// A form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text, version 0.0.4.
    Prometheus,
}

impl Form {
    /// The media type, for HTTP's `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Everything that the metrics are made of.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    /// The version of this program.
    pub version: &'a str,
    /// The kernel's release.
    pub kernel: &'a str,
    /// The host, as `mptcpize status` shows it.
    pub report: &'a Report,
    /// What the open subflows over each link have carried.
    pub subflows: &'a BTreeMap<IfName, Bytes>,
    /// The byte counters of the links, by their names.
    pub links: &'a BTreeMap<String, Bytes>,
    /// MPTcpExt.
    pub counters: &'a Counters,
    /// What the daemon lets others know, if one runs.
    pub daemon: Option<&'a daemon::Status>,
    /// The time since the boot, by which the daemon's times go.
    pub now: daemon::Millis,
    /// The same moment in seconds since 1970.
    pub unix_s: f64,
}

/// The whole text, with the mark of its end.
pub fn text(measured: &Measured<'_>, form: Form) -> String {
    text::write(table::TABLE.iter().chain(gateway::TABLE).chain(relays::TABLE), measured, form)
}

/// What the subflows that are open now have carried, by the link that each leaves by. What one carried
/// goes with it when it ends.
pub fn carried(seen: &Seen) -> BTreeMap<IfName, Bytes> {
    let whereabouts = Whereabouts::of(seen);
    let mut carried: BTreeMap<IfName, Bytes> = BTreeMap::new();
    let all = seen.connections.iter().flatten();
    for subflow in all.flat_map(Connection::open_subflows) {
        if let Some(link) = whereabouts.link(subflow) {
            let bytes = carried.entry(link.clone()).or_default();
            bytes.received += subflow.received;
            bytes.sent += subflow.sent;
        }
    }
    carried
}

#[cfg(test)]
mod tests;
