//! The gateway while it runs: a relay that is started again when it ends, and the host looked at again
//! when something has changed. In the end everything is taken back.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::cli::gateway::Gateway;
use crate::commands::gateway::clients::Clients;
use crate::commands::gateway::pass::{Look, Pass};
use crate::commands::gateway::revival::Revival;
use crate::commands::gateway::terms::Terms;
use crate::commands::gateway::undo;
use crate::commands::settling::Settling;
use crate::error::{Error, Exit, reason};
use crate::host::gateway::place;
use crate::host::gateway::relay::{GATEWAY, Identity, Relay, Sockets};
use crate::host::gateway::watch::Tables;
use crate::host::netlink::changes::Changes;
use crate::host::observe::gateway::harm;
use crate::host::process::signal_fd::{Asked, Signals};
use crate::host::systemd::notify::Notify;
use crate::locations::Locations;
use crate::output::{self, diff};
use crate::syscall::timespec;
use mptcpize_model::change::Change;
use mptcpize_model::checks::gateway::Rule;
use mptcpize_model::net::IfName;
use mptcpize_model::phrase;

/// How long the tools of packet filters may take to list their rules.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a gateway until it is told to end.
///
/// # Errors
/// As [`super::gateway`].
pub fn run(arguments: &Gateway, locations: &Locations) -> anyhow::Result<Exit> {
    let terms = Terms::read(&arguments.settings, locations)?;
    let mut pass = Pass::open(locations)?;
    let clients = terms.asked.dhcp.then(Clients::find).transpose()?;
    let notify = Notify::from_env();
    let first = match pass.look(&terms) {
        // A service is started before its links are there.
        Err(error) if notify.is_there() && pass.may_pass() => {
            let text = format!("waits: {}", error.clause());
            output::note(&text);
            None
        }
        first => Some(first?),
    };
    if let Some(look) = &first {
        pass.check(look)?;
    }
    let unable = |error: std::io::Error| {
        Error::new(Exit::Failed, "cannot wait for signals").why(reason(&error))
    };
    let signals = Signals::open().map_err(unable)?;
    let changes = Changes::open()
        .map_err(|error| Error::new((&error).into(), "cannot listen to the kernel").why(error))?;
    // A kernel without nftables has no TPROXY either.
    let tables = Tables::open().map_err(unable)?;
    pass.make_directory()?;
    let place = place::take(locations)?;
    let mut running = Running {
        arguments,
        locations,
        terms,
        pass,
        signals,
        changes,
        tables,
        notify,
        relay: None,
        program: None,
        upgrade: false,
        draining: Vec::new(),
        revival: Revival::default(),
        clients,
        ready: false,
        changed: Settling::default(),
    };
    let outcome = running.run(first);
    running.notify.stopping();
    running.relay.take().into_iter().chain(running.draining.drain(..)).for_each(Relay::stop);
    if let Some(clients) = &mut running.clients {
        clients.stop();
    }
    let verbose = arguments.place.verbose;
    let back = undo::take_back(locations, |change| say(verbose, change));
    match back.is_ok() {
        true => undo::clear(locations, place),
        false => drop(place),
    }
    // What went wrong first says more; that the host is not as it was counts most.
    match (outcome, back) {
        (_, Err(error)) => Err(error.into()),
        (Err(error), Ok(_)) => Err(error.into()),
        (Ok(()), Ok(count)) => {
            output::note(&format!("ended, and took back {}", phrase::count(count, "change")));
            Ok(Exit::Done)
        }
    }
}

struct Running<'a> {
    arguments: &'a Gateway,
    locations: &'a Locations,
    terms: Terms,
    pass: Pass,
    signals: Signals,
    changes: Changes,
    tables: Tables,
    notify: Notify,
    relay: Option<Relay>,
    /// The file that it was started from.
    program: Option<Identity>,
    /// Another file has taken its place.
    upgrade: bool,
    /// Those before it, which have connections still.
    draining: Vec<Relay>,
    revival: Revival,
    /// What gives clients their addresses, if something does.
    clients: Option<Clients>,
    /// A relay has said that it takes connections.
    ready: bool,
    /// What has changed on the host.
    changed: Settling,
}

