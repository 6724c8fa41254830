//! The devices that containers can be given: the usual one, and one for each section `[containers.NAME]`.

use std::ffi::OsStr;
use std::path::Path;

use crate::error::{Error, Exit};
use crate::inject::environment::{godebug, preload};
use crate::output::containers as screen;
use mptcpize_model::config::Config;
use mptcpize_model::container::asked::{Container, DeviceName, LIBRARY};
use mptcpize_model::container::cdi::{self, Device};
use mptcpize_model::socket_policy::{Sockets, VARIABLE};

/// A device, and its policy in words.
pub(super) struct Wanted {
    /// As it stands in the file.
    pub(super) device: Device,
    /// Which sockets stay TCP, where it is not the usual.
    policy: Option<String>,
}

/// The devices, the usual one first. What the command line says of sockets holds for that one.
///
/// # Errors
/// 2: a policy has more rules than the library takes.
pub(super) fn wanted(config: &Config, line: Sockets) -> Result<Vec<Wanted>, Error> {
    let run = DeviceName::run();
    let usual = config.containers.get(&run).cloned().unwrap_or_default();
    let others = config.containers.iter().filter(|(name, _)| **name != run);
    let first = device(&run, &usual, config.sockets.clone(), line)?;
    let mut all = vec![first];
    for (name, container) in others {
        all.push(device(name, container, config.sockets.clone(), Sockets::default())?);
    }
    Ok(all)
}

fn device(
    name: &DeviceName,
    container: &Container,
    general: Sockets,
    line: Sockets,
) -> Result<Wanted, Error> {
    let sockets = general.overridden(container.sockets()).overridden(line);
    let text = sockets.text().map_err(|why| {
        Error::new(Exit::Usage, format!("the policy of the device {name} is too large"))
            .why(why)
            .fix("name fewer, or larger ranges and networks")
    })?;
    let theirs: Vec<&str> = container.preload.iter().map(|one| one.as_str()).collect();
    let theirs = theirs.join(":");
    let preloaded = preload::merge(Some(OsStr::new(&theirs)), Path::new(cdi::INSIDE));
    let go = godebug::merge(container.godebug.as_ref().map(OsStr::new));
    let mut environment = vec![
        format!("LD_PRELOAD={}", preloaded.to_string_lossy()),
        format!("GODEBUG={}", go.to_string_lossy()),
    ];
    let is_usual = sockets.is_default();
    if !is_usual {
        environment.push(format!("{VARIABLE}={text}"));
    }
    let policy = (!is_usual).then(|| sockets.to_string());
    Ok(Wanted { device: Device { name: name.as_str().to_owned(), environment }, policy })
}

/// The devices for the screen, with the one that has the library alone.
pub(super) fn shown(wanted: &[Wanted]) -> Vec<screen::Device> {
    let alone = screen::Device {
        name: LIBRARY.to_owned(),
        environment: Vec::new(),
        words: "the library alone, for an LD_PRELOAD of your own".to_owned(),
    };
    let of = |one: &Wanted| screen::Device {
        name: one.device.name.clone(),
        environment: one.device.environment.clone(),
        words: one.policy.clone().unwrap_or_else(|| "every TCP socket".to_owned()),
    };
    wanted.iter().map(of).chain([alone]).collect()
}
