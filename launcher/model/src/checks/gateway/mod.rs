//! Is this host fit to be the gateway that it was made: what was observed of it, and what is wrong.
//!
//! Only for a host on which a gateway was set up; others have no finding here. Not here: uplinks as every
//! set-up needs them (endpoints, routing), which their own checks judge.

mod carry;
mod filter;
mod pass;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Context, Finding};
use crate::desired;
use crate::gateway::Settings;
use crate::named_links::{self, Named};
use crate::net::IfName;
use crate::phrase::list;
use crate::shell;

/// What was observed of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// What its relay was told.
    pub settings: Settings,
    /// Whether the relay answers.
    pub relay: Relay,
    /// Whether the service manager has it; otherwise a person started it.
    #[serde(default)]
    pub service: bool,
    /// Does the packet filter hand connections to the relay's port? Nothing where it was not read.
    pub handed_over: Option<bool>,
    /// What the kernel said to a rule of TPROXY, if it refused one; read only where none hands over.
    #[serde(default)]
    pub tproxy: Option<String>,
    /// Rules of others that take TCP of the LAN before the relay or instead of it.
    #[serde(default)]
    pub proxies: Vec<Rule>,
    /// Where TCP of the LAN is dropped as it comes in for the relay.
    #[serde(default)]
    pub closed: Vec<Rule>,
    /// Where forwarded packets of the LAN are dropped.
    #[serde(default)]
    pub drops: Vec<Rule>,
    /// Does a rule tell forwarded TCP the size of packets (MSS)?
    #[serde(default)]
    pub clamps: bool,
    /// Why the packet filter could not be read, where it could not.
    #[serde(default)]
    pub unread: Option<String>,
    /// Connections that conntrack follows, and how many it may.
    #[serde(default)]
    pub tracked: Option<(u64, u64)>,
    /// The sizes of packets that links carry (MTU).
    #[serde(default)]
    pub mtus: BTreeMap<IfName, u32>,
}

/// Whether a relay answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relay {
    /// It takes connections.
    Answers,
    /// It ends with its last connection.
    Drains,
    /// It does not run, which this reason shows.
    Silent(String),
    /// It is there, and does not answer as it should, for this reason.
    Mute(String),
    /// Only root may ask.
    Hidden,
}

/// A rule, or the policy of a chain, that does something to the LAN's packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The interface of the LAN.
    pub lan: IfName,
    /// The uplinks whose packets it is about; none where they come in for the relay.
    pub uplinks: Vec<IfName>,
    /// Where it stands, in the words of its tool.
    pub place: String,
    /// Commands that mend it.
    pub fix: Vec<String>,
}

/// The kernel parameters that these checks look at, by their dotted names.
pub fn sysctls(settings: &Settings) -> Vec<String> {
    let mut keys =
        vec!["net.ipv6.conf.all.forwarding".to_owned(), "net.ipv4.conf.all.rp_filter".to_owned()];
    keys.extend(pass::BRIDGES.map(str::to_owned));
    for dev in devices(settings) {
        let name = desired::sysctl_name(dev);
        keys.push(format!("net.ipv4.conf.{name}.forwarding"));
        keys.push(format!("net.ipv6.conf.{name}.force_forwarding"));
        keys.push(format!("net.ipv4.conf.{name}.rp_filter"));
    }
    keys
}

/// The interfaces of the LAN, then the uplinks.
fn devices(settings: &Settings) -> impl Iterator<Item = &IfName> {
    settings.lan.iter().chain(settings.uplinks.iter().map(|uplink| &uplink.dev))
}

pub(super) fn gateway(context: &Context) -> Vec<Finding> {
    let here = |dev: &&IfName| context.seen.host.link(dev).is_some();
    let Some(gateway) = &context.seen.gateway else { return stopped(context) };
    // A gateway of another network namespace, whose run directory is the same.
    if !gateway.settings.lan.iter().any(|dev| here(&dev)) {
        return vec![];
    }
    let mut found = carry::carry(context, gateway);
    found.extend(filter::filter(gateway));
    found.extend(pass::pass(context, gateway));
    if found.is_empty() {
        let up = |dev: &&IfName| context.seen.host.link(dev).is_some_and(|it| it.up && it.carrier);
        let uplinks = gateway.settings.uplinks.iter().map(|uplink| &uplink.dev);
        let devs: Vec<_> = uplinks.filter(up).collect();
        let (lan, over) = (list(&gateway.settings.lan), list(&devs));
        found.push(Finding::fine("gateway", format!("TCP of {lan} goes over {over}")));
    }
    found
}

/// The lines that start a gateway again which a person had started.
pub(crate) fn anew(lan: &[IfName]) -> String {
    let lan: Vec<_> = lan.iter().map(|dev| format!(" --lan {}", shell::word(dev))).collect();
    format!(
        "sudo mptcpize gateway undo    # takes back what it left; then: sudo mptcpize gateway{}",
        lan.concat()
    )
}

/// One that the settings name, and nobody started.
fn stopped(context: &Context) -> Vec<Finding> {
    let (lan, host) = (&context.seen.lan, &context.seen.host);
    if lan.is_empty() {
        return vec![];
    }
    if let Some(link) = lan.iter().find(|dev| host.link(dev).is_none()) {
        let named = Named { key: "lan of [gateway]", link };
        return vec![
            Finding::warning("gateway.no_link", named.what())
                .why(named_links::why(host))
                .advice(named.advice(host, "/etc/mptcpize.toml")),
        ];
    }
    let title = format!("a gateway of {} is in the settings, and none runs", list(lan));
    vec![
        Finding::note("gateway.stopped", title)
            .why("TCP of the LAN is not bonded")
            .advice("mptcpize gateway --enable    # starts it, now and with the host"),
    ]
}
