//! VPNs as they are found: what each style adds to a host's links, routes and rules.

use mptcpize_model::net::{Action, Family, MAIN, Route};

use super::fib::{Fib, Kind, Refusal};
use super::hosts::{address, ip, link, name, net, route, rule};
use crate::support::random::Random;

/// A way to lead traffic into a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Style {
    /// A default route better than the uplinks' (NetworkManager).
    LowerMetric,
    /// 0.0.0.0/1 and 128.0.0.0/1 (OpenVPN's def1).
    Halves,
    /// All but marked packets go to a table of their own (wg-quick).
    Marked,
    /// A rule early in the order, with throw routes (Tailscale's exit node).
    Early,
    /// Table 220 before main (strongSwan), over an uplink or a tunnel.
    Table220,
    /// Private networks alone, by routes in main.
    Split,
    /// Private networks alone, by a rule.
    SplitByRule,
    /// The tunnel is down, and what would have entered it is refused.
    KillSwitch,
}

impl Style {
    pub const ALL: [Style; 8] = [
        Style::LowerMetric,
        Style::Halves,
        Style::Marked,
        Style::Early,
        Style::Table220,
        Style::Split,
        Style::SplitByRule,
        Style::KillSwitch,
    ];

    /// Those that keep their say when they come after the set-up: by rules or longer prefixes.
    pub const BY_RULE_OR_PREFIX: [Style; 7] = [
        Style::Halves,
        Style::Marked,
        Style::Early,
        Style::Table220,
        Style::Split,
        Style::SplitByRule,
        Style::KillSwitch,
    ];
}

/// Connects one.
pub fn connect(fib: &mut Fib, random: &mut Random, style: Style) {
    let kind = *random.pick(&["tun", "wireguard"]);
    fib.links.push(link("vpn0", Some(kind)));
    fib.sysctls.insert("net.ipv4.conf.vpn0.ignore_routes_with_linkdown".into(), "0".into());
    address(fib, "vpn0", "10.8.0.2", 24, None);
    let both = random.chance(60);
    if both {
        address(fib, "vpn0", "fd08::2", 64, None);
    }
    for family in Family::BOTH.into_iter().filter(|it| *it == Family::V4 || both) {
        of_family(fib, random, style, family);
    }
}

fn of_family(fib: &mut Fib, random: &mut Random, style: Style, family: Family) {
    let v4 = family == Family::V4;
    let pick = |one: &'static str, other: &'static str| net(if v4 { one } else { other });
    let private = pick("10.0.0.0/8", "fd00::/8");
    let into = |table: u32, to| route(table, to, None, "vpn0", family);
    match style {
        Style::LowerMetric => {
            let via = v4.then(|| ip("10.8.0.1"));
            let metric = u32::from(!v4);
            let best = Route { via, metric, ..into(MAIN, None) };
            fib.entries.insert(0, super::fib::Entry { route: best, kind: Kind::Unicast });
        }
        Style::Halves => {
            for half in [pick("0.0.0.0/1", "::/1"), pick("128.0.0.0/1", "8000::/1")] {
                fib.add_route(into(MAIN, Some(half)), Kind::Unicast);
            }
            if !v4 {
                fib.add_route(into(MAIN, Some(net("2000::/3"))), Kind::Unicast);
            }
        }
        Style::Marked => {
            fib.add_route(into(51820, None), Kind::Unicast);
            let mut others = rule(family, 51820);
            (others.mark, others.invert) = (Some(51820), true);
            fib.add_rule(others, None);
            let mut specific = rule(family, MAIN);
            specific.rule.suppress = Some(0);
            fib.add_rule(specific, None);
        }
        Style::Early => {
            let to = random.chance(70).then_some(()).map_or(Some(private), |()| None);
            fib.add_route(into(52, to), Kind::Unicast);
            let local = pick("192.168.0.0/16", "fe80::/10");
            fib.add_route(route(52, Some(local), None, "lo", family), Kind::Throw);
            let mut own = rule(family, MAIN);
            own.mark = Some(0x80000);
            fib.add_rule(own, Some(5210));
            fib.add_rule(rule(family, 52), Some(5270));
        }
        Style::Table220 => {
            let by = fib.entries.iter().find(|it| {
                let of = &it.route;
                of.to.is_none()
                    && of.table == MAIN
                    && of.family == family
                    && it.kind == Kind::Unicast
            });
            let by = by.filter(|_| random.chance(60)).map(|it| it.route.clone());
            let best = by.map_or(into(220, None), |by| Route { table: 220, ..by });
            fib.add_route(best, Kind::Unicast);
            fib.add_rule(rule(family, 220), Some(220));
        }
        Style::Split => fib.add_route(into(MAIN, Some(private)), Kind::Unicast),
        Style::SplitByRule => {
            fib.add_route(into(520, None), Kind::Unicast);
            let mut some = rule(family, 520);
            some.to = Some(private);
            fib.add_rule(some, *random.pick(&[None, Some(100), Some(32764)]));
        }
        Style::KillSwitch => {
            let down = fib.links.iter_mut().find(|it| it.name == name("vpn0"));
            down.expect("it was added").up = false;
            fib.entries.retain(|it| it.route.dev != name("vpn0") || it.route.table == 255);
            if random.chance(50) {
                let mut refused = rule(family, 0);
                (refused.mark, refused.invert) = (Some(51820), true);
                refused.rule.action = Action::Unreachable;
                fib.add_rule(refused, Some(31000));
            } else {
                fib.add_route(
                    route(220, None, None, "lo", family),
                    Kind::Refuse(Refusal::Unreachable),
                );
                fib.add_rule(rule(family, 220), Some(220));
            }
        }
    }
}
