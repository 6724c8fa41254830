//! Connections through relays on rented servers: which go there, which relay each takes, and what is done
//! when none can be reached.
//!
//! ```text
//!   Relays ─► route (pure: relay or directly)     carry (bytes both ways)
//!     │       choice (pure: which relay)          books (what was carried)
//!     ├─► known (names, keys) ─► dial ─► carry
//!     └─► scout (in the background)
//! ```
//!
//! Both an agent and a gateway go by it. Not here: how connections come ([`crate::agent`],
//! [`crate::gateway`]) and how those go that are not relayed (gateway/dial.rs, session.rs).

pub mod books;
pub mod carry;
pub mod choice;
pub mod dial;
pub mod known;
pub mod route;
pub mod scout;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mptcpize_model::relay::agent::{Fallback, Terms};
use mptcpize_model::relay::name::Name;
use mptcpize_model::relay::status;

use self::books::Books;
use self::choice::Choice;
use self::dial::Won;
use self::known::Known;
use crate::gateway::socket::Socket;
use crate::log;
use crate::sys;

/// For how long the last relay is waited for where connections may go directly otherwise: one lost
/// packet is sent again after a second (RFC 6298).
const BEFORE_DIRECT: Duration = Duration::from_millis(1_500);
/// For how long where there is nothing else.
const BEFORE_REFUSAL: Duration = Duration::from_secs(10);

/// The relays of the settings, and what is known of them. Each lock is held for some microseconds and
/// never across a wait.
#[derive(Debug)]
pub struct Relays {
    start: Instant,
    inner: Mutex<Inner>,
    /// What connections carried.
    pub books: Books,
}

#[derive(Debug)]
struct Inner {
    terms: Arc<Terms>,
    all: Vec<Arc<Known>>,
    choice: Choice,
    /// It was said that none can be reached.
    told: bool,
}

/// What becomes of a connection that shall go through a relay.
#[derive(Debug)]
pub enum Reached {
    /// It is connected to one.
    Relay(Won),
    /// None can be reached, and connections go directly then.
    Directly,
    /// None can be reached, and connections are refused then; or the program is gone.
    Refused(io::Error),
}

impl Relays {
    /// Of the settings; nothing is known of them.
    ///
    /// # Errors
    /// A clause that names the relay.
    pub fn new(terms: Terms) -> Result<Self, String> {
        let all = open(&terms, &[])?;
        let choice = Choice::new(all.iter().map(|known| known.relay.name.clone()));
        let inner = Inner { terms: Arc::new(terms), all, choice, told: false };
        let relays =
            Relays { start: Instant::now(), inner: Mutex::new(inner), books: Books::default() };
        relays.inner().all.iter().for_each(Known::refresh);
        Ok(relays)
    }

