//! `relay agent --enable` and `--disable`: the agent as a service that starts with the host.

use crate::cli::relay::agent::Agent;
use crate::commands::relay::agent::wanted;
use crate::commands::relay::terms;
use crate::commands::service::{self, Service, check_systemd};
use crate::error::{Error, Exit};
use crate::inject::relay;
use crate::locations::Locations;
use crate::output;
use mptcpize_model::relay::asked::Asked;

/// The unit.
const SERVICE: Service = Service {
    unit: "mptcpize-relay-agent.service",
    text: include_str!("mptcpize-relay-agent.service"),
    command: "/usr/bin/mptcpize relay agent",
    verb: "mptcpize relay agent",
};

/// Starts it now and at each boot.
///
/// # Errors
/// There is no systemd, no relay or no mptcpize-relay (5); the service does not start, and then it is as
/// before.
pub(super) fn enable(
    arguments: &Agent,
    asked: &Asked,
    locations: &Locations,
) -> anyhow::Result<Exit> {
    let words = words(arguments)?;
    check_systemd(|| {
        format!("{}    # runs here until it is ended", service::shell_command(&words))
    })?;
    // What is wrong is told here, and not in the service's log.
    relay::find(locations)?;
    terms::settings(wanted(arguments), asked, &terms::look(locations)?, locations)?;
    SERVICE.enable(locations, &service::command(&words))?;
    output::line(&format!(
        "{} runs, now and at each boot    (end it: sudo mptcpize relay agent --disable)",
        SERVICE.unit
    ))?;
    Ok(Exit::Done)
}

/// Ends it, and lets it not start again.
///
/// # Errors
/// 5 without systemd, 4 without privilege.
pub(super) fn disable(locations: &Locations) -> anyhow::Result<Exit> {
    check_systemd(|| "ps -C mptcpize    # shows one that runs; end it by kill".to_owned())?;
    SERVICE.disable(locations)?;
    output::line(&format!("{} has ended, and does not start again", SERVICE.unit))?;
    Ok(Exit::Done)
}

/// The command line of the service.
fn words(arguments: &Agent) -> Result<Vec<String>, Error> {
    let mut words = vec!["relay".to_owned(), "agent".to_owned()];
    if arguments.host {
        words.push("--host".to_owned());
    }
    words.extend(arguments.proxy.map(|proxy| format!("--proxy={proxy}")));
    if let Some(relay) = &arguments.relay {
        if relay.contains("://") {
            return Err(Error::new(Exit::Usage, "a service takes a stored relay")
                .why("a URL holds the key, and a unit is read by everybody")
                .fix("sudo mptcpize relay add URL    # then name it in --relay"));
        }
        words.push(format!("--relay={relay}"));
    }
    service::words(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_runs_the_verb_and_takes_no_key() {
        assert!(SERVICE.text.contains(&format!("ExecStart={}\n", SERVICE.command)));
        let arguments = Agent { host: true, relay: Some("home".to_owned()), ..Agent::default() };
        let text = service::command(&words(&arguments).expect("there is one"));
        assert!(text.ends_with(" relay agent --host --relay=home"), "{text}");
        let url = Agent { relay: Some("ss://x".to_owned()), ..Agent::default() };
        assert!(words(&url).is_err());
    }
}