impl Running<'_> {
    fn run(&mut self, first: Option<Look>) -> Result<(), Error> {
        let mut sockets = Sockets::make(&self.pass.places).map_err(|error| unmade(&error))?;
        self.pass.user = sockets.user();
        let look = match first {
            Some(look) => look,
            None => match self.await_links(&sockets)? {
                Some(look) => look,
                None => return Ok(()),
            },
        };
        if let Some(shortfall) = look.shortfall() {
            output::note(&shortfall);
        }
        let hints = look.hints(&self.terms.asked);
        let uplinks: Vec<IfName> = look.links().into_iter().cloned().collect();
        let harm = harm(&self.terms.asked.lan, &uplinks, Instant::now() + PATIENCE);
        let relayed = harm.closed.iter().map(|rule| dropped("relayed", rule));
        let forwarded = harm.drops.iter().map(|rule| dropped("forwarded", rule));
        for line in hints.into_iter().chain(relayed).chain(forwarded) {
            output::note(&line);
        }
        self.carry_out(look, sockets.user())?;
        self.start(&sockets)?;
        loop {
            self.wait(&sockets)?;
            if !self.heed_signals(sockets.user()) {
                return Ok(());
            }
            if sockets.is_ready() && !self.ready {
                self.ready = true;
                self.tell();
            }
            self.hand_over(&mut sockets)?;
            self.look_after_relay(&sockets)?;
            if let Some(clients) = &mut self.clients {
                clients.look_after(&self.pass, sockets.user())?;
            }
            self.look_after_host(sockets.user());
        }
    }

    /// Waits until the host has what a gateway needs; nothing when it is told to end before.
    fn await_links(&mut self, sockets: &Sockets) -> Result<Option<Look>, Error> {
        self.notify.status("waits for links");
        self.notify.ready();
        loop {
            self.wait(sockets)?;
            if !self.heed_signals(sockets.user()) {
                return Ok(None);
            }
            if !self.changed.is_due(Instant::now()) {
                continue;
            }
            match self.pass.look(&self.terms) {
                Ok(look) => {
                    self.pass.check(&look)?;
                    return Ok(Some(look));
                }
                Err(_) if self.pass.may_pass() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the host what it is to be, and tells the clients' server what the LAN is then. `true` where
    /// the relay is told something new.
    fn carry_out(&mut self, look: Look, user: Option<u32>) -> Result<bool, Error> {
        let verbose = self.arguments.place.verbose;
        let (look, new) = self.pass.carry_out(look, &self.terms, |change| say(verbose, change))?;
        match (self.terms.asked.dhcp, &mut self.clients) {
            (true, None) => self.clients = Some(Clients::find()?),
            (false, Some(clients)) => {
                clients.stop();
                self.clients = None;
            }
            _ => {}
        }
        if let Some(clients) = &mut self.clients {
            clients.tell(&self.pass.dhcp(&look, &self.terms), &self.pass, user)?;
        }
        Ok(new)
    }

    fn start(&mut self, sockets: &Sockets) -> Result<(), Error> {
        let relay = Relay::start(&self.pass.relay, GATEWAY, &self.pass.places, sockets, &[])
            .map_err(|error| {
                Error::new(Exit::Failed, format!("cannot start {}", self.pass.relay.display()))
                    .why(reason(&error))
            })?;
        self.relay = Some(relay);
        self.program = Identity::of(&self.pass.relay);
        self.revival.started(Instant::now());
        Ok(())
    }

    /// Waits until there is something to do.
    fn wait(&mut self, sockets: &Sockets) -> Result<(), Error> {
        let settled = self.changed.next();
        let clients = self.clients.as_ref();
        let next = clients.and_then(Clients::next).into_iter().chain(self.revival.next());
        let until = next.chain(settled).min();
        let mut all = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.changes, PollFlags::IN),
            PollFd::new(&self.tables, PollFlags::IN),
            PollFd::new(sockets, PollFlags::IN),
        ];
        let relays = self.relay.iter().chain(&self.draining);
        let ends = relays.map(AsFd::as_fd).chain(clients.and_then(Clients::end));
        all.extend(ends.map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN)));
        let left = until.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        match poll(&mut all, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                return Err(Error::new(Exit::Failed, "cannot wait for the kernel").why(error));
            }
        }
        let news = self.changes.drain();
        if self.tables.drain() || news.is_ok_and(|news| news.changed || news.lost) {
            self.changed.changed(Instant::now());
        }
        Ok(())
    }

    /// Takes signals into account; false when the gateway is to end.
    fn heed_signals(&mut self, user: Option<u32>) -> bool {
        while let Some(asked) = self.signals.next() {
            match asked {
                Asked::Stop => return false,
                Asked::Reload => {
                    self.notify.reloading();
                    match self.reload(user) {
                        Ok(()) => output::note("the settings were read again"),
                        Err(error) => output::note_error("the settings stay as they were", &error),
                    }
                    self.notify.ready();
                }
            }
        }
        true
    }

    fn reload(&mut self, user: Option<u32>) -> Result<(), Error> {
        let terms = Terms::read(&self.arguments.settings, self.locations)?;
        let before = std::mem::replace(&mut self.terms, terms);
        if self.relay.is_none() && !self.ready {
            // It waits for links: perhaps for others now.
            self.changed.changed(Instant::now());
            return Ok(());
        }
        self.upgrade = Identity::of(&self.pass.relay) != self.program;
        let done = self.again(user);
        if done.is_err() && !self.pass.may_pass() {
            self.terms = before;
            return done;
        }
        Ok(())
    }

    /// Says that connections are carried.
    fn tell(&mut self) {
        let lan = phrase::list(&self.terms.asked.lan);
        let mut text = match self.pass.look(&self.terms) {
            Ok(look) => format!("TCP of {lan} goes over {}", phrase::list(&look.links())),
            Err(_) => format!("TCP of {lan} is relayed"),
        };
        if let Some(terms) = &self.terms.relays {
            let names: Vec<_> = terms.relays.iter().map(|relay| relay.name.as_str()).collect();
            text = format!("{text}, through {}", phrase::list(&names));
        }
        output::note(&text);
        self.notify.status(&text);
        self.notify.ready();
    }

    /// Starts the relay of another release, and lets the one before it end with its connections. Meanwhile
    /// nobody listens for some milliseconds, and what begins then is forwarded.
    fn hand_over(&mut self, sockets: &mut Sockets) -> Result<(), Error> {
        self.draining.retain_mut(|relay| relay.ended().is_none());
        if !std::mem::take(&mut self.upgrade) {
            return Ok(());
        }
        let Some(relay) = self.relay.take() else { return Ok(()) };
        relay.drain();
        self.pass.await_port();
        self.draining.push(relay);
        sockets.renew(&self.pass.places).map_err(|error| unmade(&error))?;
        self.start(sockets)?;
        output::note("another relay was installed: it takes what begins from now on");
        Ok(())
    }

    /// Starts a relay again that has ended. Until then connections are forwarded.
    fn look_after_relay(&mut self, sockets: &Sockets) -> Result<(), Error> {
        let now = Instant::now();
        if let Some(status) = self.relay.as_mut().and_then(Relay::ended) {
            if !self.ready {
                let program = self.pass.relay.display();
                return Err(Error::new(Exit::Failed, "the relay does not start")
                    .why(format!("{program} ended ({status}); what it said stands above"))
                    .fix("mptcpize check"));
            }
            output::note(&format!(
                "the relay ended ({status}): connections are forwarded until it runs again"
            ));
            self.relay = None;
            self.revival.ended(now);
        }
        if self.revival.is_due(now) {
            self.start(sockets)?;
        }
        Ok(())
    }

    /// Looks at the host again once it has come to rest.
    fn look_after_host(&mut self, user: Option<u32>) {
        if !self.changed.is_due(Instant::now()) {
            return;
        }
        if let Err(error) = self.again(user) {
            // Uplinks may be back in a moment; what was made stays until then.
            output::note(&error.clause());
        }
    }

    fn again(&mut self, user: Option<u32>) -> Result<(), Error> {
        let look = self.pass.look(&self.terms)?;
        if self.carry_out(look, user)?
            && let Some(relay) = &self.relay
        {
            relay.reload();
        }
        Ok(())
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

/// What is said of a rule of others that drops packets of the LAN.
fn dropped(what: &str, rule: &Rule) -> String {
    let Rule { lan, place, fix, .. } = rule;
    let said = format!("{place}: it drops what is {what} from {lan}");
    if fix.is_empty() {
        said
    } else {
        format!("{said}, until a rule accepts it: {}", fix.join(" && "))
    }
}