    /// Other settings: by all of them or, where a relay cannot be used, by none.
    ///
    /// # Errors
    /// As [`Relays::new`].
    pub fn reload(&self, terms: Terms) -> Result<(), String> {
        let mut inner = self.inner();
        let all = open(&terms, &inner.all)?;
        let names = all.iter().map(|known| known.relay.name.clone());
        let same = |name: &Name| {
            let before = inner.all.iter().find(|known| known.relay.name == *name);
            before.is_some_and(|before| all.iter().any(|known| Arc::ptr_eq(known, before)))
        };
        let stays: Vec<Name> =
            all.iter().map(|known| known.relay.name.clone()).filter(same).collect();
        let mut choice = std::mem::take(&mut inner.choice);
        choice.reload(names, |name| stays.contains(name));
        *inner = Inner { terms: Arc::new(terms), all, choice, told: inner.told };
        inner.all.iter().for_each(Known::refresh);
        Ok(())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// What goes where.
    pub fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.inner().terms)
    }

    /// Is it an address of a relay? What goes to its other ports goes there directly: no relay connects
    /// to itself.
    pub fn is_relay(&self, address: IpAddr) -> bool {
        self.inner().all.iter().any(|known| known.is_at(address))
    }

    /// Connects to the relay of the moment, on behalf of a program.
    pub async fn reach(self: &Arc<Self>, near: &Socket) -> Reached {
        self.ask_around();
        let (order, fallback) = {
            let inner = self.inner();
            let fallback = inner.terms.fallback;
            let mut order = inner.choice.order();
            if fallback == Fallback::Refuse {
                order.extend(inner.choice.rest());
            }
            let known =
                |name: &Name| inner.all.iter().find(|known| known.relay.name == *name).cloned();
            (order.iter().filter_map(known).collect::<Vec<_>>(), fallback)
        };
        let patience = match fallback {
            Fallback::Direct => BEFORE_DIRECT,
            Fallback::Refuse => BEFORE_REFUSAL,
        };
        let attempts = dial::attempts(&order).await;
        for known in order.iter().filter(|known| known.is_nowhere()) {
            self.fail(known, scout::unresolved(known));
        }
        let dialled = dial::dial(&attempts, Some(near), patience).await;
        for (known, error) in &dialled.failed {
            self.fail(known, scout::why(error));
        }
        match dialled.won {
            Ok(won) => {
                let mptcp = sys::is_multipath(&won.socket);
                self.inner().choice.connected(&won.known.relay.name, won.took, mptcp);
                Reached::Relay(won)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                Reached::Refused(error)
            }
            Err(_) if fallback == Fallback::Direct => Reached::Directly,
            Err(error) => Reached::Refused(error),
        }
    }

    /// A connection through a relay has ended, of which not a byte came back though something was asked,
    /// or what came back could not be read. It is asked what it is worth.
    pub fn suspect(self: &Arc<Self>, known: &Arc<Known>) {
        self.inner().choice.suspect(self.now(), &known.relay.name);
        self.ask_around();
    }

    /// Asks those relays in the background that are to be asked now.
    fn ask_around(self: &Arc<Self>) {
        let now = self.now();
        let names = self.inner().choice.to_ask(now);
        for name in names {
            let known = self.inner().all.iter().find(|one| one.relay.name == name).cloned();
            let Some(known) = known else { continue };
            let relays = Arc::clone(self);
            tokio::spawn(async move {
                match scout::ask(&known).await {
                    Ok(found) => {
                        let name = &known.relay.name;
                        relays.inner().choice.answered(name, found.took, found.mptcp);
                        relays.tell();
                    }
                    Err(why) => relays.fail(&known, why),
                }
            });
        }
    }

    fn fail(&self, known: &Arc<Known>, why: String) {
        let line = format!("mptcpize: the relay {} cannot be used: {why}", known.relay.name);
        let was_up = {
            let mut inner = self.inner();
            let standings = inner.choice.standings();
            let was_up = standings.iter().any(|one| one.name == known.relay.name && one.is_up());
            inner.choice.failed(self.now(), &known.relay.name, why);
            was_up
        };
        if was_up {
            log::line(line);
        }
        self.tell();
    }

    /// Says once that no relay can be reached, and once that one can again.
    fn tell(&self) {
        let mut inner = self.inner();
        let none = inner.choice.chosen().is_none();
        if none == inner.told {
            return;
        }
        inner.told = none;
        let fallback = inner.terms.fallback;
        let chosen = inner.choice.chosen().cloned();
        drop(inner);
        match (chosen, fallback) {
            (Some(name), _) => {
                log::line(format_args!("mptcpize: new connections go through the relay {name}"));
            }
            (None, Fallback::Direct) => {
                log::line("mptcpize: no relay can be reached: new connections go directly");
            }
            (None, Fallback::Refuse) => {
                log::line("mptcpize: no relay can be reached: new connections are refused");
            }
        }
    }

    /// The state at this moment.
    pub fn state(&self) -> status::Relays {
        let (mut sums, connections) = self.books.read();
        let inner = self.inner();
        let of = |known: &Arc<Known>| {
            let relay = &known.relay;
            let standing = inner.choice.standings().iter().find(|one| one.name == relay.name);
            let host = match relay.host.contains(':') {
                true => format!("[{}]", relay.host),
                false => relay.host.clone(),
            };
            let rtt = standing.and_then(|one| one.rtt);
            status::Relay {
                name: relay.name.clone(),
                address: format!("{host}:{}", relay.port),
                rtt_us: rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
                fault: standing.map(|one| one.fault.clone()).unwrap_or_default(),
                mptcp: standing.and_then(|one| one.mptcp),
                amounts: sums.relays.remove(&relay.name).unwrap_or_default(),
            }
        };
        status::Relays {
            relays: inner.all.iter().map(of).collect(),
            chosen: inner.choice.chosen().cloned(),
            fallback: inner.terms.fallback,
            multipath: sums.multipath,
            direct: sums.direct,
            connections,
            refused: sums.refused,
        }
    }
}

/// The relays of the settings. Those that were there before, word for word, stay.
fn open(terms: &Terms, before: &[Arc<Known>]) -> Result<Vec<Arc<Known>>, String> {
    let mut all = Vec::new();
    for relay in &terms.relays {
        let same = before.iter().find(|known| known.relay == *relay);
        let known = match same {
            Some(known) => Arc::clone(known),
            None => {
                let made = Known::new(relay);
                Arc::new(made.map_err(|why| format!("relay {}: {why}", relay.name))?)
            }
        };
        all.push(known);
    }
    Ok(all)
}
