//! All that is listened at: sockets of the relay's own, one for each interface and family, or those
//! that were handed over, which stay as they are.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use mptcpize_model::gateway::Settings;
use mptcpize_model::net::{Family, IfName};
use tokio::task::JoinHandle;

use super::listener;
use super::refusals::Reason;
use super::serve::serve;
use super::shared::Shared;
use super::socket::set_options;
use crate::accept::accept;
use crate::error::Error;
use crate::workers::Workers;

/// What a socket of the relay's own listens for.
type Key = (IfName, Family);

/// The listeners, each with the task that takes its connections.
#[derive(Debug)]
pub struct Listeners {
    own: HashMap<Key, JoinHandle<()>>,
    given: Vec<JoinHandle<()>>,
    port: u16,
    shared: Arc<Shared>,
    workers: Arc<Workers>,
}

impl Listeners {
    /// Takes connections from now on, on the event loop of the calling task.
    ///
    /// # Errors
    /// A listener cannot be made, or one that was handed over cannot be used.
    pub fn open(shared: &Arc<Shared>, workers: Arc<Workers>) -> Result<Self, Error> {
        let settings = shared.settings();
        let shared = Arc::clone(shared);
        let port = settings.port;
        let mut all = Listeners { own: HashMap::new(), given: Vec::new(), port, shared, workers };
        for socket in listener::handed_over(&settings.lan)? {
            all.given.push(all.accept(socket));
        }
        if all.given.is_empty() {
            for (key, socket) in all.missing(&settings)? {
                let task = all.accept(socket);
                all.own.insert(key, task);
            }
        }
        Ok(all)
    }

    fn accept(&self, socket: OwnedFd) -> JoinHandle<()> {
        let (shared, workers) = (Arc::clone(&self.shared), Arc::clone(&self.workers));
        set_options(&socket);
        tokio::spawn(accept(socket, move |socket, client| {
            match (shared.admit(client.ip()), workers.next()) {
                (Ok(admitted), Some(worker)) => {
                    worker.spawn(serve(admitted, socket, client));
                }
                (Err(refusal), _) => shared.refuse(Reason::Limit(refusal), &client),
                (Ok(_), None) => {}
            }
        }))
    }

    /// Listeners for the interfaces that have none yet.
    fn missing(&self, settings: &Settings) -> Result<Vec<(Key, OwnedFd)>, Error> {
        let mut opened = Vec::new();
        let usable = |family: &Family| *family == Family::V4 || listener::has_ipv6();
        for family in Family::BOTH.into_iter().filter(usable) {
            for lan in &settings.lan {
                let key = (lan.clone(), family);
                if self.port != settings.port || !self.own.contains_key(&key) {
                    opened.push((key, listener::open(lan, family, settings.port)?));
                }
            }
        }
        Ok(opened)
    }

    /// Goes by other settings: by all of them or, where a listener cannot be made, by none.
    ///
    /// # Errors
    /// As [`Listeners::open`].
    pub fn reload(&mut self, settings: Settings) -> Result<(), Error> {
        let own = self.given.is_empty();
        let opened = if own { self.missing(&settings)? } else { Vec::new() };
        let unusable = |why| Error::failed("cannot use the relays of the settings", why);
        self.shared.reload(settings.clone()).map_err(unusable)?;
        if own {
            let stays = self.port == settings.port;
            self.own.retain(|(lan, _), task| {
                let keep = stays && settings.lan.contains(lan);
                if !keep {
                    task.abort();
                }
                keep
            });
            for (key, socket) in opened {
                let task = self.accept(socket);
                self.own.insert(key, task);
            }
            self.port = settings.port;
        }
        Ok(())
    }

    /// Takes no more connections.
    pub fn close(&mut self) {
        for task in self.given.drain(..).chain(self.own.drain().map(|(_, task)| task)) {
            task.abort();
        }
    }
}
