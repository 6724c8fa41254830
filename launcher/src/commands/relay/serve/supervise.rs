//! The relay while it runs: its process, started again when it ends, and the host looked at again when
//! something has changed. In the end what was changed is taken back.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::cli::relay::serve::Serve;
use crate::commands::gateway::revival::Revival;
use crate::commands::relay::serve::pass::{self, Look, Pass};
use crate::commands::relay::serve::{line, terms, undo};
use crate::commands::settling::Settling;
use crate::error::{Error, Exit, reason};
use crate::host::apply::lock;
use crate::host::gateway::place::{self, SERVER};
use crate::host::gateway::relay::{Places, Relay, Sockets, Task};
use crate::host::netlink::changes::Changes;
use crate::host::observe::gateway;
use crate::host::private_file::{self, user};
use crate::host::process::signal_fd::{Asked, Signals};
use crate::host::served::counts;
use crate::host::served::kept::Kept;
use crate::host::served::listener::{self, Listener};
use crate::host::systemd::notify::Notify;
use crate::inject::relay;
use crate::locations::Locations;
use crate::output::{self, diff};
use crate::syscall::timespec;
use mptcpize_model::change::Change;
use mptcpize_model::net::IfName;
use mptcpize_model::phrase;
use mptcpize_model::relay::served::Served;
use mptcpize_model::relay::server::Settings;

/// It ends MPTCP of strangers and connects to wherever its users ask: without any privilege.
const TASK: Task = Task { verb: "server", capabilities: 0 };

/// How long the tools of packet filters may take to list their rules.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where this user's relay keeps what it needs while it runs.
///
/// # Errors
/// 5 for a user without a home.
pub fn directory(locations: &Locations) -> Result<PathBuf, Error> {
    locations.served_run(user()).ok_or_else(|| {
        Error::new(Exit::Missing, "there is no place for what a relay needs while it runs")
            .why("HOME, XDG_DATA_HOME and XDG_RUNTIME_DIR name no directory")
            .fix("export HOME=/home/NAME")
    })
}

/// What a person should know before clients come, a clause each.
pub fn hints(look: &Look, port: u16) -> Vec<String> {
    let mut devs: Vec<IfName> = Vec::new();
    for address in look.state().addresses.iter().filter(|address| address.global) {
        if !devs.contains(&address.dev) {
            devs.push(address.dev.clone());
        }
    }
    let closed = gateway::closed(&devs, port, Instant::now() + PATIENCE);
    let closed = closed.iter().map(|rule| {
        let drops = format!("{}: it drops what comes to port {port}", rule.place);
        match rule.fix.as_slice() {
            [] => drops,
            fix => format!("{drops}, until a rule accepts it: sudo {}", fix.join(" && sudo ")),
        }
    });
    look.shortfall().into_iter().chain(closed).collect()
}

/// Runs a relay until it is told to end.
///
/// # Errors
/// As [`super::serve`].
pub fn run(arguments: &Serve, locations: &Locations) -> anyhow::Result<Exit> {
    let program = relay::find(locations)?;
    let kept = Kept::of(locations)?;
    // What is wrong is said before something is made.
    terms::look(arguments, &kept)?;
    let directory = directory(locations)?;
    make(locations, &directory)?;
    let place = place::take_in(&undo::held(&directory), SERVER)?;
    let notify = Notify::from_env();
    let mut pass = (user() == 0).then(|| Pass::open(locations, &directory)).transpose()?;
    let first = pass.as_mut().map(|pass| pass.look(locations)).transpose()?;
    let (served, new) = terms::keep(arguments, &kept)?;
    if new {
        output::note(&format!("made a key, in {}", kept.file().display()));
    }
    let unable = |error: std::io::Error| {
        Error::new(Exit::Failed, "cannot wait for signals").why(reason(&error))
    };
    let signals = Signals::open().map_err(unable)?;
    let changes = match &pass {
        Some(_) => Some(Changes::open().map_err(|error| {
            Error::new((&error).into(), "cannot listen to the kernel").why(error)
        })?),
        None => None,
    };
    let mut running = Running {
        arguments,
        locations,
        kept,
        served,
        places: Places(directory.clone()),
        program,
        pass,
        signals,
        changes,
        notify,
        relay: None,
        revival: Revival::default(),
        ready: false,
        changed: Settling::default(),
        told: String::new(),
        counts: None,
    };
    let outcome = running.run(first);
    running.notify.stopping();
    running.relay.take().into_iter().for_each(Relay::stop);
    let verbose = arguments.verbose;
    let back = pass::take_back(locations, &directory, |change| say(verbose, change));
    match back.is_ok() {
        true => undo::clear(locations, &directory, place),
        false => drop(place),
    }
    // What went wrong first says more; that the host is not as it was counts most.
    match (outcome, back) {
        (_, Err(error)) => Err(error.into()),
        (Err(error), Ok(_)) => Err(error.into()),
        (Ok(()), Ok(0)) => {
            output::note("ended");
            Ok(Exit::Done)
        }
        (Ok(()), Ok(count)) => {
            output::note(&format!("ended, and took back {}", phrase::count(count, "change")));
            Ok(Exit::Done)
        }
    }
}

