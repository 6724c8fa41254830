//! `mptcpize metrics`: what there is of MPTCP here, for Prometheus.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use crate::cli::metrics::{self as cli, Metrics as Arguments};
use crate::commands::show::observe::{self, Surroundings};
use crate::daemon::published;
use crate::error::{Error, Exit, reason};
use crate::host::netns;
use crate::host::netns::identity;
use crate::host::observe::{kernel, traffic};
use crate::host::process::clock;
use crate::host::procfs::network::Netstat;
use crate::host::scrape::{file, page};
use crate::locations::Locations;
use crate::output;
use mptcpize_model::openmetrics::{Form, Measured, carried, text};
use mptcpize_model::status::report;

/// Prints them, writes them to a file, or serves them until it is ended.
///
/// # Errors
/// 1: the kernel cannot be asked, the file cannot be written, the address cannot be listened on; 2: the
/// address is not loopback and nobody said that it may be, or the file is none; 4: the file or the namespace
/// is not this user's.
pub fn metrics(arguments: &Arguments, locations: &Locations) -> anyhow::Result<Exit> {
    // Before the namespace is entered: the scraper is here.
    let listener = arguments.listen.map(|address| listen(address, arguments.listen_any));
    let listener = listener.transpose()?;
    if let Some(name) = &arguments.netns {
        netns::enter(name)?;
    }
    if let Some(listener) = listener {
        return serve(&listener, locations);
    }
    let form = match (arguments.form, &arguments.output) {
        (Some(cli::Form::Openmetrics), _) | (None, None) => Form::OpenMetrics,
        (Some(cli::Form::Prometheus), _) | (None, Some(_)) => Form::Prometheus,
    };
    let text = measure(form, locations)?;
    match &arguments.output {
        None => output::data(&text)?,
        Some(path) => file::write(path, &text).map_err(|error| {
            let exit = match error.kind() {
                ErrorKind::PermissionDenied => Exit::NotPermitted,
                ErrorKind::InvalidInput => Exit::Usage,
                _ => Exit::Failed,
            };
            Error::new(exit, format!("cannot write {}", path.display())).why(reason(&error))
        })?,
    }
    Ok(Exit::Done)
}

fn listen(address: SocketAddr, any: bool) -> Result<TcpListener, Error> {
    let what = format!("cannot listen on {address}");
    if !address.ip().to_canonical().is_loopback() && !any {
        return Err(Error::new(Exit::Usage, what)
            .why("others can reach that address, and would see this host's links and traffic")
            .fix(format!("mptcpize metrics --listen 127.0.0.1:{}", address.port())));
    }
    page::listen(address).map_err(|error| Error::new(Exit::Failed, what).why(reason(&error)))
}

fn serve(listener: &TcpListener, locations: &Locations) -> anyhow::Result<Exit> {
    let failed = |error: &std::io::Error| {
        Error::new(Exit::Failed, "cannot serve metrics").why(reason(error))
    };
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    output::note(&format!("serving http://{address}/metrics"));
    let mut answer = |form| measure(form, locations).map_err(|error| error.clause());
    page::serve(listener, &mut answer).map_err(|error| failed(&error))?;
    Ok(Exit::Done)
}

/// Looks at everything and writes it down.
fn measure(form: Form, locations: &Locations) -> Result<String, Error> {
    let seen = observe::look(locations, 0, 0, Surroundings::look(locations))?;
    let daemon = published::running(&locations.run(), identity::netns());
    let release = kernel::release();
    let measured = Measured {
        version: env!("CARGO_PKG_VERSION"),
        kernel: &release,
        report: &report(&seen, 0),
        subflows: &carried(&seen),
        links: &traffic::counters(),
        // A kernel without MPTCP counts nothing of it.
        counters: &Netstat::read().unwrap_or_default().mptcp(),
        daemon: daemon.as_ref().map(|daemon| &daemon.status),
        now: clock::since_boot(),
        unix_s: f64::from(u32::try_from(clock::now_ms() / 1_000).unwrap_or(u32::MAX)),
    };
    Ok(text(&measured, form))
}
