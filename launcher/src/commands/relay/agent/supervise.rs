//! The agent of this host while it runs: started again when it ends, told again when the host or the
//! settings have changed. While there is none, connections go directly, unless they are to be refused.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::table::Redirected;
use super::{asked, wanted};
use crate::cli::relay::agent::Agent as Arguments;
use crate::commands::gateway::revival::Revival;
use crate::commands::relay::terms;
use crate::commands::settling::Settling;
use crate::error::{Error, Exit, reason};
use crate::host::agent::place::Place;
use crate::host::agent::process::{Agent, Told, unnamed_state};
use crate::host::agent::sockets;
use crate::host::gateway::user;
use crate::host::netlink::changes::Changes;
use crate::host::process::privilege;
use crate::host::process::signal_fd::{Asked as Signal, Signals};
use crate::host::systemd::notify::Notify;
use crate::inject::relay;
use crate::locations::Locations;
use crate::output;
use crate::syscall::timespec;
use mptcpize_model::phrase;
use mptcpize_model::relay::agent::{Fallback, Settings};
use mptcpize_model::relay::asked::Asked;
use mptcpize_model::relay::rules::Ports;

/// The agent of a whole host, among those of programs.
const HOST: &str = "host";

/// Runs it until it is told to end.
///
/// # Errors
/// As [`super::agent`].
pub(super) fn run(
    arguments: &Arguments,
    asked: &Asked,
    locations: &Locations,
) -> anyhow::Result<Exit> {
    let mut running = Running::make(arguments, asked, locations)?;
    let outcome = running.live();
    running.notify.stopping();
    running.redirected = None;
    if let Some(agent) = running.agent.take() {
        agent.stop();
    }
    running.place.iter().for_each(Place::clear);
    outcome?;
    Ok(Exit::Done)
}

struct Running<'a> {
    arguments: &'a Arguments,
    locations: &'a Locations,
    asked: Asked,
    settings: Settings,
    told: Told,
    place: Option<Place>,
    ports: Ports,
    agent: Option<Agent>,
    ready: bool,
    redirected: Option<Redirected>,
    revival: Revival,
    signals: Signals,
    changes: Changes,
    settling: Settling,
    notify: Notify,
}

