//! Why a host with its settings is no gateway, and what to do about it.

use crate::error::{Error, Exit};
use mptcpize_model::gateway::lan::Wrong;
use mptcpize_model::{phrase, shell};

/// The error for what speaks against a LAN.
pub fn of_lan(wrong: Wrong) -> Error {
    match wrong {
        Wrong::Unnamed(proposed) => unnamed(&proposed),
        Wrong::NoUplink(why) => Error::new(Exit::Failed, "this host has no uplink")
            .why(why)
            .fix("mptcpize setup --dry-run    # says of each link why it is none"),
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