/// Makes the directory of what runs.
fn make(locations: &Locations, directory: &std::path::Path) -> Result<(), Error> {
    if user() != 0 {
        return private_file::make_directory(directory);
    }
    // Its process passes here.
    lock::make_in(&locations.run(), directory)
}

struct Running<'a> {
    arguments: &'a Serve,
    locations: &'a Locations,
    kept: Kept,
    served: Served,
    places: Places,
    program: PathBuf,
    /// What the host has to have; nothing where this user may not change it.
    pass: Option<Pass>,
    signals: Signals,
    changes: Option<Changes>,
    notify: Notify,
    relay: Option<Relay>,
    revival: Revival,
    /// The relay has said that it takes connections.
    ready: bool,
    /// What has changed on the host.
    changed: Settling,
    /// The last thing that was said of the host.
    told: String,
    /// Where the process counts.
    counts: Option<PathBuf>,
}

impl Running<'_> {
    fn run(&mut self, first: Option<Look>) -> Result<(), Error> {
        if let Some(look) = first {
            for hint in hints(&look, self.served.settings.port) {
                output::note(&hint);
            }
            self.carry_out(look)?;
        }
        // After net.mptcp.enabled was set.
        let listener = listener::open(self.served.settings.port)?;
        if !listener.mptcp {
            output::note(
                "this kernel has no MPTCP, or it is off: clients reach the relay by one path, in TCP",
            );
        }
        let sockets = Sockets::make(&self.places).map_err(|error| unmade(&error))?;
        self.prepare_counts(&sockets);
        self.tell_process(&sockets)?;
        self.start(&sockets, &listener)?;
        loop {
            self.wait(&sockets)?;
            if !self.heed_signals(&sockets) {
                return Ok(());
            }
            if sockets.is_ready() && !self.ready {
                self.ready = true;
                self.tell()?;
            }
            self.look_after_relay(&sockets, &listener)?;
            self.look_after_host();
        }
    }

    /// Makes the host what the relay needs. Where that is not permitted, as in a container, it is said, and
    /// the relay runs all the same.
    fn carry_out(&mut self, look: Look) -> Result<(), Error> {
        let verbose = self.arguments.verbose;
        let Some(pass) = &mut self.pass else { return Ok(()) };
        match pass.carry_out(look, |change| say(verbose, change)) {
            Ok(0) => Ok(()),
            Ok(count) => {
                let changes = phrase::count(count, "change");
                self.note_once(&format!("set this host up with {changes}, until the relay ends"));
                Ok(())
            }
            Err(error) if error.exit() == Exit::NotPermitted => {
                self.note_once(&format!("this host stays as it is: {}", error.clause()));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn note_once(&mut self, text: &str) {
        if self.told != text {
            output::note(text);
            text.clone_into(&mut self.told);
        }
    }

    /// Writes what the process is told: a file of its own user's, for it holds keys.
    fn tell_process(&self, sockets: &Sockets) -> Result<(), Error> {
        let path = self.places.settings();
        let failed = |error: std::io::Error| {
            Error::new(Exit::Failed, format!("cannot write {}", path.display())).why(reason(&error))
        };
        let text = serde_json::to_string(&self.settings()).expect("plain data");
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o400))
            .tempfile_in(&self.places.0)
            .map_err(failed)?;
        if let Some(user) = sockets.user() {
            fchown(file.as_file(), Some(user), Some(user)).map_err(failed)?;
        }
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn settings(&self) -> Settings {
        let mut settings = self.served.settings.clone();
        settings.allow_private |= self.arguments.allow_private;
        settings.counts.clone_from(&self.counts);
        settings
    }

    /// Makes the place in which the process counts. Where that cannot be, bytes are counted from its start.
    fn prepare_counts(&mut self, sockets: &Sockets) {
        let Some(directory) = self.locations.served_counts(user()) else { return };
        match counts::prepare(&directory, sockets.user()) {
            Ok(file) => self.counts = Some(file),
            Err(error) => output::note(&format!(
                "bytes are counted until the relay ends and no longer: {}: {}",
                directory.display(),
                reason(&error)
            )),
        }
    }

    fn start(&mut self, sockets: &Sockets, listener: &Listener) -> Result<(), Error> {
        let handed = [("relay", listener.socket.as_fd())];
        let relay = Relay::start(&self.program, TASK, &self.places, sockets, &handed);
        self.relay = Some(relay.map_err(|error| {
            Error::new(Exit::Failed, format!("cannot start {}", self.program.display()))
                .why(reason(&error))
        })?);
        self.revival.started(Instant::now());
        Ok(())
    }

    /// Waits until there is something to do.
    fn wait(&mut self, sockets: &Sockets) -> Result<(), Error> {
        let until = self.revival.next().into_iter().chain(self.changed.next()).min();
        let mut all =
            vec![PollFd::new(&self.signals, PollFlags::IN), PollFd::new(sockets, PollFlags::IN)];
        let others = self.changes.as_ref().map(AsFd::as_fd);
        let others = others.into_iter().chain(self.relay.as_ref().map(AsFd::as_fd));
        all.extend(others.map(|one| PollFd::from_borrowed_fd(one, PollFlags::IN)));
        let left: Option<Duration> = until.map(|at| at.saturating_duration_since(Instant::now()));
        match poll(&mut all, left.map(timespec).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                return Err(Error::new(Exit::Failed, "cannot wait for the kernel").why(error));
            }
        }
        let news = self.changes.as_mut().map(|changes| changes.drain());
        if news.is_some_and(|news| news.is_ok_and(|news| news.changed || news.lost)) {
            self.changed.changed(Instant::now());
        }
        Ok(())
    }

    /// Takes signals into account; false when the relay is to end.
    fn heed_signals(&mut self, sockets: &Sockets) -> bool {
        while let Some(asked) = self.signals.next() {
            match asked {
                Asked::Stop => return false,
                Asked::Reload => {
                    self.notify.reloading();
                    match self.reload(sockets) {
                        Ok(()) => output::note("users and settings were read again"),
                        Err(error) => {
                            output::note_error("users and settings stay as they were", &error)
                        }
                    }
                    self.notify.ready();
                }
            }
        }
        true
    }

    fn reload(&mut self, sockets: &Sockets) -> Result<(), Error> {
        let served = self.kept.load()?.ok_or_else(|| {
            Error::new(Exit::Failed, format!("there is no {}", self.kept.file().display()))
                .why("somebody has taken it away")
        })?;
        if served.settings.port != self.served.settings.port {
            output::note("the port changes when the relay is started again");
        }
        let before = std::mem::replace(&mut self.served, served);
        if let Err(error) = self.tell_process(sockets) {
            self.served = before;
            return Err(error);
        }
        if let Some(relay) = &self.relay {
            relay.reload();
        }
        Ok(())
    }

    /// Says that clients may come, and how.
    fn tell(&mut self) -> Result<(), Error> {
        let Settings { port, method, ref users, .. } = self.served.settings;
        let text = format!("a relay at port {port} of this host ({method})");
        output::note(&text);
        self.notify.status(&text);
        self.notify.ready();
        // A service's output is kept in a log, where no key belongs.
        if self.notify.is_there() || std::env::var_os("JOURNAL_STREAM").is_some() {
            return Ok(());
        }
        let printed = match users.as_slice() {
            [] => {
                let code = line::wants_code(self.arguments.qr, self.arguments.no_qr);
                line::print(&self.served, None, code)
            }
            users => {
                let users = phrase::count(users.len(), "user");
                output::line(&format!(
                    "it has {users}, each with a line of its own: sudo mptcpize relay user add NAME    \
                     # prints it again"
                ))
            }
        };
        printed.map_err(|error| {
            Error::new(Exit::Failed, "cannot say how the relay is reached").why(error)
        })
    }

    /// Starts a relay again that has ended. Until then clients wait.
    fn look_after_relay(&mut self, sockets: &Sockets, listener: &Listener) -> Result<(), Error> {
        let now = Instant::now();
        if let Some(status) = self.relay.as_mut().and_then(Relay::ended) {
            if !self.ready {
                let program = self.program.display();
                return Err(Error::new(Exit::Failed, "the relay does not start")
                    .why(format!("{program} ended ({status}); what it said stands above"))
                    .fix("mptcpize check"));
            }
            output::note(&format!(
                "the relay ended ({status}): its connections with it, and new ones wait for the next"
            ));
            self.relay = None;
            self.revival.ended(now);
        }
        if self.revival.is_due(now) {
            self.start(sockets, listener)?;
        }
        Ok(())
    }

    /// Looks at the host again once it has come to rest.
    fn look_after_host(&mut self) {
        if !self.changed.is_due(Instant::now()) {
            return;
        }
        let Some(pass) = &mut self.pass else { return };
        let done = pass.look(self.locations).and_then(|look| self.carry_out(look));
        if let Err(error) = done {
            // What was made stays until then.
            self.note_once(&error.clause());
        }
    }
}

fn unmade(error: &std::io::Error) -> Error {
    Error::new(Exit::Failed, "cannot make the sockets of the relay").why(reason(error))
}

fn say(verbose: bool, change: &Change) {
    if verbose {
        output::note(&diff::change_line(change));
    }
}
