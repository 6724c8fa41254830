//! `gateway --enable` and `--disable`: the gateway as a service that starts with the host.

use crate::cli::gateway::{Gateway, Settings};
use crate::commands::gateway::pass::Pass;
use crate::commands::gateway::terms::Terms;
use crate::commands::service::{self, Service, check_systemd};
use crate::error::{Error, Exit};
use crate::host::gateway::place;
use crate::locations::Locations;
use crate::output;
use mptcpize_model::phrase;

/// The unit.
const SERVICE: Service = Service {
    unit: "mptcpize-gateway.service",
    text: include_str!("mptcpize-gateway.service"),
    command: "/usr/bin/mptcpize gateway",
    verb: "mptcpize gateway",
};

/// Starts it now and at each boot.
///
/// # Errors
/// The host cannot be a gateway with these settings; there is no systemd (5); the service does not start,
/// and then everything is as before.
pub fn enable(arguments: &Gateway, locations: &Locations) -> anyhow::Result<Exit> {
    if arguments.place.netns.is_some() {
        return Err(Error::new(Exit::Usage, "a service has no --netns")
            .why("it runs in the network namespace of the host")
            .fix("mptcpize gateway --netns …    # without --enable")
            .into());
    }
    let words = words(&arguments.settings)?;
    let here = || format!("{}    # runs here until it is ended", service::shell_command(&words));
    check_systemd(here)?;
    // What is wrong is told here, and not in the service's log.
    let terms = Terms::read(&arguments.settings, locations)?;
    let mut pass = Pass::open(locations)?;
    let look = pass.look(&terms)?;
    pass.check(&look)?;
    SERVICE.enable(locations, &service::command(&words))?;
    output::line(&format!(
        "{} runs, now and at each boot: TCP of {} goes over {}    (end it: sudo mptcpize gateway \
         --disable)",
        SERVICE.unit,
        phrase::list(&terms.asked.lan),
        phrase::list(&look.links())
    ))?;
    Ok(Exit::Done)
}

/// Ends it, and lets it not start again.
///
/// # Errors
/// 5 without systemd, 4 without privilege.
pub fn disable(locations: &Locations) -> anyhow::Result<Exit> {
    check_systemd(|| {
        let end = place::running(locations);
        let end = end.unwrap_or_else(|| "sudo mptcpize gateway undo".to_owned());
        format!("{end}    # ends what there is of a gateway")
    })?;
    SERVICE.disable(locations)?;
    output::line(&format!("{} has ended, and does not start again", SERVICE.unit))?;
    Ok(Exit::Done)
}

/// The command line of the service.
fn words(settings: &Settings) -> Result<Vec<String>, Error> {
    let mut words = vec!["gateway".to_owned()];
    let mut option = |name: &str, value: String| {
        if !value.is_empty() {
            words.push(format!("--{name}={value}"));
        }
    };
    let joined = |all: Vec<String>| all.join(",");
    let asked = settings.asked();
    option("lan", joined(asked.lan.iter().map(ToString::to_string).collect()));
    option("lan-address", joined(asked.lan_address.iter().map(ToString::to_string).collect()));
    option("quic", settings.quic.map(|quic| quic.word().to_owned()).unwrap_or_default());
    option("relay", settings.relay.as_ref().map(ToString::to_string).unwrap_or_default());
    option(
        "config",
        settings.config.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
    );
    if settings.dhcp {
        words.push("--dhcp".to_owned());
    }
    service::words(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_of_the_service_is_that_of_the_caller() {
        assert!(SERVICE.text.contains(&format!("ExecStart={}\n", SERVICE.command)));
        let settings = Settings {
            lan: vec![mptcpize_model::net::IfName::new("br0").expect("a name")],
            dhcp: true,
            ..Settings::default()
        };
        let text = service::command(&words(&settings).expect("there is one"));
        assert!(text.ends_with(" gateway --lan=br0 --dhcp"), "{text}");
    }
}
