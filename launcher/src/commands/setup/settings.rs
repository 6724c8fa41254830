//! What a set-up goes by: the settings file, what earlier set-ups of this boot were asked, the
//! command line; and whether that fits the host.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::config_file;
use crate::daemon::published::{self, Running};
use crate::daemon::usage;
use crate::error::{Error, Exit, reason};
use crate::host::netns::identity;
use crate::host::observe::congestion;
use crate::host::process::clock;
use crate::locations::Locations;
use crate::root::{self, Root};
use mptcpize_model::asked::Asked;
use mptcpize_model::asked_gateway;
use mptcpize_model::calendar::Day;
use mptcpize_model::config::Config;
use mptcpize_model::daemon::spent;
use mptcpize_model::gateway::asked::Asked as Served;
use mptcpize_model::named_links::{self, Named};
use mptcpize_model::net::IfName;
use mptcpize_model::record::Record;
use mptcpize_model::{Flavour, HostState, shell};

/// The settings of the file: /etc/mptcpize.toml, which may be missing, or one that was named.
///
/// # Errors
/// The file cannot be read, or says something unknown: with line and column.
pub fn file(named: Option<&Path>, locations: &Locations) -> Result<Config, Error> {
    read(named, locations, config_file::read)
}

/// What the file says of a gateway.
///
/// # Errors
/// As [`file()`].
pub fn gateway(named: Option<&Path>, locations: &Locations) -> Result<Served, Error> {
    read(named, locations, config_file::gateway)
}

/// Where the settings file is, as it is shown.
pub fn shown(named: Option<&Path>, locations: &Locations) -> String {
    named.map_or_else(|| locations.config(), Path::to_owned).display().to_string()
}

fn read<T: Default>(
    named: Option<&Path>,
    locations: &Locations,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Error> {
    let file = named.map_or_else(|| locations.config(), Path::to_owned);
    let shown = file.display();
    let read = match (named, locations.root() == Path::new("/")) {
        (None, false) => Root::image(locations.root())?.read(Path::new("/etc/mptcpize.toml")),
        _ => root::read(&file),
    };
    match read.and_then(text) {
        Ok(text) => parse(&text).map_err(|error| {
            Error::new(Exit::Usage, format!("{shown} has a mistake"))
                .why(error.trim_end())
                .fix(format!("correct {shown}"))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            Ok(T::default())
        }
        // It holds no secret: keys of relays have a file of their own.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let fix = format!("sudo chmod a+r {}", shell::word(&shown));
            let error = Error::new(Exit::NotPermitted, format!("cannot read {shown}"))
                .why(reason(&error))
                .fix(fix);
            Err(error)
        }
        Err(error) => Err(Error::new(Exit::Usage, format!("cannot read {shown}"))
            .why(reason(&error))
            .fix(match named {
                Some(_) => "name a file that exists, or leave --config out".to_owned(),
                None => format!("ls -ld {}    # shows what it is", shell::word(&shown)),
            })),
    }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text"))
}

/// What holds for this host: the file, and what its set-up was asked.
///
/// # Errors
/// As [`file()`].
pub fn of_host(record: &Record, locations: &Locations) -> Result<Config, Error> {
    Ok(with_spent(record.asked.over(file(None, locations)?), locations))
}

/// The settings, with the links among the backups that have used their budget: a set-up beside the
/// daemon must not take back what that has made.
pub fn with_spent(mut config: Config, locations: &Locations) -> Config {
    if !config.budget.is_empty() {
        let usage = usage::load(&locations.usage()).unwrap_or_default();
        config.backup.extend(spent(&config.budget, &usage, Day::at(clock::local_s())));
    }
    config
}

/// The settings as the daemon that runs here goes by them: links that come and go too often are no paths.
pub fn under(mut config: Config, daemon: Option<&Running>) -> Config {
    config.hold(daemon.iter().flat_map(|daemon| daemon.status.left_out.iter().cloned()));
    config
}

/// Links that a daemon has set aside stay so; where none runs, those that one has left so are taken
/// back.
pub fn stalled(locations: &Locations) -> Option<BTreeSet<IfName>> {
    published::running(&locations.run(), identity::netns()).is_none().then(BTreeSet::new)
}

/// Is this a kernel that can be set up?
///
/// # Errors
/// 5 for one without MPTCP.
pub fn check_kernel(state: &HostState) -> Result<(), Error> {
    match state.kernel.mptcp {
        Flavour::Upstream => Ok(()),
        Flavour::OutOfTree => Err(Error::new(
            Exit::Missing,
            "this kernel has the out-of-tree MPTCP (v0)",
        )
        .why("it has net.mptcp.mptcp_enabled and no path manager that can be set up")
        .fix("boot a kernel 5.6 or newer of your distribution: apt install linux-image-amd64")),
        Flavour::Absent => Err(Error::new(Exit::Missing, "this kernel has no MPTCP")
            .why("/proc/sys/net/mptcp does not exist")
            .fix(
                "boot a kernel 5.6 or newer built with CONFIG_MPTCP: apt install linux-image-amd64",
            )),
    }
}

/// Has the kernel the congestion control of each link?
///
/// # Errors
/// 2 for one that it has not and cannot load.
pub fn check_congestion(config: &Config) -> Result<(), Error> {
    for (link, name) in config.congestion.iter().map(|(link, asked)| (link, asked.algorithm())) {
        if let Some(why) = congestion::offered(name).refuses(name) {
            return Err(Error::new(
                Exit::Usage,
                format!("this kernel has no congestion control {name}, asked for {link}"),
            )
            .why(why)
            .fix("sysctl net.ipv4.tcp_available_congestion_control    # lists those that it has"));
        }
    }
    Ok(())
}

/// Checks settings against the host they are for. A link that `file` leaves out may be missing, for it is left out
/// then, and so may one that is set up and is away; among those that the command `line` names it is a slip.
///
/// # Errors
/// 2 for a link that is not there, a gateway outside its network or a congestion control that the
/// kernel does not have.
pub fn check(state: &HostState, config: &Config, line: &Asked, file: &str) -> Result<(), Error> {
    let typed = line.clone().over(Config::default());
    let is_typed = |named: &Named| named_links::named(&typed).any(|other| other == *named);
    let may_be_missing =
        |named: &Named| named.key == "exclude" || named_links::was_set_up(state, named.link);
    let mut unknown = named_links::unknown(state, config).into_iter();
    if let Some(named) = unknown.find(|named| is_typed(named) || !may_be_missing(named)) {
        let error = Error::new(Exit::Usage, named.what()).why(named_links::why(state));
        return Err(match is_typed(&named) {
            true => error.fix("ip link    # lists them"),
            false => error.fix(named.advice(state, file)),
        });
    }
    if let Some(link) = named_links::both(config).next() {
        return Err(Error::new(Exit::Usage, format!("{link} is named by only and by exclude"))
            .why("a link is either used or left out")
            .fix(format!(
                "mptcpize setup {}    # or the other",
                shell::option("--exclude", link)
            )));
    }
    check_congestion(config)?;
    match asked_gateway::outside(state, config).first() {
        None => Ok(()),
        Some(outside) => Err(Error::new(Exit::Usage, outside.what()).why(outside.why()).fix(
            format!("ip addr show dev {}    # shows its networks", shell::word(outside.link)),
        )),
    }
}
