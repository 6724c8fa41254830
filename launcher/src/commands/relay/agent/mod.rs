//! `mptcpize relay agent`: connections of this host through a relay, while it runs.
//!
//! Not here: one program's connections (`run --relay`), a LAN's (`gateway`); who carries them, a program
//! of its own.

mod service;
mod supervise;
mod table;

use crate::cli::relay::agent::Agent;
use crate::commands::relay::terms;
use crate::error::{Error, Exit};
use crate::host::process::privilege;
use crate::inject::relay;
use crate::locations::Locations;
use crate::output;
use mptcpize_model::phrase;
use mptcpize_model::relay::asked::Asked;
use mptcpize_model::relay::rules::Ports;

/// Carries it out.
///
/// # Errors
/// 2 for what cannot be meant, 4 without privilege, 5 without a relay, mptcpize-relay or nft, 1 where the
/// port is taken or the packet filter refuses.
pub fn agent(arguments: &Agent, locations: &Locations) -> anyhow::Result<Exit> {
    if arguments.disable {
        return service::disable(locations);
    }
    let asked = asked(arguments, locations)?;
    if arguments.dry_run {
        return dry_run(arguments, &asked, locations);
    }
    match arguments.enable {
        true => service::enable(arguments, &asked, locations),
        false => supervise::run(arguments, &asked, locations),
    }
}

/// What is asked, by the command line over the file.
fn asked(arguments: &Agent, locations: &Locations) -> Result<Asked, Error> {
    let mut asked = terms::asked(locations)?;
    asked.host |= arguments.host;
    asked.proxy = arguments.proxy.or(asked.proxy);
    let mistaken = |why: &str| {
        Error::new(Exit::Usage, "the agent cannot be what is asked")
            .why(why)
            .fix("mptcpize relay agent --help    # has examples")
    };
    asked.check().map_err(|why| mistaken(&why))?;
    if !asked.host && asked.proxy.is_none() {
        return Err(mistaken("neither --host nor --proxy is asked for"));
    }
    if asked.host && !rustix::process::geteuid().is_root() {
        return Err(Error::new(Exit::NotPermitted, "cannot redirect the connections of this host")
            .why("that is a matter of root's")
            .fix(privilege::with_sudo("mptcpize relay agent --host")));
    }
    Ok(asked)
}

/// Which relay is asked for.
fn wanted(arguments: &Agent) -> &str {
    arguments.relay.as_deref().unwrap_or("auto")
}

fn dry_run(arguments: &Agent, asked: &Asked, locations: &Locations) -> anyhow::Result<Exit> {
    let program = relay::find(locations)?;
    let seen = terms::look(locations)?;
    let settings = terms::settings(wanted(arguments), asked, &seen, locations)?;
    let names: Vec<_> = settings.terms.relays.iter().map(|relay| relay.name.as_str()).collect();
    let mut text = format!(
        "Would start {} (nothing was changed), which sends connections through {}:\n",
        program.display(),
        phrase::list(&names)
    );
    if let Some(proxy) = asked.proxy {
        text.push_str(&format!(
            "\n  those of programs that speak SOCKS5 or HTTP CONNECT to {proxy}\n"
        ));
    }
    if asked.host {
        text.push_str(
            "\n  those that this table redirects; its ports and user are found at the start:\n\n",
        );
        let ports = Ports { v4: Some(8684), v6: Some(8684) };
        for line in table::text(0, ports, &settings, table::USER).lines() {
            text.push_str(&format!("  + {line}\n"));
        }
    }
    output::text(&text)?;
    Ok(Exit::Done)
}
