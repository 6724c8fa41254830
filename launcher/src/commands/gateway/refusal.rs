//! Why a host with its settings is no gateway, and what to do about it.

use crate::error::{Error, Exit};
use mptcpize_model::HostState;
use mptcpize_model::change::{Change, Item};
use mptcpize_model::gateway::filter::TABLE;
use mptcpize_model::gateway::lan::Wrong;
use mptcpize_model::gateway::part::Part;
use mptcpize_model::net::{Family, Prefix};
use mptcpize_model::{phrase, shell};

/// A table of the name of ours that neither the journal nor its chains say is a gateway's stays: it would
/// be replaced, and deleted in the end.
///
/// # Errors
/// 1 where there is one.
pub fn of_table(state: &HostState, journal: &[Change]) -> Result<(), Error> {
    let made = |change: &Change| matches!(change, Change::Add(Item::Gateway(Part::Filter(_))));
    if state.gateway.filter.as_deref() != Some("") || journal.iter().any(made) {
        return Ok(());
    }
    Err(Error::new(Exit::Failed, format!("there is a table inet {TABLE} that no gateway made"))
        .why("a gateway's own has this name, and would take its place")
        .fix(format!(
            "sudo nft list table inet {TABLE}    # shows it; if nothing needs it: sudo nft delete \
             table inet {TABLE}"
        )))
}

/// The error for what speaks against a LAN.
pub fn of_lan(wrong: Wrong) -> Error {
    match wrong {
        Wrong::Unnamed(proposed) => unnamed(&proposed),
        Wrong::NoUplink(why, link) => {
            let link = link.as_ref().map_or_else(|| "LINK".into(), shell::word);
            Error::new(Exit::Failed, "this host has no uplink")
                .why(if why.is_empty() { "there is no link beside the LAN" } else { &why })
                .fix(format!(
                    "sudo ip route add default via GATEWAY dev {link}    # or in /etc/mptcpize.toml, \
                     in [gateway]: {link} = \"GATEWAY\""
                ))
        }
        Wrong::NoFamily(name, family) => {
            let address = match family {
                Family::V4 => "fd77:1::1/64",
                Family::V6 => "192.168.77.1/24",
            };
            let name = shell::word(&name);
            Error::new(Exit::Failed, format!("no uplink has the {family} of the LAN {name}"))
                .why(format!("{name} has nothing else, so nothing of its clients can leave"))
                .fix(format!("sudo mptcpize gateway --lan {name} --lan-address {address} --dhcp"))
        }
        Wrong::Absent(name, others) => {
            Error::new(Exit::Usage, format!("there is no interface {name}"))
                .why(format!("this host has {}", phrase::list(&others)))
                .fix("ip -br link    # lists them")
        }
        Wrong::Down(name) => Error::new(Exit::Failed, format!("the LAN interface {name} is down"))
            .why("nothing passes it")
            .fix(format!("sudo ip link set {} up", shell::word(&name))),
        Wrong::PartOf(name, master) => {
            Error::new(Exit::Usage, format!("{name} is no LAN of its own"))
                .why(format!("it is part of {master}, which has the addresses"))
                .fix(format!("sudo mptcpize gateway --lan {}", shell::word(&master)))
        }
        Wrong::Unsuitable(name, why) => {
            Error::new(Exit::Usage, format!("{name} cannot be a LAN")).why(why).fix("ip -br link")
        }
        Wrong::Uplink(name) => {
            Error::new(Exit::Usage, format!("{name} is an uplink and cannot be the LAN"))
                .why("a default route leads out by it, or a neighbour's gateway is in its network")
                .fix("ip route show default    # names the uplinks; the LAN is another interface")
        }
        Wrong::Given(lan, network, uplink, other) => Error::new(
            Exit::Usage,
            format!("the --lan-address of {lan} and a network of the uplink {uplink} overlap"),
        )
        .why(format!("{network} and {other}: an address in both is reached by one of them alone"))
        .fix(format!(
            "sudo mptcpize gateway --lan {} --lan-address {}",
            shell::word(&lan),
            beside(&other)
        )),
        Wrong::Overlap(lan, network, uplink, other) => Error::new(
            Exit::Failed,
            format!("the networks of the LAN {lan} and of the uplink {uplink} overlap"),
        )
        .why(format!("{network} and {other}: an address in both is reached by one of them alone"))
        .fix(format!(
            "sudo ip address replace 192.168.77.1/24 dev {}    # and take the old one away",
            shell::word(&lan)
        )),
        Wrong::NoAddress(name) => {
            let name = shell::word(&name);
            Error::new(Exit::Failed, format!("the LAN interface {name} has no address"))
                .why("clients need a router that they can name")
                .fix(format!(
                    "sudo mptcpize gateway --lan {name} --lan-address 192.168.77.1/24 --dhcp    \
                     # or, to stay: sudo ip address add 192.168.77.1/24 dev {name}"
                ))
        }
        Wrong::Unnameable(name) => {
            Error::new(Exit::Failed, format!("nft cannot name the interface {name}"))
                .why("its name has a sign that means something else in nft's rules")
                .fix(format!("sudo ip link set {} name lan0", shell::word(&name)))
        }
    }
}

/// An address for a LAN that is not in this network.
fn beside(network: &Prefix) -> &'static str {
    let all: [&str; 2] = match Family::of(network.address) {
        Family::V4 => ["192.168.77.1/24", "172.31.77.1/24"],
        Family::V6 => ["fd77:1::1/64", "fd78:1::1/64"],
    };
    let inside = |text: &str| text.parse().is_ok_and(|one: Prefix| network.contains(one.address));
    all.into_iter().find(|text| !inside(text)).unwrap_or(all[0])
}

fn unnamed(proposed: &[(mptcpize_model::net::IfName, Vec<String>)]) -> Error {
    let error = Error::new(Exit::Usage, "which interface is the LAN?");
    let describe = |(name, addresses): &(mptcpize_model::net::IfName, Vec<String>)| {
        format!("{name} ({})", phrase::list(addresses))
    };
    match proposed {
        [] => error
            .why("no interface has a private address and no default route")
            .fix("sudo mptcpize gateway --lan IF --lan-address 192.168.77.1/24 --dhcp"),
        [only] => error
            .why(format!("{} has a private address and no default route", describe(only)))
            .fix(format!("sudo mptcpize gateway --lan {}", shell::word(&only.0))),
        [first, ..] => {
            let all: Vec<String> = proposed.iter().map(describe).collect();
            error
                .why(format!("{} have private addresses and no default route", phrase::list(&all)))
                .fix(format!("sudo mptcpize gateway --lan {}", shell::word(&first.0)))
        }
    }
}