impl<'a> Running<'a> {
    fn make(
        arguments: &'a Arguments,
        asked: &Asked,
        locations: &'a Locations,
    ) -> Result<Self, Error> {
        let failed = |what: &'static str| {
            move |error: std::io::Error| Error::new(Exit::Failed, what).why(reason(&error))
        };
        let program = relay::find(locations)?;
        let settings = read(arguments, asked, locations)?;
        let root = rustix::process::geteuid();
        let user = root.is_root().then(user::free).flatten();
        if asked.host && user.is_none() {
            return Err(Error::new(Exit::NotPermitted, "there is no user for the agent")
                .why("it is told from other programs by its user, and this namespace has no other")
                .fix(privilege::advice()));
        }
        let mut all = match asked.host {
            true => {
                sockets::redirect().map_err(failed("cannot listen on the loopback interface"))?
            }
            false => sockets::Both::default(),
        };
        if let Some(at) = asked.proxy {
            let what = format!("cannot listen at {at}");
            let port = at.port();
            let made = sockets::proxy(at).map_err(|error| {
                Error::new(Exit::Failed, what)
                    .why(reason(&error))
                    .fix(format!("ss -tlnp sport = :{port}    # shows who does"))
            })?;
            all.sockets.push(made);
        }
        let place = locations.agents(root.as_raw());
        let (place, state) = match place.and_then(|all| Place::make(&all, HOST).ok()) {
            Some((place, state)) => (Some(place), state),
            None => (None, unnamed_state().map_err(failed("cannot make a socket"))?),
        };
        let told = Told::new(program, all.sockets, state, user, &settings)
            .map_err(failed("cannot hand the settings over"))?;
        let unable = failed("cannot wait for signals");
        Ok(Running {
            arguments,
            locations,
            asked: asked.clone(),
            settings,
            told,
            place,
            ports: all.ports,
            agent: None,
            ready: false,
            redirected: None,
            revival: Revival::default(),
            signals: Signals::open().map_err(unable)?,
            changes: Changes::open().map_err(|error| {
                Error::new((&error).into(), "cannot listen to the kernel").why(error)
            })?,
            settling: Settling::default(),
            notify: Notify::from_env(),
        })
    }

    fn live(&mut self) -> Result<(), Error> {
        self.start()?;
        loop {
            self.wait()?;
            if !self.heed_signals() {
                return Ok(());
            }
            if self.told.is_ready() && !self.ready {
                self.ready = true;
                self.redirect()?;
                self.tell();
            }
            self.look_after_agent()?;
            if self.redirected.as_ref().is_some_and(Redirected::has_gone) {
                self.redirected = None;
                self.redirect()?;
            }
            if self.settling.is_due(Instant::now())
                && let Err(error) = self.again()
            {
                // Uplinks may be back in a moment; what is in force stays until then.
                output::note(&error.clause());
            }
        }
    }

    fn start(&mut self) -> Result<(), Error> {
        let program = self.told.program.display();
        let agent = Agent::start(&self.told, None).map_err(|error| {
            Error::new(Exit::Failed, format!("cannot start {program}")).why(reason(&error))
        })?;
        self.agent = Some(agent);
        self.ready = false;
        self.revival.started(Instant::now());
        Ok(())
    }

    /// Makes the table what it is to be.
    fn redirect(&mut self) -> Result<(), Error> {
        let suits = self.redirected.as_ref().is_some_and(|it| it.suits(&self.settings));
        let Some(user) = self.told.user.filter(|_| self.asked.host && !suits) else {
            return Ok(());
        };
        let before = self.redirected.as_ref();
        let made = Redirected::load(before, self.ports, &self.settings, user)?;
        self.redirected = Some(made);
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Error> {
        let until = self.settling.next().into_iter().chain(self.revival.next()).min();
        let left = until.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        let mut all = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.changes, PollFlags::IN),
            PollFd::new(&self.told, PollFlags::IN),
        ];
        let signs = self.agent.iter().map(AsFd::as_fd);
        let signs = signs.chain(self.redirected.iter().map(|it| it.sign().as_fd()));
        all.extend(signs.map(|sign| PollFd::from_borrowed_fd(sign, PollFlags::IN)));
        match poll(&mut all, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                return Err(Error::new(Exit::Failed, "cannot wait for the kernel").why(error));
            }
        }
        if self.changes.drain().is_ok_and(|news| news.changed || news.lost) {
            self.settling.changed(Instant::now());
        }
        Ok(())
    }

    fn heed_signals(&mut self) -> bool {
        while let Some(signal) = self.signals.next() {
            match signal {
                Signal::Stop => return false,
                Signal::Reload => {
                    self.notify.reloading();
                    match self.reload() {
                        Ok(()) => output::note("the settings were read again"),
                        Err(error) => output::note_error("the settings stay as they were", &error),
                    }
                    self.notify.ready();
                }
            }
        }
        true
    }

    fn reload(&mut self) -> Result<(), Error> {
        let new = asked(self.arguments, self.locations)?;
        if (new.host, new.proxy) != (self.asked.host, self.asked.proxy) {
            output::note("host and proxy in [relay] are read at the start alone");
        }
        let before = std::mem::replace(&mut self.asked, new);
        (self.asked.host, self.asked.proxy) = (before.host, before.proxy);
        let done = self.again();
        if done.is_err() {
            self.asked = before;
        }
        done
    }

    /// Tells the agent what is true now.
    fn again(&mut self) -> Result<(), Error> {
        let settings = read(self.arguments, &self.asked, self.locations)?;
        if settings == self.settings {
            return Ok(());
        }
        self.told.write(&settings).map_err(|error| {
            Error::new(Exit::Failed, "cannot hand the settings over").why(reason(&error))
        })?;
        self.settings = settings;
        if let Some(agent) = &self.agent {
            agent.reload();
        }
        if self.ready { self.redirect() } else { Ok(()) }
    }

    /// Starts an agent again that has ended.
    fn look_after_agent(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if let Some(status) = self.agent.as_mut().and_then(Agent::ended) {
            self.agent = None;
            if !self.ready && self.revival.lived(now) < AT_ONCE {
                let program = self.told.program.display();
                return Err(Error::new(Exit::Failed, "the agent does not start")
                    .why(format!("{program} ended ({status}); what it said stands above"))
                    .fix("mptcpize relay list    # shows what it was told"));
            }
            let meanwhile = match self.settings.terms.fallback {
                Fallback::Direct => {
                    self.redirected = None;
                    "connections go directly until it runs again"
                }
                Fallback::Refuse => "connections wait until it runs again",
            };
            output::note(&format!("the agent ended ({status}): {meanwhile}"));
            self.revival.ended(now);
        }
        if self.revival.is_due(now) {
            self.start()?;
        }
        Ok(())
    }

    /// Says that connections are taken.
    fn tell(&mut self) {
        let relays = &self.settings.terms.relays;
        let names: Vec<_> = relays.iter().map(|relay| relay.name.as_str()).collect();
        let host = self.asked.host.then(|| "TCP of this host".to_owned());
        let proxy = self.asked.proxy.map(|proxy| format!("what comes to {proxy}"));
        let what: Vec<_> = host.into_iter().chain(proxy).collect();
        let text = format!("{} goes through {}", phrase::list(&what), phrase::list(&names));
        output::note(&text);
        self.notify.status(&text);
        self.notify.ready();
    }
}

/// One that ends within this time was told something wrong.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What the agent is told by the host and the files as they are.
fn read(arguments: &Arguments, asked: &Asked, locations: &Locations) -> Result<Settings, Error> {
    let seen = terms::look(locations)?;
    terms::settings(wanted(arguments), asked, &seen, locations)
}
