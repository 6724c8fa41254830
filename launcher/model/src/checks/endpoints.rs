//! Does every path have an endpoint that subflows are opened from, and does each endpoint lead somewhere
//! (ip-mptcp(8))?

use std::net::IpAddr;

use super::{Context, Finding, SETUP};
use crate::change::{Change, Item};
use crate::mptcp::{Endpoint, Flags};
use crate::net::{Address, Family, IfName};
use crate::phrase::list;
use crate::record::Recorded;
use crate::{shell, unwanted};

pub(super) fn endpoints(context: &Context) -> Vec<Finding> {
    let host = &context.seen.host;
    let real = || host.endpoints.iter().filter(|it| !it.flags.has(Flags::IMPLICIT));
    let mut found: Vec<Finding> = real().filter_map(|endpoint| broken(context, endpoint)).collect();
    // The best path needs none: connections start there.
    let uses = |dev: &IfName| {
        real().any(|endpoint| {
            let own = |address: &&crate::net::Address| address.address == endpoint.address;
            host.addresses.iter().find(own).is_some_and(|address| address.dev == *dev)
        })
    };
    let adds = |change: &Change| matches!(change, Change::Add(Item::Endpoint(_)));
    let steps = &context.proposal.plan.steps;
    let full = host.endpoints.len() + steps.iter().filter(|step| adds(&step.change)).count()
        >= host.kernel.most_endpoints;
    let gets = |dev: &IfName| {
        let own =
            |address| context.paths.iter().any(|path| path.dev == *dev && path.source() == address);
        context.setup_makes(
            |change| matches!(change, Change::Add(Item::Endpoint(it)) if own(it.address)),
        )
    };
    let (without_room, unused): (Vec<IfName>, Vec<IfName>) = context
        .links
        .iter()
        .skip(1)
        .filter(|dev| !uses(dev))
        .cloned()
        .partition(|dev| full && !gets(dev));
    if !unused.is_empty() && !context.is_managed() {
        let them = if unused.len() == 1 { "it" } else { "them" };
        let mut finding = Finding::problem(
            "endpoints.missing",
            format!("none on {}: connections never use {them}", list(&unused)),
        );
        finding = finding.why("the path manager opens subflows from endpoints alone");
        let by_hand: Vec<String> = context
            .paths
            .iter()
            .filter(|path| unused.contains(&path.dev))
            .map(|path| add(path.source(), &path.dev, Flags::SUBFLOW))
            .collect();
        let by_hand: Vec<&str> = by_hand.iter().map(String::as_str).collect();
        found.push(match context.setup_makes(adds) {
            true => finding.fix(&[SETUP]).or(&by_hand),
            false => finding.fix(&by_hand),
        });
    }
    if found.is_empty() {
        let all: Vec<String> = real().map(|endpoint| describe(context, endpoint)).collect();
        found.extend(match (all.is_empty(), context.bonds()) {
            (true, _) => None,
            (false, _) => Some(Finding::fine("endpoints", all.join(", "))),
        });
    }
    found.extend((!without_room.is_empty()).then(|| full_house(context, &without_room)));
    found
}

/// There are more links than the kernel takes endpoints.
fn full_house(context: &Context, without: &[IfName]) -> Finding {
    let with: Vec<&IfName> = context.links.iter().filter(|dev| !without.contains(dev)).collect();
    let most = context.seen.host.kernel.most_endpoints;
    let title = format!("none on {}: this kernel takes {most}", list(without));
    Finding::note("endpoints.full", title)
        .why(format!("{} have the best default routes, and no room is left", list(&with)))
        .advice("mptcpize setup --exclude IF,…    # gives the place of one to another")
}

/// `w2 10.2.0.1 (id 2, backup)`
fn describe(context: &Context, endpoint: &Endpoint) -> String {
    let holder =
        context.seen.host.addresses.iter().find(|address| address.address == endpoint.address);
    let dev = holder.map(|address| format!("{} ", address.dev)).unwrap_or_default();
    let special: Vec<String> = endpoint
        .flags
        .without(Flags::SUBFLOW)
        .words()
        .into_iter()
        .map(|word| format!(", {word}"))
        .collect();
    format!("{dev}{} (id {}{})", endpoint.address, endpoint.id, special.concat())
}

/// The command that makes an endpoint.
fn add(address: IpAddr, dev: &IfName, flags: Flags) -> String {
    format!("mptcpize endpoint add {address} dev {} {flags}", shell::word(dev))
}

