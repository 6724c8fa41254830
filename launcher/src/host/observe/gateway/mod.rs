//! Observing what `check` judges of a gateway: its relay, what the packet filter does to the LAN, and
//! what the kernel keeps for forwarding.
//!
//! Not here: what is wrong (the model's `checks::gateway`); rules that harm MPTCP
//! ([`firewall`](super::firewall)).

mod nft;
mod rules;
mod xtables;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::error::reason;
use crate::host::apply::sysctl;
use crate::host::netns::identity;
use crate::host::observe::mtu::mtu;
use crate::host::process::helper;
use crate::host::relay;
use crate::locations::Locations;
use mptcpize_model::HostState;
use mptcpize_model::checks::gateway::{Gateway, Relay, Rule, sysctls};
use mptcpize_model::gateway::Settings;
use mptcpize_model::gateway::filter::TABLE;
use mptcpize_model::net::IfName;
use mptcpize_model::status::lan::Heard;
use rules::{Packet, Way};

/// Observes the gateway that was set up here, if one was, and puts the parameters that matter for it into
/// the state of the host.
pub fn observe(host: &mut HostState, places: &Locations, until: Instant) -> Option<Gateway> {
    let settings = relay::settings(&places.run())?;
    let heard = relay::ask(&places.run(), identity::netns());
    let relay = match &heard {
        Heard::State(state) if state.draining => Relay::Drains,
        Heard::State(_) => Relay::Answers,
        Heard::Hidden => Relay::Hidden,
        Heard::Silent(silence) if silence.gone => Relay::Silent(silence.why.clone()),
        Heard::Silent(silence) => Relay::Mute(silence.why.clone()),
        // Of another network namespace.
        Heard::Nothing => return None,
    };
    for key in sysctls(&settings) {
        if let Some(value) = sysctl::read(&key) {
            host.sysctls.insert(key, value);
        }
    }
    let devs = settings.lan.iter().chain(settings.uplinks.iter().map(|uplink| &uplink.dev));
    let mtus = devs.filter_map(|dev| Some((dev.clone(), mtu(dev)?))).collect();
    let mut gateway = Gateway {
        settings,
        relay,
        service: relay::is_service(),
        handed_over: None,
        tproxy: None,
        proxies: vec![],
        drops: vec![],
        closed: vec![],
        clamps: false,
        unread: None,
        tracked: tracked(),
        mtus,
    };
    filters(&mut gateway, until);
    if gateway.handed_over == Some(false) {
        gateway.tproxy = refused(until);
    }
    Some(gateway)
}

/// Connections that conntrack follows in this namespace, and how many it may.
fn tracked() -> Option<(u64, u64)> {
    let number = |name: &str| {
        let text =
            fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}")).ok()?;
        text.trim().parse().ok()
    };
    Some((number("count")?, number("max")?))
}

/// The rules of this host, as their tools list them.
struct Filters {
    /// What iptables-save and ip6tables-save say, by the tool.
    saved: BTreeMap<&'static str, String>,
    /// All that nft lists, in JSON.
    ruleset: Value,
}

impl Filters {
    /// Reads them; the second is why nft lists nothing.
    fn read(until: Instant) -> (Self, Option<String>) {
        let mut saved = BTreeMap::new();
        for (tool, program) in [("iptables", "iptables-save"), ("ip6tables", "ip6tables-save")] {
            if let Ok(said) = helper::run(Command::new(program), until)
                && said.success
            {
                saved.insert(tool, String::from_utf8_lossy(&said.stdout).into_owned());
            }
        }
        let (ruleset, unread) = match ruleset(until) {
            Ok(ruleset) => (ruleset, None),
            Err(why) => (Value::Null, Some(why)),
        };
        (Filters { saved, ruleset }, unread)
    }

    /// What they do to the packets of a LAN that pass by these uplinks.
    fn judge(&self, lan: &[IfName], uplinks: &[IfName], port: u16) -> Harm {
        let mut harm = Harm::default();
        for lan in lan {
            // Each uplink by itself: a firewall may know some of them.
            for uplink in uplinks {
                let packet = Packet { lan, way: Way::Forwarded(uplink) };
                for table in tables(&self.saved, &self.ruleset, packet, port) {
                    let told = |all: Vec<rules::Told>, into: &mut Vec<Rule>| {
                        all.into_iter().for_each(|told| merge(told, lan, uplink, into));
                    };
                    told(rules::takes(&table), &mut harm.proxies);
                    told(rules::drops(&table, packet), &mut harm.drops);
                }
            }
            let packet = Packet { lan, way: Way::Relayed };
            for table in tables(&self.saved, &self.ruleset, packet, port) {
                let told = rules::drops(&table, packet).into_iter();
                harm.closed.extend(told.map(|told| Rule {
                    lan: lan.clone(),
                    uplinks: vec![],
                    place: told.place,
                    fix: told.fix,
                }));
            }
        }
        harm
    }
}

/// What rules of others do to a LAN.
#[derive(Debug, Default)]
pub struct Harm {
    /// They take its TCP before the relay does.
    pub proxies: Vec<Rule>,
    /// They drop what is forwarded.
    pub drops: Vec<Rule>,
    /// They drop what is relayed, which comes in.
    pub closed: Vec<Rule>,
}

/// What rules of others do to a LAN behind these uplinks, before there is a gateway; nothing where they
/// cannot be read.
pub fn harm(lan: &[IfName], uplinks: &[IfName], until: Instant) -> Harm {
    // No port: there is no rule of ours to be told apart by it.
    Filters::read(until).0.judge(lan, uplinks, 0)
}

