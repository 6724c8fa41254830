//! The sockets that the agent was handed, by their names (sd_listen_fds(3)).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::net::sockopt;
use tokio::task::JoinHandle;

use super::refusal::Refusal;
use super::shared::Shared;
use super::{dns, proxy, redirect, serve};
use crate::accept::accept;
use crate::error::Error;
use crate::gateway::socket::set_options;
use crate::notify;
use crate::sys;
use crate::workers::Workers;

/// The first descriptor of those that are handed over (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// The tasks that take what comes to the sockets.
#[derive(Debug)]
pub struct Listeners(Vec<JoinHandle<()>>);

impl Listeners {
    /// Takes what comes from now on, on the event loop of the calling task.
    ///
    /// # Errors
    /// There is no socket, one has an unknown name or is not of the kind that its name says.
    pub fn take(shared: &Arc<Shared>, workers: &Arc<Workers>) -> Result<Self, Error> {
        let mut tasks = Vec::new();
        for (number, name) in (FIRST..).zip(notify::names()) {
            let what = || format!("cannot use descriptor {number}, the socket {name:?}");
            let failed = |error| Error::failed(what(), error);
            let socket = sys::inherited(number).map_err(failed)?;
            rustix::io::ioctl_fionbio(&socket, true)
                .map_err(|error| Error::failed(what(), std::io::Error::from(error)))?;
            let listens = sockopt::socket_acceptconn(&socket).unwrap_or(false);
            let task = match (name.as_str(), listens) {
                ("redirect", true) => redirected(socket, shared, workers),
                ("proxy", true) => proxied(socket, shared, workers),
                ("dns", false) => {
                    if shared.settings().resolver.is_none() {
                        return Err(Error::failed(what(), "the settings name no resolver"));
                    }
                    dns::answer(socket, shared).map_err(failed)?
                }
                ("redirect" | "proxy", false) => {
                    return Err(Error::failed(what(), "it does not listen"));
                }
                _ => {
                    let why = "sockets are called redirect, proxy or dns";
                    return Err(Error::failed(what(), why).fix("FileDescriptorName= of the unit"));
                }
            };
            tasks.push(task);
        }
        if tasks.is_empty() {
            let what = "cannot take connections";
            let why = "no socket was handed over (LISTEN_FDS)";
            return Err(Error::failed(what, why).exit(5).fix("start it by mptcpize relay agent"));
        }
        Ok(Listeners(tasks))
    }

    /// Takes nothing more.
    pub fn close(&self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Connections that the packet filter redirects.
fn redirected(listener: OwnedFd, shared: &Arc<Shared>, workers: &Arc<Workers>) -> JoinHandle<()> {
    set_options(&listener);
    let (shared, workers) = (Arc::clone(shared), Arc::clone(workers));
    let transparent = sys::is_transparent(&listener);
    tokio::spawn(accept(listener, move |socket, from| {
        let Some(admitted) = shared.admit() else {
            return shared.refuse(Refusal::Limit, &from);
        };
        let Ok(to) = redirect::destination(&socket, from, transparent) else {
            return shared.refuse(Refusal::Loop, &from);
        };
        if let Some(worker) = workers.next() {
            worker.spawn(serve::redirected(admitted, socket, from, to));
        }
    }))
}

/// Connections of programs that have a proxy setting.
fn proxied(listener: OwnedFd, shared: &Arc<Shared>, workers: &Arc<Workers>) -> JoinHandle<()> {
    set_options(&listener);
    let (shared, workers) = (Arc::clone(shared), Arc::clone(workers));
    tokio::spawn(accept(listener, move |socket, from| {
        let Some(admitted) = shared.admit() else {
            return shared.refuse(Refusal::Limit, &from);
        };
        if let Some(worker) = workers.next() {
            worker.spawn(proxy::serve(admitted, socket, from));
        }
    }))
}
