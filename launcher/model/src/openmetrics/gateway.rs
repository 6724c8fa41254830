//! The metrics of a gateway: what its relay said, summed since its start. There are none on a host that
//! is no gateway.
//!
//! Clients are told one by one as far as the relay tells them ([`crate::gateway_status::MOST_CLIENTS`]).

use super::Measured;
use super::table::row;
use super::text::{Family, Kind, Number, Samples};
use crate::gateway_status::reason;
use crate::status::lan::{ClientRow, Standing, Told, UplinkRow};

use Kind::{Counter, Gauge};

/// Every metric of a gateway, in the order of the text.
pub(super) const TABLE: &[Family] = &[
    row("gateway_up", Gauge, "Whether the relay of the gateway takes connections", |from, into| {
        // Whoever may not ask knows nothing of it.
        if let Some(gateway) =
            from.report.gateway.as_ref().filter(|it| it.relay != Standing::Hidden)
        {
            into.add(&[], gateway.relay == Standing::Running);
        }
    }),
    row("gateway_connections", Gauge, "Connections of the LAN that are open", |from, into| {
        with(from, |told| into.add(&[], told.connections));
    }),
    row(
        "gateway_connection_limit",
        Gauge,
        "How many connections of the LAN there may be",
        |from, into| with(from, |told| into.add(&[], told.most_connections)),
    ),
    row("gateway_clients", Gauge, "Devices of the LAN that are remembered", |from, into| {
        with(from, |told| into.add(&[], told.clients_all));
    }),
    row(
        "gateway_carried_connections",
        Counter,
        "Connections of the LAN that were carried, by what they were outward",
        |from, into| {
            with(from, |told| {
                let all = &told.all;
                let single = all.mptcp.saturating_sub(all.multipath);
                into.add(&[("kind", "multipath")], all.multipath);
                into.add(&[("kind", "single_path")], single);
                into.add(&[("kind", "tcp")], all.carried.saturating_sub(all.mptcp));
            });
        },
    ),
    row(
        "gateway_refused_connections",
        Counter,
        "Connections of the LAN that were not carried, by reason",
        |from, into| {
            with(from, |told| {
                // A reason that has not come yet is 0: its first time is to be seen as a growth.
                for (code, _) in reason::ALL {
                    into.add(&[("reason", code)], told.refused.get(code).copied().unwrap_or(0));
                }
            });
        },
    ),
    row("gateway_up_bytes", Counter, "Bytes from the LAN, without headers", |from, into| {
        with(from, |told| into.add(&[], told.all.up_bytes));
    }),
    row("gateway_down_bytes", Counter, "Bytes to the LAN, without headers", |from, into| {
        with(from, |told| into.add(&[], told.all.down_bytes));
    }),
    row(
        "gateway_multipath_bytes",
        Counter,
        "Bytes both ways of connections that moved bytes over several uplinks",
        |from, into| with(from, |told| into.add(&[], told.all.multipath_bytes)),
    ),
    row("gateway_uplink_up_bytes", Counter, "Bytes from the LAN over an uplink", |from, into| {
        each_uplink(from, into, |row| row.uplink.up_bytes);
    }),
    row("gateway_uplink_down_bytes", Counter, "Bytes to the LAN over an uplink", |from, into| {
        each_uplink(from, into, |row| row.uplink.down_bytes);
    }),
    row(
        "gateway_uplink_connections",
        Gauge,
        "Open connections of the LAN that began on an uplink",
        |from, into| each_uplink(from, into, |row| row.uplink.open),
    ),
    row(
        "gateway_uplink_passed_by",
        Gauge,
        "Whether an uplink is tried after all others because it did not answer",
        |from, into| each_uplink(from, into, UplinkRow::is_passed_by),
    ),
    row("gateway_client_connections", Gauge, "Open connections of a client", |from, into| {
        each_client(from, into, |row| row.amounts.open);
    }),
    row("gateway_client_up_bytes", Counter, "Bytes from a client", |from, into| {
        each_client(from, into, |row| row.amounts.up_bytes);
    }),
    row("gateway_client_down_bytes", Counter, "Bytes to a client", |from, into| {
        each_client(from, into, |row| row.amounts.down_bytes);
    }),
    row(
        "gateway_destinations_without_mptcp",
        Gauge,
        "Destinations that are remembered as not speaking MPTCP",
        |from, into| with(from, |told| into.add(&[], told.without_mptcp)),
    ),
];

/// What the relay said, if it answered.
fn with(from: &Measured<'_>, work: impl FnOnce(&Told)) {
    if let Some(told) = from.report.gateway.as_ref().and_then(|gateway| gateway.told.as_ref()) {
        work(told);
    }
}

fn each_uplink<N: Number>(
    from: &Measured<'_>,
    into: &mut Samples,
    value: impl Fn(&UplinkRow) -> N,
) {
    with(from, |told| {
        for row in &told.uplinks {
            into.add(&[("link", row.uplink.dev.as_str())], value(row));
        }
    });
}

fn each_client<N: Number>(
    from: &Measured<'_>,
    into: &mut Samples,
    value: impl Fn(&ClientRow) -> N,
) {
    with(from, |told| {
        for row in &told.clients {
            into.add(&[("client", &row.address.to_string())], value(row));
        }
    });
}
