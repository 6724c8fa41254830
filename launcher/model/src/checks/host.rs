//! The host itself: kernel, library, paths, limits, other managers, services.

use super::{Context, Finding, SETUP, Service, Severity, Shim, Socket};
use crate::change::Change;
use crate::config::Role;
use crate::desired::{self, Refused};
use crate::net::IfName;
use crate::no_path::LeftOut;
use crate::phrase::{count, list};
use crate::{Flavour, Manager, lacks, path_manager, shell, sysctl};

pub(super) fn kernel(context: &Context) -> Vec<Finding> {
    let host = &context.seen.host;
    let release = &host.kernel.release;
    let boot = "boot a kernel 5.6 or newer built with CONFIG_MPTCP";
    match (host.kernel.mptcp, &context.seen.socket) {
        (Flavour::OutOfTree, _) => {
            return vec![
                Finding::problem(
                    "kernel.out_of_tree",
                    format!("{release} has the out-of-tree MPTCP"),
                )
                .why("it has net.mptcp.mptcp_enabled and no path manager that can be set up")
                .advice(boot),
            ];
        }
        (Flavour::Absent, _) | (_, Socket::Absent) => {
            return vec![
                Finding::problem("kernel.absent", format!("{release} has no MPTCP")).advice(boot),
            ];
        }
        (_, Socket::Off) => {
            let off = Finding::problem("kernel.off", "MPTCP is off (net.mptcp.enabled=0)");
            let off = off.why("every socket stays TCP");
            let by_hand = ["sysctl -w net.mptcp.enabled=1"];
            let mends = |change: &Change| matches!(change, Change::Sysctl { key, .. } if key == "net.mptcp.enabled");
            return vec![match context.setup_makes(mends) {
                true => off.fix(&[SETUP]).or(&by_hand),
                false => off.fix(&by_hand),
            }];
        }
        (_, Socket::Refused(error)) => {
            return vec![
                Finding::problem("kernel.refused", format!("MPTCP is refused: {error}"))
                    .why("a sandbox, SELinux or a BPF program forbids IPPROTO_MPTCP")
                    .advice("allow it there, or run this outside of the sandbox"),
            ];
        }
        (Flavour::Upstream, Socket::On) => {}
    }
    let mut found = Vec::new();
    if context.seen.suspended {
        let timeout = host.sysctl("net.mptcp.blackhole_timeout").max(1);
        found.push(
            Finding::problem("kernel.suspended", "MPTCP is suspended: connections start as TCP")
                .why(
                    "SYNs with MPTCP vanished and those without did not: the kernel gives up for a \
                     while (net.mptcp.blackhole_timeout)",
                )
                .fix(&[&sysctl::command("net.mptcp.blackhole_timeout", timeout)]),
        );
    }
    let manager = path_manager::find(|key| host.sysctls.get(key).map(String::as_str));
    let unmanaged = manager
        .filter(|(parameter, value)| *value == parameter.userspace)
        .map(|(parameter, _)| sysctl::command(parameter.key, parameter.kernel));
    let is_there = host.managers.contains(&Manager::Mptcpd) || context.seen.daemon;
    if let Some(fix) = unmanaged.filter(|_| !is_there) {
        found.push(
            Finding::problem(
                "kernel.userspace_manager",
                "the path manager is a program that is not there",
            )
            .why("with path_manager=userspace the kernel opens no subflow by itself")
            .fix(&[&fix]),
        );
    }
    if host.sysctls.get("net.mptcp.allow_join_initial_addr_port").is_some_and(|value| value == "0")
    {
        found.push(
            Finding::warning(
                "kernel.no_initial_joins",
                "clients may not join to a server's first address",
            )
            .why("net.mptcp.allow_join_initial_addr_port is 0: they join to announced ones alone")
            .fix(&["sysctl -w net.mptcp.allow_join_initial_addr_port=1"]),
        );
    }
    if found.is_empty() {
        let scheduler = host.sysctls.get("net.mptcp.scheduler");
        let scheduler = scheduler.map(|name| format!(", scheduler {name}")).unwrap_or_default();
        found.push(Finding::fine("kernel", format!("{release}, MPTCP on{scheduler}")));
    }
    if host.kernel.mptcp_without_ipv6 {
        let title = "MPTCP over IPv4 alone: connections over IPv6 stay TCP";
        found.push(
            Finding::note("kernel.without_ipv6", title)
                .why("this kernel is built without CONFIG_MPTCP_IPV6")
                .advice("a name may lead to either family: curl -4, ssh -4, … choose IPv4"),
        );
    }
    if let Some(lacks) = lacks::words(&context.seen.lacks) {
        found.push(Finding::note("kernel.lacks", lacks));
    }
    found
}

