//! Does the rest pass: forwarding, the way back, the bridge, connection tracking, the size of packets.

use super::{Context, Finding, Gateway, devices};
use crate::checks::conf_key;
use crate::desired;
use crate::net::{Family, IfName};
use crate::phrase::list;
use crate::shell;

/// Whether packets over a bridge pass the filter of IP before the host gets them.
pub(super) const BRIDGES: [&str; 2] =
    ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"];

/// From this part of conntrack's table on, in per cent, a burst of new connections may fill it.
const FULL_SOON: u64 = 90;

pub(super) fn pass(context: &Context, gateway: &Gateway) -> Vec<Finding> {
    let mut found = forwarding(context, gateway);
    found.extend(rp_filter(context, gateway));
    found.extend(bridge(context, gateway));
    found.extend(conntrack(gateway));
    found.extend(mtu(gateway));
    found
}

fn set(key: &str, value: u32) -> String {
    format!("sysctl -w {}", shell::word(format!("{key}={value}")))
}

fn forwarding(context: &Context, gateway: &Gateway) -> Vec<Finding> {
    let host = &context.seen.host;
    let off = |key: &str| host.sysctls.get(key).is_some_and(|value| value.trim() == "0");
    let here = |dev: &&IfName| host.link(dev).is_some();
    let mut found = vec![];
    let mut tell = |code, family: &str, devs: Vec<&IfName>, commands: Vec<String>| {
        if devs.is_empty() {
            return;
        }
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        found.push(
            Finding::problem(code, format!("{} do not forward {family}", list(&devs)))
                .why("UDP, ICMP and what bypasses the relay do not pass")
                .fix(&commands),
        );
    };
    let key = |dev: &IfName| format!("net.ipv4.conf.{}.forwarding", desired::sysctl_name(dev));
    let devs: Vec<_> =
        devices(&gateway.settings).filter(here).filter(|dev| off(&key(dev))).collect();
    let commands = devs.iter().map(|dev| set(&key(dev), 1)).collect();
    tell("gateway.forwarding", "IPv4", devs, commands);
    // IPv6 is forwarded for all links or, where the kernel can do that (Linux 6.17), for some.
    let of_family = |dev: &&IfName| {
        let global = host.addresses.iter().filter(|one| one.global && one.dev == **dev);
        global.into_iter().any(|one| Family::of(one.address) == Family::V6)
    };
    let forced = |dev: &IfName| {
        host.sysctl(&format!("net.ipv6.conf.{}.force_forwarding", desired::sysctl_name(dev))) > 0
    };
    let all = "net.ipv6.conf.all.forwarding";
    let lan = gateway.settings.lan.iter().filter(here).filter(of_family);
    let devs: Vec<_> = lan.filter(|dev| off(all) && !forced(dev)).collect();
    tell("gateway.forwarding6", "IPv6", devs, vec![set(all, 1)]);
    found
}

/// What comes over an uplink for a client of the LAN has its way back over the default route, whichever
/// uplink it came by: a strict filter drops it. What the relay itself receives has a rule by its address.
fn rp_filter(context: &Context, gateway: &Gateway) -> Vec<Finding> {
    let host = &context.seen.host;
    let default = context.paths.iter().find(|path| path.family == Family::V4).map(|path| &path.dev);
    let strict: Vec<&IfName> = gateway
        .settings
        .uplinks
        .iter()
        .map(|uplink| &uplink.dev)
        .filter(|dev| Some(*dev) != default && host.link(dev).is_some())
        .filter(|dev| context.conf(dev, "rp_filter") == 1)
        .collect();
    if strict.is_empty() {
        return vec![];
    }
    let commands: Vec<String> =
        strict.iter().map(|dev| set(&conf_key(dev, "rp_filter"), 2)).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let way = default.map(|dev| format!(": its way back is {dev}")).unwrap_or_default();
    vec![
        Finding::warning("gateway.rp_filter", format!("rp_filter is strict on {}", list(&strict)))
            .why(format!("what comes there for a device of the LAN is dropped{way}"))
            .fix(&commands),
    ]
}

/// Packets over a bridge that pass the filter of IP lose the socket that TPROXY gave them (ip_rcv_core,
/// skb_orphan).
fn bridge(context: &Context, gateway: &Gateway) -> Vec<Finding> {
    let host = &context.seen.host;
    let is_bridge = |dev: &&IfName| {
        host.link(dev).and_then(|link| link.kind.as_deref()).is_some_and(|kind| kind == "bridge")
    };
    let bridges: Vec<&IfName> = gateway.settings.lan.iter().filter(is_bridge).collect();
    let on: Vec<&str> = BRIDGES.into_iter().filter(|key| host.sysctl(key) > 0).collect();
    if bridges.is_empty() || on.is_empty() {
        return vec![];
    }
    let commands: Vec<String> = on.iter().map(|key| set(key, 0)).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let title = format!("packets over the bridge {} pass the filter twice", list(&bridges));
    vec![
        Finding::problem("gateway.bridge", title)
            .why(
                "br_netfilter (Docker loads it) takes from them the socket that TPROXY gave: no \
                 connection of the LAN is made",
            )
            .fix(&commands),
    ]
}

fn conntrack(gateway: &Gateway) -> Vec<Finding> {
    let Some((count, most)) = gateway.tracked.filter(|(_, most)| *most > 0) else { return vec![] };
    if count.saturating_mul(100) < most.saturating_mul(FULL_SOON) {
        return vec![];
    }
    let advice = format!(
        "sysctl -w net.netfilter.nf_conntrack_max={}    # in the initial network namespace; conntrack \
         -L has who holds them",
        most.saturating_mul(2)
    );
    let (title, why) = (
        format!("conntrack follows {count} of {most} connections"),
        "at the limit the kernel drops every new one (nf_conntrack: table full)",
    );
    vec![
        match count >= most {
            true => Finding::problem("gateway.conntrack", title),
            false => Finding::warning("gateway.conntrack", title),
        }
        .why(why)
        .advice(advice),
    ]
}

/// Each side of a relayed connection finds its own size; what is forwarded is told of the smaller one only
/// by ICMP, which many networks drop.
fn mtu(gateway: &Gateway) -> Vec<Finding> {
    // Nobody looked at the rules.
    if gateway.clamps || gateway.unread.is_some() {
        return vec![];
    }
    let of = |dev: &IfName| gateway.mtus.get(dev).copied();
    let Some(lan) = gateway.settings.lan.iter().filter_map(of).max() else { return vec![] };
    let uplinks = gateway.settings.uplinks.iter();
    let small: Vec<(&IfName, u32)> = uplinks
        .filter_map(|uplink| Some((&uplink.dev, of(&uplink.dev)?)))
        .filter(|(_, mtu)| *mtu < lan)
        .collect();
    let Some((dev, mtu)) = small.first() else { return vec![] };
    let rule = "tcp flags syn tcp option maxseg size set rt mtu";
    vec![
        Finding::warning("gateway.mtu", format!("{dev} carries {mtu} bytes, the LAN {lan}"))
            .why("forwarded TCP that bypasses the relay stalls where ICMP is dropped on the way")
            .fix(&[
                "nft add table inet clamp",
                "nft add chain inet clamp forward '{ type filter hook forward priority mangle; }'",
                &format!("nft add rule inet clamp forward {rule}"),
            ]),
    ]
}
