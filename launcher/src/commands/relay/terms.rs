//! What an agent on this host is told: the relays, the section `[relay]` of /etc/mptcpize.toml, and what
//! was seen of the host. Shared by `run --relay`, `relay agent` and `gateway`.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::commands::setup::settings;
use crate::error::{Error, Exit};
use crate::host::apply::journal;
use crate::host::netns::identity;
use crate::host::observe::kernel_host::KernelHost;
use crate::host::{Host, relays};
use crate::locations::Locations;
use mptcpize_model::net::{Address, Prefix};
use mptcpize_model::proposal::Proposal;
use mptcpize_model::relay::agent::{Settings, Terms};
use mptcpize_model::relay::asked::Asked;
use mptcpize_model::relay::rules;
use mptcpize_model::{HostState, plain};

/// The name of all stored relays.
const AUTO: &str = "auto";

/// Connections of all programs together.
const CONNECTIONS: u32 = 16_384;

/// For how long connections live on when an agent is told to end by somebody else, in seconds: a service
/// manager tells it when it tells the program.
const DRAIN_S: u32 = 30;

/// What is known of the host.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its addresses, without those of the loopback interface.
    pub addresses: Vec<IpAddr>,
    /// Those of its uplinks.
    pub uplinks: Vec<IpAddr>,
    /// Networks that are reached without a gateway.
    pub on_link: Vec<Prefix>,
}

/// Looks at the host.
///
/// # Errors
/// The kernel cannot be asked, or the settings file has a mistake.
pub fn look(locations: &Locations) -> Result<Seen, Error> {
    let record = journal::look(&locations.run(), identity::netns())?;
    let config = settings::of_host(&record, locations)?;
    let state = KernelHost::open()?.observe(&record.entries)?;
    let proposal = Proposal::of(&state, &config);
    let uplinks = proposal.uplinks.iter().map(|path| path.source()).collect();
    Ok(Seen { addresses: addresses(&state), uplinks, on_link: on_link(&state) })
}

fn addresses(state: &HostState) -> Vec<IpAddr> {
    let loopback = |one: &&Address| state.link(&one.dev).is_none_or(|link| link.loopback);
    let global = state.addresses.iter().filter(|one| one.global && !one.tentative);
    global.filter(|one| !loopback(one)).map(|one| one.address).collect()
}

fn on_link(state: &HostState) -> Vec<Prefix> {
    let wide = |one: &&Address| one.global && one.length > 0;
    let networks = state.addresses.iter().filter(wide);
    networks.map(|one| Prefix::network(one.peer.unwrap_or(one.address), one.length)).collect()
}

/// The section `[relay]`.
///
/// # Errors
/// The file has a mistake.
pub fn asked(locations: &Locations) -> Result<Asked, Error> {
    Ok(settings::file(None, locations)?.relay)
}

/// All that an agent is told. `wanted`: a relay's name, an ss:// URL or `auto`.
///
/// # Errors
/// There is no such relay.
pub fn settings(
    wanted: &str,
    asked: &Asked,
    seen: &Seen,
    locations: &Locations,
) -> Result<Settings, Error> {
    let own = seen.addresses.iter().copied().map(Prefix::host);
    let terms = relays(wanted, asked, seen.on_link.iter().copied().chain(own), locations)?;
    let settings = Settings {
        terms,
        uplinks: seen.uplinks.clone(),
        resolver: Some(resolver()),
        connections: CONNECTIONS,
        drain_s: DRAIN_S,
        log: false,
    };
    Ok(settings)
}

/// Which connections go through which relay. `near`: networks to which nothing does, besides private ones
/// and those that were asked for.
///
/// # Errors
/// There is no such relay.
pub fn relays(
    wanted: &str,
    asked: &Asked,
    near: impl IntoIterator<Item = Prefix>,
    locations: &Locations,
) -> Result<Terms, Error> {
    let relays = match &asked.only {
        Some(only) if wanted == AUTO => relays::resolve(only.as_str(), locations)?,
        _ => relays::resolve(wanted, locations)?,
    };
    let mut never: Vec<Prefix> = asked.never.clone();
    for network in rules::private().into_iter().chain(near) {
        if !never.contains(&network) {
            never.push(network);
        }
    }
    let terms = Terms { relays, policy: asked.policy, never, fallback: asked.fallback };
    terms.check().map_err(|why| {
        Error::new(Exit::Usage, "the relays cannot be used")
            .why(plain::words(&why).to_string())
            .fix("mptcpize relay list")
    })?;
    Ok(terms)
}

/// Whom the host's own resolver asks first (resolv.conf(5)); itself where nobody is named.
fn resolver() -> SocketAddr {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    (first_server(&text).unwrap_or(IpAddr::from([127, 0, 0, 1])), 53).into()
}

fn first_server(text: &str) -> Option<IpAddr> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()?.parse().ok())?
    })
}

/// The addresses that the host's own traffic leaves from, one a family at most.
pub fn sources() -> Vec<IpAddr> {
    // Addresses for documentation (RFC 5737, RFC 3849): connecting a socket of UDP sends nothing.
    let far: [(IpAddr, SocketAddr); 2] = [
        (IpAddr::from([0; 4]), ([192, 0, 2, 1], 53).into()),
        (IpAddr::from([0; 16]), ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 53).into()),
    ];
    let source = |(any, far): (IpAddr, SocketAddr)| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(far).ok()?;
        let own = socket.local_addr().ok()?.ip();
        (!own.is_loopback() && !own.is_unspecified()).then_some(own)
    };
    far.into_iter().filter_map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_server_that_is_an_address_is_asked() {
        let text = "# a comment\nsearch example\nnameserver fe80::1%eth0\nnameserver 127.0.0.53\n";
        assert_eq!(first_server(text), Some(IpAddr::from([127, 0, 0, 53])));
        assert_eq!(first_server("nameserver\noptions edns0\n"), None);
    }
}