/// Where packets to a port of this host are dropped that come over these interfaces; nothing where the rules
/// cannot be read.
pub fn closed(devs: &[IfName], port: u16, until: Instant) -> Vec<Rule> {
    let (filters, _) = Filters::read(until);
    let mut found: Vec<Rule> = Vec::new();
    for dev in devs {
        let packet = Packet { lan: dev, way: Way::Served(port) };
        for table in tables(&filters.saved, &filters.ruleset, packet, 0) {
            for told in rules::drops(&table, packet) {
                // One rule is told once for all interfaces that it is about.
                if !found.iter().any(|rule| rule.place == told.place) {
                    let (lan, uplinks) = (dev.clone(), vec![]);
                    found.push(Rule { lan, uplinks, place: told.place, fix: told.fix });
                }
            }
        }
    }
    found
}

/// Reads the rules, by nft and by what iptables-save lists beside.
fn filters(gateway: &mut Gateway, until: Instant) {
    let Settings { lan, uplinks, port, .. } = gateway.settings.clone();
    let uplinks: Vec<IfName> = uplinks.into_iter().map(|uplink| uplink.dev).collect();
    let (filters, unread) = Filters::read(until);
    gateway.unread = unread;
    if gateway.unread.is_none() {
        gateway.handed_over = Some(nft::hands_over(&filters.ruleset, port));
    }
    let saved = &filters.saved;
    gateway.clamps =
        nft::clamps(&filters.ruleset) || saved.values().any(|text| xtables::clamps(text));
    let harm = filters.judge(&lan, &uplinks, port);
    (gateway.proxies, gateway.drops, gateway.closed) = (harm.proxies, harm.drops, harm.closed);
}

/// What rules in a text of iptables-save, or in nft's JSON, do to the packets of `lan`: each with the
/// commands that mend it.
pub(in crate::host) fn of_text(text: &str, lan: &IfName, uplink: &IfName) -> Vec<Rule> {
    let ruleset = serde_json::from_str(text).unwrap_or_default();
    let saved = BTreeMap::from([("iptables", text.to_owned())]);
    let mut found = Vec::new();
    for way in [Way::Forwarded(uplink), Way::Relayed] {
        let packet = Packet { lan, way };
        for table in tables(&saved, &ruleset, packet, 0) {
            for told in rules::takes(&table).into_iter().chain(rules::drops(&table, packet)) {
                merge(told, lan, uplink, &mut found);
            }
        }
    }
    found
}

/// The tables of all tools but our own. What iptables keeps in nftables' tables is told once, in the words
/// of iptables.
fn tables(
    saved: &BTreeMap<&str, String>,
    ruleset: &Value,
    packet: Packet<'_>,
    port: u16,
) -> Vec<rules::Table> {
    let mut tables = Vec::new();
    let mut listed = Vec::new();
    for (tool, text) in saved {
        let family = if *tool == "iptables" { "ip" } else { "ip6" };
        for (name, table) in xtables::tables(tool, text, packet) {
            listed.push((family.to_owned(), name));
            tables.push(table);
        }
    }
    let ours = ("inet".to_owned(), TABLE.to_owned());
    let others = nft::tables(ruleset, packet, port);
    tables.extend(
        others.into_iter().filter(|(at, _)| *at != ours && !listed.contains(at)).map(|it| it.1),
    );
    tables
}

/// One rule is told once for all uplinks that it is about.
fn merge(told: rules::Told, lan: &IfName, uplink: &IfName, into: &mut Vec<Rule>) {
    match into.iter_mut().find(|rule| rule.lan == *lan && rule.place == told.place) {
        Some(rule) => rule.uplinks.push(uplink.clone()),
        None => into.push(Rule {
            lan: lan.clone(),
            uplinks: vec![uplink.clone()],
            place: told.place,
            fix: told.fix,
        }),
    }
}

/// All that nft lists, or why it lists nothing.
fn ruleset(until: Instant) -> Result<Value, String> {
    let mut nft = Command::new("nft");
    nft.args(["-j", "list", "ruleset"]);
    match helper::run(nft, until) {
        Ok(said) if said.success => serde_json::from_slice(&said.stdout)
            .map_err(|_| "nft has no JSON output here".to_owned()),
        Ok(said) if said.stderr.contains("ermitted") || said.stderr.contains("must be root") => {
            Err("only root may read them".to_owned())
        }
        Ok(said) => Err(format!("nft: {}", said.stderr.lines().next().unwrap_or("it failed"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("nft is not here".to_owned()),
        Err(error) => Err(format!("nft: {}", reason(&error))),
    }
}

/// What the kernel says to a rule of TPROXY that is only checked (`nft -c`), if it refuses it.
fn refused(until: Instant) -> Option<String> {
    let rule = "table ip mptcpize_check { chain c { type filter hook prerouting priority mangle; \
                meta l4proto tcp tproxy to 127.0.0.1:1; }; }";
    let mut nft = Command::new("nft");
    nft.args(["-c", rule]);
    let said = helper::run(nft, until).ok().filter(|said| !said.success)?;
    // Anything else is nft's own complaint, or that this user may not ask.
    let refusal = said.stderr.lines().find(|line| line.contains("Could not process rule"))?;
    (!refusal.contains("ermitted")).then(|| refusal.to_owned())
}
