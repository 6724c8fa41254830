//! Every metric that there is but those of a gateway ([`super::gateway`]). A new one is a row; its name and help follow
//! <https://prometheus.io/docs/practices/naming/>: base units, one meaning for all samples of a name.
//!
//! Labels are links, addresses and words of ours, so that there are never more than a few samples of each:
//! connections and peers are for `mptcpize status -j`.

use std::collections::BTreeSet;

use super::Measured;
use super::text::{Family, Kind, Number, Samples};
use crate::counters::{self, known};
use crate::daemon::Code;
use crate::net::Bytes;
use crate::status::{Availability, PathRow};

use Kind::{Counter, Gauge, Info};

pub(super) const fn row(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    samples: fn(&Measured<'_>, &mut Samples),
) -> Family {
    Family { name, kind, help, samples }
}

/// Every metric, in the order of the text.
pub(super) const TABLE: &[Family] = &[
    row("build", Info, "The version of mptcpize and the release of the kernel", |from, into| {
        into.add(&[("version", from.version), ("kernel", from.kernel)], true);
    }),
    row("enabled", Gauge, "Whether the kernel gives MPTCP sockets", |from, into| {
        into.add(&[], from.report.mptcp == Availability::On);
    }),
    row(
        "attention",
        Gauge,
        "Whether mptcpize status has a line that wants attention",
        |from, into| into.add(&[], from.report.attention),
    ),
    row(
        "usable_paths",
        Gauge,
        "Links that connections may use, that have a carrier and are not known to pass nothing",
        |from, into| {
            into.add(&[], from.report.usable_paths.len());
        },
    ),
    row("path", Info, "A path: a link that connections may use", |from, into| {
        each_path(from, into, |_| true);
    }),
    row("path_address", Info, "An address of a path, one for each family", |from, into| {
        for path in &from.report.paths {
            for row in path.addresses() {
                let gateway = row.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
                let address = row.address.to_string();
                let link = path.link.as_str();
                into.add(&[("link", link), ("address", &address), ("gateway", &gateway)], true);
            }
        }
    }),
    row(
        "path_up",
        Gauge,
        "Whether a link that is a path or was set up as one can carry data, as far as is known",
        |from, into| {
            each_path(from, into, PathRow::is_up);
            for dev in &from.report.away {
                into.add(&[("link", dev.as_str())], false);
            }
        },
    ),
    row("path_backup", Gauge, "Whether a path is used only while no other can be", |from, into| {
        each_path(from, into, PathRow::is_backup);
    }),
    row("path_subflows", Gauge, "Open subflows over a path", |from, into| {
        each_path(from, into, PathRow::subflows);
    }),
    row(
        "link_received_bytes",
        Counter,
        "What a link that has a path received, whoever it was for",
        |from, into| each_link(from, into, |bytes| bytes.received),
    ),
    row(
        "link_sent_bytes",
        Counter,
        "What a link that has a path sent, whoever it was from",
        |from, into| each_link(from, into, |bytes| bytes.sent),
    ),
    row(
        "open_subflows_received_bytes",
        Gauge,
        "What the subflows that are open now received over a link; it falls when one ends",
        |from, into| each_carried(from, into, |bytes| bytes.received),
    ),
    row(
        "open_subflows_sent_bytes",
        Gauge,
        "What the subflows that are open now sent over a link; it falls when one ends",
        |from, into| each_carried(from, into, |bytes| bytes.sent),
    ),
    row("connections", Gauge, "Connections that programs asked to be MPTCP", |from, into| {
        if let Some(counts) = from.report.counts {
            into.add(&[], counts.all);
        }
    }),
    row("multipath_connections", Gauge, "Connections with two subflows or more", |from, into| {
        if let Some(counts) = from.report.counts {
            into.add(&[], counts.multipath);
        }
    }),
    row("fallback_connections", Gauge, "Connections that fell back to TCP", |from, into| {
        if let Some(counts) = from.report.counts {
            into.add(&[], counts.fallback);
        }
    }),
    row(
        "subflow_limit",
        Gauge,
        "How many subflows the path manager adds to the first of a connection",
        |from, into| {
            if let Some(limits) = from.report.limits {
                into.add(&[], limits.subflows);
            }
        },
    ),
    row(
        "kernel_events",
        Counter,
        "What the kernel counted of MPTCP, by MPTcpExt's names",
        |from, into| {
            let grows = |name: &str| known(name).is_none_or(|it| it.kind != counters::Kind::Gauge);
            for (name, value) in from.counters.0.iter().filter(|(name, _)| grows(name)) {
                into.add(&[("event", name)], *value);
            }
        },
    ),
    row(
        "daemon_up",
        Gauge,
        "Whether mptcpize daemon follows the links of this host",
        |from, into| {
            into.add(&[], from.daemon.is_some());
        },
    ),
    row("daemon_start_time_seconds", Gauge, "When the daemon started, since 1970", |from, into| {
        if let Some(daemon) = from.daemon {
            let ago_ms = from.now.0.saturating_sub(daemon.since.0).number();
            into.add(&[], (from.unix_s - ago_ms / 1e3).round());
        }
    }),
    row("daemon_decisions", Counter, "What the daemon decided and told, by kind", |from, into| {
        let Some(daemon) = from.daemon else { return };
        // A kind that has not come yet is 0, not absent: its first time is to be seen as a growth.
        let all = Code::ALL.iter().chain(daemon.decisions.keys());
        for code in all.collect::<BTreeSet<_>>() {
            let count = daemon.decisions.get(code).copied().unwrap_or(0);
            into.add(&[("kind", code.word())], count);
        }
    }),
    row(
        "daemon_healed_subflows",
        Counter,
        "Subflows that the network ended and the daemon opened again",
        |from, into| {
            if let Some(healed) = from.daemon.and_then(|daemon| daemon.healed) {
                into.add(&[], healed);
            }
        },
    ),
    row("daemon_stalls", Counter, "How often a path was up and passed nothing", |from, into| {
        if let Some(daemon) = from.daemon {
            into.add(&[], daemon.decisions.get(&Code::Stalled).copied().unwrap_or(0));
        }
    }),
    row(
        "daemon_held_links",
        Gauge,
        "Links that the daemon holds back: they come and go, or pass nothing",
        |from, into| {
            if let Some(daemon) = from.daemon {
                into.add(&[], daemon.held.len());
            }
        },
    ),
];

/// A sample for each path, told apart by link.
fn each_path<N: Number>(from: &Measured<'_>, into: &mut Samples, value: impl Fn(&PathRow) -> N) {
    for path in &from.report.paths {
        into.add(&[("link", path.link.as_str())], value(path));
    }
}

/// A sample for each link that has a path.
fn each_link(from: &Measured<'_>, into: &mut Samples, value: impl Fn(&Bytes) -> u64) {
    let of_paths: BTreeSet<&str> =
        from.report.paths.iter().map(|path| path.link.as_str()).collect();
    for link in of_paths {
        if let Some(bytes) = from.links.get(link) {
            into.add(&[("link", link)], value(bytes));
        }
    }
}

/// A sample for each link that open subflows leave by.
fn each_carried(from: &Measured<'_>, into: &mut Samples, value: impl Fn(&Bytes) -> u64) {
    for (link, bytes) in from.subflows {
        into.add(&[("link", link.as_str())], value(bytes));
    }
}
