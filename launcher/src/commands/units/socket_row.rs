//! Whether the socket of a `.socket` unit is one of MPTCP: asked of the descriptors that systemd
//! holds for it, since the unit has no process of its own.

use std::net::SocketAddr;

use crate::commands::units::Site;
use crate::host::procfs::held::{self, Held};
use crate::host::systemd::units::Facts;
use crate::output::services::{Row, restart};
use mptcpize_model::shell;
use mptcpize_model::unit::address::{Address, Misfit, fits};
use mptcpize_model::unit::judge::{Count, Judgement, Verdict};

/// The first process, which is systemd's where the system's manager is asked.
const MANAGER: u32 = 1;

/// The unit's sockets of MPTCP, and of TCP alone; `None` where that cannot be told.
fn sockets(site: &Site, facts: &Facts) -> Option<Count> {
    site.running().filter(|manager| !manager.user)?;
    let all = facts.listen.iter().filter_map(|line| Address::shown(line));
    let wanted: Vec<Address> = all.filter(Address::is_ip_stream).collect();
    let held = held::listeners(MANAGER).ok()?;
    let own: Vec<&Held> =
        held.iter().filter(|one| wanted.iter().any(|address| is_at(one, address))).collect();
    let mptcp = own.iter().filter(|one| one.mptcp).count();
    Some(Count { mptcp, tcp: own.len() - mptcp })
}

/// Is the socket at an address that systemd shows? One with the name of a link in it is known by its
/// port.
fn is_at(held: &Held, address: &Address) -> bool {
    match address.text.parse::<SocketAddr>() {
        Ok(address) => address == held.address,
        Err(_) => address.text.ends_with(&format!(":{}", held.address.port())),
    }
}

/// Fills in the row of a `.socket` that is open.
pub fn look(row: &mut Row, facts: &Facts, site: &Site) {
    // A new release of a package can listen at more than the one that was enabled.
    let all: Vec<Address> = facts.listen.iter().filter_map(|line| Address::shown(line)).collect();
    if let Err(Misfit::NotIp(address)) = fits(&all, None) {
        let disable = format!("sudo mptcpize disable {}", shell::operand(&row.unit));
        row.hints = vec![format!("{}, so it cannot be opened: {disable}", address.describe())];
        return;
    }
    if facts.active != "active" {
        return;
    }
    let listeners = sockets(site, facts);
    let verdict = verdict(listeners);
    let manager = if site.user { "systemctl --user" } else { "sudo systemctl" };
    row.hints = match verdict {
        Verdict::No | Verdict::Partly => {
            vec![format!("opened before: {}", restart(manager, &[&row.unit]))]
        }
        Verdict::Unknown => vec!["what systemd has opened, root may look at".to_owned()],
        _ => vec![],
    };
    let listeners = listeners.unwrap_or_default();
    row.judgement = Some(Judgement { verdict, listeners, ..Judgement::default() });
}

/// Is the socket of a unit that is open one of MPTCP, as far as can be told?
pub fn is_in_effect(site: &Site, facts: &Facts) -> bool {
    verdict(sockets(site, facts)) == Verdict::Yes
}

fn verdict(sockets: Option<Count>) -> Verdict {
    match sockets {
        None => Verdict::Unknown,
        Some(Count { mptcp: 0, .. }) => Verdict::No,
        Some(Count { tcp: 0, .. }) => Verdict::Yes,
        Some(_) => Verdict::Partly,
    }
}