/// Why further links are no paths: the question of who has one only.
fn why_no_other(context: &Context) -> Option<String> {
    let others = context.proposal.desired.left_out.iter().filter(|left| left.what != "lo");
    let all: Vec<String> = others
        .map(|left| {
            // Such a link is left out by the daemon, not by the settings.
            let held = context.seen.held.iter().find(|(dev, _)| left.what == dev.as_str());
            let why = held.map_or_else(|| left.why.clone(), |(_, why)| format!("held back: {why}"));
            format!("{} is none: {why}", left.what)
        })
        .collect();
    let (told, rest) = all.split_at(all.len().min(3));
    let more = match rest.len() {
        0 => String::new(),
        more => format!("; and {more} more, see mptcpize setup --dry-run"),
    };
    (!told.is_empty()).then(|| format!("{}{more}", told.join("; ")))
}

pub(super) fn shim(context: &Context) -> Vec<Finding> {
    vec![match &context.seen.shim {
        Shim::Untried => Finding::new(Severity::Unknown, "shim.untried", "not tried"),
        Shim::Upgrades { library, .. } => {
            Finding::fine("shim", format!("{library} loads and upgrades socket()"))
        }
        Shim::NoProgram { library } => {
            Finding::note("shim.no_program", format!("{library} is there, and was not tried"))
                .why("this host has none of the programs to try it with (bash, python3, curl, …)")
        }
        Shim::Late { library, program } => Finding::new(
            Severity::Unknown,
            "shim.late",
            format!("{program} was not through in time with {library}"),
        ),
        Shim::Fails { library, program, why } => {
            Finding::problem("shim.fails", format!("{program} stays on TCP with {library}"))
                .why(why.clone())
                .advice(format!(
                    "mptcpize run --explain {}    says how it can be reached",
                    shell::operand(program)
                ))
        }
        Shim::Nowhere { why, fix } => {
            Finding::problem("shim.nowhere", "there is no safe place for the preload library")
                .why(why.clone())
                .advice(fix.clone())
        }
    }]
}

pub(super) fn paths(context: &Context) -> Vec<Finding> {
    let host = &context.seen.host;
    let mut found = Vec::new();
    let links = &context.links;
    match (links.as_slice(), &context.proposal.desired.refused) {
        (_, Some(Refused::Rules(why))) => found.push(
            Finding::problem("paths.no_place", desired::NO_PLACE)
                .why(why.clone())
                .advice(desired::SHOW_RULES),
        ),
        ([], _) => {
            let left_out = LeftOut::of(host, &context.seen.asked);
            let none = Finding::problem("paths.none", left_out.what()).advice(left_out.advice());
            // A daemon takes it away by itself.
            let remains = !context.proposal.desired.unwanted.is_empty() && !context.seen.followed;
            found.push(match remains && !context.proposal.plan.is_empty() {
                true => none.why("what was set up for them stays until the next mptcpize setup"),
                false => none,
            });
        }
        _ => match context.usable.as_slice() {
            // What is wrong with them is told below.
            [] => {}
            [only] => {
                let one = Finding::fine(
                    "paths.one",
                    format!("one, {only}: connections can be MPTCP, and there is nothing to bond"),
                );
                found.push(match why_no_other(context) {
                    Some(why) => one.why(why),
                    None => one,
                });
            }
            usable => {
                let (number, names) = (count(usable.len(), "path"), list(usable));
                found.push(Finding::fine("paths", format!("{number}, {names}")));
            }
        },
    }
    let lost = links.iter().filter(|dev| host.link(dev).is_some_and(|link| !link.carrier));
    // With another path connections go on; with none nothing does.
    let severity = if context.usable.is_empty() { Severity::Problem } else { Severity::Warning };
    for dev in lost {
        found.push(
            Finding::new(severity, "paths.carrier", format!("{dev} has no carrier"))
                .why("it is switched on, and nothing is at the other end")
                .advice(format!("look at the cable, the modem or the radio of {dev}")),
        );
    }
    let has_carrier = |dev: &IfName| host.link(dev).is_none_or(|link| link.carrier);
    let stalled = context.seen.stalled.iter();
    for (dev, why) in stalled.filter(|(dev, _)| links.contains(dev) && has_carrier(dev)) {
        found.push(
            Finding::new(severity, "paths.held", format!("nothing passes {dev}"))
                .why(format!("it is up, and {why}"))
                .advice(format!(
                    "look at the router or the provider behind {dev}; the daemon asks on, and uses it again \
                     as soon as it passes"
                )),
        );
    }
    found
}

