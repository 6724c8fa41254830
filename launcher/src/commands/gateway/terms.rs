//! What a gateway goes by: the command line, the section `[gateway]` of the settings file, and what the
//! set-up of the uplinks goes by.

use crate::cli::gateway::Settings;
use crate::commands::relay::terms;
use crate::commands::setup::settings;
use crate::error::{Error, Exit};
use crate::host::apply::journal;
use crate::host::netns::identity;
use crate::locations::Locations;
use mptcpize_model::config::Config;
use mptcpize_model::gateway::asked::Asked;
use mptcpize_model::relay::agent;

/// All of it.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The gateway's own.
    pub asked: Asked,
    /// The set-up's, with the LAN left out.
    pub config: Config,
    /// The relays on rented servers, where the LAN goes through them.
    pub relays: Option<agent::Terms>,
}

impl Terms {
    /// Reads them.
    ///
    /// # Errors
    /// 2 for a mistake in the settings file or what cannot be meant, 5 without such a relay, 1 for a
    /// damaged journal.
    pub fn read(given: &Settings, locations: &Locations) -> Result<Self, Error> {
        let file = settings::gateway(given.config.as_deref(), locations)?;
        let asked = given.asked().over(file);
        asked.check().map_err(|why| {
            Error::new(Exit::Usage, "the settings of the gateway have a mistake")
                .why(why)
                .fix("mptcpize gateway --help    # has examples")
        })?;
        let record = journal::look(&locations.run(), identity::netns())?;
        let named = settings::file(given.config.as_deref(), locations)?;
        let through = named.relay.clone();
        let mut config = settings::with_spent(record.asked.over(named), locations);
        config.stalled = settings::stalled(locations);
        // A LAN with a default route is refused, so this takes nothing from a set-up that there is.
        config.exclude.extend(asked.lan.iter().cloned());
        let relays = match &asked.relay {
            Some(relay) => Some(terms::relays(relay.as_str(), &through, [], locations)?),
            None => None,
        };
        Ok(Terms { asked, config, relays })
    }
}
