//! The host of a gateway behind the [`Host`] seam: all that a set-up looks at, and besides the table of
//! the packet filter, the delivery of marked packets, and parameters of forwarding.
//!
//! Not here: which of them there are to be (mptcpize_model::gateway); the processes of the relay and of dnsmasq (`relay`, `dnsmasq`).

pub mod confine;
pub mod dnsmasq;
pub mod nft;
pub mod place;
pub mod relay;
pub mod user;
pub mod watch;

use crate::error::Error;
use crate::host::Host;
use crate::host::apply::sysctl;
use crate::host::netlink::KernelError;
use crate::host::netlink::delivery::Delivery;
use crate::host::observe::kernel_host::KernelHost;
use mptcpize_model::HostState;
use mptcpize_model::change::{Change, Item};
use mptcpize_model::gateway::part::Part;
use mptcpize_model::gateway::wanted;

/// The network namespace of this process, as a gateway sees it.
pub struct GatewayHost {
    host: KernelHost,
    delivery: Delivery,
    /// What the journal of the set-up says, by which uplinks are known.
    pub set_up: Vec<Change>,
}

impl GatewayHost {
    /// Connects to the kernel.
    ///
    /// # Errors
    /// A sandbox forbids netlink.
    pub fn open() -> Result<Self, Error> {
        let host = KernelHost::open()?;
        let delivery = Delivery::open().map_err(|error| unanswered(&error))?;
        Ok(GatewayHost { host, delivery, set_up: vec![] })
    }

    /// The same kernel without what is a gateway's alone: for the set-up of the uplinks.
    pub fn plain(&mut self) -> &mut KernelHost {
        &mut self.host
    }
}

impl Host for GatewayHost {
    fn observe(&mut self, ours: &[Change]) -> Result<HostState, Error> {
        let mut state = self.host.observe(&self.set_up)?;
        state.gateway = self.delivery.seen().map_err(|error| unanswered(&error))?;
        state.gateway.filter = nft::read()?;
        for address in &mut state.addresses {
            let recorded = |change: &Change| match change {
                Change::Add(Item::Address(own)) => {
                    (&own.dev, own.address) == (&address.dev, address.address)
                }
                _ => false,
            };
            // So that it is known where the kernel keeps no mark (before Linux 5.18).
            if ours.iter().any(recorded) {
                address.protocol = mptcpize_model::ours::GATEWAY;
            }
        }
        let recorded = ours.iter().filter_map(|change| match change {
            Change::Sysctl { key, .. } => Some(key.clone()),
            _ => None,
        });
        for key in wanted::sysctls(&state).into_iter().chain(recorded) {
            if let Some(value) = sysctl::read(&key) {
                state.sysctls.insert(key, value);
            }
        }
        Ok(state)
    }

    fn apply(&mut self, change: &Change) -> Result<(), KernelError> {
        match change {
            Change::Add(Item::Gateway(Part::Filter(filter))) => nft::replace(filter),
            Change::Remove(Item::Gateway(Part::Filter(_))) => nft::remove(),
            Change::Add(Item::Gateway(Part::Rule(rule))) => self.delivery.add_rule(rule),
            Change::Remove(Item::Gateway(Part::Rule(rule))) => self.delivery.remove_rule(rule),
            Change::Add(Item::Gateway(Part::Route(route))) => self.delivery.add_route(route),
            Change::Remove(Item::Gateway(Part::Route(route))) => self.delivery.remove_route(route),
            other => self.host.apply(other),
        }
    }
}

fn unanswered(error: &KernelError) -> Error {
    Error::new(error.into(), "cannot look at the host").why(error)
}