pub(super) fn limits(context: &Context) -> Vec<Finding> {
    let host = &context.seen.host;
    let bonds = context.bonds() && !context.is_managed();
    let Some(limits) = host.limits.filter(|_| bonds) else { return vec![] };
    let most = host.kernel.most_subflows;
    let by_hand = format!("mptcpize limits set subflows {most} add_addr_accepted {most}");
    let remedy = |finding: Finding| {
        let raises = |change: &Change| matches!(change, Change::Limits { .. });
        match context.setup_makes(raises) {
            true => finding.fix(&[SETUP]).or(&[&by_hand]),
            false => finding.fix(&[&by_hand]),
        }
    };
    let links = context.links.len();
    // Additional ones: the first is the connection's own.
    let wanted = u32::try_from(links - 1).unwrap_or(u32::MAX).min(most);
    let wanted = context.seen.asked.max_subflows.map_or(wanted, |asked| asked.min(wanted));
    let mut found = Vec::new();
    if limits.subflows == 0 && wanted > 0 {
        found.push(remedy(
            Finding::problem("limits.no_subflows", "subflows is 0: no second path is ever used")
                .why("the kernel opens no subflow beside a connection's first"),
        ));
    } else if limits.subflows < wanted {
        found.push(remedy(Finding::warning(
            "limits.few_subflows",
            format!(
                "subflows is {}: a connection uses {} of {links} paths",
                limits.subflows,
                limits.subflows + 1
            ),
        )));
    }
    let heeds = limits.add_addr_accepted > 0 || context.seen.asked.max_subflows == Some(0);
    if !heeds && context.seen.asked.role != Role::Server {
        found.push(remedy(Finding::warning(
            "limits.no_addresses",
            "add_addr_accepted is 0: addresses that the peer announces are ignored",
        )));
    }
    if found.is_empty() {
        found.push(Finding::fine(
            "limits",
            format!("subflows {}, add_addr_accepted {}", limits.subflows, limits.add_addr_accepted),
        ));
    }
    found
}

pub(super) fn managers(context: &Context) -> Vec<Finding> {
    let host = &context.seen.host;
    let runs = |manager: Manager| host.managers.contains(&manager);
    let network_manager = runs(Manager::NetworkManager);
    if context.is_managed() && !host.recorded.is_empty() {
        let manager = path_manager::find(|key| host.sysctls.get(key).map(String::as_str));
        let finding = Finding::warning(
            "managers.userspace",
            "mptcpd opens the subflows, and none from what mptcpize setup made",
        )
        .why("with path_manager=userspace the kernel goes by no endpoint and no limit");
        let fix = manager.map(|(parameter, _)| sysctl::command(parameter.key, parameter.kernel));
        return vec![finding.fix(&[&fix.unwrap_or_default()])];
    }
    if runs(Manager::Mptcpd) && (network_manager || !host.ours.is_empty()) {
        let other = if network_manager { "NetworkManager" } else { "mptcpize setup" };
        return vec![
            Finding::warning("managers.two", format!("mptcpd and {other} both manage endpoints"))
                .why("each adds and removes them without knowing of the other")
                .fix(&["systemctl disable --now mptcp.service"]),
        ];
    }
    let others: Vec<Manager> = [Manager::NetworkManager, Manager::Mptcpd]
        .into_iter()
        .filter(|manager| runs(*manager))
        .collect();
    if others.is_empty() {
        return vec![];
    }
    vec![
        Finding::note("managers.other", format!("{} manages endpoints here", list(&others)))
            .why("what it makes is kept; it sets neither limits nor source routing"),
    ]
}

pub(super) fn services(context: &Context) -> Vec<Finding> {
    let services = &context.seen.services;
    let stayed = &context.seen.stayed_tcp;
    if services.is_empty() && stayed.is_empty() {
        return vec![];
    }
    let mut found: Vec<Finding> = services
        .iter()
        .filter(|service| !service.without.is_empty())
        .map(|Service { unit, without, .. }| {
            Finding::problem(
                "services.without",
                format!("{unit} is set up, and process {} runs without the library", list(without)),
            )
            .why("it was started before, or started by something that cleared its environment")
            .fix(&[&format!("systemctl restart {}", shell::operand(unit))])
        })
        .collect();
    let told = |unit: &str| services.iter().any(|one| one.unit == unit && !one.without.is_empty());
    found.extend(stayed.iter().filter(|(unit, _)| !told(unit)).map(|(unit, lines)| {
        Finding::note("services.tcp", format!("{unit} is switched on, and not all of it is MPTCP"))
            .why(format!("{} (mptcpize list has what does something about it)", lines.join("; ")))
    }));
    let unreadable: Vec<&str> = services
        .iter()
        .filter(|service| service.unreadable > 0 && service.without.is_empty())
        .map(|service| service.unit.as_str())
        .collect();
    if !unreadable.is_empty() {
        let title = format!("{}: processes of other users", list(&unreadable));
        let mut unknown =
            Finding::note("services.unreadable", title).why("only root may look at them");
        unknown.severity = Severity::Unknown;
        found.push(unknown);
    }
    if found.is_empty() {
        let all: Vec<String> = services
            .iter()
            .map(|service| match service.processes {
                0 => format!("{} not running", service.unit),
                _ => format!("{} on", service.unit),
            })
            .collect();
        found.push(Finding::fine("services", all.join(", ")));
    }
    found
}
