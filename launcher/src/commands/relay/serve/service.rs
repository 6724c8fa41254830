//! `relay serve --enable` and `--disable`: the relay as a service that starts with the host.

use crate::cli::relay::serve::Serve;
use crate::commands::relay::serve::{line, terms};
use crate::commands::service::{self, Service, check_systemd};
use crate::error::Exit;
use crate::host::served::kept::Kept;
use crate::inject::relay;
use crate::locations::Locations;
use crate::output;

/// The unit.
const SERVICE: Service = Service {
    unit: "mptcpize-relay.service",
    text: include_str!("mptcpize-relay.service"),
    command: "/usr/bin/mptcpize relay serve",
    verb: "mptcpize relay serve",
};

/// Starts it now and at each boot, and prints the line for its clients.
///
/// # Errors
/// There is no systemd or no mptcpize-relay (5); the service does not start, and then it is as before.
pub fn enable(arguments: &Serve, locations: &Locations) -> anyhow::Result<Exit> {
    let words = words(arguments)?;
    check_systemd(|| {
        format!("{}    # runs here until it is ended", service::shell_command(&words))
    })?;
    relay::find(locations)?;
    // What is not asked for at each start is kept with the key.
    let (served, _) = terms::keep(arguments, &Kept::of(locations)?)?;
    SERVICE.enable(locations, &service::command(&words))?;
    output::line(&format!(
        "{} runs, now and at each boot, at port {}    (end it: sudo mptcpize relay serve --disable)",
        SERVICE.unit, served.settings.port
    ))?;
    if served.settings.users.is_empty() {
        line::print(&served, None, line::wants_code(arguments.qr, arguments.no_qr))?;
    }
    Ok(Exit::Done)
}

/// Ends it, and lets it not start again.
///
/// # Errors
/// 5 without systemd, 4 without privilege.
pub fn disable(locations: &Locations) -> anyhow::Result<Exit> {
    check_systemd(|| "sudo mptcpize relay serve undo    # says what to end".to_owned())?;
    SERVICE.disable(locations)?;
    output::line(&format!("{} has ended, and does not start again", SERVICE.unit))?;
    output::line("key and users stay, in /var/lib/mptcpize/relay")?;
    Ok(Exit::Done)
}

/// The command line of the service.
fn words(arguments: &Serve) -> Result<Vec<String>, crate::error::Error> {
    let mut words = vec!["relay".to_owned(), "serve".to_owned()];
    if arguments.allow_private {
        words.push("--allow-private".to_owned());
    }
    service::words(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_runs_the_verb_and_knows_no_key() {
        assert!(SERVICE.text.contains(&format!("ExecStart={}\n", SERVICE.command)));
        let arguments = Serve { allow_private: true, port: Some(443), ..Serve::default() };
        let text = service::command(&words(&arguments).expect("there is one"));
        assert!(text.ends_with(" relay serve --allow-private"), "{text}");
    }
}