/// Would `mptcpize setup` take away the endpoint of this address?
fn replaces(context: &Context, address: IpAddr) -> bool {
    context.setup_makes(
        |change| matches!(change, Change::Remove(Item::Endpoint(it)) if it.address == address),
    )
}

/// What is wrong with one endpoint.
fn broken(context: &Context, endpoint: &Endpoint) -> Option<Finding> {
    let host = &context.seen.host;
    let Endpoint { id, address, flags, .. } = endpoint;
    let delete = format!("mptcpize endpoint delete id {id}");
    // What setup made it also puts right, together with whatever else the same event has undone.
    let remedy = |finding: Finding, by_hand: &[&str]| match replaces(context, *address) {
        true => finding.fix(&[SETUP]).or(by_hand),
        false => finding.fix(by_hand),
    };
    let holders: Vec<&IfName> =
        host.addresses.iter().filter(|it| it.address == *address).map(|it| &it.dev).collect();
    let Some(dev) = holders.first() else {
        // What is only announced may be another host's: that of a NAT in front of this one.
        if !flags.has(Flags::SUBFLOW) && flags.has(Flags::SIGNAL) {
            return None;
        }
        // Of a link that was set up and is away, or whose lease lapsed: the set-up leaves it for when that is back.
        let is_away = |dev: &IfName| host.link(dev).is_none_or(|link| !link.up);
        let has_none = |recorded: &Recorded| {
            let family = |one: &Address| Family::of(one.address) == recorded.family;
            let mut addresses = host.addresses.iter().filter(|one| one.dev == recorded.dev);
            !addresses.any(|one| one.global && family(one))
        };
        let of_family = |recorded: &&Recorded| recorded.family == Family::of(*address);
        let waits_for = if host.recorded.iter().any(|recorded| is_away(&recorded.dev)) {
            Some("its link, which is away".to_owned())
        } else {
            let mut recorded = host.recorded.iter().filter(of_family);
            recorded
                .find(|one| has_none(one))
                .map(|one| format!("{}, which has no address", one.dev))
        };
        if let Some(what) =
            waits_for.filter(|_| host.ours.contains(address) && !replaces(context, *address))
        {
            let title = format!("{address} (id {id}) waits for {what}");
            return Some(
                Finding::note("endpoints.away", title)
                    .why("it was set up here; mptcpize setup completes it when that is back, and mptcpize setup undo takes it back"),
            );
        }
        let gone =
            Finding::problem("endpoints.vanished", format!("{address} (id {id}) is on no link"))
                .why("it was removed, or the link is gone: subflows from it never open");
        return Some(remedy(gone, &[&delete]));
    };
    if let Some(said) = endpoint.dev.as_ref().filter(|said| !holders.contains(said)) {
        let again = add(*address, dev, *flags);
        let title = format!("{address} (id {id}) is on {dev}, and its endpoint says {said}");
        let wrong = Finding::problem("endpoints.wrong_link", title)
            .why("subflows are bound to a link that does not have their address");
        return Some(remedy(wrong, &[&delete, &again]));
    }
    if flags.without(Flags::BACKUP).0 == 0 {
        let again = add(*address, dev, flags.with(Flags::SUBFLOW));
        let idle = Finding::problem("endpoints.idle", format!("{address} (id {id}) is not used"))
            .why("it has neither of the flags subflow and signal");
        return Some(remedy(idle, &[&delete, &again]));
    }
    if host.link(dev).is_some_and(|link| !link.up) {
        return Some(
            Finding::problem(
                "endpoints.link_down",
                format!("{dev}, with {address}, is switched off"),
            )
            .fix(&[&format!("ip link set dev {} up", shell::word(dev))]),
        );
    }
    let family = Family::of(*address);
    let is_path = context.paths.iter().any(|path| path.dev == **dev && path.family == family);
    let meant = !unwanted::is_left_out(&context.seen.asked, dev);
    if !is_path && meant && host.link(dev).is_some_and(|link| !link.loopback) {
        return Some(
            Finding::warning(
                "endpoints.no_gateway",
                format!("{dev}, with {address}, has no gateway"),
            )
            .why("subflows from it reach its own network alone")
            .advice(format!(
                "mptcpize setup {}    # of its router",
                shell::option("--gateway", format_args!("{dev}=ADDRESS"))
            )),
        );
    }
    None
}
